"""One exception tree. Every message says what, got, expected, what to type next, and which plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches


class ModelDebugError(Exception):
    """Base of every error that modeldebug raises on purpose.

    Args:
        what: what is wrong, as one sentence.
        got: what was found.
        expected: what would have been right.
        fix: what to do or type next.
        plugin: the plugin or component that is to blame, if one is.

    >>> print(ModelDebugError("the image array has a wrong shape", got="(10, 8, 8)", expected="(n, c, h, w)"))
    the image array has a wrong shape
      got:      (10, 8, 8)
      expected: (n, c, h, w)
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        got: object = None,
        expected: object = None,
        fix: str | None = None,
        plugin: str | None = None,
    ) -> None:
        self.what, self.got, self.expected, self.fix, self.plugin = what, got, expected, fix, plugin
        super().__init__(what)

    def __str__(self) -> str:
        rows = [("got", self.got), ("expected", self.expected), ("plugin", self.plugin), ("do", self.fix)]
        lines = [f"  {label + ':':<10}{value}" for label, value in rows if value is not None]
        return "\n".join([self.what, *lines])


class InputError(ModelDebugError):
    """Something that the user gave is wrong: nothing was lost, exit code 2."""

    exit_code = 2


class ConfigError(InputError):
    """An unknown or impossible setting."""


class DataError(InputError):
    """A data set that cannot be debugged with."""


class ClassifierError(InputError):
    """A classifier under test that raises, or answers with the wrong shape or numbers."""


class RunFolderError(InputError):
    """A run folder that is locked, damaged, unwritable, or already in use."""


class PluginError(InputError):
    """A plugin that does not load, or a component that breaks its contract."""


class WaitingForPeople(ModelDebugError):  # noqa: N818  # no error: the run goes on later
    """The run has stopped until people have answered; exit code 3.

    Args:
        ready: says, at little cost, whether going on is worth while; None where nobody can tell.
    """

    exit_code = 3

    def __init__(
        self, what: str, *, fix: str, plugin: str | None = None, ready: Callable[[], bool] | None = None
    ) -> None:
        super().__init__(what, fix=fix, plugin=plugin)
        self.ready = ready


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the closest known one, else all of them.

    >>> nearest("drawz", ["draws", "scale"])
    "did you mean 'draws'?"
    >>> nearest("xyz", ["scale", "draws"])
    'known: draws, scale'
    """
    options = sorted(known)
    close = get_close_matches(name, options, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return "known: " + (", ".join(options) if options else "none")
