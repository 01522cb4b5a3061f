"""The bookkeeping around a run's stages: keys, files, seeds, progress, events, threads, the log."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from .config import Choice, RunConfig
from .context import Context, Here, Work, Workers
from .errors import BatchTooLargeError, ModelDebugError, RunFolderError, WaitingForPeople
from .estimate import Estimate
from .events import Event, EventBus, Kind
from .external import code_of
from .prepare import blamed_on, resolve_device, resolve_precision
from .rng import derive_seed, isolated_global_rng, rng_for
from .roles import Role
from .store import FORMAT, FolderKind, RunStore, Saved
from .types import DataSpec

SMALL_IMAGE = 16 * 16  # pixels
REPEATED = ("search", "samples", "audit", "clusters", "regions", "correction", "evidence")  # by `search.repeat`
DECIDING = ("modeldebug", "torch", "numpy", "scikit-learn")  # packages whose versions decide a stage's result


class StageReached(Exception):  # noqa: N818  # no error: the run was to go no further
    """The stage that a run was to stop after is finished."""


class Session:
    """One run at work: does its stages or reads them back, and tells of it. It stops after the stage `until`.

    Attributes:
        asked: the configuration as it was asked for, which decides the stages' keys.
        config: the same, with the number of images that networks are asked about at a time.
        threads: that a worker computes with; None for its share of the processors.
    """

    def __init__(
        self,
        store: RunStore,
        config: RunConfig,
        bus: EventBus,
        *,
        until: str | None = None,
        executor: Workers | None = None,
    ) -> None:
        self.store, self.bus, self.until = store, bus, until
        self.asked = config
        before = store.manifest.get("batch_size")
        self.config = config if before is None else config.in_batches_of(before)
        self.seed = config.core.run.seed
        self.device = resolve_device(config.core.run.device)
        self.precision = resolve_precision(config.core.run.precision, self.device)
        self.threads: int | None = None
        self.keys: dict[str, str] = {}
        self._executor = executor or Here()
        self._reused = _reused(store)
        self._estimate = Estimate({})

    def seed_of(self, stage: str) -> int:
        """What decides a stage's random choices: the run's seed, and from the search on which repeat it is."""
        repeat = self.config.core.search.repeat
        if not repeat or stage.partition("-")[0] not in REPEATED:
            return self.seed
        return derive_seed(self.seed, "repeat", repeat)

    def ask_in_batches_of(self, size: int) -> None:
        """Let networks be asked about so many images at a time, here and when the run is resumed."""
        self.config = self.config.in_batches_of(size)
        self.store.manifest["batch_size"] = size

    def halve_batches(self, error: BatchTooLargeError) -> None:
        """Go on with batches of half the size, after memory ran out.

        Raises:
            BatchTooLargeError: the same, where they would be no smaller than those that memory ran out with.
        """
        used = self.config.core.run.batch_size or error.size
        if error.size > used or used == 1:
            raise error
        half = max(1, error.size // 2)
        self.ask_in_batches_of(half)
        self.store.save_manifest()
        self.emit("warning", message=f"memory ran out with batches of {error.size} images; going on with {half}")

    def has(self, stage: str) -> bool:
        """Whether a stage is finished already, here or in the run that is reused."""
        return self.store.finished(stage) or (self._reused is not None and self._reused.finished(stage))

    def plan(self, weights: Mapping[str, float]) -> None:
        """Say which stages there will be, in their order, and how long each takes relative to the others."""
        self._estimate = Estimate(weights)

    def emit(self, kind: Kind, stage: str | None = None, message: str = "", **values: Any) -> None:
        self.bus.emit(Event(kind, str(self.store.path), stage, message, **values))

    def run_stage(
        self,
        name: str,
        work: Callable[[Context], Saved],
        *,
        roles: tuple[Role, ...] = (),
        sections: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
        facts: Mapping[str, str] | None = None,
    ) -> Saved:
        """Do a stage, or read it back if it is finished, here or under the same key in the run that is reused.

        Args:
            work: does it; what it gives is written, and given back.
            roles: the components that it uses.
            sections: the core's settings that it uses.
            after: the stages whose results it uses.
            facts: hashes of inputs that are no stage's result.

        Raises:
            StageReached: the run was to stop after this stage.
        """
        saved = self._stage(name, work, roles, sections, after, facts or {})
        if name == self.until:
            raise StageReached
        return saved

    def _stage(
        self,
        name: str,
        work: Callable[[Context], Saved],
        roles: tuple[Role, ...],
        sections: tuple[str, ...],
        after: tuple[str, ...],
        facts: Mapping[str, str],
    ) -> Saved:
        key = self.keys[name] = self._key(name, roles, sections, after, facts)
        if not self.store.finished(name) and self._reused is not None:
            self.store.take_over(name, key, self._reused)
        if self.store.finished(name):
            saved = self.store.load_stage(name, key)
            self._estimate.finished(name, self.store.manifest["stages"][name]["seconds"])
            return saved
        self.emit("stage_started", name, overall=self._estimate.overall(name, 0.0))
        self._estimate.started(name)
        began, seed = time.monotonic(), self.seed_of(name)
        checkpoint = self.store.checkpoint(name, key)
        context = Context(
            rng=rng_for(seed, name),
            device=self.device,
            precision=self.precision,
            batch_size=self.config.core.run.batch_size,
            progress=lambda done, message: self._progress(name, done, message),
            checkpoint=checkpoint,
            executor=Limited(self._executor, self.threads),
        )
        chosen = [self.config.choices[role] for role in roles if role in self.config.choices]
        with isolated_global_rng(derive_seed(seed, name, "global")):
            if chosen:
                with blamed_on(chosen[-1], "running"):
                    saved = work(context)
            else:
                saved = work(context)
        seconds = checkpoint.before + time.monotonic() - began
        self.store.save_stage(name, key, saved, seconds=seconds)
        self._estimate.finished(name, seconds)
        self.emit("stage_finished", name, data=saved.info, overall=self._estimate.overall(name, 1.0))
        return saved

    def _key(
        self,
        name: str,
        roles: tuple[Role, ...],
        sections: tuple[str, ...],
        after: tuple[str, ...],
        facts: Mapping[str, str],
    ) -> str:
        used = [
            {**choice.to_dict(), "version": choice.registered.source.version, "code": code_of(choice.registered)}
            for role in roles
            if (choice := self.config.choices.get(role)) is not None
        ]
        machine: list[str | int | None] = [str(self.device), self.config.core.run.threads]
        if self.precision != torch.float32:
            machine.append(str(self.precision))  # what `auto` stands for, and so in no section
        parts = {
            "format": FORMAT,
            "stage": name,
            "seed": self.seed_of(name),
            "versions": {name: version(name) for name in DECIDING},
            "machine": machine,
            "components": used,
            "sections": {
                s: getattr(self.asked.core, s).model_dump(mode="json", exclude={"precision"}) for s in sections
            },
            "after": [self.keys[stage] for stage in after],
            "facts": dict(facts),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _progress(self, name: str, done: float, message: str) -> None:
        eta = self._estimate.left(done, time.monotonic())
        self.emit("progress", name, message, done=done, overall=self._estimate.overall(name, done), eta=eta)


def _reused(store: RunStore) -> RunStore | None:
    """The run whose stages this one takes over; None where there is none, or none any more."""
    folder = store.manifest["reuse"]
    try:
        return None if folder is None else RunStore.open(Path(folder))
    except RunFolderError:
        return None


def conduct(
    store: RunStore,
    config: RunConfig,
    bus: EventBus,
    work: Callable[[Session], dict[str, Any]],
    *,
    until: str | None = None,
) -> None:
    """Do what is to be done in a run folder, with its lock and its log: the folder says afterwards how it ended.

    Args:
        work: does the stages, writes what is drawn from them, and gives the results.
        until: go no further than this stage.

    Raises:
        ModelDebugError: bad input, a component that fails, or people who are to be waited for; what was finished
            is kept.
    """
    with store.locked(), logging_to(store), workers(config.choices.get("executor")) as executor:
        session = Session(store, config, bus, until=until, executor=executor)
        session.emit("run_started", message=f"run {store.path}")
        status = "interrupted"
        try:
            summary = _with_fitting_batches(session, work)
            status = "done"
        except StageReached:
            status = "stopped"
            return
        except WaitingForPeople:
            status = "waiting"
            raise
        except ModelDebugError:
            status = "failed"
            raise
        finally:
            if store.manifest["status"] != status:
                store.manifest["status"] = status
                store.save_manifest()
            if status != "done":
                session.emit("run_stopped", message=status, data={"status": status})
        session.emit("run_finished", data=summary, overall=1.0)


def _with_fitting_batches(session: Session, work: Callable[[Session], dict[str, Any]]) -> dict[str, Any]:
    """Do the work; where memory runs out in a batch, go on with smaller ones: finished stages are read back, and the
    one that was interrupted goes on from its checkpoint."""
    while True:
        try:
            return work(session)
        except BatchTooLargeError as error:
            session.halve_batches(error)


def new_manifest(config: RunConfig, kind: FolderKind = "run") -> dict[str, Any]:
    """What is known of a run, or of an inspection, before any work."""
    names = (*DECIDING, "pluggy", "pydantic", "safetensors")
    return {
        "kind": kind,
        "status": "new",
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "folder": str(Path.cwd()),
        "plugins": list(config.plugins),
        "preset": config.preset,
        "budget": config.budget,
        "advice": config.advice,
        "reuse": None,
        "config": config.to_dict(),
        "sources": dict(config.sources),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "machine": {
            "system": platform.platform(),
            "processors": os.cpu_count(),
            "threads": config.core.run.threads,
        },
    }


@dataclass(frozen=True)
class Limited:
    """Workers that compute with so many threads each; with their share of the processors where that is None."""

    workers: Workers
    threads: int | None

    @property
    def width(self) -> int:
        return self.workers.width

    def each(self, work: Work, tasks: Sequence[Any], shared: Any = None) -> Iterator[tuple[int, Any]]:
        """As `Executor.each`."""
        return self.workers.each(partial(_limited, work, self.threads), tasks, shared)


def _limited(work: Work, count: int | None, shared: Any, task: Any) -> Any:
    with threads(count):
        return work(shared, task)


@contextmanager
def workers(choice: Choice | None) -> Iterator[Workers]:
    """Who does tasks: the executor that is chosen, let go at the end; without one, this process."""
    if choice is None:
        yield Here()
        return
    with blamed_on(choice, "making"):
        executor = choice.registered.component.make(choice.config)
    executor.name = choice.registered.name
    with closing(executor):
        executor.open()
        yield executor


def thread_count(asked: int | None, spec: DataSpec) -> int | None:
    """How many threads a run computes with; None for torch's own choice.

    Where no number is asked for, images of at most 16 x 16 pixels get one thread: a second one gains a tenth on
    networks of that size, and costs tenfold when another process wants the core. Larger ones get torch's own choice.
    """
    return 1 if asked is None and spec.shape[1] * spec.shape[2] <= SMALL_IMAGE else asked


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with so many threads inside, and with one of them, take numbers below 10^-38 for 0; as before outside.

    Such numbers (denormal ones) stand in the averages of Adam for weights that have no gradient any more. They change
    no weight, but processors are slow with each. The flag is a thread's own, and those of a pool do
    not get it: with several threads it is left as it is.
    """
    before, flushed = torch.get_num_threads(), _flushes()
    with threadpool_limits(limits=count):
        torch.set_num_threads(count or before)
        torch.set_flush_denormal(flushed or torch.get_num_threads() == 1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
            torch.set_flush_denormal(flushed)


def _flushes() -> bool:
    """Whether denormal numbers are taken for 0."""
    return not bool(torch.tensor([1e-40]) * 1)


@contextmanager
def logging_to(store: RunStore) -> Iterator[None]:
    handler = logging.FileHandler(store.path / "log.txt", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("modeldebug")
    level, logger.level = logger.level, logging.INFO
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = level, propagate
        handler.close()
