"""From layers of settings to one resolved configuration, in which each setting knows where it came from. No torch.

Layers, later ones win: defaults, the preset, its budget, the configuration file, flags, `--set`. A layer that chooses
another component for a stage drops what earlier layers had set for the old one.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from .completeness import check_complete, check_exact, check_guide, check_targets
from .component import ComponentConfig, Kind, Preset, Settings
from .errors import ConfigError, nearest
from .registry import Registered, Registry, module_exists
from .roles import NONE, OPTIONAL, ROLES, Role, flag, kind_of
from .sections import SECTIONS, CoreSettings

INHERITED = "dataset"  # the source of a setting of `generator_data` that is the classifier's data set's own


@dataclass(frozen=True)
class Layer:
    """Settings from one place: `{"searcher": {"use": "beta-noise", "draws": 500}}`, and the budget of the preset that
    is asked for there, if one is."""

    source: str
    settings: Settings
    budget: str | None = None


@dataclass(frozen=True)
class Choice:
    """The component of one stage, with its settings."""

    role: Role
    registered: Registered
    config: ComponentConfig

    def to_dict(self) -> dict[str, Any]:
        return {"use": self.registered.name, **self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run.

    Attributes:
        plugins: as they were asked for.
        preset: its name, or None.
        budget: that of the preset, or None where it has none.
        core: the core's own settings.
        choices: the component of each role; a role without one is not filled.
        sources: where each setting that is no default came from, by "section.name".
        advice: when to take the preset, in its own words.
        left_out: optional roles that are left empty on purpose, by `use = "none"`.
    """

    plugins: tuple[str, ...]
    preset: str | None
    budget: str | None
    core: CoreSettings
    choices: Mapping[Role, Choice]
    sources: Mapping[str, str] = field(default_factory=dict)
    advice: str = ""
    left_out: tuple[Role, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The resolved settings as JSON values, and nothing but them."""
        settings = self.core.model_dump(mode="json")
        empty = {role: {"use": NONE} for role in self.left_out}
        return settings | {role: choice.to_dict() for role, choice in self.choices.items()} | empty

    def in_batches_of(self, size: int) -> RunConfig:
        """The same, but networks are asked about so many images at a time."""
        run = self.core.run.model_copy(update={"batch_size": size})
        return replace(self, core=self.core.model_copy(update={"run": run}))


def parse_assignment(text: str, *, source: str = "--set") -> Layer:
    """`searcher.draws=500` as a layer; the value is read as TOML, and as plain text where it is none. `budget=NAME` is
    the one assignment without a section.

    >>> parse_assignment("searcher.draws=500").settings
    {'searcher': {'draws': 500}}
    """
    path, equals, value = text.partition("=")
    section, dot, name = path.strip().partition(".")
    if equals and path.strip() == "budget":
        return Layer(source, {}, value.strip().strip("\"'"))
    if not (equals and dot and section and name):
        raise ConfigError(
            f"{source} needs a section, a name and a value",
            got=text,
            expected="like searcher.draws=500; only budget=NAME has no section",
        )
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    return Layer(source, {section: {name: parsed}})


def read_file(path: Path) -> tuple[Layer, dict[str, Any]]:
    """A run's TOML file: its settings and budget as a layer, and the top-level keys `plugins` and `preset`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the configuration file cannot be read: {error.strerror}", got=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file is no TOML: {error}", got=path) from error
    top: dict[str, Any] = {k: content.pop(k) for k in ("plugins", "preset") if k in content}
    budget = content.pop("budget", None)
    loose = [k for k, v in content.items() if not isinstance(v, dict)]
    if loose:
        raise ConfigError(
            f"'{loose[0]}' stands outside a section",
            got=path,
            expected="plugins, preset and budget at the top, all else in a section: " + ", ".join((*SECTIONS, *ROLES)),
        )
    return Layer(path.name, content, None if budget is None else str(budget)), dict(top)


def resolve(
    registry: Registry, plugins: Sequence[str], layers: Sequence[Layer], *, preset: str | None = None
) -> RunConfig:
    """One configuration from all layers, checked.

    Raises:
        ConfigError: an unknown section, component or setting (with the nearest known one), a value out of range, a
            stage without a component, or a component that needs what no other provides.
    """
    chosen = _preset(registry, preset)
    budget = _budget(chosen, layers)
    merged, sources = merge([*preset_layers(chosen, budget), *layers])
    left_out = _leave_out(merged)
    _inherit(merged, sources)
    core = _core({name: merged.get(name, {}) for name in SECTIONS})
    choices = {role: _choice(registry, role, merged[role]) for role in ROLES if role in merged}
    check_guide(choices, sources, registry)
    name, advice = (chosen.name, chosen.advice) if chosen else (None, "")
    config = RunConfig(tuple(plugins), name, budget, core, choices, sources, advice, left_out)
    check_complete(config, registry)
    check_exact(config)
    check_targets(config, registry)
    return config


def chosen_before(
    registry: Registry, role: Role, layers: Sequence[Layer], *, preset: str | None = None
) -> Registered | None:
    """The component that a preset and layers choose for a role, before others have their say; None where they do not.

    Raises:
        ConfigError: no such preset or component.
    """
    named = _preset(registry, preset)
    merged, _ = merge([*preset_layers(named, _budget(named, layers)), *layers])
    use = merged.get(role, {}).get("use")
    return None if use in (None, NONE) else _find(registry, kind_of(role), str(use))


def _preset(registry: Registry, name: str | None) -> Preset | None:
    """The preset of a name, or the first one; the plugins that its components are from are loaded with it."""
    presets = registry.presets
    if name is not None and (not isinstance(name, str) or name not in presets):
        raise ConfigError(
            f"there is no preset '{name}'", expected=nearest(str(name), presets), fix="modeldebug plugins list"
        )
    chosen = next(iter(presets.values()), None) if name is None else presets[name]
    if chosen is not None:
        registry.bring(chosen)
    return chosen


def _budget(preset: Preset | None, layers: Sequence[Layer]) -> str | None:
    """The budget that the last layer asks for, else the preset's first."""
    asked = next((layer for layer in reversed(layers) if layer.budget is not None), None)
    offered = preset.budgets if preset is not None else {}
    if asked is None:
        return next(iter(offered), None)
    if asked.budget in offered:
        return asked.budget
    named = f"the preset '{preset.name}'" if preset is not None else "a run without a preset"
    raise ConfigError(
        f"{named} has no budget '{asked.budget}'" if offered else f"{named} has no budgets to choose from",
        got=f"budget={asked.budget} in {asked.source}",
        expected=nearest(str(asked.budget), offered) if offered else None,
        fix=f"one of its budgets: {', '.join(offered)}" if offered else "leave budget out, or choose another preset",
    )


def with_executors(plugins: Sequence[str]) -> tuple[str, ...]:
    """The same plugins, and the one that offers the executor of `workers_layer`.

    >>> with_executors(["defuse"])
    ('defuse', 'executors')
    """
    return tuple(dict.fromkeys((*plugins, "executors")))


def workers_layer(workers: int, *, chosen: bool = False) -> Layer:
    """So many workers: of this machine, or of the executor that is chosen already."""
    return Layer("--workers", {"executor": ({} if chosen else {"use": "executors:local"}) | {"workers": workers}})


def chosen_executor(registry: Registry, layers: Sequence[Layer]) -> Choice | None:
    """The executor that layers choose, for work that is no single run.

    Raises:
        ConfigError: there is no such executor, or its settings are not usable.
    """
    settings = merge(layers)[0].get("executor")
    return None if settings is None or settings.get("use") == NONE else _choice(registry, "executor", settings)


def preset_layers(preset: Preset | None, budget: str | None) -> list[Layer]:
    """The layers that a preset and its budget stand for."""
    if preset is None:
        return []
    own = Layer(f"preset {preset.name}", preset.settings)
    if budget is None:
        return [own]
    return [own, Layer(f"preset {preset.name}, budget {budget}", preset.budgets[budget])]


def merge(layers: Sequence[Layer]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The settings of all layers together, by section, and where each came from, by "section.name".

    Raises:
        ConfigError: an unknown section, or one that is no section.
    """
    merged: dict[str, dict[str, Any]] = {}
    sources: dict[str, str] = {}
    for layer in layers:
        for section, settings in layer.settings.items():
            if section not in (*SECTIONS, *ROLES):
                raise ConfigError(
                    f"there is no section '{section}'",
                    got=f"in {layer.source}",
                    expected=nearest(section, (*SECTIONS, *ROLES)),
                )
            if not isinstance(settings, Mapping):
                raise ConfigError(f"'{section}' is a section", got=repr(settings), expected="names and values")
            known = merged.setdefault(section, {})
            if "use" in settings and not _same_component(known.get("use"), settings["use"]):
                for name in known:
                    sources.pop(f"{section}.{name}", None)
                known.clear()
            known.update(settings)
            sources.update({f"{section}.{name}": layer.source for name in settings})
    return merged, sources


def _leave_out(merged: dict[str, dict[str, Any]]) -> tuple[Role, ...]:
    """Drop the optional roles that use "none", and name them."""
    empty = tuple(role for role in OPTIONAL if merged.get(role, {}).get("use") == NONE)
    for role in empty:
        others = [name for name in merged.pop(role) if name != "use"]
        if others:
            raise ConfigError(
                f"the run has no {role}, so nothing can be set for it",
                got=f"{role}.use={NONE}, {role}.{others[0]}",
                fix=f"choose a component: {flag(role)} NAME",
            )
    return empty


def _inherit(merged: dict[str, dict[str, Any]], sources: dict[str, str]) -> None:
    """Without a `use` of its own, `generator_data` is the classifier's data set with other settings."""
    own = merged.get("generator_data")
    if own is None or "use" in own:
        return
    missing = {name: value for name, value in merged.get("dataset", {}).items() if name not in own}
    merged["generator_data"] = missing | own
    sources.update({f"generator_data.{name}": INHERITED for name in missing})


def _same_component(before: object, after: object) -> bool:
    """Whether two names mean one component: `beta-noise` is `defuse:beta-noise` (a clash of bare names is refused)."""
    names = [str(name) for name in (before, after) if name is not None]
    bare = [name.rpartition(":")[2] for name in names]
    return len(set(names)) == 1 or (len(set(bare)) == 1 and any(":" not in name for name in names))


def _core(sections: Mapping[str, Mapping[str, Any]]) -> CoreSettings:
    parsed = {}
    for name, settings in sections.items():
        section = CoreSettings.model_fields[name].annotation
        assert section is not None
        parsed[name] = validated(section, settings, where=name)  # type: ignore[arg-type]  # each is a section
    return CoreSettings(**parsed)


def _choice(registry: Registry, role: Role, settings: Mapping[str, Any]) -> Choice:
    use = settings.get("use")
    if not isinstance(use, str) or not use:
        raise ConfigError(
            f"no component is chosen for the {role}", got=f"settings {dict(settings)}", fix=f"add {flag(role)} NAME"
        )
    registered = _find(registry, kind_of(role), use)
    own = {k: v for k, v in settings.items() if k != "use"}
    return Choice(role, registered, validated(registered.component.config, own, where=role, plugin=registered.name))


def _find(registry: Registry, kind: Kind, use: str) -> Registered:
    """The component behind a name: a loaded plugin's where it has it, else a module's attribute."""
    before, colon, _ = use.rpartition(":")
    if not colon or any(r.name == use for r in registry.components(kind)):
        return registry.find(kind, use)
    add_working_folder(Path.cwd())
    if not module_exists(before) and registry.knows_plugin(before):
        return registry.find(kind, use)
    from .external import component_from

    return component_from(registry, kind, use)


def add_working_folder(folder: Path) -> None:
    """Let `module:attribute` name modules of the working folder, as `python -m` does."""
    if str(folder) not in sys.path and not ("" in sys.path and folder == Path.cwd()):
        sys.path.insert(0, str(folder))


def validated(model: type[BaseModel], settings: Mapping[str, Any], *, where: str, plugin: str | None = None) -> Any:
    """Settings as a pydantic model; its complaints as one ConfigError that names the setting."""
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                f"there is no setting '{where}.{name}'",
                expected=nearest(name, model.model_fields),
                fix=f"'modeldebug plugins info {plugin}' explains its settings" if plugin else "modeldebug config show",
                plugin=plugin,
            ) from error
        if first["type"] == "missing":
            raise ConfigError(
                f"the setting '{where}.{name}' is missing",
                expected=model.model_fields[name].description,
                fix=f"--set {where}.{name}=...",
                plugin=plugin,
            ) from error
        raise ConfigError(
            f"the setting '{where}.{name}' is not usable",
            got=repr(first.get("input")),
            expected=first["msg"],
            plugin=plugin,
        ) from error
