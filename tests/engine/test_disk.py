"""A full disk stops a run with one clear error, costs nothing that was finished, and no bits."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

import modeldebug
from modeldebug import Run, RunFolderError

from ..conftest import PLAIN_STAGES
from . import planted
from .bits import Watch, bits, kept, status


class DiskFull(Exception):  # noqa: N818  # no error of the program
    """A run stopped, and said that the disk is full."""


@contextmanager
def room_for(writes: int) -> Iterator[None]:
    """Let so many files be written to disk; after that it is full."""
    real, left = os.fsync, 2 * writes  # the file's, and its folder's

    def fsync(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        try:
            yield
        except RunFolderError as error:
            raise (DiskFull if "the disk is full" in error.what and error.exit_code == 2 else AssertionError) from error


def test_a_disk_that_is_full_again_and_again_costs_no_finished_stage_and_no_bits(
    planted_run: Run, tmp_path: Path
) -> None:
    out, before, attempts = tmp_path / "run", 0, 0
    while not (out / "manifest.json").exists() or status(out) != "done":
        attempts += 1
        watch = Watch()
        go_on = partial(planted.debug, out) if attempts == 1 else partial(modeldebug.resume, out)
        with suppress(DiskFull), room_for(4):
            go_on(listeners=[watch])
        assert set(watch.started).isdisjoint(PLAIN_STAGES[:before]), "a finished stage was done again"
        assert kept(out) == list(PLAIN_STAGES[: len(kept(out))])
        before = len(kept(out))
        assert not list(out.rglob("*.tmp"))
    assert attempts > 5
    assert bits(out) == bits(planted_run.path)


def test_a_disk_that_is_full_at_once_leaves_nothing_in_the_way_of_the_same_call(tmp_path: Path) -> None:
    with pytest.raises(DiskFull), room_for(0):
        planted.debug(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        planted.debug(tmp_path / "run", listeners=[Watch("stage_finished", "data")])
    assert kept(tmp_path / "run") == ["data"]


def test_a_full_disk_while_the_results_are_written_keeps_every_stage(planted_run: Run, tmp_path: Path) -> None:
    out, real = tmp_path / "run", Path.replace

    def replace(draft: Path, target: Path) -> Path:
        if target.name == "results.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(draft, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(RunFolderError, match="the disk is full"):
            planted.debug(out)
    assert kept(out) == list(PLAIN_STAGES)
    assert status(out) == "failed"
    watch = Watch()
    modeldebug.resume(out, listeners=[watch])
    assert watch.started == []
    assert bits(out) == bits(planted_run.path)
