"""`compare` and the folder that it gives: one comparison, begun, extended or gone on with."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..component import Settings
from ..config import Choice, Layer, chosen_executor, with_executors, workers_layer
from ..errors import ConfigError, InputError, PluginError, RunFolderError, WaitingForPeople
from ..events import Event, EventBus, Listener
from ..external import component_of
from ..folders import Opened, free_folder, given_layers, plugin_list
from ..registry import Registry
from ..session import DECIDING, logging_to, new_manifest
from ..session import workers as workers_of
from ..store import RunStore
from .conduct import Left, do_all
from .entrants import Budget, Entrant, parse_budget, parse_entrant, parse_role
from .gather import RESULTS, page, write_results
from .plan import Plan, Request, make_plan, trunk_of_all

RECONSTRUCT = Entrant("reconstruct", {"searcher": {"use": "rivals:reconstruct"}, "search": {"start": "all"}})
"""No search at all: the failures among the reconstructions of all training images."""
SEEDS = 3


class Comparison(Opened):
    """A finished or unfinished comparison, read from its folder.

    Attributes:
        path: its folder.

    Raises:
        RunFolderError: there is no comparison, or its manifest cannot be read.

    Example::

        comparison = modeldebug.open_comparison("runs/compared")
        for row in comparison.rows:
            print(row["name"], row["distinct_per_1k"]["mean"])
    """

    def __init__(self, path: Path, objects: Mapping[str, object] | None = None) -> None:
        super().__init__("comparison", path, objects)

    @property
    def results(self) -> dict[str, Any]:
        """The contents of `comparison.json`. Where cells failed or wait for people, it has the rows of all other
        entrants, and says which.

        Raises:
            RunFolderError: it has not ended, or its file is damaged.
        """
        if self.status not in ("failed", "waiting"):
            self._require_done()
        results: dict[str, Any] = self._store.read_json(RESULTS)
        return results

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row of figures for each entrant, with intervals.

        Raises:
            RunFolderError: as `results`.
        """
        rows: list[dict[str, Any]] = self.results["rows"]
        return rows

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The figures of each entrant with each seed.

        Raises:
            RunFolderError: as `results`.
        """
        cells: list[dict[str, Any]] = self.results["cells"]
        return cells

    def _stages(self) -> Sequence[str]:
        return ()

    def _render(self) -> str:
        return page(self._store, self.results)


def compare(
    model: object = None,
    dataset: object = None,
    *,
    entrants: Sequence[str],
    role: str = "searcher",
    seeds: int | Sequence[int] = SEEDS,
    budget: str | None = None,
    retrain: bool = False,
    baseline: str | None = RECONSTRUCT.name,
    plugins: str | Sequence[str] = "defuse",
    preset: str | None = None,
    settings: Settings | None = None,
    out: str | Path | None = None,
    reuse: str | Path | None = None,
    workers: int | None = None,
    trust: bool = False,
    listeners: Sequence[Listener] = (),
) -> Comparison:
    """Compare components of one role on the same data, models, origins and seeds, at the same budget.

    Args:
        model, dataset: as in `run`.
        entrants: components with settings: "margin", "beta-noise,scale=16".
        role: which they fill: "searcher", "generator", "clusterer", "labeler" or "corrector".
        seeds: how many repeats, or their numbers.
        budget: of each search: queries ("200k") or a time ("5min"); to its end if None.
        retrain: let a seed decide everything, the models that are trained too, not the search and what follows alone.
        baseline: of searchers, the one that the others are held against, another row; None for none.
        plugins, preset, settings, trust: as in `run`.
        out: the folder; `runs/DATE-compare` if None. One that holds the same comparison is extended by new entrants and
            seeds.
        reuse: the folder of a run or of another comparison; the stages that stay the same are taken over from it.
        workers: processes that do the runs side by side, 1 with objects; as the settings say (`executor`) if None.
        listeners: called with each event.

    Raises:
        ModelDebugError: bad input, before anything is spent; or a cell that failed, once the others are done.
        WaitingForPeople: people are to label in some cells, the others are done; `resume` goes on once they have.

    Example::

        compared = modeldebug.compare(entrants=["beta-noise", "margin"], budget="20k", preset="defuse-conditional")
    """
    names = plugin_list(plugins)
    registry = Registry.load(names)
    layers, objects = given_layers(registry, model, dataset)
    layers.append(Layer("Python", settings or {}))
    request = new_request(
        names, layers, preset=preset, role=role, entrants=entrants, seeds=seeds, budget=budget,
        retrain=retrain, baseline=baseline,
    )  # fmt: skip
    with opened_folder(request, out, reuse=reuse, objects=objects) as store:
        return work_on(store, objects=objects, workers=workers, trust=trust, listeners=listeners)


def open_comparison(path: str | Path) -> Comparison:
    """The folder of a comparison, to be looked at.

    Raises:
        RunFolderError: there is no comparison, or its manifest cannot be read.

    >>> open_comparison("no/such/folder")
    Traceback (most recent call last):
    modeldebug.errors.RunFolderError: ...
    """
    return Comparison(Path(path))


def new_request(
    plugins: Sequence[str],
    layers: Sequence[Layer],
    *,
    preset: str | None,
    role: str,
    entrants: Sequence[str],
    seeds: int | Sequence[int] = SEEDS,
    budget: str | None = None,
    retrain: bool = False,
    baseline: str | None = RECONSTRUCT.name,
) -> Request:
    """What is asked for, read; with the baseline as the last row, and its plugin.

    Raises:
        ConfigError: entrants, role, seeds or budget that cannot be read.
    """
    compared, names = parse_role(role), list(plugins)
    numbers = range(seeds) if isinstance(seeds, int) else tuple(seeds)
    if not len(numbers) or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise ConfigError("the seeds are numbers from 0 on, each once", got=seeds, expected="one or more")
    chosen = [parse_entrant(compared, text) for text in entrants]
    floor = None
    if compared == "searcher" and baseline is not None:
        floor = RECONSTRUCT if baseline == RECONSTRUCT.name else parse_entrant(compared, baseline)
        plugin = str(floor.settings["searcher"]["use"]).rpartition(":")[0]
        names = list(dict.fromkeys([*names, plugin] if plugin else names))
        chosen = [*(entrant for entrant in chosen if entrant.name != floor.name), floor]
    return Request(
        plugins=tuple(names),
        preset=preset,
        layers=tuple(layers),
        role=compared,
        entrants=tuple(chosen),
        seeds=tuple(numbers),
        budget=Budget() if budget is None else parse_budget(budget),
        retrain=retrain,
        baseline=None if floor is None else floor.name,
    )


@contextmanager
def opened_folder(
    request: Request,
    out: str | Path | None = None,
    *,
    reuse: str | Path | None = None,
    objects: Mapping[str, object] | None = None,
) -> Iterator[RunStore]:
    """The folder of a comparison: a new one, or one that holds the same comparison and gets new entrants and seeds.

    Where bad input ends the work before any stage, the folder goes again, as that of a run does.

    Raises:
        ConfigError: as `make_plan`; or the folder holds another comparison.
        RunFolderError: it holds something else, or cannot be written; or there is no run to take stages over from.
    """
    other = {} if reuse is None else {"reuse": str(_trunk_in(Path(reuse)))}
    path = Path(out) if out is not None else free_folder("compare")
    if (path / "manifest.json").exists() and RunStore.open(path).kind == "comparison":
        store = RunStore.open(path)
        request = Request.from_dict(store.manifest["comparison"]).extended(request)
        _planned(request, objects)
        with store.locked():
            store.manifest |= {"comparison": request.to_dict(), "status": "interrupted"} | other
            store.save_manifest()
    else:
        plan = _planned(request, objects)
        manifest = new_manifest(plan.base, "comparison") | {"comparison": request.to_dict()} | other
        store = RunStore.create(path, manifest)
    try:
        yield store
    except RunFolderError:
        raise
    except InputError:
        if not any(path.glob("**/stages/*.json")):
            shutil.rmtree(path.resolve(), ignore_errors=True)
        raise


def _trunk_in(folder: Path) -> Path:
    """The run whose stages are taken over: of a comparison, what its entrants share."""
    store = RunStore.open(folder)
    if store.kind == "comparison":
        request = Request.from_dict(store.manifest["comparison"])
        store = RunStore.open(folder / trunk_of_all(request, request.seeds[0]))
    return store.path.absolute()


def _planned(request: Request, objects: Mapping[str, object] | None) -> Plan:
    registry = Registry.load(request.plugins)
    for kind, given in (objects or {}).items():
        component_of(registry, kind, given)  # type: ignore[arg-type]  # a classifier or a data set
    return make_plan(registry, request)


def work_on(
    store: RunStore,
    *,
    objects: Mapping[str, object] | None = None,
    workers: int | None = None,
    trust: bool = False,
    listeners: Sequence[Listener] = (),
) -> Comparison:
    """Do every run of a comparison that is not done yet, and write its table.

    Raises:
        ConfigError: more than one worker, and objects that only this process has.
        RunFolderError: it was begun with other versions of what decides its figures.
        ModelDebugError: a trunk failed; or a cell, once the others are done and in the table.
        WaitingForPeople: cells wait, or what they share; the others are done and in the table.
    """
    named = tuple((getattr(listener, "__name__", repr(listener)), listener) for listener in listeners)
    bus = EventBus(named)
    request = Request.from_dict(store.manifest["comparison"])
    with store.locked(), logging_to(store), workers_of(_executor(request, workers)) as executor:
        if objects and executor.width > 1:
            raise ConfigError(
                "objects from Python cannot be given to worker processes",
                got=f"{executor.width} workers, and an object as the {' and the '.join(objects)}",
                expected="one worker, or components and MODULE:ATTRIBUTE",
            )
        _check_versions(store)
        plan = _planned(request, objects)
        bus.emit(Event("run_started", str(store.path), message=f"comparison {store.path}"))
        try:
            left = do_all(store, plan, bus, objects=objects, executor=executor, trust=trust)
            results = {} if left.waits.keys() & plan.rounds[0] else write_results(store, plan, left)
        except BaseException:
            store.manifest["status"] = "interrupted"
            store.save_manifest()
            raise
        store.manifest["status"] = "failed" if left.failed else "waiting" if left.waits else "done"
        store.save_manifest()
        if left.failed:
            raise _some_failed(store, left, len(plan.cells))
        if left.waits:
            waiting = _some_wait(store, left, len(plan.cells))
            data = {"do": waiting.fix, "plugin": waiting.plugin, "goes_on": False}
            bus.emit(Event("waiting", str(store.path), message=waiting.what, data=data))
            raise waiting
        bus.emit(Event("run_finished", str(store.path), data=results, overall=1.0))
    return Comparison(store.path, objects)


def _executor(request: Request, workers: int | None) -> Choice | None:
    """Who does the runs: so many processes, or what the request's settings say."""
    layers = [*request.layers, *([] if workers is None else [workers_layer(workers)])]
    return chosen_executor(Registry.load(with_executors(request.plugins)), layers)


def _check_versions(store: RunStore) -> None:
    for package in DECIDING:
        before, now = store.manifest["versions"][package], version(package)
        if before != now:
            raise RunFolderError(
                "the comparison was begun with other versions, whose figures cannot stand beside today's",
                got=f"{package} {now}",
                expected=f"{package} {before}, as it was",
                fix="install that version again, or compare anew with another --out",
            )


def _some_failed(store: RunStore, left: Left, cells: int) -> PluginError:
    job, why = next(iter(left.failed.items()))
    why = why.splitlines()[0]  # all of it is in the results
    failed = f"{len(left.failed)} of {cells} cells failed" + (f", {_waiting(left)} for people" if left.waits else "")
    return PluginError(
        f"{failed}; the others are kept, and their entrants are in the table",
        got=f"{job.entrant}, seed {job.seed}: {why}",
        fix=f"mend it, and go on: modeldebug resume {shlex.quote(str(store.path))}",
    )


def _some_wait(store: RunStore, left: Left, cells: int) -> WaitingForPeople:
    """Everything that people are to do, run by run, and what to type then."""
    told = [f"{job.folder}: {wait.what}: {wait.do}" for job, wait in left.waits.items()]
    told.append(f"then: modeldebug resume {shlex.quote(str(store.path))}")
    return WaitingForPeople(
        f"{_waiting(left, f' of {cells} cells')} for people; the others are kept, and their entrants are in the table",
        fix="\n".join(told).replace("\n", "\n" + " " * 12),
        plugin=next(iter(left.waits.values())).plugin,
    )


def _waiting(left: Left, of: str = "") -> str:
    """How many cells wait, those included that need a run that does."""
    number = sum(job.entrant is not None for job in (*left.waits, *left.behind))
    return f"{number}{of} {'waits' if number == 1 else 'wait'}"
