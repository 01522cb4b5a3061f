"""The reference pages are complete: every key of the results, every setting, every command, every public name."""

import json
import re
from pathlib import Path

import click
import pytest

import modeldebug
from modeldebug.cli import EXIT_CODES, program
from modeldebug.component import KINDS
from modeldebug.registry import Registry
from modeldebug.results import STAGES
from modeldebug.sections import CoreSettings

DOCS = Path(__file__).parents[2] / "docs"
OPEN = ("agreement.*", "search.shares.*", "seconds.*", "versions.*")  # each stands for every further key of an object


def text(page):
    return (DOCS / page).read_text(encoding="utf-8")


def first_cells(page):
    return set(re.findall(r"^\| `([^`]+)` \|", text(page), re.MULTILINE))


def flat(value, prefix=""):
    if not isinstance(value, dict):
        return {prefix}
    return {key for name, inner in value.items() for key in flat(inner, f"{prefix}.{name}".lstrip("."))}


def commands(group):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from (f"{name} {inner}" for inner in commands(command))
        else:
            yield name


def test_every_key_of_the_results_is_documented_and_no_other(finished):
    written = flat(json.loads((finished.folder / "results.json").read_text()))
    documented = first_cells("results.md")
    exact = documented - set(OPEN)
    assert exact <= written
    for key in written - exact:
        assert any(key.startswith(row.removesuffix("*")) for row in OPEN if row in documented), key


def test_every_section_and_default_component_has_its_table_of_settings():
    registry = Registry.load(["defuse", "rivals", "bayestrex", "gan", "clevr"])
    names = {r.name for kind in KINDS for r in registry.components(kind)} | set(CoreSettings.model_fields)
    assert set(re.findall(r"^```\{settings\} (\S+)$", text("configuration.md"), re.MULTILINE)) == names


def test_every_preset_is_shown():
    presets = set(Registry.load(["defuse", "bayestrex", "clevr"]).presets)
    assert set(re.findall(r"^```\{preset\} (\S+)$", text("configuration.md"), re.MULTILINE)) == presets


def test_every_command_is_shown():
    shown = re.findall(r"^```\{command\} (.+)$", text("command-line.md"), re.MULTILINE)
    assert sorted(shown) == sorted(commands(program))


def test_exit_codes_are_those_of_the_program():
    told = re.findall(r"^ +(\d+) ", EXIT_CODES, re.MULTILINE)
    assert re.findall(r"^\| (\d+) \|", text("command-line.md"), re.MULTILINE) == told


def test_stages_are_told_in_the_order_of_a_run():
    _, _, stages = text("run-folder.md").partition("## Stages")
    assert re.findall(r"^\| (\w+) \|", stages, re.MULTILINE) == ["stage", *STAGES]


@pytest.mark.parametrize("name", sorted(modeldebug.__all__))
def test_every_public_name_is_in_the_reference(name):
    assert re.search(rf"^\.\. (auto\w+|py:data):: modeldebug\.{name}$", text("api.md"), re.MULTILINE)
