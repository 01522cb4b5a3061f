"""Settings of several layers, for the benchmarks that run presets with settings over them, and such a run's data."""

from __future__ import annotations

from typing import Any

from modeldebug import Splits, rng_for
from modeldebug.config import parse_assignment

Settings = dict[str, dict[str, Any]]


def assignment(text: str) -> Settings:
    """`searcher.draws=20` as settings."""
    return {k: dict(v) for k, v in parse_assignment(text).settings.items()}


def merged(*layers: Settings) -> Settings:
    """Settings of several layers, section by section; later ones win."""
    settings: Settings = {}
    for layer in layers:
        for section, values in layer.items():
            settings[section] = settings.get(section, {}) | values
    return settings


def loaded(dataset: str, seed: int, **settings: Any) -> Splits:
    """The data of a run of this seed, split as there."""
    from modeldebug_datasets.plugin import modeldebug_datasets

    component = next(c for c in modeldebug_datasets() if c.name == dataset)
    made = component.make(component.config(**settings))
    made.name = component.name
    data: Splits = made.load(rng_for(seed, "data"))
    return data
