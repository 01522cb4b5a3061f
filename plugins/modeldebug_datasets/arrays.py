"""Images and labels in an .npz file; nothing is unpickled."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from modeldebug import DataError, DatasetSource, Splits, as_images, as_labels, split

from .settings import ArraysConfig


class Arrays(DatasetSource[ArraysConfig]):
    """An .npz file with `images` (n, c, h, w), uint8 or float32 in [0, 1], and `labels` (n,), split 60 / 20 / 20.

    Raises:
        DataError: no such file or arrays, or what `as_images`, `as_labels` and `split` refuse.

    >>> Arrays(ArraysConfig(path="no.npz")).load(torch.Generator())
    Traceback (most recent call last):
    modeldebug.errors.DataError: there is no data file...
    """

    def _load(self, rng: torch.Generator) -> Splits:
        path = Path(self.config.path)
        arrays = _read(path, self.name)
        missing = [name for name in ("images", "labels") if name not in arrays]
        if missing:
            raise DataError(
                f"the file has no array '{missing[0]}'",
                got=f"{path}: {', '.join(arrays) or 'no arrays'}",
                expected="images (n, c, h, w) and labels (n,)",
                fix="numpy.savez(path, images=images, labels=labels)",
                plugin=self.name,
            )
        images, labels = as_images(arrays["images"], name=self.name), as_labels(arrays["labels"], name=self.name)
        if len(images) != len(labels):
            raise DataError(
                "there are not as many labels as images",
                got=f"{len(images)} images, {len(labels)} labels",
                plugin=self.name,
            )
        names = self.config.names or tuple(map(str, range(int(labels.max()) + 1 if len(labels) else 0)))
        return split(images, labels, classes=names, rng=rng)


def _read(path: Path, plugin: str) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataError(
            "there is no data file", got=path, expected="an .npz file", fix="check dataset.path", plugin=plugin
        )
    try:
        with path.open("rb") as raw, np.lib.npyio.NpzFile(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"the data file cannot be read: {error}",
            got=path,
            expected="an .npz file of numbers; nothing in it is unpickled",
            fix="numpy.savez(path, images=images, labels=labels)",
            plugin=plugin,
        ) from error
