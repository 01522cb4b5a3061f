"""Finding plugins, loading the ones that were asked for, and naming the culprit when one is broken."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from . import hookspecs
from .component import API_VERSION, KINDS, Component, ComponentConfig, Kind, Preset
from .errors import ConfigError, ModelDebugError, PluginError, nearest
from .events import Listener
from .importing import ImportHangsError, complaint, importing, remedy

GROUP = "modeldebug"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Source:
    """Where a plugin comes from."""

    plugin: str
    distribution: str
    version: str

    @property
    def described(self) -> str:
        """For messages: `defuse (modeldebug 0.1.0)`."""
        return f"{self.plugin} ({self.distribution} {self.version})"


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
        if all(source_of(entry) != source_of(other) for other in known):
            known.append(entry)
    return dict(sorted(found.items()))


def source_of(entry: EntryPoint) -> Source:
    """The plugin behind an entry point, and its distribution."""
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
        self._blocked: set[str] = set()

    @staticmethod
    def load(names: Sequence[str]) -> Registry:
        """Load plugins by name, with the plugins that they build on; `no:x` blocks plugin x.

        Raises:
            ConfigError: an unknown name.
            PluginError: a plugin that was asked for and does not load.
        """
        registry = Registry()
        registry._blocked = blocked = {name.removeprefix("no:") for name in names if name.startswith("no:")}
        for name in sorted(blocked - set(installed())):
            raise ConfigError(f"there is no plugin '{name}' to block", expected=nearest(name, installed()))
        for name in names:
            if not name.startswith("no:"):
                registry._load(name, asked_by=None)
        return registry

    def bring(self, preset: Preset) -> None:
        """Load the installed plugins whose components a preset names (`use = "plugin:name"`), but for blocked ones.

        Raises:
            PluginError: one of them does not load.
        """
        offered_by = next(plugin for plugin, offered in self._presets if offered is preset)
        for settings in (preset.settings, *preset.budgets.values()):
            for section in settings.values():
                plugin, colon, _ = str(section.get("use", "")).partition(":")
                if colon and plugin in installed():
                    self._load(plugin, asked_by=offered_by)

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

    def presets_of(self, plugin: str) -> tuple[Preset, ...]:
        """The presets of one plugin, whether another's go before them or not."""
        return tuple(preset for offered_by, preset in self._presets if offered_by == plugin)

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

    def _load(self, name: str, *, asked_by: str | None) -> None:
        if name in self._sources:
            return
        if name in self._blocked:
            if asked_by is None:
                raise ConfigError(f"the plugin '{name}' is both asked for and blocked", fix=f"drop {name} or no:{name}")
            return
        entries = installed().get(name, [])
        if not entries:
            raise ConfigError(
                f"there is no plugin '{name}'" + (f", which '{asked_by}' builds on" if asked_by else ""),
                expected=nearest(name, installed()),
                fix="install the distribution that offers it; 'modeldebug plugins list' shows what is installed",
                plugin=self._sources[asked_by].described if asked_by else None,
            )
        if len(entries) > 1:
            both = [source_of(entry) for entry in entries]
            raise PluginError(
                f"two distributions offer a plugin '{name}'",
                got=" and ".join(f"{s.distribution} {s.version}" for s in both),
                fix=f"uninstall one of them: pip uninstall {both[1].distribution}",
                plugin=name,
            )
        source = source_of(entries[0])
        module = _imported(entries[0], source)
        needed = _named(getattr(module, "requires_plugins", ()), source)
        self._sources[name] = source
        for other in needed:
            self._load(other, asked_by=name)
        self.register(module, source)

    def register(self, module: object, source: Source) -> None:
        """Take in what a plugin object offers.

        Raises:
            PluginError: a misspelt hook, a hook that raises, or descriptors that are none; nothing of it stays.
        """
        if self._pm.has_plugin(source.plugin) or self._pm.is_registered(module):
            raise _refusal(f"the plugin '{source.plugin}' is registered already", source)
        self._sources[source.plugin] = source
        try:
            self._pm.register(module, name=source.plugin)
            self._pm.check_pending()
        except Exception as error:
            self._forget(module, source)
            hooks = [n.removeprefix("modeldebug_") for n in vars(hookspecs) if n.startswith("modeldebug_")]
            raise _refusal(
                f"the plugin '{source.plugin}' does not fit the hooks: {error}",
                source,
                expected="hooks named modeldebug_" + ", _".join(sorted(hooks)),
                fix="check the names and arguments of its functions marked @hookimpl",
            ) from error
        try:
            for kind in KINDS:
                for offered in self._call(f"modeldebug_{kind}s", source):
                    component = _checked(offered, kind, source)
                    if any(r.source == source and r.component.name == component.name for r in self._components[kind]):
                        raise _refusal(f"the plugin '{source.plugin}' offers two {kind}s '{component.name}'", source)
                    self._components[kind].append(Registered(kind, source, component))
            for preset in self._call("modeldebug_presets", source):
                if not isinstance(preset, Preset):
                    raise _refusal(
                        f"a preset hook of the plugin '{source.plugin}' gave no Preset", source, got=repr(preset)
                    )
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
                    with importing():
                        return list(impl.function())
                except KeyboardInterrupt:
                    raise
                except BaseException as error:
                    hangs = isinstance(error, ImportHangsError)
                    how = f"hangs: {error}" if hangs else f"raised {type(error).__name__}: {error}"
                    raise _refusal(
                        f"the hook {hook} of plugin '{source.plugin}' {how}",
                        source,
                        fix="a hook only returns descriptors; move work into the component's factory",
                    ) from error
        return ()


def _refusal(
    what: str, source: Source, *, got: object = None, expected: object = None, fix: str | None = None
) -> PluginError:
    """Why a plugin is not loaded; what to do, unless something better is known, is to go on without it."""
    without = f"mend or uninstall {source.distribution}, or leave '{source.plugin}' out of --plugins"
    return PluginError(what, got=got, expected=expected, fix=fix or without, plugin=source.described)


def _imported(entry: EntryPoint, source: Source) -> Any:
    """The module or object behind an entry point.

    Raises:
        PluginError: importing it raises or hangs.
    """
    try:
        with importing():
            return entry.load()
    except KeyboardInterrupt:
        raise
    except ModelDebugError as error:  # it says itself what it lacks
        error.plugin = source.described
        raise
    except BaseException as error:  # whatever a module raises, even one that skips or exits
        fix = f"{remedy(error, f'{source.distribution} {source.version}')}; or leave '{source.plugin}' out of --plugins"
        raise _refusal(
            f"the plugin '{source.plugin}' {complaint(error)}", source, got=f"the module {entry.value}", fix=fix
        ) from error


def _named(needed: object, source: Source) -> tuple[str, ...]:
    """The names of the plugins that another builds on."""
    if not isinstance(needed, tuple | list) or not all(isinstance(name, str) for name in needed):
        raise _refusal(
            f"what the plugin '{source.plugin}' builds on is no tuple of names",
            source,
            got=f"requires_plugins = {needed!r}",
            expected="like requires_plugins = ('datasets',)",
        )
    return tuple(needed)


def _checked(component: object, kind: Kind, source: Source) -> Component:
    if not isinstance(component, Component):
        raise _refusal(
            f"the hook modeldebug_{kind}s of plugin '{source.plugin}' gave something that is no Component",
            source,
            got=repr(component),
            expected="a list of modeldebug.Component",
        )
    name = f"{source.plugin}:{component.name}"
    if component.api != API_VERSION:
        raise _refusal(
            f"{name} was written for another version of the contracts",
            source,
            got=f"api {component.api}",
            expected=f"api {API_VERSION}",
            fix=f"install a version of {source.distribution} that fits this modeldebug",
        )
    if not (isinstance(component.name, str) and _NAME.fullmatch(component.name)):
        raise _refusal(
            f"the plugin '{source.plugin}' offers a component whose name is not usable: {component.name!r}",
            source,
            expected="like 'beta-noise'",
        )
    if not (isinstance(component.config, type) and issubclass(component.config, ComponentConfig)):
        raise _refusal(f"the settings of {name} are no ComponentConfig", source, got=repr(component.config))
    abilities = (component.requires, component.provides, component.optional)
    if not all(isinstance(named, frozenset) for named in abilities):
        raise _refusal(
            f"what {name} requires, provides and can use are no frozensets",
            source,
            got=", ".join(map(repr, abilities)),
            expected="like frozenset({'encode'})",
        )
    return component


def module_exists(name: str) -> bool:
    """Whether `name` could be imported, without importing it (only its parents)."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
