"""Importing other people's modules: what they print is no output of ours, and one that hangs is given up."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType

from .errors import ConfigError

VARIABLE = "MODELDEBUG_IMPORT_SECONDS"
SECONDS = 60.0
AGAIN = 1.0  # seconds between further alarms, for a module that swallows the first


class ImportHangsError(Exception):
    """What was to be imported gave no answer in time."""


class _Alarm(BaseException):
    """Raised inside of what hangs; no `except Exception` there holds it up."""


def import_seconds() -> float:
    """How long a plugin's import, and each of its hooks, may take; 0 for as long as it likes.

    Raises:
        ConfigError: the environment variable holds no such number.

    >>> import_seconds()
    60.0
    """
    text = os.environ.get(VARIABLE, str(SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ConfigError(
            f"the environment variable {VARIABLE} is no time",
            got=repr(text),
            expected="a number of seconds; 0 for no limit",
            fix=f"{VARIABLE}=60",
        )
    return seconds


@contextmanager
def importing() -> Iterator[None]:
    """Around the import of a plugin, or a call of one of its hooks: it has `import_seconds()`, and what it prints goes
    to standard error. Both in the main thread alone, since output and alarms are the whole process's.

    The limit is an alarm of the operating system. So there is none on systems without such alarms, and where somebody
    else has set one; and code in C that never returns to Python cannot be interrupted.

    Raises:
        ImportHangsError: the time is over.
    """
    seconds = import_seconds()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with redirect_stdout(sys.stderr):
        if not (seconds and _has_free_alarm()):
            yield
            return
        before = signal.signal(signal.SIGALRM, _ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        try:
            yield
        except _Alarm:
            raise ImportHangsError(f"no answer in {seconds:g} s") from None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)


def _ring(number: int, frame: FrameType | None) -> None:
    raise _Alarm


def _has_free_alarm() -> bool:
    return hasattr(signal, "setitimer") and signal.getitimer(signal.ITIMER_REAL)[0] == 0


def remedy(error: BaseException, source: str) -> str:
    """What a user can do about a plugin that cannot be imported.

    Args:
        source: its distribution.

    >>> remedy(ModuleNotFoundError("No module named 'jax'", name="jax"), "my-plugin 1.0")
    "install the module 'jax', which it needs; or mend or uninstall my-plugin 1.0"
    """
    mend = f"mend or uninstall {source}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install the module '{error.name}', which it needs; or {mend}"
    if isinstance(error, ImportHangsError):
        return f"{mend}; if it only needs longer, set {VARIABLE} to more seconds"
    return mend


def complaint(error: BaseException) -> str:
    """Why an import failed, in a few words.

    >>> complaint(ImportHangsError("no answer in 60 s")), complaint(ValueError("no network"))
    ('hangs when it is imported: no answer in 60 s', 'fails when it is imported: ValueError: no network')
    """
    if isinstance(error, ImportHangsError):
        return f"hangs when it is imported: {error}"
    return f"fails when it is imported: {type(error).__name__}: {error}"
