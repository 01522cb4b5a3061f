from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from modeldebug.cli import options
from modeldebug.roles import ROLES

from .conftest import Invoke

TOML = """
plugins = ["defuse"]
preset = "tiny"

[searcher]
use = "defuse:beta-noise"
draws = 30
scale = 4.0

[run]
seed = 7
"""


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.toml").write_text(TOML)


@pytest.mark.usefixtures("in_folder")
def test_every_setting_knows_where_it_came_from_and_later_layers_win(invoke: Invoke) -> None:
    options = ["--config", "run.toml", "--set", "searcher.draws=5", "--clusterer", "dp-gmm", "--device", "cpu"]
    done = invoke("config", "show", "--json", *options, "--weights", "w.pt")
    shown = json.loads(done.stdout)
    expected = {
        "preset": ("tiny", ""),
        "dataset.limit": (shown["dataset.limit"]["value"], "preset tiny"),
        "searcher.scale": (4.0, "run.toml"),
        "searcher.draws": (5, "--set"),
        "searcher.keep": (10, "default"),
        "clusterer.use": ("defuse:dp-gmm", "--clusterer"),
        "classifier.weights": (str(Path("w.pt").absolute()), "--weights"),
        "run.seed": (7, "run.toml"),
        "run.device": ("cpu", "--device"),
    }
    assert {name: (shown[name]["value"], shown[name]["from"]) for name in expected} == expected


@pytest.mark.usefixtures("in_folder")
def test_flags_win_over_the_plugins_preset_and_seed_of_the_file(invoke: Invoke) -> None:
    options = ["--config", "run.toml", "--preset", "defuse", "--plugins", "defuse,datasets", "--seed", "1"]
    shown = json.loads(invoke("config", "show", "--json", *options).stdout)
    assert shown["plugins"]["value"] == ["defuse", "datasets"]
    assert shown["preset"]["value"] == "defuse"
    assert shown["run.seed"] == {"value": 1, "from": "--seed"}


def test_a_plugin_may_be_blocked_beside_the_default_ones(invoke: Invoke) -> None:
    done = invoke("config", "show", "--plugins", "no:labelers")
    assert done.exit_code == 2
    assert "labelers" in done.stderr


def test_the_table_shows_setting_value_and_source(invoke: Invoke) -> None:
    lines = invoke("config", "show", "--searcher", "beta-noise").stdout.splitlines()
    assert lines[0].split() == ["setting", "value", "where", "from"]
    assert any(line.split() == ["searcher.use", '"defuse:beta-noise"', "--searcher"] for line in lines)


def test_the_generators_data_are_chosen_by_a_flag_or_by_settings_alone(invoke: Invoke) -> None:
    shown = json.loads(invoke("config", "show", "--json", "--generator-data", "digits").stdout)
    assert shown["generator_data.use"] == {"value": "datasets:digits", "from": "--generator-data"}
    shown = json.loads(invoke("config", "show", "--json", "--set", "generator_data.limit=900").stdout)
    assert shown["generator_data.use"] == {"value": "datasets:digits", "from": "dataset"}
    assert shown["generator_data.limit"] == {"value": 900, "from": "--set"}


def test_the_schema_is_json_and_names_every_section_and_component(invoke: Invoke) -> None:
    schema = TypeAdapter(dict).validate_json(invoke("config", "schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"run", "search", "searcher", "corrector", "auditor"} <= set(schema["properties"])
    searcher = schema["properties"]["searcher"]["anyOf"][0]
    assert searcher["properties"]["use"]["enum"] == ["beta-noise", "defuse:beta-noise"]
    assert searcher["properties"]["draws"]["description"]


def test_there_is_an_option_for_every_role() -> None:
    assert options.ROLES == ROLES, "written out in cli/options.py, since the help must not wait for pydantic"


def test_folder_with_a_plugin_s_name_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke: Invoke
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    assert invoke("config", "show", "--preset", "tiny").exit_code == 0
