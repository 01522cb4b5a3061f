"""A folder of images: one folder a class, of any image size; resized to a stated one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from modeldebug import DataError, DatasetSource, DataSpec, ImageSet, Splits, split

from .converted import Pictures, converted, fingerprint
from .pictures import read_picture
from .settings import FolderConfig

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
PARTS = ("train", "validation", "test")


class Folder(DatasetSource[FolderConfig]):
    """Class folders, split 60 / 20 / 20; or folders train, validation and test that hold the class folders.

    Images are read as (c, h, w) uint8, of the configured size and number of channels, and converted once.

    Raises:
        DataError: no such folder, some splits but not all, no images in it, or one that cannot be read.

    >>> Folder(FolderConfig(path="no/such/folder")).load(torch.Generator())
    Traceback (most recent call last):
    modeldebug.errors.DataError: there is no folder of images...
    """

    def _load(self, rng: torch.Generator) -> Splits:
        root = Path(self.config.path)
        if not root.is_dir():
            raise DataError("there is no folder of images", got=root, fix="check dataset.path", plugin=self.name)
        has = [part for part in PARTS if (root / part).is_dir()]
        if has and len(has) < len(PARTS):
            raise DataError(
                "the folder has some splits and lacks others",
                got=", ".join(has),
                expected=", ".join(PARTS),
                fix="add the missing ones, or give a folder of classes to be split at random",
                plugin=self.name,
            )
        if not has:
            classes = _folders(root)
            images = self._read(root, classes)
            return split(images.storage, images.labels, classes=classes, rng=rng)
        classes = _folders(root / "train")
        sets = {part: self._read(root / part, classes) for part in PARTS}
        return Splits(DataSpec((self.config.channels, self.config.size, self.config.size), tuple(classes)), **sets)

    def _read(self, root: Path, classes: list[str]) -> ImageSet:
        files = [
            (file, label)
            for label, name in enumerate(classes)
            for file in sorted((root / name).glob("**/*"))
            if file.suffix.lower() in SUFFIXES
        ]
        if not files:
            raise DataError(
                "the folder holds no images in class folders",
                got=root,
                expected="FOLDER/CLASS/image.png",
                plugin=self.name,
            )
        size, channels, labels = self.config.size, self.config.channels, [label for _, label in files]
        key = ["folder", size, channels, classes, labels, fingerprint(file for file, _ in files)]

        def read() -> Pictures:
            blocks = (read_picture(f, size=size, channels=channels, plugin=self.name)[None] for f, _ in files)
            return Pictures(np.array(labels), (channels, size, size), blocks)

        return converted(key, read, plugin=self.name)


def _folders(root: Path) -> list[str]:
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
