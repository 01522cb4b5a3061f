from typing import Literal

import pytest
from pydantic import Field

from modeldebug import ClassifierConfig, Component, ComponentConfig, ConfigError, Preset
from modeldebug.config import ROLES, SECTIONS, Layer, parse_assignment, read_file, resolve
from modeldebug.registry import Registry, Source
from modeldebug.schema import json_schema

KINDS = ("dataset", "classifier", "generator", "searcher", "clusterer", "labeler", "corrector")


class Settings(ComponentConfig):
    draws: int = Field(10, ge=1, description="how many")
    mode: Literal["fast", "slow"] = "fast"


class OtherSettings(ComponentConfig):
    depth: int = 3


class Classifying(ClassifierConfig):
    path: str | None = None


class NeedsPath(ComponentConfig):
    path: str = Field(description="where it is")


def never(*args):
    raise AssertionError("resolving makes no component")


@pytest.fixture
def registry():
    """A plugin `p` with one component `k` a kind, and a preset of them; a searcher more, and one that needs much."""
    found, source = Registry(), Source("p", "a-distribution", "1.0")
    for kind in KINDS:
        provides = frozenset({"encode"}) if kind == "generator" else frozenset()
        settings = Classifying if kind == "classifier" else Settings
        found.add(kind, Component("k", f"a {kind}", settings, never, provides=provides), source)
    found.add("searcher", Component("other", "", OtherSettings, never, requires=frozenset({"encode"})), source)
    found.add("searcher", Component("needy", "", Settings, never, requires=frozenset({"gradients"})), source)
    found.add("generator", Component("smooth", "", Settings, never, provides=frozenset({"gradients"})), source)
    found.add("dataset", Component("file", "", NeedsPath, never), source)
    settings = {kind: {"use": "p:k"} for kind in KINDS}
    found._presets = [
        ("p", Preset("basic", "", settings | {"searcher": {"use": "p:k", "draws": 20, "mode": "slow"}})),
        ("p", Preset("quick", "", settings | {"run": {"seed": 7}})),
    ]
    return found


def resolved(registry, *layers, preset=None):
    return resolve(registry, ["p"], [Layer(f"layer {i}", s) for i, s in enumerate(layers, 1)], preset=preset)


def test_first_preset_of_the_first_plugin_is_the_default(registry):
    config = resolved(registry)
    assert config.preset == "basic"
    assert config.choices["searcher"].config == Settings(draws=20, mode="slow")
    assert config.sources["searcher.draws"] == "preset basic"


def test_preset_is_chosen_by_name(registry):
    assert resolved(registry, preset="quick").core.run.seed == 7


def test_later_layers_win_setting_by_setting_and_each_knows_its_source(registry):
    config = resolved(registry, {"searcher": {"draws": 30}}, {"searcher": {"draws": 40}, "run": {"seed": 1}})
    assert config.choices["searcher"].config == Settings(draws=40, mode="slow")
    assert config.sources["searcher.draws"] == "layer 2"
    assert config.sources["searcher.mode"] == "preset basic"
    assert config.sources["run.seed"] == "layer 2"
    assert "run.device" not in config.sources  # a default


def test_another_component_drops_the_settings_of_the_old_one(registry):
    config = resolved(registry, {"searcher": {"use": "p:other"}}, {"searcher": {"depth": 4}})
    assert config.choices["searcher"].config == OtherSettings(depth=4)
    assert {k: v for k, v in config.sources.items() if k.startswith("searcher.")} == {
        "searcher.use": "layer 1",
        "searcher.depth": "layer 2",
    }


def test_same_component_again_keeps_the_settings(registry):
    config = resolved(registry, {"searcher": {"use": "p:k"}})
    assert config.choices["searcher"].config.draws == 20


def test_auditor_is_a_labeler_and_may_be_left_out(registry):
    assert "auditor" not in resolved(registry).choices
    other = {"auditor": {"use": "k", "draws": 7}}
    assert resolved(registry, other).choices["auditor"].registered.kind == "labeler"


def test_an_auditor_that_is_the_labeler_again_is_refused(registry):
    with pytest.raises(ConfigError, match="labeler again"):
        resolved(registry, {"auditor": {"use": "k"}})


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"searcher": {"drawz": 1}}, ["no setting 'searcher.drawz'", "did you mean 'draws'?", "plugins info p:k"]),
        ({"sercher": {"draws": 1}}, ["no section 'sercher'", "did you mean 'searcher'?", "in layer 1"]),
        ({"run": {"sed": 1}}, ["no setting 'run.sed'", "did you mean 'seed'?"]),
        ({"searcher": {"draws": 0}}, ["'searcher.draws' is not usable", "0", "greater than or equal to 1"]),
        ({"searcher": {"draws": "many"}}, ["'searcher.draws' is not usable", "'many'", "valid integer"]),
        ({"searcher": {"mode": "medium"}}, ["'fast' or 'slow'"]),
        ({"run": {"seed": -1}}, ["'run.seed' is not usable"]),
        ({"regions": {"tau": float("nan")}}, ["'regions.tau' is not usable"]),
        ({"searcher": {"use": "k2"}}, ["no searcher 'k2'"]),
        ({"searcher": {"use": 3}}, ["no component is chosen for the searcher"]),
        ({"auditor": {"draws": 3}}, ["no component is chosen for the auditor", "--auditor"]),
        ({"searcher": 3}, ["'searcher' is a section"]),
        ({"dataset": {"use": "p:file"}}, ["'dataset.path'", "where it is"]),
    ],
)
def test_impossible_setting_is_refused_with_what_would_be_right(registry, layer, words):
    with pytest.raises(ConfigError) as caught:
        resolved(registry, layer)
    for some in words:
        assert some in str(caught.value)


def test_unknown_preset_is_answered_with_the_nearest(registry):
    with pytest.raises(ConfigError, match="no preset 'quik'") as caught:
        resolved(registry, preset="quik")
    assert "did you mean 'quick'?" in str(caught.value)


def test_unfilled_stage_lists_what_could_fill_it(registry):
    registry._presets = []
    with pytest.raises(ConfigError, match="no component is chosen for the dataset") as caught:
        resolved(registry)
    assert "p:k, p:file" in str(caught.value)


def test_missing_ability_is_refused_before_any_component_is_made(registry):
    with pytest.raises(ConfigError, match="provides 'gradients', which the searcher needs") as caught:
        resolved(registry, {"searcher": {"use": "needy"}})
    assert "p:smooth" in str(caught.value)


def test_ability_that_another_component_provides_is_enough(registry):
    config = resolved(registry, {"searcher": {"use": "needy"}, "generator": {"use": "smooth"}})
    assert config.choices["searcher"].registered.name == "p:needy"


def test_resolved_settings_resolve_to_themselves(registry):
    config = resolved(registry, {"searcher": {"draws": 30}, "run": {"seed": 3}, "auditor": {"use": "k", "draws": 2}})
    again = resolve(registry, ["p"], [Layer("the run", config.to_dict())], preset="quick")
    assert again.to_dict() == config.to_dict()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("searcher.draws=500", 500),
        ("searcher.draws = 500", 500),
        ("searcher.draws=0.5", 0.5),
        ("searcher.draws=true", True),
        ("searcher.draws=[1, 2]", [1, 2]),
        ('searcher.draws="500"', "500"),
        ("searcher.draws=slow", "slow"),
        ("searcher.draws=a=b", "a=b"),
        ("searcher.draws=data/my file.npz", "data/my file.npz"),
    ],
)
def test_assignment_is_read_as_toml_or_else_as_text(text, value):
    assert parse_assignment(text).settings == {"searcher": {"draws": value}}


@pytest.mark.parametrize("text", ["searcher", "searcher.draws", "draws=5", ".draws=5", "searcher.=5", ""])
def test_assignment_without_section_name_and_value_is_refused(text):
    with pytest.raises(ConfigError, match="needs a section, a name and a value"):
        parse_assignment(text)


def test_file_gives_settings_plugins_and_preset(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('plugins = ["p", "q"]\npreset = "quick"\n[searcher]\nuse = "k"\ndraws = 5\n')
    layer, top = read_file(file)
    assert layer == Layer("run.toml", {"searcher": {"use": "k", "draws": 5}})
    assert top == {"plugins": ["p", "q"], "preset": "quick"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"draws = 5\n", "'draws' stands outside a section"),
        (b"[searcher\n", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        (None, "cannot be read"),
    ],
)
def test_unusable_file_is_refused_by_name(tmp_path, content, words):
    file = tmp_path / "run.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        read_file(file)
    assert str(file) in str(caught.value)


def test_schema_knows_every_section_role_and_setting_of_the_default_plugins():
    registry = Registry.load(["defuse"])
    schema = json_schema(registry)
    config = resolve(registry, ["defuse"], [])
    assert set(schema["properties"]) == {"plugins", "preset", *SECTIONS, *ROLES}
    settings = config.to_dict()
    for section in SECTIONS:
        assert set(schema["properties"][section]["properties"]) == set(settings[section])
    for role, choice in config.choices.items():
        options = {option["title"]: option for option in schema["properties"][role]["anyOf"]}
        assert set(options[choice.registered.name]["properties"]) == set(settings[role])
        assert settings[role]["use"] in options[choice.registered.name]["properties"]["use"]["enum"]


def test_schema_explains_every_default():
    schema = json_schema(Registry.load(["defuse"]))
    for section in SECTIONS:
        for name, setting in schema["properties"][section]["properties"].items():
            assert "default" in setting, (section, name)
            assert setting["description"], (section, name)
    for role in ROLES:
        for option in schema["properties"][role]["anyOf"]:
            for name, setting in option["properties"].items():
                assert name == "use" or setting["description"], (option["title"], name)


@pytest.mark.parametrize("preset", Registry.load(["defuse"]).presets)
def test_every_preset_of_the_default_plugins_resolves(preset):
    assert set(resolve(Registry.load(["defuse"]), ["defuse"], [], preset=preset).choices) == set(ROLES)
