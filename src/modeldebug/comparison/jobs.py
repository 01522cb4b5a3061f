"""The runs of a comparison, each in a folder of its own, so that one that was done is never done again."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelDebugError, WaitingForPeople
from ..events import Event, Listener
from ..external import code_of
from ..folders import restore_config, work_in
from ..peak import Peak
from ..results import STAGES
from ..roles import NONE
from ..session import new_manifest
from ..store import RunStore
from .entrants import Compared
from .measures import STAGE, key_of, measure, measured
from .plan import Job

log = logging.getLogger("modeldebug")

WEIGHED: Mapping[Compared, str] = {
    "searcher": "search",
    "generator": "search",
    "clusterer": "clusters",
    "labeler": "labeler",
    "corrector": "correction",
}
"""The stage of each role whose memory is measured: that whose time is."""


@dataclass(frozen=True)
class Task:
    """A run that is to be done; a worker process needs nothing else.

    Attributes:
        path: its folder.
        until: its last stage.
        role: what is compared, for a cell; None for a trunk, of which nothing is measured.
        trust: whether weights that may run code are read.
    """

    path: str
    until: str
    role: Compared | None
    trust: bool = False


@dataclass(frozen=True)
class Wait:
    """What people are to do before a task can go on.

    Attributes:
        what: waits for them: so many images.
        do: what to type.
        plugin: whose labeler asks them.
    """

    what: str
    do: str
    plugin: str | None


@dataclass(frozen=True)
class Outcome:
    """How a task ended; a worker process can send it.

    Attributes:
        seconds: that it took.
        error: why it failed, as it is told; empty if it did not.
        wait: for whom it waits; None if for nobody.
    """

    seconds: float
    error: str = ""
    wait: Wait | None = None


def laid_out(root: Path, job: Job, role: Compared, *, reuse: str | None, trust: bool) -> Task:
    """The task of a job, with its folder made where there is none. Where the code of a component that it uses has
    changed since, all stages are forgotten: nothing that another code gave may stand in the table. A trunk whose
    entrants are others than before, one of them with a guide, keeps its stages and goes on with the new configuration.

    Args:
        reuse: the folder of a run whose stages a job takes over that needs no other job.
    """
    path, code, fresh = root / job.folder, _code_of(job), new_manifest(job.config)
    if not (path / "manifest.json").exists():
        reuse = reuse if job.reuse is None else str((root / job.reuse).absolute())
        RunStore.create(path, fresh | {"reuse": reuse, "code": code})
    store = RunStore.open(path)
    before = store.manifest["code"]
    changed = any(before.get(role, own) != own for role, own in code.items())
    if changed or before != code or store.manifest["config"] != fresh["config"]:
        with store.locked():
            store.manifest |= {"code": code, "config": fresh["config"], "sources": fresh["sources"]}
            store.drop_stages(list(store.manifest["stages"]) if changed else [])
    return Task(str(path), job.until, role if job.entrant is not None else None, trust)


def _code_of(job: Job) -> dict[str, list[str]]:
    """What stands for the code of each component that a job uses, by role: another one makes another component under
    the same name."""
    last = STAGES.index(job.until)
    used = {role: choice.registered for role, choice in job.config.choices.items() if _first_use(role) <= last}
    return {role: [registered.source.version, code_of(registered)] for role, registered in used.items()}


def _first_use(role: str) -> int:
    """The place, in the order of a run, of the first stage that uses a role's component."""
    stage = {"searcher": "search", "clusterer": "clusters", "corrector": "correction"}.get(role, "data")
    return STAGES.index(stage)


def is_done(task: Task) -> bool:
    """Whether a task was done before; of a trunk, with the guide that it has now."""
    store = RunStore.open(Path(task.path))
    return _whole(store, task.until) and (task.role is None or measured(store, task.role))


def _whole(store: RunStore, until: str) -> bool:
    guided = store.manifest["config"].get("guide", {}).get("use", NONE) != NONE
    return store.finished(until) and (not guided or store.finished("guide"))


def do(task: Task, *, objects: Mapping[str, object] | None = None, listeners: Sequence[Listener] = ()) -> Outcome:
    """Do a task, or what is left of it. What goes wrong with it, or whom it waits for, is told, and is no harm to the
    others.

    Args:
        objects: classifier and data set that were given from Python.
        listeners: called with each event.
    """
    began, store = time.monotonic(), RunStore.open(Path(task.path))
    memory = _Memory(store, None if task.role is None else WEIGHED[task.role])
    try:
        registry, config = restore_config(store, objects)
        if not _whole(store, task.until):
            work_in(store, registry, config, until=task.until, trust=task.trust, listeners=(memory, *listeners))
        if task.role is not None and not measured(store, task.role):
            saved = measure(store, config, task.role, memory=memory.megabytes, trust=task.trust)
            with store.locked():
                store.save_stage(STAGE, key_of(store, task.role), saved, seconds=time.monotonic() - began)
    except WaitingForPeople as wait:
        return Outcome(time.monotonic() - began, wait=Wait(wait.what, wait.fix or "", wait.plugin))
    except ModelDebugError as error:
        return Outcome(time.monotonic() - began, str(error))
    except Exception as error:
        log.exception("the run %s failed", task.path)
        return Outcome(time.monotonic() - began, f"modeldebug itself failed: {type(error).__name__}: {error}")
    return Outcome(time.monotonic() - began)


class _Memory:
    """By how many megabytes the process grew while a stage was done, at its largest; None where that was taken over, or
    begun by another process, or where the system does not tell."""

    def __init__(self, store: RunStore, stage: str | None) -> None:
        self.stage = stage
        self.megabytes: float | None = None
        self._checkpoint = store.path / "stages" / f"{stage}.checkpoint"
        self._peak: Peak | None = None

    def __call__(self, event: Event) -> None:
        if event.stage != self.stage:
            return
        if event.kind == "stage_started" and not self._checkpoint.exists():
            self._peak = Peak()
        if event.kind == "stage_finished" and self._peak is not None:
            self.megabytes = self._peak.megabytes()
