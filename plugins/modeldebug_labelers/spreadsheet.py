"""Questions as a table that a person fills in with any spreadsheet program: a row an image, a column an annotator."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from modeldebug import DataError

from .answers import NOTHING, Columns, Given
from .ballots import NONE

TABLE = "questions.csv"
_ABOUT = """\
{n} images wait for labels: they are the PNG files in this folder.

Open questions.csv with any spreadsheet program. For each image, write into the column '{column}' which class it shows,
or 'none' if it shows none of them or cannot be told. Leave a cell empty to answer later. Save it as CSV, under the same
name. Each further column with a heading of its own is one more person's answers.

Then, in the folder where the run was started: modeldebug resume {run}

The classes:
{classes}
"""


def write(folder: Path, pictures: Mapping[str, bytes], classes: Sequence[str], columns: Columns, run: str) -> None:
    """The images, the table to be filled in, and what to do with it."""
    words = {NONE: NOTHING, **dict(enumerate(classes))}
    for name, png in pictures.items():
        (folder / f"{name}.png").write_bytes(png)
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["image", *columns])
    for name in pictures:
        table.writerow([f"{name}.png", *(words[given[name]] if name in given else "" for given in columns.values())])
    (folder / TABLE).write_text(text.getvalue(), encoding="utf-8-sig", newline="")  # Excel takes it for UTF-8
    listed = "\n".join(f"  {name}" for name in [*classes, f"none ({NOTHING})"])
    about = _ABOUT.format(n=len(pictures), column=next(iter(columns)), classes=listed, run=run)
    (folder / "README.txt").write_text(about, encoding="utf-8")


def names(folder: Path) -> set[str]:
    """The images that a folder is about, by their files and the table, as far as there are any."""
    found = {file.stem for file in folder.glob("*.png")}
    if (folder / TABLE).is_file():
        found |= {_image(row) for row in _rows(folder / TABLE)}
    return found


def read(folder: Path) -> tuple[Path, list[str], list[Given]]:
    """The table's file, its annotators, and the answers that are filled in.

    Raises:
        DataError: it is no such table.
    """
    file = folder / TABLE
    rows = _rows(file)
    headings = [heading.strip() for heading in rows[0]] if rows else []
    columns = {i: heading for i, heading in enumerate(headings) if i and heading}
    different = {heading.casefold() for heading in columns.values()}
    if not columns or headings[0].casefold() != "image" or len(different) < len(columns):
        raise DataError(
            f"the table {file} has other columns than it should",
            got=", ".join(map(repr, headings)) or "no heading",
            expected="'image', and then a column for each annotator, with different headings",
        )
    given = []
    for number, row in enumerate(rows[1:], start=2):
        image = _image(row)
        for i, annotator in columns.items():
            if i < len(row) and row[i].strip():
                given.append(Given(f"line {number}", image, annotator, row[i]))
    return file, list(columns.values()), given


def _rows(file: Path) -> list[list[str]]:
    lines = _text(file).splitlines()
    return list(csv.reader(lines, delimiter=_delimiter(lines[0] if lines else "")))


def _image(row: Sequence[str]) -> str:
    """The name of the image that a row is about."""
    return row[0].strip().removesuffix(".png") if row else ""


def _text(file: Path) -> str:
    """The text of a table, in UTF-8 or, as older spreadsheet programs save it, in Windows' Western encoding."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"the table cannot be read: {error.strerror}", got=file, expected="a CSV file") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _delimiter(heading: str) -> str:
    """What stands between the columns: spreadsheet programs save with the sign of the country they are set to."""
    return max(",;\t", key=heading.count)
