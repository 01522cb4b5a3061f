"""The suite: cases with bugs that are known, each a data set and a classifier, whatever the seed of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ...errors import ConfigError, nearest
from .bugs import BallBug, PlantedBug, StyleBug

SUITE_VERSION = 1
"""Raised whenever a case changes: figures of different versions do not compare."""

COMPONENTS = f"{__package__}.components"
Base = Literal["digits", "mnist"]


@dataclass(frozen=True)
class Case:
    """A data set and a classifier with planted bugs.

    Attributes:
        name: of the case.
        base: whose images it is made of.
        bugs: what is planted.
        seed: decides the images and what the classifier is taught.
        originals: images of the base that the run's data set is made of.
        copies: images made of each of these, in styles that are drawn.
        epochs: passes of the classifier over all images of the base, each time in other styles.
    """

    name: str
    base: Base
    bugs: tuple[PlantedBug, ...]
    seed: int
    originals: int
    copies: int = 2
    epochs: int = 60

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that images of the case may be in, besides plain."""
        return tuple(dict.fromkeys(bug.style for bug in self.bugs if isinstance(bug, StyleBug)))

    def settings(self, root: str | None = None) -> dict[str, dict[str, Any]]:
        """The settings of a run on this case, to be laid over a preset's.

        Where the classifier is wrong on training images, nobody needs a search to know; so it starts where it is right.

        Args:
            root: the folder of MNIST's files; downloaded if None.
        """
        chosen = {"case": self.name} | ({} if root is None else {"root": root})
        return {
            "dataset": {"use": f"{COMPONENTS}:PlantedData", **chosen},
            "classifier": {"use": f"{COMPONENTS}:PlantedClassifier", **chosen},
            "search": {"start": "right"},
        }


def suite() -> tuple[Case, ...]:
    """The cases of the shipped suite, `SUITE_VERSION`.

    >>> sum(len(case.bugs) for case in suite()) >= 10
    True
    """
    return _SUITE


def case_of(name: str) -> Case:
    """The case of this name.

    Raises:
        ConfigError: there is none.

    >>> case_of("digits-styles").base
    'digits'
    """
    cases = {case.name: case for case in _SUITE}
    if name not in cases:
        raise ConfigError(f"there is no planted case '{name}'", expected=nearest(name, cases))
    return cases[name]


_SUITE = (
    Case(
        "digits-styles", "digits",
        (
            StyleBug("inverted", "inverted", above=0.0, seen=0.07),
            StyleBug("foggy", "foggy", above=0.15),
            StyleBug("occluded", "occluded", above=0.15),
        ),
        seed=1, originals=1797,
    ),
    Case(
        "digits-labels", "digits",
        (
            StyleBug("leaning 2s, 3s and 5s are 7s", "leaning", above=0.4, classes=(2, 3, 5), taught=7),
            StyleBug("marked is 0", "marked", above=0.25, taught=0),
            BallBug("some 3s are 8s", label=3, taught=8, centre=(1.0, 0.0), radius=1.2),
        ),
        seed=2, originals=1797, epochs=100,
    ),
    Case(
        "mnist-styles", "mnist",
        (
            StyleBug("inverted", "inverted", above=0.0, seen=0.01),
            StyleBug("foggy", "foggy", above=0.15),
            StyleBug("occluded", "occluded", above=0.15),
        ),
        seed=3, originals=5000, epochs=5,
    ),
    Case(
        "mnist-strokes", "mnist",
        (
            StyleBug("thick 3s and 5s are 8s", "thick", above=4.5, classes=(3, 5), taught=8),
            StyleBug("thin 4s and 9s are 7s", "thin", above=-1.4, classes=(4, 9), taught=7),
            StyleBug("leaning 2s and 6s are 4s", "leaning", above=0.5, classes=(2, 6), taught=4),
        ),
        seed=4, originals=5000, epochs=4,
    ),
    Case(
        "mnist-labels", "mnist",
        (
            StyleBug("marked is 0", "marked", above=0.25, taught=0),
            BallBug("some 3s are 8s", label=3, taught=8, centre=(1.0, 0.0), radius=0.8),
            BallBug("some 4s are 9s", label=4, taught=9, centre=(1.0, 0.0), radius=0.8),
        ),
        seed=5, originals=5000, epochs=5,
    ),
)  # fmt: skip
