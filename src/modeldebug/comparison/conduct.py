"""The jobs of a comparison are done, round by round; those that were done before are left as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..context import Here, Workers
from ..errors import PluginError
from ..events import Event, EventBus, Listener
from ..store import RunStore
from .jobs import Outcome, Task, Wait, do, is_done, laid_out
from .measures import STAGE
from .plan import Job, Plan


@dataclass(frozen=True)
class Left:
    """The jobs that were not done.

    Attributes:
        failed: and why.
        waits: for people, and what these are to do.
        behind: what needs a job that waits.
    """

    failed: dict[Job, str] = field(default_factory=dict)
    waits: dict[Job, Wait] = field(default_factory=dict)
    behind: list[Job] = field(default_factory=list)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All of them."""
        return (*self.failed, *self.waits, *self.behind)


def do_all(
    store: RunStore, plan: Plan, bus: EventBus, *, objects: Mapping[str, object] | None, executor: Workers, trust: bool
) -> Left:
    """Do all jobs that can be done; those that could not.

    Raises:
        PluginError: a trunk failed.
    """
    total, done = sum(map(len, plan.rounds)), 0
    not_done = Left()
    for jobs in plan.rounds:
        reuse, role = store.manifest["reuse"], plan.request.role
        tasks = {job: laid_out(store.path, job, role, reuse=reuse, trust=trust) for job in jobs}
        held_up = {job.folder for job in not_done.jobs}
        not_done.behind.extend(job for job in jobs if job.reuse in held_up and not is_done(tasks[job]))
        left = [job for job in jobs if job.reuse not in held_up and not is_done(tasks[job])]
        done += len(jobs) - len(left)
        relay = _Relay(bus, str(store.path), total)
        alone = executor.width == 1 or len(left) < 2
        able, here = (Here(), (relay, objects)) if alone else (executor, None)
        relay.begin(left, done)
        for i, outcome in able.each(_done, [tasks[job] for job in left], here):
            done += 1
            job = left[i]
            relay.ended(job, outcome, done)
            if outcome.error and job.entrant is None:
                raise PluginError(f"what the entrants share could not be done ({job.folder})", got=outcome.error)
            if outcome.error:
                not_done.failed[job] = outcome.error
            if outcome.wait is not None:
                not_done.waits[job] = outcome.wait
    return not_done


class _Relay:
    """Tells of the jobs of a comparison as if they were its stages."""

    def __init__(self, bus: EventBus, folder: str, total: int) -> None:
        self.bus, self.folder, self.total = bus, folder, total
        self.done = 0
        self.jobs: dict[str, Job] = {}

    def begin(self, jobs: Sequence[Job], done: int) -> None:
        self.done = done
        for job in jobs:
            self.jobs[str(Path(self.folder) / job.folder)] = job
        if jobs:
            self.bus.emit(Event("stage_started", self.folder, jobs[0].folder, overall=done / self.total))

    def __call__(self, event: Event) -> None:
        """An event of a run inside."""
        job = self.jobs[event.run]
        if event.kind == "warning":
            self.bus.emit(Event("warning", self.folder, job.folder, event.message))
        if event.kind in ("progress", "stage_started"):
            overall = (self.done + (event.overall or 0.0)) / self.total
            who = f"{job.entrant}, seed {job.seed}: " if job.entrant is not None else ""
            message = f"{who}{event.stage} {event.message}".strip()
            self.bus.emit(Event("progress", self.folder, job.folder, message, done=event.overall, overall=overall))

    def ended(self, job: Job, outcome: Outcome, done: int) -> None:
        self.done = done
        figures = None
        if job.entrant is not None and not outcome.error and outcome.wait is None:
            figures = RunStore.open(Path(self.folder) / job.folder).load_stage(STAGE).info
        data = {
            "entrant": job.entrant,
            "seed": job.seed,
            "until": job.until,
            "first": job.reuse is None,
            "seconds": round(outcome.seconds, 3),
            "error": outcome.error or None,
            "waiting": None if outcome.wait is None else outcome.wait.what,
            "figures": figures,
        }
        self.bus.emit(Event("stage_finished", self.folder, job.folder, data=data, overall=done / self.total))


def _done(here: tuple[Listener, Mapping[str, object] | None] | None, task: Task) -> Outcome:
    """Do a task: in this process, where it is listened to and may use objects; or in a worker."""
    if here is None:
        return do(task)
    listener, objects = here
    return do(task, objects=objects, listeners=(listener,))
