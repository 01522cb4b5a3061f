"""The presets of Bayes-TrEx: digits, MNIST and Fashion-MNIST, with the paper's VAE. Nothing here imports torch.

An inspection uses the data set, the classifier, the generator and the searcher; a run labels, clusters and corrects the
failures with Defuse's parts besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modeldebug import Preset

Section = Mapping[str, Any]
Settings = Mapping[str, Section]

_FAILURES: Settings = {
    "clusterer": {"use": "defuse:dp-gmm", "within": "expected", "components": 15, "min_weight": 0.0075},
    "labeler": {"use": "labelers:oracle", "epochs": 25},
    "auditor": {"use": "labelers:oracle", "architecture": "residual", "members": 3, "width": 24, "epochs": 25},
    "corrector": {"use": "defuse:lambda", "epochs": 12, "batch_size": 64, "learning_rate": 5e-3},
    "regions": {"samples": 64, "tau": 0.05},
}
"""What a run does with failures on small data, as in the preset `defuse`."""

_DIGITS = Preset(
    "bayestrex",
    "Bayes-TrEx on scikit-learn's digits: seconds for an inspection of a few targets",
    {
        "dataset": {"use": "datasets:digits"},
        "classifier": {"use": "classifiers:cnn"},
        "generator": {
            # at the paper's beta of 1 the classifier knows seven of ten reconstructions of so small images, not nine
            "use": "bayestrex:vae-fc", "beta": 0.1, "epochs": 150, "batch_size": 64, "learning_rate": 2e-3,
        },
        "searcher": {"use": "bayestrex:smc"},
        **_FAILURES,
    },
)  # fmt: skip

_TINY = Preset(
    "bayestrex-tiny",
    "an inspection in a few seconds, too small for its numbers to mean anything",
    {
        "dataset": {"use": "datasets:digits", "limit": 700},
        "classifier": {"use": "classifiers:cnn", "epochs": 8, "batch_size": 32},
        "generator": {
            "use": "bayestrex:vae-fc", "hidden": 128, "beta": 0.1, "epochs": 60, "batch_size": 32,
            "learning_rate": 3e-3,
        },
        "searcher": {"use": "bayestrex:smc", "populations": 4, "particles": 32, "pool": 512},
        **_FAILURES,
        "labeler": {"use": "labelers:oracle", "members": 2, "epochs": 15, "batch_size": 32, "width": 16},
        "auditor": {
            "use": "labelers:oracle", "architecture": "residual", "members": 2, "epochs": 15, "batch_size": 32,
            "width": 16,
        },
        "corrector": {"use": "defuse:lambda", "lambdas": (0.1, 1.0), "epochs": 3, "batch_size": 64},
        "correction": {"draws": 32},
        "audit": {"error_rate": 0.02},
        "report": {"tsne": 100, "draws": 100},
    },
)  # fmt: skip


def _grey(name: str, summary: str, dataset: str, *, mean: float, std: float, error_rate: float) -> Preset:
    """A preset for grey images of 28 x 28 pixels; what becomes of failures is as in the budget `laptop` of Defuse's."""
    judge = {"use": "labelers:oracle", "members": 3, "epochs": 2, "batch_size": 128, "stem": 1, "learning_rate": 4e-3}
    return Preset(
        name,
        summary,
        {
            "dataset": {"use": f"datasets:{dataset}"},
            "classifier": {"use": "classifiers:examples-cnn", "mean": (mean,), "std": (std,), "epochs": 3},
            "generator": {"use": "bayestrex:vae-fc"},
            "searcher": {"use": "bayestrex:smc"},
            "clusterer": {"use": "defuse:dp-gmm", "within": "expected", "components": 50, "min_weight": 0.001},
            "labeler": {**judge, "width": 12},
            "auditor": {**judge, "architecture": "residual", "width": 8},
            "audit": {"error_rate": error_rate},
            "corrector": {"use": "defuse:lambda", "lambdas": (0.1, 1.0, 10.0), "epochs": 1},
            "regions": {"samples": 64, "tau": 0.05},
        },
    )


PRESETS = (
    _DIGITS,
    _TINY,
    _grey(
        "bayestrex-mnist", "Bayes-TrEx on MNIST, with the paper's VAE (table 6)", "mnist", mean=0.1307, std=0.3081,
        error_rate=0.002,
    ),
    _grey(
        "bayestrex-fashion", "Bayes-TrEx on Fashion-MNIST, with the paper's VAE (table 6)", "fashion-mnist",
        mean=0.2860, std=0.3530, error_rate=0.05,
    ),
)  # fmt: skip
