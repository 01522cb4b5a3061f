import pytest
from configured import OtherSettings, Settings, make_registry, never, resolved

from modeldebug import Component, ConfigError
from modeldebug.config import Layer, parse_assignment, read_file, resolve
from modeldebug.registry import Registry, Source
from modeldebug.roles import OPTIONAL, ROLES
from modeldebug.schema import json_schema
from modeldebug.sections import SECTIONS


@pytest.fixture
def registry():
    return make_registry()


def test_first_preset_of_the_first_plugin_is_the_default(registry):
    config = resolved(registry)
    assert config.preset == "basic"
    assert config.choices["searcher"].config == Settings(draws=20, mode="slow")
    assert config.sources["searcher.draws"] == "preset basic"


def test_preset_is_chosen_by_name(registry):
    assert resolved(registry, preset="quick").core.run.seed == 7


def budget(name, source="--set"):
    return Layer(source, {}, name)


def test_a_preset_s_first_budget_is_the_default_and_comes_over_its_settings(registry):
    config = resolve(registry, ["p"], [], preset="scaled")
    assert config.budget == "laptop"
    assert config.choices["searcher"].config == Settings(draws=20, mode="slow")
    assert config.sources["searcher.draws"] == "preset scaled"
    assert config.sources["searcher.mode"] == "preset scaled, budget laptop"
    assert resolve(registry, ["p"], [], preset="quick").budget is None


def test_budget_that_is_asked_for_last_is_taken_and_every_setting_of_the_user_comes_over_it(registry):
    own = [Layer("run.toml", {"run": {"seed": 3}}, "laptop"), budget("paper")]
    config = resolve(registry, ["p"], own, preset="scaled")
    assert config.budget == "paper"
    assert config.choices["searcher"].config == Settings(draws=500)
    assert config.core.run.seed == 3
    assert config.sources["run.seed"] == "run.toml"


def test_budget_may_choose_another_component(registry):
    config = resolve(registry, ["p"], [budget("deep")], preset="scaled")
    assert config.choices["searcher"].config == OtherSettings(depth=9)
    assert "searcher.draws" not in config.sources


@pytest.mark.parametrize(
    ("preset", "asked", "words"),
    [
        ("scaled", "papre", ["no budget 'papre'", "did you mean 'paper'?", "laptop, paper, deep", "in --set"]),
        ("scaled", "", ["no budget ''", "laptop, paper, deep"]),
        ("quick", "paper", ["the preset 'quick' has no budgets to choose from", "budget=paper in --set"]),
    ],
)
def test_budget_that_a_preset_has_not_is_refused_with_those_that_it_has(registry, preset, asked, words):
    with pytest.raises(ConfigError) as caught:
        resolve(registry, ["p"], [budget(asked)], preset=preset)
    for some in words:
        assert some in str(caught.value)


def test_budget_without_a_preset_is_refused(registry):
    registry._presets = []
    with pytest.raises(ConfigError, match="a run without a preset has no budgets"):
        resolve(registry, ["p"], [budget("paper")])


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


def test_generator_data_without_a_component_are_the_data_set_with_other_settings(registry):
    assert "generator_data" not in resolved(registry).choices
    config = resolved(registry, {"dataset": {"draws": 3, "mode": "slow"}}, {"generator_data": {"draws": 5}})
    choice = config.choices["generator_data"]
    assert (choice.registered.kind, choice.config) == ("dataset", Settings(draws=5, mode="slow"))
    assert config.sources["generator_data.draws"] == "layer 2"
    assert config.sources["generator_data.mode"] == "dataset"
    again = resolve(registry, ["p"], [Layer("the run", config.to_dict())])
    assert again.to_dict() == config.to_dict()


def test_generator_data_with_a_component_inherit_nothing(registry):
    config = resolved(registry, {"dataset": {"draws": 3}}, {"generator_data": {"use": "k"}})
    assert config.choices["generator_data"].config == Settings()


def test_abilities_of_generator_data_do_not_count(registry):
    able = Component("able", "", Settings, never, provides=frozenset({"gradients"}))
    registry.add("dataset", able, Source("p", "a-distribution", "1.0"))
    with pytest.raises(ConfigError, match="nothing in this run provides 'gradients'"):
        resolved(registry, {"generator_data": {"use": "able"}, "searcher": {"use": "needy"}})


def test_an_auditor_that_is_the_labeler_again_is_refused(registry):
    with pytest.raises(ConfigError, match="labeler again"):
        resolved(registry, {"auditor": {"use": "k"}})


AUDITOR = {"auditor": {"use": "k", "draws": 7}}


def test_auditors_that_all_differ_may_be_three(registry):
    more = {"auditor_2": {"use": "k", "draws": 8}, "auditor_3": {"use": "k", "draws": 9}}
    chosen = resolved(registry, AUDITOR | more).choices
    assert [chosen[role].config.draws for role in ("auditor", "auditor_2", "auditor_3")] == [7, 8, 9]
    assert {chosen[role].registered.kind for role in more} == {"labeler"}


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (AUDITOR | {"auditor_2": {"use": "k"}}, ["the second auditor is the labeler again", "auditor_2.architecture"]),
        (AUDITOR | {"auditor_2": {"use": "k", "draws": 7}}, ["the second auditor is the auditor again"]),
        (
            AUDITOR | {"auditor_2": {"use": "k", "draws": 8}, "auditor_3": {"use": "k", "draws": 8}},
            ["the third auditor is the second auditor again"],
        ),
        ({"auditor_2": {"use": "k", "draws": 8}}, ["there is a second auditor, but no auditor", "--auditor NAME"]),
    ],
)
def test_a_further_auditor_that_confirms_another_or_nobody_is_refused(registry, layer, words):
    with pytest.raises(ConfigError) as caught:
        resolved(registry, layer)
    assert all(word in str(caught.value) for word in words)


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


@pytest.mark.parametrize("text", ["budget=paper", " budget = paper ", 'budget="paper"'])
def test_budget_is_the_one_assignment_without_a_section(text):
    assert parse_assignment(text) == Layer("--set", {}, "paper")


@pytest.mark.parametrize("text", ["searcher", "searcher.draws", "draws=5", ".draws=5", "searcher.=5", "", "budget"])
def test_assignment_without_section_name_and_value_is_refused(text):
    with pytest.raises(ConfigError, match="needs a section, a name and a value") as caught:
        parse_assignment(text)
    assert "only budget=NAME has no section" in str(caught.value)


def test_file_gives_settings_plugins_preset_and_budget(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('plugins = ["p", "q"]\npreset = "quick"\nbudget = "paper"\n[searcher]\nuse = "k"\ndraws = 5\n')
    layer, top = read_file(file)
    assert layer == Layer("run.toml", {"searcher": {"use": "k", "draws": 5}}, "paper")
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
    assert set(schema["properties"]) == {"plugins", "preset", "budget", *SECTIONS, *ROLES}
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


@pytest.mark.parametrize(
    ("preset", "budget"),
    [(p.name, b) for p in Registry.load(["defuse"]).presets.values() for b in (p.budgets or [None])],
)
def test_every_preset_of_the_default_plugins_resolves_in_every_budget(preset, budget):
    config = resolve(Registry.load(["defuse"]), ["defuse"], [Layer("--set", {}, budget)], preset=preset)
    assert set(ROLES) - set(config.choices) <= {*OPTIONAL} - {"auditor"}


def test_preset_brings_the_plugins_that_its_components_are_from_and_no_other_preset_does():
    names = {}
    for preset in ("defuse", "defuse-clevr"):
        registry = Registry.load(["defuse"])
        resolve(registry, ["defuse"], [], preset=preset)
        names[preset] = {source.plugin for source in registry.plugins}
    assert names["defuse-clevr"] - names["defuse"] >= {"clevr", "rivals"}


def test_plugin_that_is_blocked_is_not_brought_by_a_preset():
    names = ["defuse", "no:clevr"]
    with pytest.raises(ConfigError, match="clevr"):
        resolve(Registry.load(names), names, [], preset="defuse-clevr")
