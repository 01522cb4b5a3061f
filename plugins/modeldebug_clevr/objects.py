"""What a scene is made of: objects, their attributes as numbers in a code, and patterns of them in words.

A code (d,) of a scene has room for ten objects, eight numbers each: whether the object is there, its place x and y on
the floor, its rotation in turns, and the numbers of its shape, colour, material and size (CLEVR, Johnson et al. 2017).
An object that is not there has attributes all the same, which nobody sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from torch import Tensor

from .words import (
    COLOUR,
    MATERIAL,
    MOST,
    PARTS,
    ROTATION,
    SHAPE,
    SHAPES,
    SIZE,
    THERE,
    VALUES,
    Shape,
    Wanted,
    X,
    Y,
    attributes,
    singular,
)

__all__ = [  # the words besides, for whoever works with codes
    "COLOUR", "LATENT", "MATERIAL", "MOST", "PARTS", "RADII", "ROTATION", "SHAPE", "SHAPES", "SIZE", "THERE", "VALUES",
    "Pattern", "Question", "Shape", "Wanted", "X", "Y", "described", "patterns", "present", "unpacked",
]  # fmt: skip

LATENT = MOST * len(PARTS)
RADII = (0.35, 0.7)  # of small and large objects, as CLEVR has them


def unpacked(z: Tensor) -> Tensor:
    """Codes (n, 80) as objects (n, 10, 8), a view; the columns are those of `PARTS`.

    >>> import torch
    >>> unpacked(torch.zeros(3, LATENT)).shape
    torch.Size([3, 10, 8])
    """
    return z.view(len(z), MOST, len(PARTS))


def present(z: Tensor) -> Tensor:
    """Which objects of codes (n, 80) are there, (n, 10) bool."""
    return unpacked(z)[..., THERE] > 0


@dataclass(frozen=True, order=True)
class Pattern:
    """Attributes that an object may have, by column and number of the value; an object that has all of them matches.

    >>> blue = Pattern.read("blue cylinders")
    >>> blue.singular, blue.plural, blue.wanted
    ('blue cylinder', 'blue cylinders', ((5, 2), (4, 2)))
    """

    wanted: Wanted = ()

    @staticmethod
    def read(words: str) -> Pattern:
        """The pattern that words name: `cubes`, `blue spheres`, `small metal things`.

        Raises:
            ValueError: a word that is no attribute, or two of one kind.
        """
        return Pattern(attributes(words))

    @property
    def singular(self) -> str:
        """In words, of one object."""
        return singular(self.wanted)

    @property
    def plural(self) -> str:
        """In words, of several."""
        return self.singular + "s"

    def matches(self, z: Tensor) -> Tensor:
        """Which objects of codes (n, 80) are there and have these attributes, (n, 10) bool."""
        objects, found = unpacked(z), present(z)
        for column, value in self.wanted:
            found = found & (objects[..., column] == value)
        return found

    def count(self, z: Tensor) -> Tensor:
        """How many objects of each code match, (n,) int64."""
        return self.matches(z).sum(1)


def patterns(most: int, shapes: tuple[Shape, ...] = SHAPES) -> tuple[Pattern, ...]:
    """All patterns of one to `most` attributes, the shorter ones first.

    >>> len(patterns(1)), patterns(2)[-1].plural
    (16, 'metal cones')
    """
    values = {column: range(len(VALUES[column])) for column in VALUES}
    allowed = {SHAPES.index(shape) for shape in shapes}
    found: list[Pattern] = []
    for size in range(1, most + 1):
        for columns in combinations(values, size):
            picked: list[tuple[tuple[int, int], ...]] = [()]
            for column in columns:
                fit = [v for v in values[column] if column != SHAPE or v in allowed]
                picked = [(*before, (column, value)) for before in picked for value in fit]
            found += [Pattern(wanted) for wanted in picked]
    return tuple(found)


@dataclass(frozen=True)
class Question:
    """How many objects of a pattern a scene has: what a counting classifier answers.

    Attributes:
        pattern: what is counted.
        top: the largest number that is told from others; its class is "so many, or more".

    >>> Question(Pattern.read("cubes"), 2).classes
    ('0 cubes', '1 cube', '2 or more cubes')
    """

    pattern: Pattern
    top: int

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the answers."""
        one, many = self.pattern.singular, self.pattern.plural
        named = [f"{i} {one if i == 1 else many}" for i in range(self.top)]
        return (*named, f"{self.top} or more {many}")

    def answers(self, z: Tensor) -> Tensor:
        """The right class of each code (n, 80), (n,) int64."""
        return self.pattern.count(z).clamp_max(self.top)


def described(z: Tensor) -> list[str]:
    """Each code's scene in words, its objects in their order.

    >>> import torch
    >>> code = torch.zeros(1, LATENT)
    >>> unpacked(code)[0, 0] = torch.tensor([1, 0.5, -1, 0, 2, 2, 0, 1])
    >>> described(code)
    ['large blue rubber cylinder']
    """
    return [", ".join(_named(o) for o in objects if o[THERE] > 0) for objects in unpacked(z)]


def _named(thing: Tensor) -> str:
    return " ".join(values[int(thing[column])] for column, values in VALUES.items())
