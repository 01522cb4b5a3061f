"""Folders of runs and inspections: made, opened, and gone on with."""

from __future__ import annotations

import html
import shlex
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from .component import Kind
from .config import Layer, RunConfig, add_working_folder, resolve, with_executors, workers_layer
from .engine import execute
from .errors import ConfigError, InputError, RunFolderError, WaitingForPeople, nearest
from .events import Event, EventBus, Listener
from .external import component_of
from .inspection import execute_inspection
from .registry import Registry
from .results import summarise
from .session import new_manifest
from .store import FolderKind, RunStore
from .waiting import until_answered

OPENED_BY: dict[FolderKind, str] = {
    "run": "open_run", "inspection": "open_inspection", "comparison": "open_comparison"
}  # fmt: skip
OBJECTS: tuple[Kind, ...] = ("classifier", "dataset")  # what may be given as an object from Python


class Opened(ABC):
    """A folder of a run or an inspection, finished or not."""

    def __init__(self, kind: FolderKind, path: Path, objects: Mapping[str, object] | None) -> None:
        self._store = RunStore.open(path)
        if self._store.kind != kind:
            raise RunFolderError(
                f"the folder holds no {kind}",
                got=f"{path}: the folder of another kind, '{self._store.kind}'",
                fix=f"modeldebug.{OPENED_BY[self._store.kind]}({str(path)!r})",
            )
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
            RunFolderError: it has not ended, or its files are damaged.
        """
        self._require_done()
        return summarise(self._store)

    def figures(self, stage: str) -> dict[str, Any]:
        """The figures of a finished stage, as its JSON file has them.

        Raises:
            RunFolderError: it has not come so far, or its files are damaged.
            ConfigError: there is no such stage.
        """
        return self._store.load_stage(known_stage(stage, self._stages())).info

    def report(self) -> Path:
        """The HTML report's file.

        Raises:
            RunFolderError: it has not ended.
        """
        self._require_done()
        return self.path / "report.html"

    def redraw(self) -> Path:
        """Draw the report again, from the folder alone; its file.

        Raises:
            RunFolderError: it has not ended, or its folder is damaged, locked or unwritable.
        """
        self._require_done()
        with self._store.locked():
            self._store.write("report.html", self._render().encode())
        return self.report()

    @abstractmethod
    def _stages(self) -> Sequence[str]:
        """Every stage that there may be."""

    @abstractmethod
    def _render(self) -> str:
        """The report as HTML."""

    def _require_done(self) -> None:
        if self.status != "done":
            raise RunFolderError(
                f"the {self._store.kind} has not ended yet",
                got=self.status,
                fix=f"modeldebug resume {shlex.quote(str(self.path))}",
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, {self.status})"

    def _repr_html_(self) -> str:
        """In a notebook: the report itself."""
        if self.status != "done":
            return html.escape(repr(self))
        page = html.escape(self.report().read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:640px;border:1px solid #ccc"></iframe>'


@contextmanager
def new_folder(
    config: RunConfig, out: str | Path | None = None, *, reuse: str | Path | None = None, kind: FolderKind = "run"
) -> Iterator[RunStore]:
    """A new folder: `out`, or `runs/DATE-NAME`; with the run that it takes stages over from, if there is one.

    Where bad input ends the work before its first stage, the folder goes again: so the same call works once the input
    is mended.
    """
    other = None if reuse is None else str(RunStore.open(Path(reuse)).path.absolute())
    manifest = new_manifest(config, kind) | {"reuse": other}
    name = "inspect" if kind == "inspection" else config.preset or config.plugins[0]
    store = RunStore.create(Path(out) if out is not None else free_folder(name), manifest)
    try:
        yield store
    except RunFolderError:
        raise
    except InputError:
        if not store.manifest["stages"]:
            shutil.rmtree(store.path.resolve(), ignore_errors=True)
        raise


def free_folder(name: str) -> Path:
    """`runs/DATE-NAME`, with a number behind it where that is taken."""
    base = Path("runs") / f"{time.strftime('%Y-%m-%d')}-{name}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


def work_in(
    store: RunStore,
    registry: Registry,
    config: RunConfig,
    *,
    until: str | None = None,
    trust: bool = False,
    wait: bool = False,
    listeners: Sequence[Listener] = (),
) -> None:
    """Do everything in a folder that is not done yet, a run's up to the stage `until`, with the plugins' listeners
    behind the given ones; with `wait`, go on by itself where people are to be waited for."""
    own = tuple((getattr(listener, "__name__", repr(listener)), listener) for listener in listeners)
    bus = EventBus((*own, *registry.listeners()))

    def work() -> None:
        if store.kind == "run":
            execute(store, config, bus, trust=trust, until=until)
        else:
            execute_inspection(store, config, bus, trust=trust)

    def tell(waiting: WaitingForPeople) -> None:
        data = {"do": waiting.fix, "plugin": waiting.plugin, "goes_on": wait}
        bus.emit(Event("waiting", str(store.path), message=waiting.what, data=data))

    if wait:
        until_answered(work, tell)
        return
    try:
        work()
    except WaitingForPeople as waiting:
        tell(waiting)
        raise


def forget(store: RunStore, stage: str, stages: Sequence[str]) -> None:
    """Drop a stage and all later ones, and what was drawn from them."""
    known_stage(stage, stages)
    with store.locked():
        store.manifest["status"] = "interrupted"
        store.drop_stages(list(stages[stages.index(stage) :]))
        for name in ("results.json", "report.html", "corrected.safetensors"):
            (store.path / name).unlink(missing_ok=True)


def known_stage(name: str, stages: Sequence[str]) -> str:
    """The name of a stage, once it is known to be one."""
    if name not in stages:
        raise ConfigError(
            f"there is no stage '{name}'", expected=nearest(name, stages), fix=f"one of {', '.join(stages)}"
        )
    return name


def restored_layer(store: RunStore, objects: Mapping[str, object], *, go_on: str = "resume") -> Layer:
    """Every setting of an existing folder, whose working folder gives modules from now on.

    Args:
        objects: given from Python, by role.
        go_on: the function that the caller should have called with them.

    Raises:
        ConfigError: it was started from Python with objects, and they were not given.
        RunFolderError: the manifest is not whole.
    """
    manifest = store.manifest
    missing = {"folder", "plugins", "preset", "budget", "config", "sources"} - manifest.keys()
    if missing:
        raise RunFolderError("the run's manifest is not whole", got=f"it lacks {', '.join(sorted(missing))}")
    add_working_folder(Path(manifest["folder"]))
    settings: dict[str, dict[str, Any]] = manifest["config"]
    for kind in OBJECTS:
        if settings[kind]["use"].startswith("python:") and kind not in objects:
            raise ConfigError(
                f"the {store.kind} was started from Python with a {kind} object",
                got=settings[kind]["use"],
                fix=f"go on from Python: modeldebug.{go_on}({str(store.path)!r}, model=..., dataset=...)",
            )
    return Layer(f"the {store.kind}", settings, manifest["budget"])


def restore_config(
    store: RunStore, objects: Mapping[str, object] | None = None, *, workers: int | None = None
) -> tuple[Registry, RunConfig]:
    """The plugins and the configuration of an existing folder.

    Args:
        workers: so many on this machine; as it was started if None.

    Raises:
        ConfigError: it was started from Python with objects, and they were not given.
    """
    manifest, objects = store.manifest, objects or {}
    layer = restored_layer(store, objects)
    others = [] if workers is None else [workers_layer(workers)]
    registry = Registry.load(with_executors(manifest["plugins"]) if others else manifest["plugins"])
    for kind in OBJECTS:
        if layer.settings[kind]["use"].startswith("python:"):
            component_of(registry, kind, objects[kind])
    config = resolve(registry, manifest["plugins"], [layer, *others], preset=manifest["preset"])
    return registry, replace(config, sources=manifest["sources"])


def given_layers(registry: Registry, model: object, dataset: object) -> tuple[list[Layer], dict[str, object]]:
    """A classifier and a data set given from Python, by name or as objects: layers that choose them, and the objects
    by role."""
    layers, objects = [], {}
    for kind, value in zip(OBJECTS, (model, dataset), strict=True):
        if value is None:
            continue
        if not isinstance(value, str):
            objects[str(kind)] = value
        name = value if isinstance(value, str) else component_of(registry, kind, value).name
        layers.append(Layer("Python", {kind: {"use": name}}))
    return layers, objects


def plugin_list(plugins: str | Sequence[str]) -> list[str]:
    """The names of plugins, given with commas between them or one by one."""
    return [name.strip() for name in plugins.split(",")] if isinstance(plugins, str) else list(plugins)
