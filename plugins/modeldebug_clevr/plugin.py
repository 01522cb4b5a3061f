"""The hooks of scenes: their generator, data set, classifier and clusterer. Nothing here imports torch or mitsuba."""

from __future__ import annotations

from modeldebug import Component, Preset, hookimpl

from .presets import PRESETS
from .settings import CounterConfig, PatternsConfig, RendererConfig, ScenesConfig

requires_plugins = ("defuse", "bayestrex")


@hookimpl
def modeldebug_datasets() -> list[Component]:
    return [
        Component(
            "scenes", "rendered scenes of cubes, spheres and cylinders: how many there are of a kind", ScenesConfig,
            "modeldebug_clevr.dataset:RenderedScenes", provides=frozenset({"labels"}),
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_classifiers() -> list[Component]:
    return [
        Component(
            "counter", "a convolutional network that counts, trained in the run", CounterConfig,
            "modeldebug_clevr.counter:Counter",
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_generators() -> list[Component]:
    return [
        Component(
            "renderer", "renders scenes whose truth is known (Bayes-TrEx, section 4.2)", RendererConfig,
            "modeldebug_clevr.renderer:Renderer", provides=frozenset({"scenes", "truth"}),
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_clusterers() -> list[Component]:
    return [
        Component(
            "patterns", "groups failing scenes by what they hold, such as blue cylinders", PatternsConfig,
            "modeldebug_clevr.patterns:Patterns", requires=frozenset({"scenes"}),
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_presets() -> list[Preset]:
    return list(PRESETS)
