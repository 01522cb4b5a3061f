"""Broken plugins are refused by name, and leave nothing behind."""

from types import SimpleNamespace

import pytest

from modeldebug import API_VERSION, Component, ComponentConfig, ConfigError, PluginError, Preset, hookimpl
from modeldebug.component import KINDS
from modeldebug.events import Event
from modeldebug.registry import Registry, Source, installed


def source(name, distribution="a-distribution"):
    return Source(name, distribution, "1.0")


def plugin(**hooks):
    """A plugin object with hooks that give these values, or call these functions."""

    def hook(name, value):
        def implementation():
            return value() if callable(value) else value

        implementation.__name__ = name
        return hookimpl(implementation)

    return SimpleNamespace(**{name: hook(name, value) for name, value in hooks.items()})


class _Hashable(SimpleNamespace):
    __hash__ = object.__hash__


def registered(registry, module, name="mine", distribution="a-distribution"):
    registry.register(_Hashable(**vars(module)), source(name, distribution))


def search(name="my-search", **changes):
    return Component(name, "a search", ComponentConfig, "nowhere:Nothing", **changes)


def raises():
    raise ValueError("no network here")


@hookimpl
def with_an_argument(surprise):
    return []


BROKEN = {
    "misspelt hook": (plugin(modeldebug_searcher=[search()]), "modeldebug_searcher"),
    "hook with an unknown argument": (SimpleNamespace(modeldebug_searchers=with_an_argument), "surprise"),
    "hook that raises": (plugin(modeldebug_searchers=raises), "raised ValueError: no network here"),
    "hook that gives nothing": (plugin(modeldebug_searchers=None), "raised TypeError"),
    "hook that gives one component": (plugin(modeldebug_searchers=search), "raised TypeError"),
    "hook that gives text": (plugin(modeldebug_searchers="my-search"), "is no Component"),
    "hook that gives a class": (plugin(modeldebug_searchers=[Component]), "is no Component"),
    "preset among the components": (plugin(modeldebug_searchers=[Preset("p", "")]), "is no Component"),
    "component among the presets": (plugin(modeldebug_presets=[search()]), "gave no Preset"),
    "preset hook that raises": (plugin(modeldebug_presets=raises), "raised ValueError"),
    "older contracts": (plugin(modeldebug_searchers=[search(api=API_VERSION - 1)]), "another version"),
    "newer contracts": (plugin(modeldebug_searchers=[search(api=API_VERSION + 1)]), "another version"),
    "name in upper case": (plugin(modeldebug_searchers=[search("MySearch")]), "not usable"),
    "name with a space": (plugin(modeldebug_searchers=[search("my search")]), "not usable"),
    "name with a colon": (plugin(modeldebug_searchers=[search("my:search")]), "not usable"),
    "empty name": (plugin(modeldebug_searchers=[search("")]), "not usable"),
    "name that is a number": (plugin(modeldebug_searchers=[search(7)]), "not usable"),
    "settings that are a mapping": (
        plugin(modeldebug_searchers=[Component("s", "", {"draws": 1}, "m:f")]),
        "no ComponentConfig",
    ),
    "settings that are an object": (
        plugin(modeldebug_searchers=[Component("s", "", ComponentConfig(), "m:f")]),
        "no ComponentConfig",
    ),
    "settings of another base": (plugin(modeldebug_searchers=[Component("s", "", dict, "m:f")]), "no ComponentConfig"),
    "abilities that are a list": (plugin(modeldebug_searchers=[search(requires=["encode"])]), "no frozensets"),
    "abilities that are text": (plugin(modeldebug_searchers=[search(provides="encode")]), "no frozensets"),
    "optional abilities that are a list": (plugin(modeldebug_searchers=[search(optional=["guide"])]), "no frozensets"),
    "two components of one name": (plugin(modeldebug_searchers=[search(), search()]), "offers two searchers"),
    "second of two hooks raises": (
        plugin(modeldebug_searchers=[search()], modeldebug_correctors=raises),
        "raised ValueError",
    ),
}


def everything(registry):
    offered = [r.name for kind in KINDS for r in registry.components(kind)]
    return registry.plugins, offered, registry.presets, registry.listeners()


@pytest.mark.parametrize("name", BROKEN)
def test_broken_plugin_is_refused_by_name_and_leaves_nothing(name):
    module, words = BROKEN[name]
    registry = Registry()
    registered(registry, plugin(modeldebug_generators=[search("sound")], modeldebug_presets=[Preset("p", "")]), "sound")
    before = everything(registry)
    with pytest.raises(PluginError) as caught:
        registered(registry, module, "broken")
    assert words in str(caught.value)
    assert "broken" in str(caught.value)
    assert everything(registry) == before
    registered(registry, plugin(modeldebug_searchers=[search()]), "broken")  # the name is free, and no hook is left
    assert [r.name for r in registry.components("searcher")] == ["broken:my-search"]


def test_plugin_registered_twice_is_refused_and_the_first_stays():
    registry = Registry()
    registered(registry, plugin(modeldebug_searchers=[search()]), "mine")
    with pytest.raises(PluginError, match="registered already"):
        registered(registry, plugin(modeldebug_searchers=[search("other")]), "mine")
    assert [r.name for r in registry.components("searcher")] == ["mine:my-search"]


def test_one_object_under_two_names_is_refused_and_the_first_stays():
    registry, module = Registry(), _Hashable(**vars(plugin(modeldebug_searchers=[search()])))
    registry.register(module, source("first"))
    with pytest.raises(PluginError, match="registered already"):
        registry.register(module, source("second"))
    assert [s.plugin for s in registry.plugins] == ["first"]


def test_one_plugins_hooks_are_not_called_for_another():
    registry = Registry()
    calls = []
    registered(registry, plugin(modeldebug_searchers=lambda: calls.append("first") or [search()]), "first")
    registered(registry, plugin(modeldebug_searchers=[search()]), "second")
    assert calls == ["first"]


@pytest.fixture
def clash():
    registry = Registry()
    registered(registry, plugin(modeldebug_searchers=[search(), search("only-here")]), "one", "dist-one")
    registered(registry, plugin(modeldebug_searchers=[search()]), "two", "dist-two")
    return registry


def test_bare_name_that_two_plugins_offer_names_both(clash):
    with pytest.raises(ConfigError, match="more than one plugin offers a searcher 'my-search'") as caught:
        clash.find("searcher", "my-search")
    for words in ("one:my-search (dist-one 1.0)", "two:my-search (dist-two 1.0)", "--searcher one:my-search"):
        assert words in str(caught.value)


def test_full_name_settles_a_clash_and_a_bare_name_without_one_is_enough(clash):
    assert clash.find("searcher", "two:my-search").source.distribution == "dist-two"
    assert clash.find("searcher", "only-here").name == "one:only-here"


@pytest.mark.parametrize("name", ["my-serch", "three:my-search", "one:my-serch"])
def test_unknown_component_is_answered_with_the_nearest(clash, name):
    with pytest.raises(ConfigError, match="there is no searcher") as caught:
        clash.find("searcher", name)
    assert "my-search" in str(caught.value)


def test_unknown_component_lists_plugins_that_are_installed_but_not_loaded(clash):
    with pytest.raises(ConfigError) as caught:
        clash.find("searcher", "beta-noise")
    assert "installed but not loaded" in str(caught.value)
    assert "defuse" in str(caught.value)


def test_default_plugins_come_through_entry_points_with_those_that_they_build_on():
    registry = Registry.load(["defuse"])
    assert {s.plugin for s in registry.plugins} == {"defuse", "datasets", "classifiers", "labelers", "executors"}
    assert {s.distribution for s in registry.plugins} == {"modeldebug"}
    assert next(iter(registry.presets)) == "defuse"


def test_unknown_plugin_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="there is no plugin 'defuze'") as caught:
        Registry.load(["defuze"])
    assert "did you mean 'defuse'?" in str(caught.value)


def test_blocked_plugin_is_not_loaded_though_another_builds_on_it():
    registry = Registry.load(["defuse", "no:labelers"])
    assert "labelers" not in {s.plugin for s in registry.plugins}


def test_plugin_that_is_asked_for_and_blocked_is_refused():
    with pytest.raises(ConfigError, match="both asked for and blocked"):
        Registry.load(["defuse", "no:defuse"])


class FakeDistribution:
    version = "2.0"

    def __init__(self, name):
        self.name = name


class FakeEntry:
    """An entry point of an installed distribution."""

    group = "modeldebug"

    def __init__(self, name, load, distribution="third-party"):
        self.name, self.value, self.load = name, f"{name}.plugin", load
        self.dist = FakeDistribution(distribution)


def with_entries(monkeypatch, *entries):
    monkeypatch.setattr("modeldebug.registry.entry_points", lambda group: list(entries))


def test_plugin_that_fails_at_import_names_its_distribution(monkeypatch):
    def load():
        raise ImportError("no module named 'jax'")

    with_entries(monkeypatch, FakeEntry("mine", load))
    with pytest.raises(PluginError, match="fails when it is imported: ImportError: no module named 'jax'") as caught:
        Registry.load(["mine"])
    assert "third-party 2.0" in str(caught.value)


def test_two_distributions_with_one_plugin_name_are_both_named(monkeypatch):
    with_entries(monkeypatch, FakeEntry("mine", plugin, "dist-one"), FakeEntry("mine", plugin, "dist-two"))
    assert len(installed()["mine"]) == 2
    with pytest.raises(PluginError, match="two distributions offer a plugin 'mine'") as caught:
        Registry.load(["mine"])
    assert "dist-one 2.0 and dist-two 2.0" in str(caught.value)


def test_missing_plugin_that_another_builds_on_names_both(monkeypatch):
    with_entries(monkeypatch, FakeEntry("mine", lambda: _Hashable(requires_plugins=("base",))))
    with pytest.raises(ConfigError, match="no plugin 'base', which 'mine' builds on"):
        Registry.load(["mine"])


def test_plugins_that_build_on_each_other_are_loaded_once(monkeypatch):
    one = _Hashable(requires_plugins=("two",), **vars(plugin(modeldebug_searchers=[search("a")])))
    two = _Hashable(requires_plugins=("one",), **vars(plugin(modeldebug_searchers=[search("b")])))
    with_entries(monkeypatch, FakeEntry("one", lambda: one), FakeEntry("two", lambda: two))
    registry = Registry.load(["one", "two"])
    assert sorted(r.name for r in registry.components("searcher")) == ["one:a", "two:b"]


def test_event_hook_of_a_plugin_hears_events():
    heard = []

    class Listening:
        @hookimpl
        def modeldebug_event(self, event):
            heard.append(event.kind)

    registry = Registry()
    registry.register(Listening(), source("mine"))
    ((name, listener),) = registry.listeners()
    listener(Event("warning", "run"))
    assert (name, heard) == ("mine", ["warning"])
