"""Answers that come back in files: held against the images and classes that were asked about, and then votes."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modeldebug import DataError

from .ballots import NONE

Columns = Mapping[str, Mapping[str, int]]  # of each annotator, the answers that are known, by the image's name

NOTHING = "none of the above"
MOST = 5  # problems that are told at once


@dataclass(frozen=True)
class Given:
    """One answer, as it stands in a file.

    Attributes:
        where: for messages, such as "line 7".
        image: the name that the image went out with.
        annotator: who gave it.
        answer: as it was typed.
    """

    where: str
    image: str
    annotator: str
    answer: str


def class_of(answer: str, classes: Sequence[str]) -> int:
    """The class that was typed, or NONE: by its name in any case, or by its number where spreadsheets lose zeros.

    Raises:
        LookupError: it is no class; the message has the nearest one.

    >>> class_of("Cat ", ["cat", "dog"]), class_of("none", ["cat"]), class_of("7", ["00007", "00008"])
    (0, -1, 0)
    >>> class_of("dg", ["cat", "dog"])
    Traceback (most recent call last):
    LookupError: 'dg' is no class (did you mean 'dog'?)
    """
    typed = answer.strip()
    for alike in (str, str.casefold, _without_zeros):
        same = [i for i, name in enumerate(classes) if alike(name) == alike(typed)]
        if len(same) == 1:
            return same[0]
    if typed.casefold() in ("none", NOTHING):
        return NONE
    near = difflib.get_close_matches(typed, [*classes, NOTHING], n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(classes[:10])}{', ...' * (len(classes) > 10)}"
    raise LookupError(f"'{typed}' is no class ({hint})")


def _without_zeros(name: str) -> str:
    """`"007"` and `"7.0"` as `"7"`; other text as it is."""
    whole = name.removesuffix(".0")
    return str(int(whole)) if whole.isascii() and whole.isdigit() else name


def checked(
    given: Iterable[Given], images: Mapping[str, int], classes: Sequence[str], *, file: Path
) -> dict[str, dict[int, int]]:
    """Answers by annotator and image.

    Args:
        images: the number of each image that is asked about, by name.

    Raises:
        DataError: unknown images or classes, or two answers of one annotator to one image; each with its place.
    """
    found: dict[str, dict[int, int]] = {}
    seen: dict[tuple[str, str], Given] = {}
    problems = []
    for one in given:
        before = seen.setdefault((one.annotator.casefold(), one.image), one)
        if one.image not in images:
            problems.append(f"{one.where}: no image '{one.image}' is asked about")
        elif before is not one:
            problems.append(f"{one.where}: {one.annotator} has answered '{one.image}' in {before.where} already")
        else:
            try:
                found.setdefault(one.annotator, {})[images[one.image]] = class_of(one.answer, classes)
            except LookupError as error:
                problems.append(f"{one.where}: {error}")
    if problems:
        more = f"; and {len(problems) - MOST} more" if len(problems) > MOST else ""
        raise DataError(
            f"answers in {file} cannot be taken in",
            got="; ".join(problems[:MOST]) + more,
            expected="one answer of each annotator to an image, a class or 'none'",
            fix=f"correct the file, and go on: modeldebug resume {shlex.quote(str(file.parents[2]))}",
        )
    return found
