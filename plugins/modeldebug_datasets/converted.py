"""Images are converted once: later loads map the converted file into memory, and read the source no more."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch
import torch
from filelock import FileLock

from modeldebug import DataError, ImageSet

VERSION = 2  # of the files and of what the keys are made of: a change makes everybody convert anew
MANY = 10_000  # images: so many pictures of 128 pixels take some seconds


@dataclass(frozen=True)
class Pictures:
    """What a reader gives: what is known beforehand, and the images, a few at a time.

    Attributes:
        labels: (n,) integers from 0.
        shape: (c, h, w) of every image.
        blocks: (b, c, h, w) uint8 arrays, n images together.
    """

    labels: np.ndarray
    shape: tuple[int, int, int]
    blocks: Iterable[np.ndarray]


def cache_folder() -> Path:
    """Where downloads and converted images are kept: MODELDEBUG_CACHE, else the user's cache folder."""
    return Path(os.environ.get("MODELDEBUG_CACHE") or pooch.os_cache("modeldebug"))


def fingerprint(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """What tells whether files have changed, without reading them: paths, sizes and times.

    Only links are resolved, since that takes ten times as long, and there may be 40,000 files.
    """
    stats = ((file.resolve() if file.is_symlink() else file.absolute(), file.stat()) for file in files)
    return [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def converted(key: Sequence[object], read: Callable[[], Pictures], *, plugin: str) -> ImageSet:
    """What `read` gives, memory-mapped; it is called only where nothing was kept under `key`.

    Args:
        key: everything that images and labels depend on: the source's fingerprint, and how it is read.

    Raises:
        DataError: the cache folder cannot be used; and whatever `read` raises, which leaves nothing behind.
    """
    digest = hashlib.sha256(json.dumps([VERSION, *key], default=str).encode()).hexdigest()[:24]
    folder = cache_folder() / "converted" / digest
    if not folder.is_dir():
        with _usable(folder.parent, plugin), FileLock(folder.with_suffix(".lock")):
            if not folder.is_dir():  # else another process has done it meanwhile
                _write(folder, read)
    return _mapped(folder, plugin)


@contextmanager
def _usable(folder: Path, plugin: str) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(
            f"converted images cannot be kept: {error.strerror or error}",
            got=folder,
            expected="a folder that can be written to, with room for them",
            fix="name another one: MODELDEBUG_CACHE=DIR modeldebug ...",
            plugin=plugin,
        ) from error


def _write(folder: Path, read: Callable[[], Pictures]) -> None:
    """Write the files of a folder in full, or leave no folder; the caller holds its lock."""
    draft = folder.with_name(f"{folder.name}-draft")
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed
    draft.mkdir()
    try:
        pictures = read()
        if len(pictures.labels) >= MANY and sys.stderr.isatty():
            print(f"converting {len(pictures.labels):,} images, this once", file=sys.stderr, flush=True)
        with (draft / "images.npy").open("wb") as file:
            shape = (len(pictures.labels), *pictures.shape)
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            written = 0
            for block in pictures.blocks:
                written += file.write(np.ascontiguousarray(block).data)
            assert written == math.prod(shape), "a reader gave other images than it spoke of"
            file.flush()
            os.fsync(file.fileno())
        np.save(draft / "labels.npy", pictures.labels.astype(np.int64))
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _mapped(folder: Path, plugin: str) -> ImageSet:
    """Copy-on-write, so that torch may have it; nothing is ever written to it."""
    try:
        images, labels = np.load(folder / "images.npy", mmap_mode="c"), np.load(folder / "labels.npy")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"converted images cannot be read: {error}",
            got=folder,
            fix="remove this folder: they are converted again",
            plugin=plugin,
        ) from error
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels))
