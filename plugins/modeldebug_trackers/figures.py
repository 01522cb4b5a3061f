"""What trackers show of a run: its settings, its figures, how its search went, and samples of its regions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modeldebug import PluginError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

ACROSS, SHOWN = 8, 16  # samples of a region: in a row, and in all


def require(module: str, extra: str) -> None:
    """Refuse to load a plugin whose package is not installed.

    Raises:
        PluginError: it is not; with what to type.

    >>> require("modeldebug", extra="dev")
    """
    if find_spec(module) is None:
        raise PluginError(
            f"the plugin '{extra}' needs the package {module}, which is not installed",
            fix=f"pip install 'modeldebug[{extra}]', or leave '{extra}' out of --plugins",
        )


def settings(run: Path) -> dict[str, str]:
    """Every setting of a run, by `section.name`, and what decides the rest: plugins, preset, versions."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    told = {name: manifest[name] for name in ("kind", "plugins", "preset", "budget")}
    told |= dict(flat(manifest["config"])) | dict(flat({"versions": manifest["versions"]}))
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in told.items()}


def numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers among figures, by their path; True is 1, and what is in lists is left out.

    >>> numbers({"accuracy": {"test": 0.5, "guide": None}, "names": ["a"], "skipped": False})
    {'accuracy.test': 0.5, 'skipped': 0.0}
    """
    found = ((name, value) for name, value in flat(figures) if isinstance(value, int | float))
    return {name: float(value) for name, value in found if math.isfinite(value)}


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings, by path.

    >>> dict(flat({"search": {"draws": 5, "targets": []}, "seed": 0}))
    {'search.draws': 5, 'search.targets': [], 'seed': 0}
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}".lstrip("."))
    else:
        yield name, value


def curve(run: Path) -> list[tuple[int, int]]:
    """Queries and failures at the end of each step of the search."""
    rows = _tensors(run, "search").get("trace")
    return [] if rows is None else [(asked, found) for asked, _, found in rows.tolist()]


def regions(run: Path) -> Iterator[tuple[str, Tensor]]:
    """Samples (n, c, h, w) in [0, 1] of each region that was kept, by its name."""
    images, first = _tensors(run, "regions").get("x"), 0
    file = run / "stages" / "regions.json"
    rows = json.loads(file.read_text(encoding="utf-8"))["regions"] if file.exists() else []
    classes = json.loads((run / "stages" / "data.json").read_text(encoding="utf-8"))["classes"] if rows else []
    for row in rows:
        own, first = slice(first, first + min(SHOWN, row["samples"])), first + row["samples"]
        if row["status"] == "kept" and images is not None:
            label, predicted = classes[row["label"]], classes[row["predicted"]]
            yield f"region {row['cluster']}: {label} taken for {predicted}", images[own]


def montage(images: Tensor) -> np.ndarray:
    """Images (n, c, h, w) in [0, 1] beside and below each other: (height, width, c) uint8.

    >>> import torch
    >>> montage(torch.ones(9, 1, 4, 4)).shape
    (8, 32, 1)
    """
    import torch

    missing = -len(images) % ACROSS if len(images) > ACROSS else 0
    filled = torch.cat([images, images.new_zeros(missing, *images.shape[1:])])
    rows = [torch.cat(list(row), 2) for row in torch.split(filled, ACROSS)]  # each (c, h, width)
    return (255 * torch.cat(rows, 1)).round().to(torch.uint8).permute(1, 2, 0).numpy()


def _tensors(run: Path, stage: str) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    file = run / "stages" / f"{stage}.safetensors"
    return load_file(file) if file.exists() else {}
