"""Tables that are drawn from the code when the documentation is built, so that they cannot go stale.

`{settings} searcher` or `{settings} defuse:vae`: the settings of a section or of a component.
`{preset} defuse`: the settings of a preset.
`{command} plugins info`: how a command is used, and its options.
`{rules}`: every rule of the conformance kit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
from docutils import nodes  # type: ignore[import-untyped]
from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from modeldebug.cli import program
from modeldebug.cli.plugins import preset_rows, setting_rows
from modeldebug.component import KINDS
from modeldebug.registry import Registry
from modeldebug.sections import CoreSettings
from modeldebug.testing import CHECKS


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def settings_text(name: str) -> str:
    """The settings of a section of the core, or of a component `plugin:name`."""
    rows = ((f"`{s.strip()}`", kind, f"`{d}`", meaning) for s, kind, d, meaning in setting_rows(_model(name)))
    return table(("setting", "type", "default", "meaning"), rows)


def _model(name: str) -> type[BaseModel]:
    if name in CoreSettings.model_fields:
        return type(getattr(CoreSettings(), name))
    registry = Registry.load(["defuse", "rivals", "bayestrex", "gan", "clevr"])
    (component,) = (r.component for kind in KINDS for r in registry.components(kind) if r.name == name)
    return component.config


def preset_text(name: str) -> str:
    """The settings of a preset that are not defaults, in each of its budgets."""
    preset = Registry.load(["defuse", "bayestrex", "clevr"]).presets[name]
    rows = [(f"`{name}`", *(f"`{v}`" if v else "" for v in values)) for name, *values in preset_rows(preset)]
    return table(("setting", *(preset.budgets or ["value"])), rows)


def command_text(name: str) -> str:
    """How a command is used, what it does, and its options, as `--help` says."""
    command, context = _command(name)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    about = " ".join((command.help or "").split())
    options = _options(command, context)
    if name != "run" and options == _options(*_command("run")):
        shown = "Its options are those of [modeldebug run](#modeldebug-run)."
    else:
        shown = table(("option", "meaning"), options)
    return f"```text\n{usage}\n```\n\n{about}\n\n{shown}"


def _command(name: str) -> tuple[click.Command, click.Context]:
    command: click.Command = program
    context = click.Context(program, info_name="modeldebug")
    for part in name.split():
        assert isinstance(command, click.Group)
        found = command.get_command(context, part)
        assert found is not None, f"there is no command {name}"
        command = found
        context = click.Context(command, info_name=part, parent=context)
    return command, context


def _options(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    records = (p.get_help_record(context) for p in command.get_params(context) if isinstance(p, click.Option))
    return [(f"`{record[0]}`", record[1]) for record in records if record is not None]


def rules_text() -> str:
    """The rules of each kind of component."""
    parts = []
    for kind, checks in CHECKS.items():
        rows = [(f"`{check.name}`", check.says, check.why) for check in checks]
        parts.append(f"**{kind}**\n\n{table(('check', 'rule', 'why'), rows)}")
    return "\n\n".join(parts)


class _Generated(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True

    def text(self, argument: str) -> str:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(self.text(self.arguments[0]))


class Settings(_Generated):
    def text(self, argument: str) -> str:
        return settings_text(argument)


class PresetSettings(_Generated):
    def text(self, argument: str) -> str:
        return preset_text(argument)


class Command(_Generated):
    def text(self, argument: str) -> str:
        return command_text(argument)


class Rules(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(rules_text())


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directives."""
    app.add_directive("settings", Settings)
    app.add_directive("preset", PresetSettings)
    app.add_directive("command", Command)
    app.add_directive("rules", Rules)
    return {"parallel_read_safe": True}
