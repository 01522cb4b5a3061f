"""A run that looks for confident answers of a class that its generator has never seen: failures without an expected
label are judged, clustered, labelled and corrected by what the labeler says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import modeldebug
from modeldebug import Component, ComponentConfig, DataSpec, ImageSet, Run, Splits
from modeldebug.stages.correct import _single_failures
from modeldebug.testing.problems import ABILITIES, SPEC, PlantedGenerator, codes_of, known_problem, truth

from . import planted
from .inspected import SMC

OUT = 1  # "bright-dark", which the planted classifier also sees in a ball of class 2
PLUGINS = "defuse,bayestrex"


def without() -> Splits:
    """The known problem's images of the other classes."""
    splits = planted.data()
    kept = [c for c in range(SPEC.num_classes) if c != OUT]
    spec = DataSpec(SPEC.shape, tuple(SPEC.classes[c] for c in kept))

    def part(images: ImageSet) -> ImageSet:
        some = images.subset((images.labels != OUT).nonzero()[:, 0])
        return ImageSet(some.images, torch.tensor([kept.index(int(y)) for y in some.labels]))

    return replace(
        splits, spec=spec, train=part(splits.train), validation=part(splits.validation), test=part(splits.test)
    )


class Dark(PlantedGenerator):
    """The left half of every image is dark: it makes no image of the class that is left out."""

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return super()._decode(torch.stack([-z[:, 0].abs(), z[:, 1]], 1), None)


class Person(planted.Rule):
    """The same answers, as people give them: no program, so single failures are not sent to it."""

    is_program = False


dark = Component("dark", "", ComponentConfig, Dark, provides=ABILITIES)


def debugged(out: Path, labeler: str) -> Run:
    settings = planted.settings(
        generator={"use": f"{__name__}:dark"},
        generator_data={"use": f"{__name__}:without"},
        searcher={**SMC, "particles": 64},
        search={"targets": [f"class-excluded:{OUT}"]},
        labeler={"use": labeler},
    )
    return modeldebug.run(plugins=PLUGINS, settings=settings, out=out)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Labelled by a program. Look, but change nothing."""
    return debugged(tmp_path_factory.mktemp("excluded") / "run", f"{planted.__name__}:Rule")


@pytest.fixture(scope="module")
def by_people(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same, labelled by people. Look, but change nothing."""
    return debugged(tmp_path_factory.mktemp("excluded") / "run", f"{__name__}:Person")


def test_answers_of_the_class_that_was_left_out_are_failures_without_an_expected_label(run: Run) -> None:
    failures = run.failures
    assert len(failures) > 20
    assert set(failures.predicted.tolist()) == {OUT}
    assert set(failures.expected.tolist()) == {-1}
    assert run.results["search"]["genuine"] == len(failures), "no image is of that class, so each answer is wrong"
    assert run.results["search"]["distinct_origins"] == 0


def test_regions_have_the_labelers_label_and_are_corrected(run: Run) -> None:
    kept = [region for region in run.regions if region.status == "kept"]
    assert {(region.label, region.predicted) for region in kept} == {(2, OUT)}
    accuracy = run.results["region_accuracy"]
    assert accuracy["before"] < 0.2
    assert accuracy["after"] > 0.8
    assert accuracy["failures_alone"] > 0.8, "the labeler labels single failures, too"


def test_single_failures_without_any_label_are_left_out_instead_of_being_called_class_0(by_people: Run) -> None:
    assert by_people.results["region_accuracy"]["after"] > 0.8
    for accuracy in ("region_accuracy", "test_accuracy"):
        assert by_people.results[accuracy]["control"] is not None
        assert by_people.results[accuracy]["failures_alone"] is None
    page = by_people.report().read_text()
    assert "finetuned on" in page
    assert "single failures, without clustering" not in page


def test_of_failures_some_with_an_expected_label_only_these_are_taken_alone() -> None:
    known = known_problem()
    failures = known.failures(per_ball=10)
    failures = replace(failures, expected=failures.expected.masked_fill(torch.arange(20) % 2 == 0, -1))
    person = Person(Person.Config(), SPEC)
    alone = _single_failures(failures, 8, person, SPEC, 0.5, 0)
    assert alone is not None
    assert len(alone) == 8
    assert bool((alone.labels == truth(codes_of(alone.x))).all())
    assert set(alone.labels.tolist()) <= {2, 3}
