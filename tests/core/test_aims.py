"""Which targets go to which generator, and which are refused for the generator or the data that there are."""

from __future__ import annotations

import shlex
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from modeldebug import ConfigError, DataSpec, Splits, Target
from modeldebug.aims import grouped, inspection_targets, run_targets
from modeldebug.targets import all_targets, read_targets
from modeldebug.testing.problems import SPEC, known_problem


def config(*targets: str, provides: tuple[str, ...] = ("encode", "gradients"), pursues: bool = True) -> Any:
    """As much of a configuration as targets depend on."""
    requires = frozenset({"targets"} if pursues else ())
    choices = {
        "searcher": SimpleNamespace(registered=SimpleNamespace(component=SimpleNamespace(requires=requires))),
        "generator": SimpleNamespace(
            registered=SimpleNamespace(name="p:g", component=SimpleNamespace(provides=frozenset(provides)))
        ),
    }
    return SimpleNamespace(choices=choices, core=SimpleNamespace(search=SimpleNamespace(targets=targets)))


def learnt(*classes: str) -> Splits:
    """The known problem's data, as data of these classes."""
    splits = known_problem().splits
    parts = [part.subset(part.labels < len(classes)) for part in (splits.train, splits.validation, splits.test)]
    return Splits(DataSpec(SPEC.shape, classes), *parts)


WHOLE = learnt(*SPEC.classes)


def names(targets: tuple[Target, ...]) -> list[str]:
    return [target.name for target in targets]


def test_each_class_left_out_needs_a_generator_of_its_own() -> None:
    targets = inspection_targets(config("class-excluded:2", "uniform", "class-excluded:0"), SPEC, WHOLE)
    groups = grouped(targets, SPEC, WHOLE.spec)
    assert [(g.generator, g.samples, names(g.targets)) for g in groups] == [
        ("generator", "samples", ["uniform"]),
        ("generator-without-0", "samples-without-0", ["class-excluded:0"]),
        ("generator-without-2", "samples-without-2", ["class-excluded:2"]),
    ]


def test_a_generator_that_lacks_the_class_anyway_serves_as_it_is() -> None:
    data = learnt("dark-dark", "another")
    targets = inspection_targets(config("class-excluded:3", "class-excluded:0"), SPEC, data)
    assert [(g.excluded, names(g.targets)) for g in grouped(targets, SPEC, data.spec)] == [
        (None, ["class-excluded:3"]),
        (0, ["class-excluded:0"]),
    ]


def test_classes_are_told_apart_by_name_and_not_by_number() -> None:
    """Class 0 of the classifier is class 1 of the generator's data."""
    data = learnt("another", "dark-dark")
    assert [g.excluded for g in grouped(all_targets("class-excluded", 4), SPEC, data.spec)] == [None, 0]


def test_novel_classes_need_data_apart() -> None:
    with pytest.raises(ConfigError, match="has learnt none of the classifier's classes") as caught:
        inspection_targets(config("novel-class:1"), SPEC, learnt("dark-dark", "another"))
    assert "a classifier that knows dark-dark of them" in str(caught.value)
    assert names(inspection_targets(config("novel-class:1"), SPEC, learnt("one", "another"))) == ["novel-class:1"]


def test_images_of_an_expected_label_need_a_conditional_generator_in_an_inspection() -> None:
    with pytest.raises(ConfigError, match="does not encode") as caught:
        inspection_targets(config("misclassified:1"), SPEC, WHOLE)
    assert "modeldebug run --plugins defuse,bayestrex --searcher bayestrex:smc" in str(caught.value)
    told = config("misclassified:1", provides=("conditional",))
    assert names(inspection_targets(told, SPEC, WHOLE)) == ["misclassified:1"]


@pytest.mark.parametrize(
    ("shown", "words"),
    [(lambda y: y != 2, "hold no image of 'dark-bright'"), (lambda y: y == 2, "hold no other class")],
)
def test_a_class_that_is_not_there_or_alone_cannot_be_left_out(shown: Any, words: str) -> None:
    train = WHOLE.train.subset(shown(WHOLE.train.labels))
    with pytest.raises(ConfigError, match="cannot be left out") as caught:
        inspection_targets(config("class-excluded:2"), SPEC, replace(WHOLE, train=train))
    assert words in str(caught.value)


def test_a_run_pursues_errors_of_each_class_unless_it_is_told_otherwise() -> None:
    assert run_targets(config(), SPEC, WHOLE) == all_targets("misclassified", 4)
    assert run_targets(config(pursues=False), SPEC, WHOLE) == ()


def test_a_run_refuses_targets_whose_hits_are_no_failures_and_says_how_to_look_at_them() -> None:
    with pytest.raises(ConfigError, match="are no failures") as caught:
        run_targets(config("misclassified", "ambiguous:0,1"), SPEC, WHOLE)
    assert "modeldebug inspect --target ambiguous:dark-dark,bright-dark" in str(caught.value)


def test_what_is_to_be_typed_instead_means_the_same_target() -> None:
    spec = DataSpec(SPEC.shape, ("1", "a, b", "3", "0"))
    for pair in (Target("ambiguous", (0, 3), (0.5, 0.5)), Target("ambiguous", (0, 1), (0.5, 0.5))):
        with pytest.raises(ConfigError) as caught:
            run_targets(config(pair.described(spec.classes)), spec, WHOLE)
        assert caught.value.fix is not None
        typed = shlex.split(caught.value.fix.partition("modeldebug")[2])
        assert typed[:2] == ["inspect", "--target"]
        assert read_targets(typed[2:], spec) == (pair,)


def test_a_run_refuses_to_leave_out_a_class_that_its_generator_learns() -> None:
    with pytest.raises(ConfigError, match="has not learnt the class 'bright-dark'") as caught:
        run_targets(config("class-excluded:1"), SPEC, WHOLE)
    assert "generator_data.classes" in str(caught.value)
    without = learnt("dark-dark", "dark-bright")
    assert names(run_targets(config("class-excluded:1"), SPEC, without)) == ["class-excluded:1"]


def test_a_run_needs_images_of_which_the_label_is_known() -> None:
    with pytest.raises(ConfigError, match="known that they are of that class"):
        run_targets(config("misclassified:1", provides=("gradients",)), SPEC, WHOLE)
