"""Inspections of the known problem in a second, and generators that say what they have learnt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import modeldebug
from modeldebug import Component, ComponentConfig, Context, ImageSet, Inspection
from modeldebug.testing.problems import ABILITIES, PlantedConditionalGenerator, PlantedGenerator

from . import planted

SMC = {"use": "bayestrex:smc", "populations": 2, "particles": 16, "pool": 256, "stages": 6}
REPORT = {"tsne": 0, "draws": 20, "images": 4, "maps": 0}


class Learning(PlantedGenerator):
    """Remembers the labels of what it has learnt."""

    labels = torch.empty(0, dtype=torch.int64)

    def _fit(self, data: ImageSet, context: Context) -> None:
        self.labels = data.labels.clone()

    def state_dict(self) -> dict[str, Tensor]:
        return {"labels": self.labels}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.labels = state["labels"]


learning = Component("learning", "says what it has learnt", ComponentConfig, Learning, provides=ABILITIES)
conditional = Component(
    "conditional", "told the class", ComponentConfig, PlantedConditionalGenerator,
    provides=ABILITIES | {"conditional"},
)  # fmt: skip
blind = Component("blind", "without gradients", ComponentConfig, PlantedGenerator, provides=frozenset({"encode"}))


def own(attribute: str) -> dict[str, str]:
    return {"use": f"{__name__}:{attribute}"}


def settings(**changed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return planted.settings(**{"searcher": SMC, "report": REPORT, **changed})


def look(
    out: Path, *targets: str, listeners: Any = (), run: Path | None = None, **changed: Mapping[str, Any]
) -> Inspection:
    """An inspection of the known problem in the folder `out`."""
    chosen = settings(**changed) if run is None else {"searcher": SMC, "report": REPORT, **changed}
    return modeldebug.inspect(targets=targets, settings=chosen, out=out, run=run, listeners=listeners)
