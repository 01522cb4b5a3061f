"""The IDX format of MNIST and its relatives, plain or gzipped: a magic number, the sizes, then bytes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from modeldebug import DataError

from .converted import Pictures

IMAGES, LABELS = 0x803, 0x801  # unsigned bytes in three dimensions, and in one
MOST_PIXELS = 4096  # along a side
_BLOCK = 1024  # images read at a time


def read_idx(images: Path, labels: Path, *, classes: int, plugin: str) -> Pictures:
    """Two IDX files as images (n, 1, h, w) and labels.

    Raises:
        DataError: a file of another kind, cut off or too long, labels out of range, or not as many as images.
    """
    with _reading(labels, plugin) as file:
        (n,) = _sizes(file, LABELS)
        known = np.frombuffer(_exactly(file, n), np.uint8)
        _end(file)
    if n and known.max() >= classes:
        raise DataError(
            "a label is out of range",
            got=f"{labels}: {known.max()}",
            expected=f"0 to {classes - 1}",
            fix="is this the file of another data set?",
            plugin=plugin,
        )
    with _reading(images, plugin) as file:
        count, h, w = _sizes(file, IMAGES)
        if not (1 <= h <= MOST_PIXELS and 1 <= w <= MOST_PIXELS):
            raise _Damaged(f"it speaks of images of {h} x {w} pixels")
    if count != n:
        raise DataError(
            "there are not as many labels as images",
            got=f"{count:,} images in {images.name}, {n:,} labels in {labels.name}",
            expected="files that belong together",
            fix=f"put the right files into {images.parent}",
            plugin=plugin,
        )
    return Pictures(known, (1, h, w), _blocks(images, n, h, w, plugin))


def _blocks(path: Path, n: int, h: int, w: int, plugin: str) -> Iterator[np.ndarray]:
    with _reading(path, plugin) as file:
        _sizes(file, IMAGES)
        for start in range(0, n, _BLOCK):
            size = min(_BLOCK, n - start)
            yield np.frombuffer(_exactly(file, size * h * w), np.uint8).reshape(size, 1, h, w)
        _end(file)


class _Damaged(Exception):  # noqa: N818  # never leaves this module
    """What is wrong with a file."""


@contextmanager
def _reading(path: Path, plugin: str) -> Iterator[BinaryIO]:
    """Open a file, plain or gzipped; what is wrong with it becomes an error that names it."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if zipped:
                with gzip.GzipFile(fileobj=raw) as file:
                    yield cast(BinaryIO, file)
            else:
                yield raw
    except (_Damaged, OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"a file cannot be read: {error}",
            got=path,
            expected="a whole file in IDX format, gzipped or not",
            fix="download it again, and look at its size",
            plugin=plugin,
        ) from error


def _sizes(file: BinaryIO, kind: int) -> list[int]:
    magic = int.from_bytes(_exactly(file, 4))
    if magic != kind:
        what = {IMAGES: "images", LABELS: "labels"}
        found = f"a file of {what[magic]}" if magic in what else f"no IDX file (it starts with {magic:08x})"
        raise _Damaged(f"it should hold {what[kind]}, and is {found}")
    return [int.from_bytes(_exactly(file, 4)) for _ in range(kind & 0xFF)]


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise _Damaged("it ends too early")
    return data


def _end(file: BinaryIO) -> None:
    if file.read(1):
        raise _Damaged("it goes on after its last item")
