"""The jobs of a comparison are done, round by round; those that were done before are left as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ..errors import PluginError
from ..events import Event, EventBus, Listener
from ..executors import each
from ..store import RunStore
from .jobs import Outcome, Task, do, is_done, laid_out
from .measures import STAGE
from .plan import Job, Plan


def do_all(
    store: RunStore, plan: Plan, bus: EventBus, *, objects: Mapping[str, object] | None, workers: int, trust: bool
) -> dict[Job, str]:
    """Do all jobs; the cells that failed, and why."""
    total, done = sum(map(len, plan.rounds)), 0
    failed: dict[Job, str] = {}
    for jobs in plan.rounds:
        reuse, role = store.manifest["reuse"], plan.request.role
        tasks = {job: laid_out(store.path, job, role, reuse=reuse, trust=trust) for job in jobs}
        left = [job for job in jobs if not is_done(tasks[job])]
        done += len(jobs) - len(left)
        relay = _Relay(bus, str(store.path), total)
        here = workers == 1 or len(left) < 2
        work: Callable[[Task], Outcome] = partial(_here, relay=relay, objects=objects) if here else do
        relay.begin(left, done)
        for i, outcome in each(work, [tasks[job] for job in left], workers=workers):
            done += 1
            job = left[i]
            relay.ended(job, outcome.seconds, outcome.error, done)
            if outcome.error and job.entrant is None:
                raise PluginError(f"what the entrants share could not be done ({job.folder})", got=outcome.error)
            if outcome.error:
                failed[job] = outcome.error
    return failed


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

    def ended(self, job: Job, seconds: float, error: str, done: int) -> None:
        self.done = done
        figures = None
        if job.entrant is not None and not error:
            figures = RunStore.open(Path(self.folder) / job.folder).load_stage(STAGE).info
        data = {
            "entrant": job.entrant,
            "seed": job.seed,
            "until": job.until,
            "first": job.reuse is None,
            "seconds": round(seconds, 3),
            "error": error or None,
            "figures": figures,
        }
        self.bus.emit(Event("stage_finished", self.folder, job.folder, data=data, overall=done / self.total))


def _here(task: Task, *, relay: Listener, objects: Mapping[str, object] | None) -> Outcome:
    return do(task, objects=objects, listeners=(relay,))
