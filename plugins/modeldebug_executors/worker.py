"""What runs in a worker process: a task, with what all tasks share, read once."""

from __future__ import annotations

import os
import pickle
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import cloudpickle

from modeldebug import ConfigError, ModelDebugError, PluginError

DECIDING = ("modeldebug", "torch", "numpy", "scikit-learn", "cloudpickle")  # what decides a task's bits, and its pickle
Versions = dict[str, str]
_held: dict[str, Any] = {}  # what the tasks at hand share, by the name that it was sent under
_alone = Lock()  # how many threads torch computes with is the process's, not the task's


def ready(parent: int) -> None:
    """Import what every task needs, so that the first one need not wait for it; and end when the parent process has."""
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    from modeldebug import Problem, train_network  # noqa: F401  # and torch


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)  # killed, so that it could not end its workers


def from_file(path: str, task: Any) -> Any:
    """The result of a task, whose work and shared part are in a file of the parent's."""
    work, shared = _shared(path, Path(path).read_bytes)
    try:
        return work(shared, task)
    except Exception as error:
        raise sendable(error) from None


def sendable(error: Exception) -> Exception:
    """The same error where it can be pickled, else one that says what it said: Python cannot make any error again.

    >>> sendable(KeyError("x"))
    KeyError('x')
    """
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return PluginError(f"a task raised {type(error).__name__}: {error}")
    return error


def _shared(name: str, read: Callable[[], bytes]) -> Any:
    if name not in _held:
        _held.clear()
        _held[name] = pickle.loads(read())
    return _held[name]


@dataclass(frozen=True)
class Raised:
    """What a task raised on purpose. It is handed over as a result, since doing the task again would raise it again."""

    error: ModelDebugError


def from_bytes(sent: bytes, name: str, expected: Versions, task: bytes) -> bytes:
    """The result of a task, or what it raised. All of it is sent as bytes, so that nobody reads it on its way.

    Args:
        sent: the work and the shared part.
        name: of these.
        expected: the versions of who asks for the result.
        task: pickled.
    """
    with _alone:
        result: Any
        try:
            if name not in _held:
                refuse_others(versions(), expected, where="a worker")
            work, shared = _shared(name, lambda: sent)
            result = work(shared, pickle.loads(task))
        except Exception as error:
            told = sendable(error)
            if not isinstance(told, ModelDebugError):
                raise
            result = Raised(told)
        answer: bytes = cloudpickle.dumps(result)
        return answer


def versions() -> Versions:
    """The versions in this process of what decides a task's bits."""
    major, minor, _ = platform.python_version_tuple()
    found = {"python": f"{major}.{minor}"}
    for name in DECIDING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def refuse_others(theirs: Versions, mine: Versions, *, where: str) -> None:
    """Refuse versions that are not those of the process that asks.

    Raises:
        ConfigError: saying which differ.

    >>> refuse_others({"torch": "2.6.0"}, {"torch": "2.7.0"}, where="a worker")
    Traceback (most recent call last):
    modeldebug.errors.ConfigError: a worker has other versions than this process...
    """
    differ = [name for name in mine if theirs.get(name) != mine[name]]
    if differ:
        raise ConfigError(
            f"{where} has other versions than this process, with which a result may differ in its last bits",
            got=", ".join(f"{name} {theirs.get(name, 'none')}" for name in differ),
            expected=", ".join(f"{name} {mine[name]}" for name in differ),
            fix="install the same versions everywhere, with -c constraints.txt",
        )


def described(dask_worker: Any) -> dict[str, Any]:
    """What a worker of a Dask cluster is; Dask hands it to whatever function has a parameter of that name."""
    state = dask_worker.state
    return {"versions": versions(), "threads": state.nthreads, "resources": dict(state.total_resources)}
