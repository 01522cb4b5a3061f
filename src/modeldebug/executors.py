"""Tasks that need nothing of each other, one after another or in worker processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from .errors import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")


def each(work: Callable[[Task], Result], tasks: Sequence[Task], *, workers: int = 1) -> Iterator[tuple[int, Result]]:
    """The result of each task, with its place among the tasks, in the order in which they end.

    With one worker the tasks are done here; with more, in processes that begin afresh (loky, never fork), so that work,
    tasks and results need to be picklable. A worker's libraries get their share of the processors' threads.

    Raises:
        InputError: a worker was ended from outside, or by what it did.

    >>> list(each(abs, [-1, 2]))
    [(0, 1), (1, 2)]
    """
    if workers == 1 or len(tasks) < 2:
        yield from ((i, work(task)) for i, task in enumerate(tasks))
        return
    from joblib import Parallel, delayed
    from joblib.externals.loky import BrokenProcessPool

    parallel = Parallel(n_jobs=min(workers, len(tasks)), return_as="generator_unordered")
    try:
        yield from parallel(delayed(_numbered)(work, i, task) for i, task in enumerate(tasks))
    except BrokenProcessPool as error:
        raise InputError(
            "a worker process ended in the middle of its work",
            got=str(error).splitlines()[0],
            fix="where memory was short, take fewer workers; one worker shows what else it was",
        ) from error


def _numbered(work: Callable[[Task], Result], i: int, task: Task) -> tuple[int, Result]:
    return i, work(task)
