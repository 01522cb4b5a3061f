"""Finding plugins, loading the ones that were asked for, and naming the culprit when one is broken."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

import pluggy

from . import hookspecs
from .component import API_VERSION, KINDS, Component, ComponentConfig, Kind, Preset
from .errors import ConfigError, InputError, PluginError, nearest
from .events import Listener

GROUP = "modeldebug"
PROBE_SECONDS = 20.0
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Source:
    """Where a plugin comes from."""

    plugin: str
    distribution: str
    version: str


@dataclass(frozen=True)
class Registered:
    """A component, with the plugin that offers it."""

    kind: Kind
    source: Source
    component: Component

    @property
    def name(self) -> str:
        return f"{self.source.plugin}:{self.component.name}"


def installed() -> dict[str, list[EntryPoint]]:
    """Every entry point of group `modeldebug`, by plugin name; importing none of them."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        known = found.setdefault(entry.name, [])
        if all(_source(entry) != _source(other) for other in known):
            known.append(entry)
    return dict(sorted(found.items()))


def _source(entry: EntryPoint) -> Source:
    dist = entry.dist
    return Source(entry.name, dist.name if dist else "unknown", dist.version if dist else "unknown")


class Registry:
    """The plugins of one run, and what they offer."""

    def __init__(self) -> None:
        self._pm = pluggy.PluginManager(hookspecs.PROJECT)
        self._pm.add_hookspecs(hookspecs)
        self._sources: dict[str, Source] = {}
        self._components: dict[Kind, list[Registered]] = {kind: [] for kind in KINDS}
        self._presets: list[tuple[str, Preset]] = []

    @staticmethod
    def load(names: Sequence[str]) -> Registry:
        """Load plugins by name, with the plugins that they build on; `no:x` blocks plugin x.

        Raises:
            ConfigError: an unknown name.
            PluginError: a plugin that was asked for and does not load.
        """
        registry = Registry()
        blocked = {name.removeprefix("no:") for name in names if name.startswith("no:")}
        for name in sorted(blocked - set(installed())):
            raise ConfigError(f"there is no plugin '{name}' to block", expected=nearest(name, installed()))
        for name in names:
            if not name.startswith("no:"):
                registry._load(name, blocked, asked_by=None)
        return registry

    @property
    def plugins(self) -> tuple[Source, ...]:
        return tuple(self._sources.values())

    @property
    def presets(self) -> dict[str, Preset]:
        """Presets by name; where plugins share a name, the plugin named first wins."""
        named: dict[str, Preset] = {}
        asked = list(self._sources)  # a plugin stands before those that it builds on
        for _, preset in sorted(self._presets, key=lambda offered: asked.index(offered[0])):
            named.setdefault(preset.name, preset)
        return named

    def listeners(self) -> tuple[tuple[str, Listener], ...]:
        """The plugins' event hooks, each with its plugin's name."""
        impls = self._pm.hook.modeldebug_event.get_hookimpls()
        return tuple((impl.plugin_name, impl.function) for impl in impls if impl.plugin is not hookspecs)

    def components(self, kind: Kind) -> tuple[Registered, ...]:
        return tuple(self._components[kind])

    def add(self, kind: Kind, component: Component, source: Source) -> Registered:
        """Offer a component that comes from no plugin: a `module:attribute`, or an object given from Python."""
        registered = Registered(kind, source, component)
        self._components[kind].append(registered)
        return registered

    def find(self, kind: Kind, name: str) -> Registered:
        """The component called `name` or `plugin:name`.

        Raises:
            ConfigError: no such component, or more than one.
        """
        plugin, _, bare = name.rpartition(":")
        matches = [r for r in self._components[kind] if r.component.name == bare and plugin in ("", r.source.plugin)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise ConfigError(
                f"more than one plugin offers a {kind} '{name}'",
                got=" and ".join(f"{m.name} ({m.source.distribution} {m.source.version})" for m in matches),
                fix=f"name the plugin too: --{kind} {matches[0].name}",
            )
        offered = [r.component.name for r in self._components[kind]]
        waiting = sorted(set(installed()) - set(self._sources))
        idle = f"; installed but not loaded: {', '.join(waiting)} (add them to --plugins)" if waiting else ""
        raise ConfigError(
            f"there is no {kind} '{name}' in the loaded plugins ({', '.join(self._sources)})",
            expected=nearest(bare, offered) + idle,
            fix="'modeldebug plugins list' shows all components",
        )

    def knows_plugin(self, name: str) -> bool:
        """Whether `name` is a loaded plugin; one that is merely installed is an error that says how to load it."""
        if name in self._sources:
            return True
        if name in installed():
            raise ConfigError(
                f"the plugin '{name}' is installed but not loaded",
                fix=f"add it: --plugins {','.join([*self._sources, name])}",
            )
        return False

    def _load(self, name: str, blocked: set[str], *, asked_by: str | None) -> None:
        if name in self._sources:
            return
        if name in blocked:
            if asked_by is None:
                raise ConfigError(f"the plugin '{name}' is both asked for and blocked", fix=f"drop {name} or no:{name}")
            return
        entries = installed().get(name, [])
        if not entries:
            raise ConfigError(
                f"there is no plugin '{name}'" + (f", which '{asked_by}' builds on" if asked_by else ""),
                expected=nearest(name, installed()),
                fix="install the distribution that offers it; 'modeldebug plugins list' shows what is installed",
            )
        if len(entries) > 1:
            both = [_source(entry) for entry in entries]
            raise PluginError(
                f"two distributions offer a plugin '{name}'",
                got=" and ".join(f"{s.distribution} {s.version}" for s in both),
                fix=f"uninstall one of them: pip uninstall {both[1].distribution}",
                plugin=name,
            )
        source = _source(entries[0])
        try:
            module = entries[0].load()
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"the plugin '{name}' fails when it is imported: {type(error).__name__}: {error}",
                got=f"{source.distribution} {source.version}, {entries[0].value}",
                fix=f"mend or uninstall {source.distribution}, or leave '{name}' out of --plugins",
                plugin=name,
            ) from error
        needed = getattr(module, "requires_plugins", ())
        self._sources[name] = source
        for other in needed:
            self._load(other, blocked, asked_by=name)
        self.register(module, source)

    def register(self, module: object, source: Source) -> None:
        """Take in what a plugin object offers.

        Raises:
            PluginError: a misspelt hook, a hook that raises, or descriptors that are none; nothing of it stays.
        """
        if self._pm.has_plugin(source.plugin) or self._pm.is_registered(module):
            raise PluginError(f"the plugin '{source.plugin}' is registered already", plugin=source.plugin)
        self._sources[source.plugin] = source
        try:
            self._pm.register(module, name=source.plugin)
            self._pm.check_pending()
        except Exception as error:
            self._forget(module, source)
            hooks = [n.removeprefix("modeldebug_") for n in vars(hookspecs) if n.startswith("modeldebug_")]
            raise PluginError(
                f"the plugin '{source.plugin}' does not fit the hooks: {error}",
                expected="hooks named modeldebug_" + ", _".join(sorted(hooks)),
                fix="check the names and arguments of its functions marked @hookimpl",
                plugin=source.plugin,
            ) from error
        try:
            for kind in KINDS:
                for offered in self._call(f"modeldebug_{kind}s", source):
                    component = _checked(offered, kind, source)
                    if any(r.source == source and r.component.name == component.name for r in self._components[kind]):
                        raise PluginError(
                            f"the plugin '{source.plugin}' offers two {kind}s '{component.name}'", plugin=source.plugin
                        )
                    self._components[kind].append(Registered(kind, source, component))
            for preset in self._call("modeldebug_presets", source):
                if not isinstance(preset, Preset):
                    raise PluginError("a preset hook gave no Preset", got=repr(preset), plugin=source.plugin)
                self._presets.append((source.plugin, preset))
        except PluginError:
            self._forget(module, source)
            raise

    def _forget(self, module: object, source: Source) -> None:
        """Leave nothing of a plugin that failed: pluggy keeps the hooks of a failed registration."""
        if self._pm.is_registered(module):
            self._pm.unregister(module)
        self._sources.pop(source.plugin, None)
        for kind in KINDS:
            self._components[kind] = [r for r in self._components[kind] if r.source != source]
        self._presets = [(plugin, preset) for plugin, preset in self._presets if plugin != source.plugin]

    def _call(self, hook: str, source: Source) -> Iterable[object]:
        """Call one plugin's hook by itself: pluggy drops everybody's results when one implementation raises."""
        for impl in getattr(self._pm.hook, hook).get_hookimpls():
            if impl.plugin_name == source.plugin:
                try:
                    return list(impl.function())
                except Exception as error:
                    raise PluginError(
                        f"the hook {hook} of plugin '{source.plugin}' raised {type(error).__name__}: {error}",
                        fix="a hook only returns descriptors; move work into the component's factory",
                        plugin=source.plugin,
                    ) from error
        return ()


def _checked(component: object, kind: Kind, source: Source) -> Component:
    if not isinstance(component, Component):
        raise PluginError(
            f"the hook modeldebug_{kind}s of plugin '{source.plugin}' gave something that is no Component",
            got=repr(component),
            expected="a list of modeldebug.Component",
            plugin=source.plugin,
        )
    name = f"{source.plugin}:{component.name}"
    if component.api != API_VERSION:
        raise PluginError(
            f"{name} was written for another version of the contracts",
            got=f"api {component.api}",
            expected=f"api {API_VERSION}",
            fix=f"install a version of {source.distribution} that fits this modeldebug",
            plugin=source.plugin,
        )
    if not (isinstance(component.name, str) and _NAME.fullmatch(component.name)):
        raise PluginError(
            "a component's name is not usable",
            got=repr(component.name),
            expected="like 'beta-noise'",
            plugin=source.plugin,
        )
    if not (isinstance(component.config, type) and issubclass(component.config, ComponentConfig)):
        raise PluginError(
            f"the settings of {name} are no ComponentConfig", got=repr(component.config), plugin=source.plugin
        )
    abilities = (component.requires, component.provides, component.optional)
    if not all(isinstance(named, frozenset) for named in abilities):
        raise PluginError(
            f"what {name} requires, provides and can use are no frozensets",
            got=", ".join(map(repr, abilities)),
            expected="like frozenset({'encode'})",
            plugin=source.plugin,
        )
    return component


@dataclass(frozen=True)
class Row:
    """One line of `plugins list`."""

    plugin: str
    distribution: str
    version: str
    status: str  # "ok", or what is wrong
    offers: tuple[str, ...]  # "searcher beta-noise", "preset defuse-mnist (laptop or paper)", ...

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def names(self) -> tuple[str, ...]:
        """Of what it offers, the names alone."""
        return tuple(offer.partition(" (")[0].rpartition(" ")[2] for offer in self.offers)


def survey() -> list[Row]:
    """Every installed plugin, with what it offers or why it does not work.

    Plugins of this distribution are loaded here; a third party's in a process of its own with a time limit, so that
    one that hangs, crashes or prints at import is a row with its reason.
    """
    own = next((s.distribution for s in map(_source, _flat(installed())) if s.plugin == "defuse"), None)
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda item: _row(*item, own=own), installed().items()))


def _flat(found: dict[str, list[EntryPoint]]) -> list[EntryPoint]:
    return [entry for entries in found.values() for entry in entries]


def _row(name: str, entries: list[EntryPoint], *, own: str | None) -> Row:
    source = _source(entries[0])
    if len(entries) > 1 or source.distribution == own:
        status, offers = probe(name)
    else:
        status, offers = _probe_apart(name)
    return Row(name, " and ".join(_source(e).distribution for e in entries), source.version, status, offers)


def probe(name: str) -> tuple[str, tuple[str, ...]]:
    """Load one plugin and say what it offers: its status, and its components."""
    try:
        registry = Registry.load([name])
    except InputError as error:
        return " ".join(str(error.what).split()), ()
    offers = [
        f"{r.kind} {r.component.name}" for kind in KINDS for r in registry.components(kind) if r.source.plugin == name
    ]
    offers += [f"preset {_with_budgets(preset)}" for plugin, preset in registry._presets if plugin == name]
    offers += ["events" for plugin, _ in registry.listeners() if plugin == name]
    return "ok", tuple(offers)


def _with_budgets(preset: Preset) -> str:
    return preset.name + (f" ({' or '.join(preset.budgets)})" if preset.budgets else "")


def _probe_apart(name: str) -> tuple[str, tuple[str, ...]]:
    """`probe` in a process of its own; what the plugin prints at import is not read."""
    code = (
        "import json, os, sys; out = os.fdopen(os.dup(1), 'w'); os.dup2(2, 1); "
        "from modeldebug.registry import probe; json.dump(probe(sys.argv[1]), out)"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, name],
            check=False,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        status, offers = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"it hangs when it is imported (no answer in {PROBE_SECONDS:g} s)", ()
    except ValueError:
        lines = done.stderr.strip().splitlines()
        return f"it ends the process that imports it (exit code {done.returncode})" + (
            f": {lines[-1]}" if lines else ""
        ), ()
    return status, tuple(offers)


def module_exists(name: str) -> bool:
    """Whether `name` could be imported, without importing it (only its parents)."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
