"""modeldebug from Python: `run`, `resume`, `open_run`, and the `Run` that they give."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .aims import run_targets
from .comparison.comparing import Comparison, work_on
from .comparison.gather import RESULTS
from .component import Settings
from .config import Layer, RunConfig, resolve, with_executors, workers_layer
from .errors import ConfigError, RunFolderError
from .events import Listener
from .folders import (
    Opened,
    forget,
    given_layers,
    known_stage,
    new_folder,
    plugin_list,
    restore_config,
    work_in,
)
from .inspecting import Inspection
from .prepare import prepare
from .registry import Registry
from .results import STAGES, summarise
from .roles import OPTIONAL
from .store import FolderKind, RunStore
from .types import Failures, Region


class Run(Opened):
    """A finished or unfinished run, read from its folder.

    Attributes:
        path: the run folder.

    Raises:
        RunFolderError: there is no run, or its manifest cannot be read.

    Example::

        run = modeldebug.open_run("runs/first")
        run.status, len(run.regions), run.results["search"]["failures"]
        genuine = [x for x, kind in zip(run.failures.x, run.judged) if kind == "genuine"]
        model = run.corrected_model()
    """

    def __init__(self, path: Path, objects: Mapping[str, object] | None = None) -> None:
        super().__init__("run", path, objects)

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions that were kept, the largest first.

        Raises:
            RunFolderError: the run has not come so far, or its files are damaged.
        """
        from .stages.regions import load_regions

        every = load_regions(self._store.load_stage("regions"))
        return tuple(sorted((r for r in every if r.status == "kept"), key=lambda r: -r.weight))

    @property
    def failures(self) -> Failures:
        """The failures that were kept, with their images.

        Raises:
            RunFolderError: the run has not come so far, or its files are damaged.
        """
        from .stages.search import load_failures

        return load_failures(self._store.load_stage("search"))

    @property
    def judged(self) -> tuple[str, ...]:
        """What the auditor calls each of `failures`: genuine, third_class, drift or abstained; not_asked where it was
        not shown the image, since people are asked about a sample; empty without an auditor.

        Raises:
            RunFolderError: the run has not come so far, or its files are damaged.
        """
        from .judging import JUDGEMENTS, NOT_ASKED

        names = dict(enumerate(JUDGEMENTS)) | {NOT_ASKED: "not_asked"}
        judged = self._store.load_stage("audit").tensors.get("judged")
        return () if judged is None else tuple(names[code] for code in judged.tolist())

    def corrected_model(self) -> Any:
        """The corrected classifier as a torch module, in eval mode.

        Raises:
            RunFolderError: the run has not ended, or nothing was corrected, with the reason.
            ConfigError: the run was started with objects, and they were not given to `resume`.
        """
        self._require_done()
        correction = self._store.load_stage("correction")
        if correction.info["skipped"]:
            raise RunFolderError("nothing was corrected in this run", got=correction.info["skipped"])
        _, config = restore_config(self._store, self._objects)
        prepared = prepare(_unweighted(config), aims=run_targets)
        module = prepared.classifier.copy().module  # the model that was given stays as it was
        module.load_state_dict(correction.part("corrected"))
        return module.eval()

    def _stages(self) -> Sequence[str]:
        return STAGES

    def _render(self) -> str:
        from .report import render

        return render(self._store)


def run(
    model: object = None,
    dataset: object = None,
    *,
    plugins: str | Sequence[str] = "defuse",
    preset: str | None = None,
    budget: str | None = None,
    settings: Settings | None = None,
    out: str | Path | None = None,
    reuse: str | Path | None = None,
    until: str | None = None,
    wait: bool = False,
    workers: int | None = None,
    trust: bool = False,
    listeners: Sequence[Listener] = (),
) -> Run:
    """Debug a classifier, from the first stage to the report.

    Args:
        model: a torch module, a class or function that makes one, or a component's name; the preset's if None.
        dataset: a torch Dataset of (image, label), a pair of arrays, a mapping of those with train, validation and
            test, or a component's name; the preset's if None.
        plugins: what to load, as `--plugins`.
        preset: the named choice of components; the first plugin's if None.
        budget: the scale of the preset; its first one if None.
        settings: as in a run's TOML file: `{"searcher": {"draws": 50}}`.
        out: the run folder; `runs/DATE-NAME` if None.
        reuse: the folder of another run; its stages that would be the same are taken over instead of done again.
        until: stop after this stage; `resume` goes on from there.
        wait: where people are to label, wait until they have, and go on.
        workers: processes that do side by side what can be; this one alone, or the executor of the settings, if None.
        trust: read weights files that may run code.
        listeners: called with each event.

    Raises:
        ModelDebugError: bad input, or a component that fails.
        WaitingForPeople: people are to label, and `wait` is false; `resume` goes on once they have.

    Example::

        run = modeldebug.run(model, (images, labels), preset="tiny", settings={"searcher": {"draws": 50}})
        print(run.report())
    """
    until = None if until is None else known_stage(until, STAGES)
    names = plugin_list(plugins) if workers is None else list(with_executors(plugin_list(plugins)))
    registry = Registry.load(names)
    layers, objects = given_layers(registry, model, dataset)
    layers.append(Layer("Python", settings or {}, budget))
    if workers is not None:
        layers.append(workers_layer(workers))
    config = resolve(registry, names, layers, preset=preset)
    check_reached(config, until)
    with new_folder(config, out, reuse=reuse) as store:
        work_in(store, registry, config, until=until, wait=wait, trust=trust, listeners=listeners)
    return Run(store.path, objects)


def resume(
    path: str | Path,
    *,
    model: object = None,
    dataset: object = None,
    redo: str | None = None,
    wait: bool = False,
    workers: int | None = None,
    trust: bool = False,
    listeners: Sequence[Listener] = (),
) -> Run | Inspection | Comparison:
    """Go on with a run, an inspection or a comparison that was interrupted; one that is finished is left as it is, once
    its files are found whole.

    Args:
        path: its folder.
        model, dataset: given again where the run was started with an object.
        redo: forget this stage and all later ones first.
        wait: where people are to label, wait until they have, and go on.
        workers: processes that do side by side what can be; as it was started if None.
        trust: read weights files that may run code.
        listeners: called with each event.

    Raises:
        RunFolderError: there is no run, or its folder is damaged, locked or unwritable.
        ConfigError: there is no such stage, or objects that the run was started with were not given.
        ModelDebugError: as `run`.

    Example::

        run = modeldebug.resume("runs/first", redo="correction")
    """
    objects = {k: v for k, v in (("classifier", model), ("dataset", dataset)) if v is not None}
    store = RunStore.open(Path(path))
    if store.kind == "comparison":
        return _compared_on(store, objects, redo=redo, wait=wait, workers=workers, trust=trust, listeners=listeners)
    whole = all((store.path / name).exists() for name in ("results.json", "report.html"))
    if redo is None and store.manifest["status"] == "done" and whole:
        summarise(store)
        return open_folder(store.path, objects)
    registry, config = restore_config(store, objects, workers=workers)
    if redo is not None:
        forget(store, redo, STAGES if store.kind == "run" else list(store.manifest["stages"]))
    work_in(store, registry, config, wait=wait, trust=trust, listeners=listeners)
    return open_folder(store.path, objects)


def _compared_on(
    store: RunStore,
    objects: Mapping[str, object],
    *,
    redo: str | None,
    wait: bool,
    workers: int | None,
    trust: bool,
    listeners: Sequence[Listener],
) -> Comparison:
    if redo is not None:
        raise ConfigError(
            "a comparison has no stages of its own to be done again",
            got=f"--redo {redo}",
            fix=f"do that with one of its runs ({store.path}/cells), and then resume the comparison",
        )
    if store.manifest["status"] == "done" and all((store.path / name).exists() for name in (RESULTS, "report.html")):
        return Comparison(store.path, objects)
    if wait:
        raise ConfigError(
            "a comparison does not wait for people: it does what it can, and ends",
            got="--wait",
            fix=f"modeldebug resume {shlex.quote(str(store.path))}, and again once they have labelled",
        )
    return work_on(store, objects=objects, workers=workers, trust=trust, listeners=listeners)


def open_folder(path: Path, objects: Mapping[str, object] | None = None) -> Run | Inspection | Comparison:
    """The run, the inspection or the comparison in a folder."""
    kinds: dict[FolderKind, type[Run | Inspection | Comparison]] = {
        "run": Run, "inspection": Inspection, "comparison": Comparison
    }  # fmt: skip
    return kinds[RunStore.open(path).kind](path, objects)


def check_reached(config: RunConfig, until: str | None) -> None:
    """Refuse to stop after a stage that a run has not, since the role that it is of is left empty."""
    if until in OPTIONAL and until not in config.choices:
        has = [stage for stage in STAGES if stage not in OPTIONAL or stage in config.choices]
        raise ConfigError(
            f"the run cannot stop after the stage '{until}', which it has not: no component is chosen for it",
            got=f"--until {until}",
            expected=f"one of {', '.join(has)}",
            fix=f"choose one ({until}.use), or stop after another stage",
        )


def _unweighted(config: RunConfig) -> RunConfig:
    """The same without weights files, and without a guide: where other weights follow anyway, none need be there, nor
    be trusted."""
    choices = dict(config.choices)
    choices.pop("guide", None)
    plain = choices["classifier"].config.model_copy(update={"weights": None})
    choices["classifier"] = replace(choices["classifier"], config=plain)
    return replace(config, choices=choices)


def open_run(path: str | Path) -> Run:
    """A run folder, to be looked at.

    Raises:
        RunFolderError: there is no run, but perhaps an inspection, or its manifest cannot be read.

    >>> open_run("no/such/folder")
    Traceback (most recent call last):
    modeldebug.errors.RunFolderError: ...
    """
    return Run(Path(path))
