"""One exception tree. Every message says what, got, expected, what to type next, and which plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches

ALLOCATORS = ("DefaultCPUAllocator", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")  # in torch's errors


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


class BatchTooLargeError(InputError):
    """Memory ran out while networks answered about a batch of images: a run does it again with smaller batches.

    Args:
        size: images in the batch.
        got: what the allocator said.

    >>> print(BatchTooLargeError(512))
    there is not enough memory for a batch of 512 images
      do:       use smaller batches (--set run.batch_size=256), or --device cpu
    """

    def __init__(self, size: int, got: object = None) -> None:
        smaller = f"use smaller batches (--set run.batch_size={size // 2})" if size > 1 else "use a smaller network"
        what = f"there is not enough memory for a batch of {size} image{'s' if size > 1 else ''}"
        super().__init__(what, got=got, fix=f"{smaller}, or --device cpu")
        self.size = size

    def __reduce__(self) -> tuple[type[BatchTooLargeError], tuple[int, object]]:
        return type(self), (self.size, self.got)  # workers send it to the process that they work for


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

    def __reduce__(self) -> tuple[Callable[[str, str, str | None], WaitingForPeople], tuple[str, str, str | None]]:
        return _waiting, (self.what, self.fix or "", self.plugin)  # workers send it to the process that they work for


def _waiting(what: str, fix: str, plugin: str | None) -> WaitingForPeople:
    return WaitingForPeople(what, fix=fix, plugin=plugin)


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an allocator raised it: torch's on a GPU, torch's on the processor, or NumPy's. By name and message: that
    takes no import of torch, and torch has no class for the second.

    >>> ran_out_of_memory(RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"))
    True
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in ALLOCATORS)


def not_enough_memory(error: BaseException, fix: str) -> InputError:
    """What is said where memory ran out."""
    return InputError("there is not enough memory on the device", got=first_line(error), fix=fix)


def first_line(error: BaseException) -> str | None:
    """What an error says, without the lines that some libraries add; None where it says nothing."""
    return next(iter(str(error).splitlines()), None)


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
