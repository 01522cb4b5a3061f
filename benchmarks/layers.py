"""Settings of several layers, for the benchmarks that run presets with settings over them."""

from __future__ import annotations

from typing import Any

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
