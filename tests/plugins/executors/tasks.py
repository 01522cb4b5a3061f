"""Work for workers, in a module that their processes can import."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from modeldebug import InputError

PATIENCE = 60.0  # seconds


def until(there: Callable[[], object], what: str) -> None:
    """Wait for something, which has to come."""
    deadline = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {PATIENCE:g} s")
        time.sleep(0.005)


def begun(folder: Path) -> Counter[int]:
    """How often each task was begun."""
    return Counter(int(path.name.partition(".")[0]) for path in folder.glob("*.begun"))


def begin(folder: Path, task: int) -> None:
    (folder / f"{task}.{os.getpid()}.{time.monotonic_ns()}.begun").write_text(str(os.getpid()))


def process_at(folder: Path, task: int) -> int:
    """The process that has begun a task last."""
    until(lambda: begun(folder)[task], f"the beginning of task {task}")
    (last,) = sorted(folder.glob(f"{task}.*.begun"), key=lambda path: int(path.name.split(".")[2]))[-1:]
    until(last.read_text, "the number of the process")
    return int(last.read_text())


class Odd(Exception):  # noqa: N818  # Python's default makes it again with one argument, which it refuses
    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{code}, {why}")


def odd(shared: None, task: int) -> None:
    raise Odd(7, "for a reason")


def squared(shared: int, task: int) -> tuple[int, int]:
    """With the process that it was done in."""
    return shared + task * task, os.getpid()


def held(folder: Path, task: int) -> int:
    """Task 0 waits for the file `go` when it is begun for the first time."""
    begin(folder, task)
    if task == 0 and begun(folder)[0] == 1:
        until((folder / "go").exists, "the file 'go'")
    return 10 * task


def all_held(folder: Path, task: int) -> int:
    """Every task waits for the file `go`."""
    begin(folder, task)
    until((folder / "go").exists, "the file 'go'")
    return 10 * task


def deadly(folder: Path, task: int) -> int:
    """Task 1 ends its worker, as often as it is begun."""
    begin(folder, task)
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def refused(folder: Path, task: int) -> int:
    begin(folder, task)
    if task == 2:
        raise InputError("the third task is refused", got="2", fix="leave it out")
    return task


def broken(folder: Path, task: int) -> int:
    begin(folder, task)
    if task == 1:
        raise OSError("the disk of the worker is full")
    return task


def held_but_one(folder: Path, task: int) -> int:
    """Task 0 does not wait for the file `go`."""
    begin(folder, task)
    until(lambda: task == 0 or (folder / "go").exists(), "the file 'go'")
    return task
