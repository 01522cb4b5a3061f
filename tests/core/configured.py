"""A plugin whose components nobody makes, to resolve configurations with."""

from typing import Literal

from pydantic import Field

from modeldebug import ClassifierConfig, Component, ComponentConfig, Preset
from modeldebug.config import Layer, resolve
from modeldebug.registry import Registry, Source

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


BUDGETS = {
    "laptop": {"searcher": {"mode": "slow"}},
    "paper": {"searcher": {"draws": 500}, "run": {"seed": 9}},
    "deep": {"searcher": {"use": "p:other", "depth": 9}},
}


def never(*args):
    raise AssertionError("resolving makes no component")


def make_registry():
    """A plugin `p` with one component `k` a kind, and a preset of them; a searcher more, and one that needs much."""
    found, source = Registry(), Source("p", "a-distribution", "1.0")
    found._sources["p"] = source
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
        ("p", Preset("scaled", "", settings | {"searcher": {"use": "p:k", "draws": 20}}, budgets=BUDGETS)),
    ]
    return found


def resolved(registry, *layers, preset=None):
    return resolve(registry, ["p"], [Layer(f"layer {i}", s) for i, s in enumerate(layers, 1)], preset=preset)
