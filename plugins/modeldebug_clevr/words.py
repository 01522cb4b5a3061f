"""The words for objects: their attributes, and patterns of them. Nothing here imports torch, since settings are read by
it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Literal, get_args

Shape = Literal["cube", "sphere", "cylinder", "cone"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
COLOURS = ("grey", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
MATERIALS = ("rubber", "metal")
SIZES = ("small", "large")
MOST = 10  # objects that a code has room for

PARTS = ("there", "x", "y", "rotation", "shape", "colour", "material", "size")
THERE, X, Y, ROTATION, SHAPE, COLOUR, MATERIAL, SIZE = range(len(PARTS))
VALUES: dict[int, tuple[str, ...]] = {
    SIZE: SIZES, COLOUR: COLOURS, MATERIAL: MATERIALS, SHAPE: SHAPES
}  # in the order of English words  # fmt: skip
THINGS = ("thing", "things", "object", "objects")  # of any shape

Wanted = tuple[tuple[int, int], ...]
"""Attributes by column and number of the value, in the order of `VALUES`: of an object that has all of them."""


def attributes(words: str) -> Wanted:
    """What words ask of an object: `cubes`, `blue spheres`, `small metal things`.

    Raises:
        ValueError: a word that is no attribute, or two of one kind.

    >>> attributes("blue cylinders")
    ((5, 2), (4, 2))
    """
    *before, noun = words.lower().split() or [""]
    noun = noun if noun in THINGS else noun.removesuffix("s")
    found: dict[int, int] = {}
    for place, word in enumerate((*before, noun), start=-len(before)):
        if word in THINGS and place == 0:
            continue
        column = next((column for column, values in VALUES.items() if word in values), None)
        if column is None or column in found or (column == SHAPE) != (place == 0):
            known = ", ".join(value for column, values in VALUES.items() if column != SHAPE for value in values)
            shapes = ", ".join(f"{shape}s" for shape in SHAPES)
            raise ValueError(f"'{words}' does not name objects: {shapes} or things; before it any of {known}")
        found[column] = VALUES[column].index(word)
    return tuple((column, found[column]) for column in VALUES if column in found)


def singular(wanted: Wanted) -> str:
    """Attributes in words, of one object.

    >>> singular(attributes("blue things"))
    'blue thing'
    """
    words = [VALUES[column][value] for column, value in wanted]
    return " ".join(words if any(column == SHAPE for column, _ in wanted) else [*words, "thing"])


def occurs(shapes: Iterable[Shape], never: Iterable[Wanted], wanted: Wanted = ()) -> bool:
    """Whether any object of these shapes has the wanted attributes, and those of no pattern that never occurs.

    >>> occurs(["cube", "cone"], [attributes("cubes")]), occurs(["cube"], [attributes("cubes")])
    (True, False)
    """
    never = list(never)
    values = {**VALUES, SHAPE: tuple(shapes)}
    kinds = (
        {(column, VALUES[column].index(word)) for column, word in zip(values, words, strict=True)}
        for words in product(*values.values())
    )
    return any(kind.issuperset(wanted) and not any(kind.issuperset(pattern) for pattern in never) for kind in kinds)
