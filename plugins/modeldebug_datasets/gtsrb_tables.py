"""The CSV tables of the German Traffic Sign Recognition Benchmark: one for each class, and one for the test images."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass

from modeldebug import DataError

from .gtsrb_signs import SIGNS
from .pictures import UNREADABLE, Box, Tree

COLUMNS = ("Filename", "Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId")


@dataclass(frozen=True)
class Sign:
    """One image.

    Attributes:
        label: its class, from 0.
        box: of the sign in it: left, upper, right and lower, as Pillow counts.
    """

    file: Tree
    label: int
    box: Box


def signs_of_training(folder: Tree, *, plugin: str) -> list[Sign]:
    """The images of the folders 00000 to 00042, by their tables.

    Raises:
        DataError: a folder or table is missing or damaged, or they do not fit together.
    """
    signs = []
    for label in range(len(SIGNS)):
        name = f"{label:05}"
        of_class = _signs(folder.joinpath(name, f"GT-{name}.csv"), folder.joinpath(name), plugin)
        wrong = next((sign for sign in of_class if sign.label != label), None)
        if wrong is not None:
            raise _unusable(f"the table speaks of class {wrong.label}", folder.joinpath(name), f"class {label}", plugin)
        signs += of_class
    return signs


def signs_of_test(folder: Tree, table: Tree, *, plugin: str) -> list[Sign]:
    """The test images, by their table.

    Raises:
        DataError: an image is missing, or the table is damaged or does not fit.
    """
    return _signs(table, folder, plugin)


def _signs(table: Tree, folder: Tree, plugin: str) -> list[Sign]:
    if not table.is_file():
        raise _unusable("a table is missing", table, "the official folders, with their tables", plugin)
    try:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines(), delimiter=";"))
        there = Counter(file.name for file in folder.iterdir() if file.name.endswith(".ppm"))
    except (*UNREADABLE, csv.Error) as error:
        what = f"a table or its folder cannot be read: {error}"
        raise _unusable(what, table, f"rows of {';'.join(COLUMNS)}", plugin) from error
    signs = [_sign(row, number, table, folder, plugin) for number, row in enumerate(rows, start=2)]
    named = Counter(sign.file.name for sign in signs)
    if named != there:
        only = [f"{', '.join(sorted(names)[:3])} only in the {where}" for names, where in (
            (named - there, "table"), (there - named, "folder"),
        ) if names]  # fmt: skip
        raise _unusable("a table and its images do not fit", f"{table}: {'; '.join(only)}", "one row each", plugin)
    return signs


def _sign(row: dict[str, str], number: int, table: Tree, folder: Tree, plugin: str) -> Sign:
    try:
        name, (width, height, x1, y1, x2, y2, label) = row["Filename"], (int(row[column]) for column in COLUMNS[1:])
    except (KeyError, TypeError, ValueError) as error:
        expected = ";".join(COLUMNS)
        raise _unusable("a row of a table cannot be read", f"{table}, line {number}", expected, plugin) from error
    if not 0 <= label < len(SIGNS):
        expected = f"0 to {len(SIGNS) - 1}"
        raise _unusable("a label is out of range", f"{table}, line {number}: {label}", expected, plugin)
    if not (0 <= x1 <= x2 < width and 0 <= y1 <= y2 < height):
        got = f"{table}, line {number}: {x1}, {y1}, {x2}, {y2}"
        raise _unusable("a sign's box is not in its image", got, f"within {width} x {height} pixels", plugin)
    return Sign(folder.joinpath(name), label, (x1, y1, x2 + 1, y2 + 1))


def _unusable(what: str, got: object, expected: str, plugin: str) -> DataError:
    return DataError(what, got=got, expected=expected, fix="unpack the official archives again", plugin=plugin)
