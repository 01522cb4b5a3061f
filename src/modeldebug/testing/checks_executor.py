"""What an executor must do."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Lock
from typing import Any

from ..contracts.executor import Executor
from .runner import Subject, require, rule

FEW, MANY = 5, 20
ROUNDS = 4  # tasks for each worker, where there are more tasks than workers
MOST = 40  # tasks
MOMENT = 0.05  # seconds that a task takes that looks out for others
_at_work = Lock()  # held by the task that this process is at


@contextmanager
def _made(subject: Subject) -> Iterator[Executor[Any]]:
    with closing(subject.make()) as executor:
        yield executor


def _require_powers(executor: Executor[Any], n: int) -> None:
    """Ask for powers of two, and complain of those that are wrong."""
    found = dict(executor.each(pow, range(n), 2))
    wrong = [i for i in range(n) if found.get(i) != 2**i]
    require(not wrong, f"another result of {len(wrong)} of {n} tasks, such as {wrong[:1]}")


def alone(shared: float, task: int) -> bool:
    """A task for a worker: whether no other one was done in its process at the same time."""
    first = _at_work.acquire(blocking=False)
    time.sleep(shared)
    if first:
        _at_work.release()
    return first


@rule(
    "executor",
    says="its width is a whole number, at least 1",
    why="with 1, the core does not split its work; with less, it could not do it at all",
    do="give the number of tasks that are done at once",
)
def width_is_a_number_of_workers(subject: Subject) -> None:
    with _made(subject) as executor:
        width: object = executor.width
        require(isinstance(width, int) and width >= 1, f"a width of {width!r}")


@rule(
    "executor",
    says="each task is done, and its result comes once, with the place of its task",
    why="a step of a search would be missing, counted twice, or taken for another",
    do="yield (i, result), i being the index of the task in the given sequence, in whatever order they end",
)
def each_task_has_its_result(subject: Subject) -> None:
    with _made(subject) as executor:
        _require_powers(executor, FEW)


@rule(
    "executor",
    says="there may be more tasks than workers",
    why="a search over many images has many more steps than there are workers",
    do="give a worker its next task when it is done with one",
)
def more_tasks_than_workers_are_done(subject: Subject) -> None:
    with _made(subject) as executor:
        _require_powers(executor, min(ROUNDS * executor.width + 1, MOST))


@rule(
    "executor",
    says="no tasks are no error, and one task is done as many are",
    why="a search that finds nothing to start from has no steps",
    do="yield nothing where there are no tasks",
)
def no_tasks_are_no_error(subject: Subject) -> None:
    with _made(subject) as executor:
        found = list(executor.each(pow, [], 2))
        require(not found, f"{len(found)} results of no tasks")
        _require_powers(executor, 1)


@rule(
    "executor",
    says="what all tasks share arrives as it was; and the next time, that of the next time",
    why="workers would compute with other models, or with those of the stage before",
    do="send it again whenever tasks are given, under a name of its own",
)
def shared_part_arrives(subject: Subject) -> None:
    with _made(subject) as executor:
        for time_ in ("first", "second"):
            sent = [f"{time_} {i}" for i in range(FEW)]
            found = dict(executor.each(operator.getitem, range(FEW), sent))
            require([found.get(i) for i in range(FEW)] == sent, f"something else, the {time_} time")


@rule(
    "executor",
    says="what a task raises is raised",
    why="a classifier that fails in a worker would look like one without failures",
    do="give the exception back from the worker, and raise it where the results are taken",
)
def error_of_a_task_is_raised(subject: Subject) -> None:
    with _made(subject) as executor:
        try:
            found = list(executor.each(operator.floordiv, [2, 1, 0], 6))
        except ZeroDivisionError:
            return
        require(False, f"{len(found)} results, and no ZeroDivisionError")


@rule(
    "executor",
    says="it can be used again after somebody took some of the results, and no more",
    why="a search stops in the middle once it has spent its queries",
    do="give up in a `finally` what is not waited for any more; keep nothing of it on self",
)
def results_need_not_all_be_taken(subject: Subject) -> None:
    with _made(subject) as executor:
        results = executor.each(pow, range(MANY), 3)
        next(results)
        results.close()  # type: ignore[attr-defined]  # it is a generator
        _require_powers(executor, FEW)


@rule(
    "executor",
    says="it can be closed at any time: before it was used, and twice",
    why="the core closes it whenever a run ends, whatever the run came to",
    do="let `close` end the workers that there are, which may be none",
)
def closing_is_no_error(subject: Subject) -> None:
    unused = subject.make()
    unused.close()
    with _made(subject) as executor:
        _require_powers(executor, FEW)
        executor.close()


@rule(
    "executor",
    says="no process does two tasks at once",
    why="torch's number of threads and its global generators are the process's: tasks that share one would decide "
    "each other's last bits",
    do="take processes, not threads",
)
def no_process_does_two_tasks_at_once(subject: Subject) -> None:
    with _made(subject) as executor:
        n = min(ROUNDS * executor.width, MOST)
        found = dict(executor.each(alone, range(n), MOMENT))
        disturbed = sum(not found[i] for i in range(n))
        require(not disturbed, f"{disturbed} of {n} tasks began while another was done in the same process")
