"""`modeldebug plugins list` and `modeldebug plugins info`. Neither imports torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

import click

from ..errors import ConfigError, nearest
from .commands import offers, status

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..component import Preset
    from ..registry import Registered
    from ..survey import Row


@click.group()
def plugins() -> None:
    """Show what is installed, and what it offers."""


@plugins.command("list")
def list_plugins() -> None:
    """List the installed plugins, with what they offer or why they do not work."""
    from ..survey import survey
    from .screen import draw, table

    own = cast(click.Group, click.get_current_context().find_root().command).commands
    commands = [(offer.name, " and ".join(offer.sources), status(offer, own)) for offer in offers().values()]
    rows = [(r.plugin, f"{r.distribution} {r.version}", r.status, _by_kind(r.offers) or "-") for r in survey()]
    draw(
        table(("plugin", "distribution", "status", "offers"), rows, whole=(0,)),
        *([table(("command", "distribution", "status"), commands, whole=(0,))] if commands else []),
    )


def _by_kind(offers: Iterable[str]) -> str:
    """`searcher a`, `searcher b` and `preset c` as `searcher a, b` and, on a line of its own, `preset c`."""
    kinds: dict[str, list[str]] = {}
    for kind, _, name in (offer.partition(" ") for offer in offers):
        kinds.setdefault(kind, []).append(name)
    return "\n".join(f"{kind} {', '.join(names)}".strip() for kind, names in kinds.items())


@plugins.command()
@click.argument("name")
def info(name: str) -> None:
    """Explain a plugin, a component or a preset, with all settings.

    NAME is a plugin (defuse), a component (beta-noise), or both (defuse:beta-noise).
    """
    from .screen import draw, facts, table

    row, components, presets, alone = look_up(name)
    parts = [] if alone else [facts([("plugin", row.plugin), ("from", f"{row.distribution} {row.version}")])]
    for registered in components:
        parts.append(
            facts([(registered.kind, registered.name), ("", registered.component.summary), *_demands(registered)])
        )
        rows = list(setting_rows(registered.component.config))
        if rows:
            parts.append(table(("  setting", "type", "default", "meaning"), rows, whole=(0,)))
    for preset in presets:
        budgets = [("budgets", f"{', '.join(preset.budgets)} (the first is the default)")] if preset.budgets else []
        advice = [("when", preset.advice)] if preset.advice else []
        parts.append(facts([("preset", preset.name), ("", preset.summary), *advice, *budgets]))
        if alone:
            headings = ("  setting", *(preset.budgets or ["value"]))
            parts.append(table(headings, [(f"  {s}", *values) for s, *values in preset_rows(preset)], whole=(0,)))
    draw(*parts)


def look_up(name: str) -> tuple[Row, list[Registered], list[Preset], bool]:
    """The plugin that `name` is or stands in, what is to be shown of it, and whether that is one thing only.

    Plugins are first surveyed, which a broken one survives; then the one in question is loaded.
    """
    from ..component import KINDS
    from ..registry import Registry
    from ..survey import survey

    rows = survey()
    plugin, _, bare = name.rpartition(":")
    alone = not any(row.plugin == name for row in rows)
    if alone:
        matches = [r for r in rows if plugin in ("", r.plugin) and bare in r.names]
    else:
        matches = [r for r in rows if r.plugin == name]
    if len(matches) != 1:
        known = [r.plugin for r in rows] + [name for r in rows for name in r.names]
        raise ConfigError(
            f"there is no plugin or component '{name}'" if not matches else f"more than one plugin offers '{name}'",
            got=" and ".join(f"{r.plugin}:{bare}" for r in matches) or None,
            expected=None if matches else nearest(bare, set(known)),
            fix="modeldebug plugins list",
        )
    registry = Registry.load([matches[0].plugin])
    mine = [r for kind in KINDS for r in registry.components(kind) if r.source.plugin == matches[0].plugin]
    presets = [p for p in registry.presets.values() if p.name in matches[0].names]
    if alone:
        mine, presets = [r for r in mine if r.component.name == bare], [p for p in presets if p.name == bare]
    return matches[0], mine, presets, alone


def _demands(registered: Registered) -> Iterator[tuple[str, str]]:
    component = registered.component
    abilities = (("requires", component.requires), ("can use", component.optional), ("provides", component.provides))
    for label, names in abilities:
        if names:
            yield label, ", ".join(sorted(names))


def setting_rows(config: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and meaning of each setting."""
    schema = config.model_json_schema()
    for name, described in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        default = "(required)" if required else _value(described.get("default"))
        yield f"  {name}", type_in_words(described), default, described.get("description", "")


def preset_rows(preset: Preset) -> Iterator[tuple[str, ...]]:
    """Each setting of a preset, and its value in each budget; empty where it is the default there."""
    from ..config import merge, preset_layers

    columns = []
    for budget in preset.budgets or (None,):
        merged, _ = merge(preset_layers(preset, budget))
        columns.append({f"{section}.{name}": _value(v) for section, own in merged.items() for name, v in own.items()})
    names = list(dict.fromkeys(name for column in columns for name in column))
    sections = list(dict.fromkeys(name.partition(".")[0] for name in names))
    for name in sorted(names, key=lambda name: sections.index(name.partition(".")[0])):
        yield name, *(column.get(name, "") for column in columns)


def _value(value: Any) -> str:
    return "(unset)" if value is None else json.dumps(value, ensure_ascii=False)


def type_in_words(schema: dict[str, Any]) -> str:
    """A JSON schema's type for people, with its bounds.

    >>> type_in_words({"type": "integer", "minimum": 1})
    'integer >= 1'
    >>> type_in_words({"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {"type": "null"}]})
    'number >= 0, < 1'
    """
    if "anyOf" in schema:
        return " or ".join(type_in_words(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        parts = schema.get("prefixItems") or [schema.get("items", {})]
        size = f"{len(schema['prefixItems'])} " if "prefixItems" in schema else ""
        return f"list of {size}{type_in_words(parts[0])}"
    bounds = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="), ("exclusiveMaximum", "<"))
    limits = ", ".join(f"{sign} {schema[key]:g}" for key, sign in bounds if key in schema)
    return f"{schema.get('type', 'any')} {limits}".strip()
