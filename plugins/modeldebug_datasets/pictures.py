"""Picture files, one at a time."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from modeldebug import DataError, as_pixels

Tree = Path | zipfile.Path  # a folder, or an archive that is read as one; or something in it
Box = tuple[int, int, int, int]  # left, upper, right, lower

UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, zipfile.BadZipFile, zlib.error,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip  # what Pillow and zipfile raise for damaged files


def read_picture(
    file: Tree, *, size: int, channels: int, plugin: str, box: Box | None = None
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture file as (c, size, size) uint8; of a box in it, if one is given.

    Raises:
        DataError: it is missing, or no picture, or damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with file.open("rb") as raw, Image.open(raw) as opened:
                picture = opened if box is None else opened.crop(box)
                return as_pixels(picture, size=size, channels=channels, name=f"{plugin}, {file}")
    except UNREADABLE as error:
        raise DataError(
            f"an image cannot be read: {error}", got=file, fix="mend or remove it", plugin=plugin
        ) from error
