"""Workers of a Dask cluster, on this machine or on others. It was there before the run, and is there afterwards."""

from __future__ import annotations

import logging
import pickle
import uuid
from collections import Counter, deque
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import cloudpickle

from modeldebug import Executor, InputError

from .connecting import NAME, WITHOUT, asking, connected
from .sending import packed
from .settings import DaskConfig
from .worker import Raised, from_bytes, versions

if TYPE_CHECKING:
    from distributed import Client, Future

AT_ONCE = 2  # tasks given for each worker: the next one lies ready when it is done with the first
log = logging.getLogger("modeldebug")


class Dask(Executor[DaskConfig]):
    """The scheduler gives a task to another worker if its worker is lost. What all tasks share lies on the workers
    alone; if the last of them that has it is lost, it is sent again, with the tasks that were being done.

    Raises:
        ConfigError: there is no scheduler, or its workers cannot be used.
        InputError: what is to be sent to a worker cannot be sent; or a task ended its worker time and again.
    """

    def __init__(self, config: DaskConfig) -> None:
        super().__init__(config)
        self._client = connected(config)

    @property
    def width(self) -> int:
        """At least two, so that even a single worker is given all the work."""
        return max(2, len(self.client().nthreads()))

    def client(self) -> Client:
        """The connection; another one where the scheduler has been away."""
        if self._client.status != "running":
            self._client.close()
            self._client = connected(self.config)
        return self._client

    def _each(self, work: Any, tasks: Sequence[Any], shared: Any) -> Generator[tuple[int, Any], None, None]:
        if tasks:
            yield from _Round(self, packed(work, shared), tasks).results()

    def close(self) -> None:
        self._client.close()


class _Round:
    """Tasks that share something, at a cluster.

    Attributes:
        name: of what they share.
        waiting: tasks that were not given yet.
        given: those that were, by the keys of their futures.
        done: keys of the futures that have ended.
        lost: how often each was lost with all that its workers had.
    """

    def __init__(self, executor: Dask, sent: bytes, tasks: Sequence[Any]) -> None:
        self.executor, self.config, self.sent, self.tasks = executor, executor.config, sent, tasks
        self.name, self.versions = uuid.uuid4().hex, versions()
        self.waiting = deque(range(len(tasks)))
        self.given: dict[str, tuple[int, Future[Any]]] = {}
        self.done: SimpleQueue[str] = SimpleQueue()
        self.lost: Counter[int] = Counter()

    def results(self) -> Generator[tuple[int, Any], None, None]:
        """As they come; what is not waited for any more is cancelled."""
        self._scatter()
        try:
            while self.waiting or self.given:
                try:
                    self._give()
                    key = self._ended()
                    i, future = self.given[key]
                    result = None if future.status == "error" else pickle.loads(future.result())
                except (CancelledError, OSError):  # what tasks share is lost, or the scheduler was away
                    self._mourn()
                    self._scatter()
                    continue
                if future.status == "error":
                    raise self._error(future)
                if isinstance(result, Raised):
                    raise result.error
                del self.given[key]
                yield i, result
        finally:
            if self.client.status == "running":
                self.client.cancel([future for _, future in self.given.values()])

    def _scatter(self) -> None:
        """Send what all tasks share to one worker, and copy it from worker to worker. (`scatter(broadcast=True)` does
        that too, but goes on for ever if a worker is lost in the middle of it.)"""
        self.client = self.executor.client()
        with asking(self.client):
            self.there = self.client.scatter(self.sent, hash=False, timeout=self.config.timeout)
            with suppress(ValueError, KeyError):  # a worker was lost: whoever needs it fetches it
                self.client.replicate([self.there])

    def _give(self) -> None:
        enough = AT_ONCE * max(1, len(self.client.nthreads()))
        while self.waiting and len(self.given) < enough:
            future = self.client.submit(
                from_bytes,
                self.there,
                self.name,
                self.versions,
                cloudpickle.dumps(self.tasks[self.waiting[0]]),
                pure=False,
                retries=self.config.retries,
                resources=self.config.resources or None,
            )
            self.given[future.key] = self.waiting.popleft(), future
            future.add_done_callback(lambda ended: self.done.put(ended.key))

    def _ended(self) -> str:
        """The key of a future that has ended, in one way or another. Where no worker is left, one is waited for."""
        warned = False
        while True:
            try:
                key = self.done.get(timeout=self.config.timeout)
            except Empty:
                if not (self.client.nthreads() or warned):
                    log.warning("no Dask worker is left at %s; waiting for one", self.config.address)
                    warned = True
                continue
            if key in self.given:  # and was not mourned for since
                return key

    def _mourn(self) -> None:
        """All that was given is to be given again, since what tasks share is lost."""
        log.warning("%s: what was given to Dask workers is lost, with all of them; it is given again", NAME)
        again = sorted(i for i, _ in self.given.values())
        self.given.clear()
        self.lost.update(again)
        if max(self.lost.values(), default=0) > self.config.retries:
            raise _given_up()
        self.waiting.extendleft(reversed(again))

    def _error(self, future: Future[Any]) -> BaseException:
        from distributed import KilledWorker

        error: BaseException | None = future.exception()
        return _given_up() if error is None or isinstance(error, KilledWorker) else error


def _given_up() -> InputError:
    return InputError(
        "Dask workers ended in the middle of their work, time and again",
        got="more of them at the same task than the scheduler, or executor.retries, allows",
        fix=f"where memory was short, start fewer workers on a machine; {WITHOUT}, and shows what else it was",
        plugin=NAME,
    )
