"""Street View House Numbers, cropped digits: Matlab's .mat files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat

from modeldebug import DataError, DatasetSource, DataSpec, ImageSet, Splits, hold_out

from .converted import Pictures, converted
from .download import Files, Remote
from .settings import SvhnConfig

URL = "http://ufldl.stanford.edu/housenumbers/"
FILES = (
    Remote("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373", (URL + "train_32x32.mat",)),
    Remote("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3", (URL + "test_32x32.mat",)),
)
CLASSES = tuple("0123456789")
_BLOCK = 1024  # images turned round at a time


class Svhn(DatasetSource[SvhnConfig]):
    """73,257 training images (3, 32, 32) uint8 of house numbers' digits (Netzer et al. 2011); half of the 26,032 test
    images, in proportion to the classes, are for validation, as in Defuse (AAAI section 4.1).

    Raises:
        DataError: files that are missing, damaged or of another kind; or no network.
    """

    def _load(self, rng: torch.Generator) -> Splits:
        train, official = self._part(slice(0, 1)), self._part(slice(1, 2))
        test, validation = hold_out(official, len(official) // 2, rng=rng)
        c, h, w = train.shape
        return Splits(DataSpec((c, h, w), CLASSES), train, validation, test)

    def _part(self, part: slice) -> ImageSet:
        files = Files("SVHN", FILES, ("SVHN", "svhn"), self.config.root, self.name)
        return converted(
            ["svhn", files.fingerprint(part)], lambda: read_mat(*files.get(part), plugin=self.name), plugin=self.name
        )


def read_mat(path: Path, *, plugin: str) -> Pictures:
    """X (h, w, 3, n) uint8 and y (n, 1), of 1 to 10 where 10 is the digit 0, as images (n, 3, h, w) and labels.

    The whole file is read at once, as its format asks for: 225 MB for the training images.

    Raises:
        DataError: a file of another kind, cut off, labels out of range, or not as many as images.
    """
    try:
        content = loadmat(str(path), variable_names=["X", "y"])
    except Exception as error:  # whatever scipy stumbles over in a file that is damaged or none of Matlab's
        raise _unusable(f"a file cannot be read: {error}", path, "Matlab's format, before 7.3", plugin) from error
    missing = [name for name in ("X", "y") if name not in content]
    if missing:
        raise _unusable(f"a file has no array '{missing[0]}'", path, "X, the images, and y, their labels", plugin)
    x, y = content["X"], content["y"].ravel()
    if x.ndim != 4 or x.shape[2] != 3 or x.dtype != np.uint8:
        raise _unusable("a file holds no images", f"{path}: {x.dtype} {x.shape}", "X (h, w, 3, n) uint8", plugin)
    if x.shape[3] != len(y):
        got = f"{path}: {x.shape[3]:,} images, {len(y):,} labels"
        raise _unusable("there are not as many labels as images", got, "as many", plugin)
    if y.dtype.kind not in "iuf" or not np.isin(y, range(1, 11)).all():
        raise _unusable("a label is out of range", path, "integers from 1 to 10, of which 10 is the digit 0", plugin)
    return Pictures(y.astype(np.int64) % 10, (3, *x.shape[:2]), _blocks(x))


def _blocks(x: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, x.shape[3], _BLOCK):
        yield x[..., start : start + _BLOCK].transpose(3, 2, 0, 1)


def _unusable(what: str, got: object, expected: str, plugin: str) -> DataError:
    return DataError(what, got=got, expected=expected, fix="download it again, and look at its size", plugin=plugin)
