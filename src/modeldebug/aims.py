"""The targets of a run or an inspection: read, and refused where classifier, generator and data do not suit them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .completeness import pursues_targets
from .config import RunConfig
from .errors import ConfigError
from .targets import Target, read_targets
from .types import DataSpec, Splits

WHOLE = ("misclassified",)  # what a run pursues where nothing else is named


@dataclass(frozen=True)
class Group:
    """Targets of an inspection that one generator serves.

    Attributes:
        targets: in the order in which they were named.
        excluded: the number of the class that its generator must not learn, or None for the inspection's own generator.

    >>> Group((Target("class-excluded", (3,), (1.0,)),), 3).samples
    'samples-without-3'
    """

    targets: tuple[Target, ...]
    excluded: int | None = None

    @property
    def generator(self) -> str:
        """The stage that trains its generator."""
        return "generator" + self.suffix

    @property
    def samples(self) -> str:
        """The stage that samples."""
        return "samples" + self.suffix

    @property
    def suffix(self) -> str:
        """What the names of its stages end in."""
        return "" if self.excluded is None else f"-without-{self.excluded}"


def run_targets(config: RunConfig, spec: DataSpec, learnt: Splits) -> tuple[Target, ...]:
    """What the searcher of a run pursues; nothing where it is none that pursues targets.

    Args:
        spec: the classifier's classes.
        learnt: the generator's data.

    Raises:
        ConfigError: targets that cannot be read, whose hits are no failures, or that the generator does not suit.
    """
    if not pursues_targets(config.choices["searcher"].registered):
        return ()
    targets = read_targets(config.core.search.targets or WHOLE, spec)
    harmless = next((t for t in targets if not t.fails), None)
    if harmless is not None:
        raise ConfigError(
            f"hits of the target '{harmless.described(spec.classes)}' are no failures, so a run has nothing to debug",
            got=f"search.targets={list(config.core.search.targets)}",
            expected="misclassified, class-excluded or novel-class",
            fix=f"look at it instead: modeldebug inspect --target {shlex.quote(harmless.described(spec.classes))}",
        )
    check_aims(targets, config, spec, learnt.spec)
    return targets


def inspection_targets(config: RunConfig, spec: DataSpec, learnt: Splits) -> tuple[Target, ...]:
    """The targets of an inspection.

    Args:
        spec: the classifier's classes.
        learnt: the generator's data.

    Raises:
        ConfigError: some cannot be read, or generator or data do not suit them.
    """
    targets, generator = read_targets(config.core.search.targets, spec), config.choices["generator"].registered
    for target in targets:
        if target.expected >= 0 and not {"conditional", "truth"} & generator.component.provides:
            raise ConfigError(
                f"the target '{target.described(spec.classes)}' starts from training images, which an inspection does "
                "not encode",
                got=f"{generator.name}, which is told no class",
                expected="a conditional generator, one that knows the truth, or a target without an expected label, "
                "such as class-excluded",
                fix="modeldebug run --plugins defuse,bayestrex --searcher bayestrex:smc",
                plugin=generator.name,
            )
    for group in grouped(targets, spec, learnt.spec):
        if group.excluded is None:
            check_aims(group.targets, config, spec, learnt.spec)
        else:
            _check_left_out(spec.classes[group.excluded], group.targets[0].described(spec.classes), learnt)
    return targets


def grouped(targets: Sequence[Target], spec: DataSpec, learnt: DataSpec) -> tuple[Group, ...]:
    """Targets by the generator that they need: a class-excluded one needs one of its own, unless the generator's data
    lack the class anyway.

    >>> digits = DataSpec((1, 8, 8), ("0", "1", "2"))
    >>> targets = read_targets(["class-excluded:1", "uniform", "class-excluded:2"], digits)
    >>> [group.generator for group in grouped(targets, digits, digits)]
    ['generator', 'generator-without-1', 'generator-without-2']
    """
    found: dict[int | None, list[Target]] = {}
    for target in targets:
        apart = target.excluded is not None and spec.classes[target.excluded] in learnt.classes
        found.setdefault(target.excluded if apart else None, []).append(target)
    ordered = sorted(found.items(), key=lambda item: -1 if item[0] is None else item[0])
    return tuple(Group(tuple(members), excluded) for excluded, members in ordered)


def _check_left_out(name: str, target: str, learnt: Splits) -> None:
    """Refuse to leave out a class of which there is nothing to leave out, or nothing but it."""
    shown = learnt.train.labels == learnt.spec.classes.index(name)
    if shown.any() and not shown.all():
        return
    only = "hold no other class" if shown.any() else f"hold no image of '{name}'"
    raise ConfigError(
        f"the class '{name}' cannot be left out: the generator's training images {only}",
        got=f"{target}, and {len(shown):,} training images",
        expected="training images of that class, and of others",
        fix="name another class, or choose other data",
    )


def check_aims(targets: Sequence[Target], config: RunConfig, spec: DataSpec, learnt: DataSpec) -> None:
    """Refuse targets that the generator does not suit: it has learnt what it must not have, or cannot be told classes.

    Raises:
        ConfigError: which, and what to do.
    """
    generator = config.choices["generator"].registered
    for target in targets:
        named = target.described(spec.classes)
        if "truth" in generator.component.provides:
            continue  # its own settings say what it makes, and it is known of each image whether the answer is right
        if target.excluded is not None and spec.classes[target.excluded] in learnt.classes:
            without = [name for i, name in enumerate(spec.classes) if i != target.excluded]
            raise ConfigError(
                f"the target '{named}' needs a generator that has not learnt the class "
                f"'{spec.classes[target.excluded]}'",
                got=f"a generator that learns {', '.join(learnt.classes)}",
                fix=f"--set 'generator_data.classes={without}'".replace("'generator", '"generator').replace("]'", ']"'),
                plugin=generator.name,
            )
        known = [name for name in learnt.classes if name in spec.classes]
        if target.kind == "novel-class" and known:
            raise ConfigError(
                f"the target '{named}' needs a generator that has learnt none of the classifier's classes",
                got=f"a generator that learns {', '.join(learnt.classes)}, and a classifier that knows "
                f"{', '.join(known)} of them",
                fix="choose classes apart: --set dataset.classes=... for the classifier, and --set "
                "generator_data.classes=... for the generator",
                plugin=generator.name,
            )
        if target.expected >= 0 and not {"encode", "conditional"} & generator.component.provides:
            raise ConfigError(
                f"the target '{named}' needs images of which it is known that they are of that class",
                got=f"{generator.name}, which neither encodes nor is told classes",
                expected="a generator that encodes, or a conditional one",
                fix="--generator NAME, or name class-excluded targets",
                plugin=generator.name,
            )


def startable(targets: Sequence[Target], labels: Tensor) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """Targets that can be pursued from training images of these classes (n,) int64, and those that cannot, since they
    expect a class of which there is none.

    >>> import torch
    >>> three, other = Target("misclassified", (3,)), Target("class-excluded", (1,), (1.0,))
    >>> [len(part) for part in startable([three, other], torch.tensor([0, 1]))]
    [1, 1]
    """
    there = set(labels.tolist())
    able = tuple(target for target in targets if target.expected < 0 or target.expected in there)
    return able, tuple(target for target in targets if target not in able)
