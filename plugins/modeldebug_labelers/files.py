"""People who label elsewhere: questions go out as files, and come back filled in.

The files lie in the run's folder, under `labels/REQUEST`. An image's name has a hash of what it shows: after `--redo`
other images are asked about, and answers to the former ones, which are moved aside, are not taken for them.
"""

from __future__ import annotations

import io
import json
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from modeldebug import LabelRequest

from . import label_studio, spreadsheet
from .answers import Columns, Given, checked
from .ballots import Ballots
from .people import People
from .plugin import FileConfig

_WAY = "file"
_EXPORTED = ".exported.json"  # which images a folder was made for


class _Write(Protocol):
    def __call__(
        self, folder: Path, pictures: Mapping[str, bytes], classes: Sequence[str], columns: Columns, run: str
    ) -> None: ...


@dataclass(frozen=True)
class _Format:
    """How questions are written and answers read.

    Attributes:
        names: the images that a folder was made for, as far as its files tell.
        read: gives the file, the annotators' names, and what they say; None where nothing has come back yet.
        answers: the files that answers may be in.
        how: what a person should do; the folder's path comes in.
    """

    write: _Write
    names: Callable[[Path], set[str]]
    read: Callable[[Path], tuple[Path, list[str], list[Given]] | None]
    answers: tuple[str, ...]
    how: str


FORMATS = {
    "csv": _Format(
        spreadsheet.write,
        spreadsheet.names,
        spreadsheet.read,
        (spreadsheet.TABLE,),
        "fill in {folder}/questions.csv, as README.txt beside it says",
    ),
    "label-studio": _Format(
        label_studio.write,
        label_studio.names,
        label_studio.read,
        label_studio.EXPORTS,
        "have {folder}/tasks.json labelled in Label Studio, as README.txt beside it says",
    ),
}


class FileLabeler(People[FileConfig]):
    """Writes the questions once, and takes in whatever is answered whenever the run comes to them again. What the files
    hold no more, an emptied cell or a column under its former heading, does not count any more.

    Raises:
        DataError: the answers name unknown images or classes, or answer twice.
    """

    _asked_in = "RUN/labels/REQUEST"
    _moved = ""  # where former questions are now, if they were in the way

    @property
    def _format(self) -> _Format:
        return FORMATS[self.config.format]

    def _collect(self, ballots: Ballots, request: LabelRequest) -> None:
        assert self.folder is not None  # there are ballots
        folder = self.folder / request.id
        self._asked_in = str(folder)
        self._moved = ""
        images = _names(ballots)
        if not self._is_of(folder, list(images)):
            self._export(folder, ballots, images, request.spec.classes)
        self._take_in(folder, ballots)

    def _is_of(self, folder: Path, names: Sequence[str]) -> bool:
        """Whether a folder was made for these images: as was noted in it, or, if that is lost, by its other files."""
        try:
            return bool(json.loads((folder / _EXPORTED).read_text(encoding="utf-8")) == names)
        except (OSError, ValueError):
            return folder.is_dir() and self._format.names(folder).issuperset(names)

    def _export(self, folder: Path, ballots: Ballots, images: Mapping[str, int], classes: Sequence[str]) -> None:
        """Write the questions: all of them, or none if it is interrupted. Answers that have come in this way before,
        from a folder that is lost, are in them."""
        if folder.exists():
            aside = folder.rename(_free(folder))
            self._moved = f"; what was there, with its answers, is in {aside} now"
        draft = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        pictures = {
            name: enlarged(ballots.image(number) or b"", self.config.enlarge) for name, number in images.items()
        }
        columns = _columns(self.config.annotators, ballots.given(_WAY), images)
        self._format.write(draft, pictures, classes, columns, shlex.quote(str(folder.parents[1])))
        (draft / _EXPORTED).write_text(json.dumps(list(images)), encoding="utf-8")
        draft.rename(folder)

    def _take_in(self, folder: Path, ballots: Ballots) -> None:
        """Make the answers in the files votes, and take back those that are in them no more."""
        found = self._format.read(folder)
        if found is not None:
            file, annotators, given = found
            answers = checked(given, _names(ballots), ballots.classes(), file=file)
            ballots.replace({name: answers.get(name, {}) for name in annotators}, way=_WAY)

    def _how(self, run: str) -> str:
        return self._format.how.format(folder=self._asked_in) + self._moved

    def _ready(self, request: str) -> Callable[[], bool]:
        """Takes in what is saved while the run waits; what cannot be taken in has to be corrected first."""
        assert self.folder is not None  # the request waits in it
        folder, complete = self.folder / request, super()._ready(request)
        settled = _Settled([folder / name for name in self._format.answers])
        sound = True

        def ready() -> bool:
            nonlocal sound
            if settled() and not (sound and complete()):
                sound = False
                with Ballots(folder.parent) as ballots:
                    self._take_in(folder, ballots)
                sound = True
            return sound and complete()

        return ready


class _Settled:
    """Says once that files are new or changed, and have been left alone from one look to the next."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._last: list[tuple[int, int] | None] = []
        self._told = True

    def __call__(self) -> bool:
        stamps = [_stamp(file) for file in self._files]
        if stamps != self._last:
            self._last, self._told = stamps, False
            return False
        first, self._told = not self._told, True
        return first


def enlarged(png: bytes, size: int) -> bytes:
    """A picture whose longer side is close to `size` pixels, or more: every pixel of a smaller one a crisp square."""
    picture = Image.open(io.BytesIO(png))
    times = max(1, size // max(picture.size))
    if times == 1:
        return png
    file = io.BytesIO()
    large = (picture.width * times, picture.height * times)
    picture.resize(large, Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def _names(ballots: Ballots) -> dict[str, int]:
    """The number of each image of the open request by a name that tells only what it shows, in an order that tells
    nothing about regions."""
    asked = sorted(ballots.asked(), key=lambda one: one.digest)
    return {f"{i:04}-{one.digest[:8]}": one.id for i, one in enumerate(asked, start=1)}


def _columns(names: Sequence[str], given: Mapping[str, Mapping[int, int]], images: Mapping[str, int]) -> Columns:
    """A column for each of some annotators, and for each other one who has given answers; those answers in it."""
    known = {name.casefold(): answers for name, answers in given.items()}
    heads = {name.casefold(): name for name in [*given, *names]}
    order = dict.fromkeys([name.casefold() for name in [*names, *given]])
    return {
        heads[key]: {image: known[key][one] for image, one in images.items() if one in known.get(key, {})}
        for key in order
    }


def _free(folder: Path) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}-before-{number}")).exists():
        number += 1
    return aside


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
