"""A third party's preset with budgets, as installed: chosen, shown, run, and restored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import modeldebug
from modeldebug import Run
from modeldebug.config import RunConfig
from modeldebug.folders import restore_config
from modeldebug.store import RunStore

from ..engine.planted import SETTINGS
from .conftest import Invoke

PLUGIN = f"""
from modeldebug import Preset, hookimpl

requires_plugins = ("defuse",)

@hookimpl
def modeldebug_presets():
    settings = {SETTINGS!r}
    budgets = {{
        "quick": {{"searcher": {{"draws": 5}}}},
        "long": {{"searcher": {{"draws": 6}}, "report": {{"samples": 3}}}},
    }}
    return [Preset("planted", "a known problem", settings, budgets=budgets), Preset("plain", "no budgets", settings)]
"""
ENTRY = "[modeldebug]\nscaled = scaled_presets\n"
METADATA = "Metadata-Version: 2.1\nName: scaled-presets\nVersion: 2.0\n"


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with a plugin `scaled`, which other processes find too; the working folder is empty."""
    site, info = tmp_path / "site", tmp_path / "site" / "scaled_presets-2.0.dist-info"
    info.mkdir(parents=True)
    (site / "scaled_presets.py").write_text(PLUGIN)
    (info / "entry_points.txt").write_text(ENTRY)
    (info / "METADATA").write_text(METADATA)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.delitem(__import__("sys").modules, "scaled_presets", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def restored(run: Path) -> RunConfig:
    return restore_config(RunStore.open(run))[1]


def test_config_show_names_the_budget_and_what_came_from_it(invoke: Invoke) -> None:
    options = ["--plugins", "scaled", "--preset", "planted", "--set", "budget=long", "--set", "report.samples=4"]
    shown = json.loads(invoke("config", "show", "--json", *options).stdout)
    assert shown["budget"] == {"value": "long", "from": ""}
    assert shown["searcher.draws"] == {"value": 6, "from": "preset planted, budget long"}
    assert shown["searcher.scale"] == {"value": 4.0, "from": "preset planted"}
    assert shown["report.samples"] == {"value": 4, "from": "--set"}


def test_the_file_chooses_a_budget_and_the_command_line_another(invoke: Invoke) -> None:
    Path("run.toml").write_text('plugins = ["scaled"]\npreset = "planted"\nbudget = "long"\n')
    shown = [
        json.loads(invoke("config", "show", "--json", "--config", "run.toml", *more).stdout)["budget"]["value"]
        for more in ([], ["--set", "budget=quick"])
    ]
    assert shown == ["long", "quick"]


def test_a_budget_of_a_preset_without_any_is_an_error_that_says_so(invoke: Invoke) -> None:
    done = invoke("run", "--plugins", "scaled", "--preset", "plain", "--set", "budget=long")
    assert done.exit_code == 2
    assert "the preset 'plain' has no budgets to choose from" in done.stderr
    assert list(Path().iterdir()) == []


def test_list_and_info_show_the_budgets_of_a_preset(invoke: Invoke) -> None:
    listed = " ".join(invoke("plugins", "list").stdout.split())
    assert "preset planted (quick or long), plain" in listed
    assert "budgets quick, long (the first is the default)" in " ".join(
        invoke("plugins", "info", "scaled").stdout.split()
    )
    rows = [line.split() for line in invoke("plugins", "info", "scaled:planted").stdout.splitlines()]
    assert ["setting", "quick", "long"] in rows
    assert ["searcher.draws", "5", "6"] in rows
    assert ["report.samples", "3"] in rows  # not set in the first budget


def test_a_run_says_its_budget_everywhere_and_restores_it(invoke: Invoke) -> None:
    done = invoke("run", "--plugins", "scaled", "--preset", "planted", "--set", "budget=long", "--out", "run")
    assert done.exit_code == 0, done.output
    assert "planted, budget long" in done.stdout
    assert json.loads(Path("run/manifest.json").read_text())["budget"] == "long"
    results = json.loads(Path("run/results.json").read_text())
    assert (results["preset"], results["budget"]) == ("planted", "long")
    assert "planted, budget long" in Path("run/report.html").read_text(encoding="utf-8")
    assert "--set budget=long" in Path("run/report.html").read_text(encoding="utf-8")
    again = restored(Path("run"))
    assert again.budget == "long"
    assert again.sources["searcher.draws"] == "preset planted, budget long"
    assert modeldebug.resume("run", redo="evidence").results["budget"] == "long"


def test_python_chooses_a_budget_as_the_command_line_does() -> None:
    done: Run = modeldebug.run(
        plugins="scaled", preset="planted", budget="quick", settings={"report": {"samples": 2}}, out="run"
    )
    assert done.results["budget"] == "quick"
    assert restored(Path("run")).core.report.samples == 2
