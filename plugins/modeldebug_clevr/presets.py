"""The presets for scenes. Nothing here imports torch or mitsuba."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modeldebug import Preset

Settings = Mapping[str, Mapping[str, Any]]

_TRUTH: Settings = {
    "labeler": {"use": "labelers:truth"},
    "auditor": {"use": "labelers:truth"},
    "clusterer": {"use": "clevr:patterns"},
    "corrector": {"use": "defuse:lambda", "batch_size": 64, "epochs": 3},
    "regions": {"samples": 64, "tau": 0.05},
}
"""What a run does with failures: the renderer knows which they are."""

_SMALL: Mapping[str, Any] = {"top": 2, "objects": (1, 4), "never": ("small things",), "size": 32}

PRESETS = (
    Preset(
        "clevr",
        "Bayes-TrEx on rendered scenes (section 4): how many cubes there are",
        {
            "dataset": {"use": "clevr:scenes"},
            "classifier": {"use": "clevr:counter"},
            "generator": {"use": "clevr:renderer"},
            "searcher": {"use": "bayestrex:random-walk"},
            **_TRUTH,
        },
    ),
    Preset(
        "clevr-tiny",
        "scenes of a few objects, rendered and learnt in seconds, too small for its numbers to mean anything",
        {
            "dataset": {"use": "clevr:scenes", **_SMALL, "train": 1500, "validation": 150, "test": 150},
            "classifier": {
                "use": "clevr:counter", "channels": (16, 32, 48), "epochs": 15, "batch_size": 32,
                "learning_rate": 4e-3,
            },
            "generator": {"use": "clevr:renderer", **_SMALL},
            "searcher": {
                "use": "bayestrex:random-walk", "chains": 4, "warmup": 100, "samples": 100, "draws": 200,
            },
            **_TRUTH,
            "corrector": {"use": "defuse:lambda", "lambdas": (0.1, 1.0), "batch_size": 64, "epochs": 3},
            "correction": {"draws": 32},
            "report": {"tsne": 100, "draws": 100},
        },
    ),
)  # fmt: skip
