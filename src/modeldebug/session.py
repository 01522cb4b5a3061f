"""The bookkeeping around a run's stages: keys, files, seeds, progress, events, threads, the log."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from .config import RunConfig
from .context import Context
from .errors import ModelDebugError, RunFolderError, WaitingForPeople
from .estimate import Estimate
from .events import Event, EventBus, Kind
from .external import code_of
from .prepare import blamed_on, resolve_device
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
    """One run at work: does its stages or reads them back, and tells of it. It stops after the stage `until`."""

    def __init__(self, store: RunStore, config: RunConfig, bus: EventBus, *, until: str | None = None) -> None:
        self.store, self.config, self.bus, self.until = store, config, bus, until
        self.seed = config.core.run.seed
        self.device = resolve_device(config.core.run.device)
        self.keys: dict[str, str] = {}
        self._reused = _reused(store)
        self._estimate = Estimate({})

    def seed_of(self, stage: str) -> int:
        """What decides a stage's random choices: the run's seed, and from the search on which repeat it is."""
        repeat = self.config.core.search.repeat
        if not repeat or stage.partition("-")[0] not in REPEATED:
            return self.seed
        return derive_seed(self.seed, "repeat", repeat)

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
            progress=lambda done, message: self._progress(name, done, message),
            checkpoint=checkpoint,
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
        parts = {
            "format": FORMAT,
            "stage": name,
            "seed": self.seed_of(name),
            "versions": {name: version(name) for name in DECIDING},
            "machine": [str(self.device), self.config.core.run.threads],
            "components": used,
            "sections": {s: getattr(self.config.core, s).model_dump(mode="json") for s in sections},
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
    with store.locked(), logging_to(store):
        session = Session(store, config, bus, until=until)
        session.emit("run_started", message=f"run {store.path}")
        status = "interrupted"
        try:
            summary = work(session)
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


@contextmanager
def threads(count: int | None, spec: DataSpec) -> Iterator[None]:
    """Compute with so many threads inside, and with as many as before outside.

    Where no number is asked for, images of at most 16 x 16 pixels get one thread: a second one gains a tenth on
    networks of that size, and costs tenfold when another process wants the core. Larger ones get torch's own choice.
    """
    before = torch.get_num_threads()
    if count is None and spec.shape[1] * spec.shape[2] <= SMALL_IMAGE:
        count = 1
    with threadpool_limits(limits=count):
        torch.set_num_threads(count or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


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
