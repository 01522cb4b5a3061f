"""Figures of a benchmark: shown in tables, and written as JSON. What could not be measured is None, and shown as -."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def known(value: float | None) -> float | None:
    """A number, or None for one that is not finite."""
    return None if value is None or not math.isfinite(value) else value


def ratio(one: float | None, other: float | None) -> float | None:
    """One over the other, or None where that is no number."""
    return None if one is None or not other else known(one / other)


def lowest(values: Iterable[float | None]) -> float | None:
    """The smallest; None of none, and where one is missing: nothing is known of the smallest then."""
    found = list(values)
    present = [value for value in found if value is not None]
    return min(present) if present and len(present) == len(found) else None


def shown(value: float | None, form: str = ".4g") -> str:
    """A figure in print."""
    return "-" if value is None else format(value, form)


def publish(figures: Mapping[str, float | None], args: argparse.Namespace, **more: Any) -> None:
    """Print the figures, and write them with the settings to `--json`."""
    for name, value in figures.items():
        print(f"{name:32} {shown(value)}")
    if args.json:
        settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
        content = {"figures": figures, **more, "settings": settings}
        args.json.write_text(json.dumps(content, indent=1, allow_nan=False))
