"""`modeldebug config show` and `modeldebug config schema`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .options import Options, configure, plugin_names, plugins_option, run_options

if TYPE_CHECKING:
    from ..config import RunConfig


@click.group()
def config() -> None:
    """Show the settings of a run, or their schema."""


@config.command()
@run_options
def show(**given: Any) -> None:
    """Show every setting, its value, and where it came from. Takes the options of 'modeldebug run'."""
    options = Options.of(given)
    _, resolved = configure(options)
    rows = setting_rows(resolved)
    if options.json:
        values = {name: {"value": value, "from": source} for name, value, source in rows}
        click.echo(json.dumps(values, ensure_ascii=False, indent=1))
        return
    from .screen import draw, table

    shown = [
        (name, "" if value is None else json.dumps(value, ensure_ascii=False), source) for name, value, source in rows
    ]
    draw(table(("setting", "value", "where from"), shown, whole=(0, 2)))


def setting_rows(config: RunConfig) -> list[tuple[str, Any, str]]:
    """Every setting: "section.name", its value, and where it came from."""
    rows: list[tuple[str, Any, str]] = [
        ("plugins", list(config.plugins), ""),
        ("preset", config.preset, ""),
        ("budget", config.budget, ""),
    ]
    for section, settings in config.to_dict().items():
        for name, value in settings.items():
            rows.append((f"{section}.{name}", value, config.sources.get(f"{section}.{name}", "default")))
    return rows


@config.command()
@plugins_option
def schema(plugins: tuple[str, ...]) -> None:
    """Print the JSON schema of a configuration file, for editors and programs."""
    from ..registry import Registry
    from ..schema import json_schema

    click.echo(json.dumps(json_schema(Registry.load(plugin_names(plugins))), ensure_ascii=False, indent=1))
