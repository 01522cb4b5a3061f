"""modeldebug from Python: `run`, `resume`, `open_run`, and the `Run` that they give."""

from __future__ import annotations

import html
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from .component import Kind, Settings
from .config import OPTIONAL, Layer, RunConfig, add_working_folder, resolve
from .engine import execute
from .errors import ConfigError, InputError, RunFolderError, nearest
from .events import EventBus, Listener
from .external import component_of
from .prepare import prepare
from .registry import Registry
from .results import STAGES, summarise
from .session import new_manifest
from .store import RunStore
from .types import Failures, Region


class Run:
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
        self._store = RunStore.open(path)
        self._objects = dict(objects or {})
        self.path = path

    @property
    def status(self) -> str:
        """What became of it, one of `done`, `new`, `stopped`, `interrupted`, `failed` and `waiting`."""
        status: str = self._store.manifest["status"]
        return status

    @property
    def results(self) -> dict[str, Any]:
        """The contents of `results.json`.

        Raises:
            RunFolderError: the run has not ended, or its files are damaged.
        """
        self._require_done()
        return summarise(self._store)

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
        """What the auditor calls each of `failures`: genuine, third_class, drift or abstained; empty without one.

        Raises:
            RunFolderError: the run has not come so far, or its files are damaged.
        """
        from .judging import JUDGEMENTS

        judged = self._store.load_stage("audit").tensors.get("judged")
        return () if judged is None else tuple(JUDGEMENTS[code] for code in judged.tolist())

    def figures(self, stage: str) -> dict[str, Any]:
        """The figures of a finished stage, as its JSON file has them.

        Raises:
            RunFolderError: the run has not come so far, or its files are damaged.
            ConfigError: there is no such stage.
        """
        return self._store.load_stage(stage_name(stage)).info

    def report(self) -> Path:
        """The HTML report's file.

        Raises:
            RunFolderError: the run has not ended.
        """
        self._require_done()
        return self.path / "report.html"

    def redraw(self) -> Path:
        """Draw the report again, from the run folder alone; its file.

        Raises:
            RunFolderError: the run has not ended, or its folder is damaged, locked or unwritable.
        """
        from .report import render

        self._require_done()
        with self._store.locked():
            self._store.write("report.html", render(self._store).encode())
        return self.report()

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
        module = prepare(_unweighted(config)).classifier.copy().module  # the model that was given stays as it was
        module.load_state_dict(correction.part("corrected"))
        return module.eval()

    def _require_done(self) -> None:
        if self.status != "done":
            raise RunFolderError("the run has not ended yet", got=self.status, fix=f"modeldebug resume {self.path}")

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.status})"

    def _repr_html_(self) -> str:
        """In a notebook: the report itself."""
        if self.status != "done":
            return html.escape(repr(self))
        page = html.escape(self.report().read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:640px;border:1px solid #ccc"></iframe>'


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
        trust: read weights files that may run code.
        listeners: called with each event.

    Raises:
        ModelDebugError: bad input, or a component that fails.
        WaitingForPeople: people are to label; `resume` goes on once they have.

    Example::

        run = modeldebug.run(model, (images, labels), preset="tiny", settings={"searcher": {"draws": 50}})
        print(run.report())
    """
    until = None if until is None else stage_name(until)
    names = [name.strip() for name in plugins.split(",")] if isinstance(plugins, str) else list(plugins)
    registry = Registry.load(names)
    layers, objects = [], {}
    for kind, value in (("classifier", model), ("dataset", dataset)):
        if value is not None and not isinstance(value, str):
            objects[kind] = value
        if value is not None:
            layers.append(Layer("Python", {kind: {"use": _name(registry, kind, value)}}))
    layers.append(Layer("Python", settings or {}, budget))
    config = resolve(registry, names, layers, preset=preset)
    check_reached(config, until)
    with new_run(config, out, reuse=reuse) as store:
        return work(store, registry, config, objects=objects, until=until, trust=trust, listeners=listeners)


def resume(
    path: str | Path,
    *,
    model: object = None,
    dataset: object = None,
    redo: str | None = None,
    trust: bool = False,
    listeners: Sequence[Listener] = (),
) -> Run:
    """Go on with a run that was interrupted; one that is finished is left as it is, once its files are found whole.

    Args:
        path: the run folder.
        model, dataset: given again where the run was started with an object.
        redo: forget this stage and all later ones first.
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
    whole = all((store.path / name).exists() for name in ("results.json", "report.html"))
    if redo is None and store.manifest["status"] == "done" and whole:
        summarise(store)
        return Run(store.path, objects)
    registry, config = restore_config(store, objects)
    if redo is not None:
        _forget(store, redo)
    return work(store, registry, config, objects=objects, trust=trust, listeners=listeners)


@contextmanager
def new_run(config: RunConfig, out: str | Path | None = None, *, reuse: str | Path | None = None) -> Iterator[RunStore]:
    """A new run folder: `out`, or `runs/DATE-NAME`; with the run that it takes stages over from, if there is one.

    Where bad input ends the run before its first stage, the folder goes again: so the same call works once the input
    is mended.
    """
    other = None if reuse is None else str(RunStore.open(Path(reuse)).path.absolute())
    manifest = new_manifest(config) | {"reuse": other}
    store = RunStore.create(Path(out) if out is not None else new_folder(config), manifest)
    try:
        yield store
    except RunFolderError:
        raise
    except InputError:
        if not store.manifest["stages"]:
            shutil.rmtree(store.path.resolve(), ignore_errors=True)
        raise


def work(
    store: RunStore,
    registry: Registry,
    config: RunConfig,
    *,
    objects: Mapping[str, object] | None = None,
    until: str | None = None,
    trust: bool = False,
    listeners: Sequence[Listener] = (),
) -> Run:
    """Do everything in a run that is not done yet, up to the stage `until`, with the plugins' listeners behind the
    given ones."""
    own = tuple((getattr(listener, "__name__", repr(listener)), listener) for listener in listeners)
    execute(store, config, EventBus((*own, *registry.listeners())), trust=trust, until=until)
    return Run(store.path, objects)


def _forget(store: RunStore, stage: str) -> None:
    """Drop a stage and all later ones, and what was drawn from them."""
    stage_name(stage)
    with store.locked():
        store.manifest["status"] = "interrupted"
        store.drop_stages(list(STAGES[STAGES.index(stage) :]))
        for name in ("results.json", "report.html", "corrected.safetensors"):
            (store.path / name).unlink(missing_ok=True)


def stage_name(name: str) -> str:
    """The name of a stage, once it is known to be one."""
    if name not in STAGES:
        raise ConfigError(
            f"there is no stage '{name}'", expected=nearest(name, STAGES), fix=f"one of {', '.join(STAGES)}"
        )
    return name


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
        RunFolderError: there is no run, or its manifest cannot be read.

    >>> open_run("no/such/folder")
    Traceback (most recent call last):
    modeldebug.errors.RunFolderError: ...
    """
    return Run(Path(path))


def restore_config(store: RunStore, objects: Mapping[str, object] | None = None) -> tuple[Registry, RunConfig]:
    """The plugins and the configuration of an existing run.

    Raises:
        ConfigError: the run was started from Python with objects, and they were not given.
    """
    manifest, objects = store.manifest, objects or {}
    missing = {"folder", "plugins", "preset", "budget", "config", "sources"} - manifest.keys()
    if missing:
        raise RunFolderError("the run's manifest is not whole", got=f"it lacks {', '.join(sorted(missing))}")
    add_working_folder(Path(manifest["folder"]))
    registry = Registry.load(manifest["plugins"])
    settings: dict[str, dict[str, Any]] = manifest["config"]
    kinds: tuple[Kind, ...] = ("classifier", "dataset")
    for kind in kinds:
        if not settings[kind]["use"].startswith("python:"):
            continue
        if kind not in objects:
            raise ConfigError(
                f"the run was started from Python with a {kind} object",
                got=settings[kind]["use"],
                fix=f"go on from Python: modeldebug.resume({str(store.path)!r}, model=..., dataset=...)",
            )
        component_of(registry, kind, objects[kind])
    layer = Layer("the run", settings, manifest["budget"])
    config = resolve(registry, manifest["plugins"], [layer], preset=manifest["preset"])
    return registry, replace(config, sources=manifest["sources"])


def new_folder(config: RunConfig) -> Path:
    """`runs/DATE-NAME`, with a number behind it where that is taken."""
    base = Path("runs") / f"{time.strftime('%Y-%m-%d')}-{config.preset or config.plugins[0]}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


def _name(registry: Registry, kind: Any, value: object) -> str:
    return value if isinstance(value, str) else component_of(registry, kind, value).name
