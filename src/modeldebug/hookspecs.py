"""The hooks that a plugin may implement. A hook returns descriptors and does no work.

A plugin is a module (or object) behind an entry point of group `modeldebug`; the entry point's name is the
plugin's name. It may name the plugins that it builds on: `requires_plugins = ("datasets", "labelers")`.

Example: a whole plugin with one searcher:

    from modeldebug import Component, ComponentConfig, hookimpl

    class Settings(ComponentConfig):
        draws: int = 100

    @hookimpl
    def modeldebug_searchers():
        return [Component("my-search", "random draws", Settings, "my_search.search:MySearch")]
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from .component import Component, Preset
from .events import Event

PROJECT = "modeldebug"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def modeldebug_datasets() -> Iterable[Component]:
    """Data sets: `factory(config)` gives a `DatasetSource`."""
    return ()


@hookspec
def modeldebug_classifiers() -> Iterable[Component]:
    """Models under test: `factory(config, spec)` gives a `ClassifierSource`."""
    return ()


@hookspec
def modeldebug_generators() -> Iterable[Component]:
    """Generative models of legitimate inputs: `factory(config, spec)` gives a `Generator`."""
    return ()


@hookspec
def modeldebug_searchers() -> Iterable[Component]:
    """Searches for failures: `factory(config, spec)` gives a `Searcher`."""
    return ()


@hookspec
def modeldebug_clusterers() -> Iterable[Component]:
    """Ways to group failures: `factory(config, spec)` gives a `Clusterer`."""
    return ()


@hookspec
def modeldebug_labelers() -> Iterable[Component]:
    """People or programs that label images: `factory(config, spec)` gives a `Labeler`."""
    return ()


@hookspec
def modeldebug_correctors() -> Iterable[Component]:
    """Ways to correct a classifier: `factory(config, spec)` gives a `Corrector`."""
    return ()


@hookspec
def modeldebug_executors() -> Iterable[Component]:
    """Ways to do tasks side by side: `factory(config)` gives an `Executor`."""
    return ()


@hookspec
def modeldebug_presets() -> Iterable[Preset]:
    """Named choices of one component for each stage. The first preset of the first plugin is a run's default."""
    return ()


@hookspec
def modeldebug_event(event: Event) -> None:
    """Observe a run. An exception is logged and never stops the run."""
