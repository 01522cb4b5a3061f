"""The German Traffic Sign Recognition Benchmark: its official PPM images and CSV tables, in folders or in archives."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from modeldebug import DataError, DatasetSource, DataSpec, ImageSet, Splits, hold_out

from .converted import Pictures, converted, fingerprint
from .download import Files, Remote
from .gtsrb_signs import SIGNS
from .gtsrb_tables import Sign, signs_of_test, signs_of_training
from .pictures import Tree, read_picture
from .settings import GtsrbConfig

URL = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
T = TypeVar("T", Path, zipfile.Path)
BASES = ("", "GTSRB", "gtsrb/GTSRB", "gtsrb")  # where the official folders may lie below dataset.root


@dataclass(frozen=True)
class Place:
    """What is needed of an official archive: a folder, or a table.

    Attributes:
        archive: that holds it.
        names: that it may have in there, or where the archive was unpacked.
    """

    archive: Remote
    names: Sequence[str]

    def below(self, tree: T) -> T | None:
        """It, in a folder or in an archive; None where it is not there."""
        candidates = (tree.joinpath(base, name) for name in self.names for base in BASES)
        return next((place for place in candidates if place.exists()), None)

    def find(self, root: Path) -> Path | None:
        """It in a folder, else its archive there, which is not opened; None where neither is there."""
        archive = root / self.archive.name
        return self.below(root) or (archive if archive.is_file() else None)

    def open(self, path: Path, plugin: str) -> Tree:
        """It, where `path` is it already or its archive.

        Raises:
            DataError: the archive is damaged or another one.
        """
        if path.name != self.archive.name:
            return path
        try:
            found, reason = self.below(zipfile.Path(path)), f"it lacks {self.names[0]}"
        except (zipfile.BadZipFile, OSError) as error:
            found, reason = None, str(error)
        if found is None:
            raise DataError(
                f"an archive of GTSRB cannot be used: {reason}",
                got=path,
                expected="the official archive",
                fix=f"download it again: {self.archive.urls[0]}",
                plugin=plugin,
            )
        return found


@dataclass(frozen=True)
class Part:
    """One part of the benchmark: what is needed for it, and what reads that."""

    places: Sequence[Place]
    signs: Callable[..., list[Sign]]


def _place(archive: str, md5: str, *names: str) -> Place:
    return Place(Remote(archive, md5, (URL + archive,)), names)


TRAINING = Part(
    [
        _place(
            "GTSRB-Training_fixed.zip", "513f3c79a4c5141765e10e952eaa2478",
            "Training", "Final_Training/Images",
        ),
    ],
    signs_of_training,
)  # fmt: skip
TEST = Part(
    [
        _place(
            "GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185",
            "Final_Test/Images",
        ),
        _place(
            "GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5",
            "GT-final_test.csv", "Final_Test/GT-final_test.csv", "Final_Test/Images/GT-final_test.csv",
        ),
    ],
    signs_of_test,
)  # fmt: skip


class Gtsrb(DatasetSource[GtsrbConfig]):
    """26,640 training images of 43 traffic signs (Stallkamp et al. 2012) as (3, size, size) uint8, bilinearly resized;
    half of the 12,630 test images, in proportion to the classes, are for validation, as in Defuse (AAAI section 4.1).

    A folder may hold each archive or what it unpacks to, and the larger Final_Training in place of Training.

    Raises:
        DataError: files that are missing, damaged or do not fit together; or no network.
    """

    def _load(self, rng: torch.Generator) -> Splits:
        train, official = self._part(TRAINING), self._part(TEST)
        test, validation = hold_out(official, len(official) // 2, rng=rng)
        return Splits(DataSpec((3, self.config.size, self.config.size), SIGNS), train, validation, test)

    def _part(self, part: Part) -> ImageSet:
        contents, places = self._source(part)
        return converted(
            ["gtsrb", self.config.size, self.config.crop, contents],
            lambda: self._pictures(part.signs(*places(), plugin=self.name)),
            plugin=self.name,
        )

    def _source(self, part: Part) -> tuple[Sequence[object], Callable[[], list[Tree]]]:
        """What tells whether the files of a part have changed, and how to get at them."""
        if self.config.root is None:
            files = Files("GTSRB", [p.archive for p in (*TRAINING.places, *TEST.places)], (), None, self.name)
            wanted = slice(0, 1) if part is TRAINING else slice(1, 3)
            return files.fingerprint(wanted), lambda: self._open(part, files.get(wanted))
        root = Path(self.config.root)
        found = [(place, place.find(root)) for place in part.places]
        missing = [place for place, path in found if path is None]
        if missing:
            raise DataError(
                "files of GTSRB are missing",
                got=root if root.is_dir() else f"{root}, which is no folder",
                expected=f"{' and '.join(place.archive.name for place in missing)} in it; or unpacked, in it or in its "
                f"folder {' or '.join(base for base in BASES if base)}: {' and '.join(p.names[0] for p in missing)}",
                fix="get what is missing: " + ", ".join(place.archive.urls[0] for place in missing),
                plugin=self.name,
            )
        paths = [path for _, path in found if path is not None]
        return fingerprint(file for path in paths for file in _files(path)), lambda: self._open(part, paths)

    def _open(self, part: Part, paths: Sequence[Path]) -> list[Tree]:
        return [place.open(path, self.name) for place, path in zip(part.places, paths, strict=True)]

    def _pictures(self, signs: Sequence[Sign]) -> Pictures:
        size = self.config.size

        def blocks() -> Iterator[np.ndarray]:
            for sign in signs:
                box = sign.box if self.config.crop else None
                yield read_picture(sign.file, size=size, channels=3, plugin=self.name, box=box)[None]

        return Pictures(np.array([sign.label for sign in signs]), (3, size, size), blocks())


def _files(place: Path) -> list[Path]:
    """A file, or all those in a folder, sorted."""
    return sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
