"""Which guides a run may have, and which roles may be left empty."""

import pytest
from configured import Classifying, Settings, make_registry, never, resolved

from modeldebug import Component, ConfigError, Preset
from modeldebug.config import Layer, resolve
from modeldebug.registry import Source


@pytest.fixture
def guides():
    """The plugin with two searchers that ask a guide, a second classifier, and a preset that is guided."""
    registry = make_registry()
    source, guide = Source("p", "a-distribution", "1.0"), frozenset({"guide"})
    registry.add("searcher", Component("careful", "", Settings, never, optional=guide), source)
    registry.add("searcher", Component("lost", "", Settings, never, requires=guide), source)
    registry.add("classifier", Component("second", "", Classifying, never), source)
    settings = registry.presets["basic"].settings | {"searcher": {"use": "careful"}, "guide": {"use": "second"}}
    registry._presets.append(("p", Preset("guided", "", settings)))
    return registry


def test_guide_is_a_classifier_for_a_searcher_that_asks_one(guides):
    for searcher in ("careful", "lost"):
        config = resolved(guides, {"searcher": {"use": searcher}, "guide": {"use": "second", "weights": "w.pt"}})
        assert config.choices["guide"].registered.name == "p:second"
        assert config.choices["guide"].config.weights.endswith("w.pt")
    assert "guide" not in resolved(guides).choices


def test_guide_for_a_searcher_that_asks_none_is_refused_with_those_who_do(guides):
    with pytest.raises(ConfigError, match="the searcher asks none") as caught:
        resolved(guides, {"guide": {"use": "second"}})
    assert "guide.use from layer 1, searcher p:k" in str(caught.value)
    assert "p:careful, p:lost" in str(caught.value)
    assert caught.value.plugin == "p:k"


def test_guide_of_a_preset_goes_with_the_presets_searcher(guides):
    assert resolved(guides, preset="guided").choices["guide"].registered.name == "p:second"
    other = resolved(guides, {"searcher": {"use": "k"}}, preset="guided")
    assert "guide" not in other.choices
    assert "guide" not in other.to_dict()
    with pytest.raises(ConfigError, match="the searcher asks none") as caught:
        resolved(guides, {"searcher": {"use": "k"}}, {"guide": {"weights": "w.pt"}}, preset="guided")
    assert "guide.weights from layer 2" in str(caught.value)


def test_an_optional_role_that_a_preset_fills_can_be_left_empty(guides):
    alone = resolved(guides, {"guide": {"use": "none"}}, preset="guided")
    assert "guide" not in alone.choices
    again = resolve(guides, ["p"], [Layer("the run", alone.to_dict())], preset="guided")
    assert "guide" not in again.choices, "nor does a resumed run have it"
    assert again.to_dict() == alone.to_dict()
    with pytest.raises(ConfigError, match="the run has no guide, so nothing can be set for it") as caught:
        resolved(guides, {"guide": {"use": "none", "weights": "w.pt"}}, preset="guided")
    assert "guide.weights" in str(caught.value)


def test_run_without_the_presets_guide_resolves_to_itself(guides):
    config = resolved(guides, {"searcher": {"use": "k"}}, preset="guided")
    again = resolve(guides, ["p"], [Layer("the run", config.to_dict())], preset="guided")
    assert again.to_dict() == config.to_dict()


def test_model_under_test_as_its_own_guide_is_refused(guides):
    careful, tested = {"use": "careful"}, {"use": "p:k", "weights": "w.pt"}
    resolved(guides, {"searcher": careful, "classifier": tested, "guide": tested | {"weights": "other.pt"}})
    with pytest.raises(ConfigError, match="the guide is the model under test") as caught:
        resolved(guides, {"searcher": careful, "classifier": tested, "guide": tested | {"use": "k"}})
    assert "p:k with the same settings in both roles" in str(caught.value)
    assert "another component: p:second" in str(caught.value), "the registry names what could guide, and no other"


def test_searcher_that_needs_a_guide_is_refused_without_one(guides):
    with pytest.raises(ConfigError, match="nothing in this run provides 'guide', which the searcher needs") as caught:
        resolved(guides, {"searcher": {"use": "lost"}})
    assert "p:k, p:second" in str(caught.value)
    assert "add --guide NAME" in str(caught.value)
