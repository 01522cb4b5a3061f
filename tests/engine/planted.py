"""A run in a second: the known problem of the conformance kit, with components that have next to nothing to learn."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import modeldebug
from modeldebug import Answers, Component, ComponentConfig, Labeler, LabelRequest, Run, Splits
from modeldebug.testing.problems import ABILITIES, PlantedGenerator, codes_of, known_problem, truth


class RuleConfig(ComponentConfig):
    margin: float = 0.0


class Rule(Labeler[RuleConfig]):
    """Reads the class off the image; abstains within `margin` of a class boundary."""

    Config = RuleConfig
    is_program = True

    def _label(self, request: LabelRequest) -> Answers:
        z = codes_of(request.x)
        sure = (z.abs() > self.config.margin).all(1)
        return Answers(torch.where(sure, truth(z), -1)[:, None])


generator = Component("planted", "exact", ComponentConfig, PlantedGenerator, provides=ABILITIES)


def data() -> Splits:
    return known_problem().splits


SETTINGS: dict[str, dict[str, Any]] = {
    "dataset": {"use": f"{__name__}:data"},
    "classifier": {"use": "modeldebug.testing.problems:PlantedClassifier"},
    "generator": {"use": f"{__name__}:generator"},
    "searcher": {"use": "beta-noise", "scale": 4.0, "draws": 5, "block": 256},
    "clusterer": {"use": "dp-gmm", "components": 4},
    "labeler": {"use": f"{__name__}:Rule"},
    "auditor": {"use": f"{__name__}:Rule", "margin": 0.02},
    "corrector": {"use": "lambda", "lambdas": [1.0], "epochs": 2, "batch_size": 64},
    "regions": {"samples": 16, "tau": 0.25, "rho": 0.3},
    "correction": {"draws": 32},
    "report": {"tsne": 0},
}


# Networks that are hardly trained, for runs of the preset `tiny` whose numbers do not matter.
SHORT: dict[str, dict[str, Any]] = {
    "generator": {"epochs": 3, "latent": 4, "hidden": 32, "channels": 8},
    "searcher": {"draws": 3, "keep": 2},
    "clusterer": {"components": 2, "within": "all"},
    "labeler": {"epochs": 1, "members": 1, "width": 4, "confidence": 0.0},
    "auditor": {"epochs": 1, "members": 1, "width": 4, "confidence": 0.0},
    "corrector": {"epochs": 1, "lambdas": [1.0]},
    "regions": {"samples": 8, "rho": 0.0, "min_purity": 0.0, "min_labelled": 0.0},
    "correction": {"draws": 8},
    "report": {"tsne": 0},
}


def settings(**changed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings of a planted run; a section that names another component replaces the old one."""
    merged = copy.deepcopy(SETTINGS)
    for section, values in changed.items():
        merged[section] = {**({} if "use" in values else merged.get(section, {})), **values}
    return merged


def debug(out: Path, *, listeners: Any = (), **changed: Mapping[str, Any]) -> Run:
    """A planted run in the folder `out`."""
    return modeldebug.run(settings=settings(**changed), out=out, listeners=listeners)
