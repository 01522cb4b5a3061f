"""Planted bugs: classifiers whose bugs are known exactly, and what a run found of them.

    from modeldebug.testing import planted

    for case in planted.suite():
        run = modeldebug.run(preset="defuse-conditional", settings=case.settings(), out=case.name, until="regions")
        print(planted.score(run.path, case).recall)

A case is a data set of legitimate images in several styles, with right labels, and a classifier that was taught apart:
without a style, or with wrong labels for one, or is patched in a ball of a linear latent space.
"""

from __future__ import annotations

from .bugs import Ball, BallBug, PlantedBug, StyleBug, about, members
from .images import base_images, planted_splits
from .scoring import BugScore, Score, score, totals
from .suite import SUITE_VERSION, Case, case_of, suite
from .teaching import activity, network_of, teach

__all__ = [
    "SUITE_VERSION",
    "Ball",
    "BallBug",
    "BugScore",
    "Case",
    "PlantedBug",
    "Score",
    "StyleBug",
    "about",
    "activity",
    "base_images",
    "case_of",
    "members",
    "network_of",
    "planted_splits",
    "score",
    "suite",
    "teach",
    "totals",
]
