"""Worker processes on this machine, each its own pool of one (loky): one that is killed takes no other along."""

from __future__ import annotations

import logging
import os
import tempfile
import time
import warnings
from collections import Counter, deque
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joblib import cpu_count
from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor

from modeldebug import Executor, InputError

from .sending import packed
from .settings import LocalConfig
from .worker import from_file, ready

AT_ONCE = 2  # tasks given to a worker: the next one lies ready when it is done with the first
MOMENT = 0.001  # seconds
TRIES = 3  # of a task whose worker ends
log = logging.getLogger("modeldebug")
# loky replaces a worker whose memory has grown between two tasks: nothing is lost, and nobody need be told
warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)


@dataclass
class Worker:
    """One process, begun afresh (never forked), and anew when it has ended.

    Attributes:
        threads: its share of the processors.
        tasks: that it has.
        first: its getting ready.
    """

    threads: int
    tasks: dict[Future[Any], int] = field(default_factory=dict)
    pool: Any = None
    first: Future[None] | None = None

    def begin(self) -> None:
        """Begin the process, if that is not done yet."""
        if self.pool is None:
            limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(self.threads))
            self.pool = ProcessPoolExecutor(max_workers=1, env=limits)
            self.first = self.pool.submit(ready, os.getpid())

    def take(self, path: Path, i: int, task: Any) -> None:
        """Give it a task."""
        self.begin()
        self.tasks[self.pool.submit(from_file, str(path), task)] = i

    def leave(self) -> None:
        """End the process, whatever it is at."""
        if self.pool is not None:
            given = [*self.tasks, *([] if self.first is None else [self.first])]
            while not all(future.running() or future.done() for future in given):
                time.sleep(MOMENT)  # loky's thread falls over a task that it has not passed on when the pool is ended
            self.pool.shutdown(wait=True, kill_workers=True)
        self.pool, self.tasks, self.first = None, {}, None


class Local(Executor[LocalConfig]):
    """A task that ends its worker is tried three times, each time in a process begun afresh.

    Raises:
        InputError: what is to be sent to a worker cannot be sent; or a task ended its worker time and again.

    >>> workers = Local(LocalConfig(workers=1))
    >>> workers.width, list(workers.each(pow, [2, 3], 10))  # with one, in this process
    (1, [(0, 100), (1, 1000)])
    """

    def __init__(self, config: LocalConfig) -> None:
        super().__init__(config)
        share = max(1, cpu_count() // self.width)
        self._workers = [Worker(share) for _ in range(self.width)]

    @property
    def width(self) -> int:
        return self.config.workers or int(cpu_count())

    def _each(self, work: Any, tasks: Sequence[Any], shared: Any) -> Generator[tuple[int, Any], None, None]:
        if self.width == 1 or len(tasks) < 2:
            yield from ((i, work(shared, task)) for i, task in enumerate(tasks))
            return
        with tempfile.TemporaryDirectory(prefix="modeldebug-") as folder:
            path = Path(folder) / "shared"
            path.write_bytes(packed(work, shared))
            try:
                yield from self._done(path, tasks)
            finally:
                for worker in self._workers:
                    if worker.tasks:  # nobody waits for them any more
                        worker.leave()

    def _done(self, path: Path, tasks: Sequence[Any]) -> Generator[tuple[int, Any], None, None]:
        waiting, lost = deque(range(len(tasks))), Counter[int]()
        workers = self._workers[: len(tasks)]
        while waiting or any(worker.tasks for worker in workers):
            for load in range(AT_ONCE):
                for worker in workers:
                    if waiting and len(worker.tasks) == load:
                        self._give(worker, path, waiting, lost, tasks)
            wait([future for worker in workers for future in worker.tasks], return_when=FIRST_COMPLETED)
            for worker in workers:
                for future in [future for future in worker.tasks if future.done()]:
                    if isinstance(future.exception(), BrokenProcessPool):
                        self._mourn(worker, waiting, lost)
                        break
                    yield worker.tasks.pop(future), future.result()

    def _give(self, worker: Worker, path: Path, waiting: deque[int], lost: Counter[int], tasks: Sequence[Any]) -> None:
        i = waiting.popleft()
        try:
            worker.take(path, i, tasks[i])
        except BrokenProcessPool:  # it ended while nobody looked
            waiting.appendleft(i)
            if worker.tasks:
                self._mourn(worker, waiting, lost)
            else:
                worker.leave()

    def _mourn(self, worker: Worker, waiting: deque[int], lost: Counter[int]) -> None:
        """A worker has ended: what it had not finished is done again, the first of it being the suspect."""
        unfinished = sorted(worker.tasks.values())
        log.warning("%s: a worker process ended; what it had not finished is done again", self.name)
        lost[unfinished[0]] += 1
        if lost[unfinished[0]] == TRIES:
            raise InputError(
                "a worker process ended in the middle of its work, time and again",
                got=f"{TRIES} processes ended at the same task",
                fix="where memory was short, take fewer workers; --workers 1 shows what else it was",
                plugin=self.name,
            )
        worker.leave()
        waiting.extendleft(reversed(unfinished))

    def open(self) -> None:
        if self.width > 1:
            for worker in self._workers:
                worker.begin()

    def close(self) -> None:
        for worker in self._workers:
            worker.leave()
