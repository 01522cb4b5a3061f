"""Does tasks that need nothing of each other, side by side: on this machine, or on others. Imports no torch, so that a
worker begins fast."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, final

from ..errors import PluginError
from .base import ConfigT

if TYPE_CHECKING:
    from ..context import Work


class Executor(ABC, Generic[ConfigT]):
    """Workers, made with their settings alone: `factory(config)`. The core closes them when the run ends.

    A task that is lost, with the worker that was at it, is the executor's to do again: tasks are pure, so that doing
    one twice gives the same result. What a task raises, `each` raises. No process does two tasks at once: torch's
    number of threads and its global generators are the process's.

    Example::

        class Processes(Executor[ProcessesConfig]):
            @property
            def width(self):
                return self.config.workers

            def _each(self, work, tasks, shared):
                with ProcessPoolExecutor(self.width, mp_context=get_context("spawn")) as pool:
                    futures = {pool.submit(work, shared, task): i for i, task in enumerate(tasks)}
                    yield from ((futures[done], done.result()) for done in as_completed(futures))
    """

    name: str = "unnamed"

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @property
    @abstractmethod
    def width(self) -> int:
        """How many tasks are done at once; with 1, the core does not split its work."""

    @final
    def each(self, work: Work, tasks: Sequence[Any], shared: Any = None) -> Iterator[tuple[int, Any]]:
        """The result of `work(shared, task)` for each task, with its place among the tasks, in the order in which they
        end.

        Args:
            work: a function of a module, or a `functools.partial` of one.
            tasks: small and many.
            shared: what all of them need; it is sent to a worker once.

        Raises:
            PluginError: a result comes twice, or never.
        """
        left, results = set(range(len(tasks))), self._each(work, tasks, shared)
        try:
            for i, result in results:
                if i not in left:
                    raise PluginError(
                        "an executor gave a result that was not waited for",
                        got=f"the result of task {i}",
                        expected=f"each of 0 to {len(tasks) - 1} once",
                        plugin=self.name,
                    )
                left.remove(i)
                yield i, result
        finally:
            results.close()
        if left:
            raise PluginError(
                "an executor ended without all results",
                got=f"{len(tasks) - len(left)} of {len(tasks)}",
                expected="one for each task",
                plugin=self.name,
            )

    @abstractmethod
    def _each(self, work: Work, tasks: Sequence[Any], shared: Any) -> Generator[tuple[int, Any], None, None]: ...

    def open(self) -> None:
        """The run begins: workers may get ready while it does what they cannot help with. It is not waited for."""
        return

    def close(self) -> None:
        """Let the workers go. They are not asked again."""
        return
