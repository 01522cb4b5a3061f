"""The German Traffic Sign Recognition Benchmark: its official PPM images and CSV tables, in folders or in archives."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
BASES = ("", "GTSRB", "gtsrb/GTSRB", "gtsrb")  # where the official folders may lie below dataset.root


@dataclass(frozen=True)
class Part:
    """One part of the benchmark.

    Attributes:
        archives: the official ones.
        places: what is needed of them, each with the names that it may have.
        signs: reads these places.
    """

    archives: Sequence[Remote]
    places: Sequence[Sequence[str]]
    signs: Callable[..., list[Sign]]

    def find(self, trees: Sequence[Tree]) -> list[Tree] | None:
        """What is needed, below folders or archives; None where not all of it is there."""
        found = []
        for names in self.places:
            candidates = (tree.joinpath(base, name) for name in names for base in BASES for tree in trees)
            first = next((place for place in candidates if place.exists()), None)
            if first is None:
                return None
            found.append(first)
        return found


def _archive(name: str, md5: str) -> Remote:
    return Remote(name, md5, (URL + name,))


TRAINING = Part(
    [_archive("GTSRB-Training_fixed.zip", "513f3c79a4c5141765e10e952eaa2478")],
    [("Training", "Final_Training/Images")],
    signs_of_training,
)
TEST = Part(
    [
        _archive("GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185"),
        _archive("GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
    ],
    [
        ("Final_Test/Images",),
        ("GT-final_test.csv", "Final_Test/GT-final_test.csv", "Final_Test/Images/GT-final_test.csv"),
    ],
    signs_of_test,
)


class Gtsrb(DatasetSource[GtsrbConfig]):
    """26,640 training images of 43 traffic signs (Stallkamp et al. 2012) as (3, size, size) uint8, bilinearly resized;
    half of the 12,630 test images, in proportion to the classes, are for validation, as in Defuse (AAAI section 4.1).

    A folder may hold the archives or what they unpack to, and the larger Final_Training in place of Training.

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
            files = Files("GTSRB", [*TRAINING.archives, *TEST.archives], (), None, self.name)
            wanted = slice(0, 1) if part is TRAINING else slice(1, 3)
            return files.fingerprint(wanted), lambda: self._inside(part, files.get(wanted))
        root = Path(self.config.root)
        folders = part.find([root])
        if folders is not None:
            return fingerprint(file for place in folders for file in _files(place)), lambda: folders
        archives = [root / file.name for file in part.archives]
        if all(archive.is_file() for archive in archives):
            return fingerprint(archives), lambda: self._inside(part, archives)
        raise DataError(
            "files of GTSRB are missing",
            got=root if root.is_dir() else f"{root}, which is no folder",
            expected=f"{' and '.join(file.name for file in part.archives)} in it; or unpacked, in it or in its folder "
            f"{' or '.join(base for base in BASES if base)}: {' and '.join(names[0] for names in part.places)}",
            fix="get them: " + ", ".join(file.urls[0] for file in part.archives),
            plugin=self.name,
        )

    def _inside(self, part: Part, archives: Sequence[Path]) -> list[Tree]:
        try:
            found = part.find([zipfile.Path(archive) for archive in archives])
            reason = "it lacks " + " or ".join(names[0] for names in part.places)
        except (zipfile.BadZipFile, OSError) as error:
            found, reason = None, str(error)
        if found is None:
            raise DataError(
                f"the archives of GTSRB cannot be used: {reason}",
                got=", ".join(map(str, archives)),
                expected="the official archives",
                fix="download them again: " + ", ".join(URL + archive.name for archive in archives),
                plugin=self.name,
            )
        return found

    def _pictures(self, signs: Sequence[Sign]) -> Pictures:
        size = self.config.size

        def blocks() -> Iterator[np.ndarray]:
            for sign in signs:
                box = sign.box if self.config.crop else None
                yield read_picture(sign.file, size=size, channels=3, plugin=self.name, box=box)[None]

        return Pictures(np.array([sign.label for sign in signs]), (3, size, size), blocks())


def _files(place: Tree) -> list[Path]:
    """A file, or all those in a folder, sorted."""
    assert isinstance(place, Path)
    return sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
