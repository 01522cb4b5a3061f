"""People who label elsewhere: questions go out as files, and come back filled in.

The files lie in the run's folder, under `labels/REQUEST`. An image's name has a hash of what it shows: after `--redo`
other images are asked about, and answers to the former ones, which are moved aside, are not taken for them.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from modeldebug import LabelRequest

from . import label_studio, spreadsheet
from .answers import Given, checked
from .ballots import Ballots
from .people import People
from .plugin import FileConfig

_EXPORTED = ".exported.json"  # which images a folder was made for


class _Write(Protocol):
    def __call__(
        self, folder: Path, pictures: Mapping[str, bytes], classes: Sequence[str], annotators: Sequence[str]
    ) -> None: ...


@dataclass(frozen=True)
class _Format:
    """How questions are written and answers read.

    Attributes:
        read: gives the file, the annotators' names, and what they say.
        answers: the files that answers may be in.
        how: what a person should do; the folder's path comes in.
    """

    write: _Write
    read: Callable[[Path], tuple[Path, list[str], list[Given]]]
    answers: tuple[str, ...]
    how: str


FORMATS = {
    "csv": _Format(
        spreadsheet.write,
        spreadsheet.read,
        (spreadsheet.TABLE,),
        "fill in {folder}/questions.csv, as README.txt beside it says",
    ),
    "label-studio": _Format(
        label_studio.write,
        label_studio.read,
        label_studio.EXPORTS,
        "have {folder}/tasks.json labelled in Label Studio, as README.txt beside it says",
    ),
}


class FileLabeler(People[FileConfig]):
    """Writes the questions once, and takes in whatever is answered whenever the run comes to them again.

    Raises:
        DataError: the answers name unknown images or classes, or answer twice.
    """

    _asked_in = "RUN/labels/REQUEST"

    @property
    def _format(self) -> _Format:
        return FORMATS[self.config.format]

    def _collect(self, ballots: Ballots, request: LabelRequest) -> None:
        assert self.folder is not None  # there are ballots
        folder = self.folder / request.id
        self._asked_in = str(folder)
        images = _names(ballots)
        if not _is_of(folder, list(images)):
            self._export(folder, ballots, images, request.spec.classes)
        self._take_in(folder, ballots)

    def _export(self, folder: Path, ballots: Ballots, images: Mapping[str, int], classes: Sequence[str]) -> None:
        """Write the questions: all of them, or none if it is interrupted."""
        if folder.exists():
            folder.rename(_free(folder))
        draft = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        pictures = {
            name: enlarged(ballots.image(number) or b"", self.config.enlarge) for name, number in images.items()
        }
        self._format.write(draft, pictures, classes, self.config.annotators)
        (draft / _EXPORTED).write_text(json.dumps(list(images)), encoding="utf-8")
        draft.rename(folder)

    def _take_in(self, folder: Path, ballots: Ballots) -> None:
        """Make votes of the answers in the files."""
        file, annotators, given = self._format.read(folder)
        answers = checked(given, _names(ballots), ballots.classes(), file=file)
        for annotator in annotators:
            ballots.vote(ballots.join(annotator), answers.get(annotator, {}), way="file")

    def _how(self, run: str) -> str:
        return self._format.how.format(folder=self._asked_in)

    def _ready(self, request: str) -> Callable[[], bool]:
        """Takes in what is saved while the run waits."""
        assert self.folder is not None  # the request waits in it
        folder, complete = self.folder / request, super()._ready(request)
        settled = _Settled([folder / name for name in self._format.answers])

        def ready() -> bool:
            if settled():
                with Ballots(folder.parent) as ballots:
                    self._take_in(folder, ballots)
            return complete()

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


def _is_of(folder: Path, names: Sequence[str]) -> bool:
    """Whether a folder was made for these images."""
    try:
        return bool(json.loads((folder / _EXPORTED).read_text(encoding="utf-8")) == names)
    except (OSError, ValueError):
        return False


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
