"""The conformance kit: problems with known answers, and checks that every component of a kind must pass.

A plugin's tests need no more than

    from modeldebug.testing import check_searcher

    def test_my_search_keeps_its_contract():
        check_searcher(MY_COMPONENT, {"draws": 20})

or, with one test for each rule, `@parametrize_with_checks([MY_COMPONENT])`. Each check takes a `Component` with
settings, or a function that makes an instance from a `DataSpec`. A component that breaks a rule gets a `CheckFailed`,
which says which rule it was, why it matters, and how to mend it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..component import Component
from . import (  # noqa: F401  # each registers its checks
    checks_all,
    checks_classifier,
    checks_clusterer,
    checks_corrector,
    checks_dataset,
    checks_executor,
    checks_generator,
    checks_labeler,
    checks_searcher,
)
from .checks_preset import check_preset, preset_outcomes
from .outcome import Outcome, outcomes
from .parametrize import parametrize_with_checks
from .problems import BALLS, Ball, KnownProblem, PlantedClassifier, PlantedGenerator, known_problem
from .problems_discrete import KnownScenes, known_scenes
from .runner import CHECKS, Check, CheckFailed, Factory, NotApplicable, Subject, run_checks

__all__ = [
    "BALLS",
    "CHECKS",
    "Ball",
    "Check",
    "CheckFailed",
    "KnownProblem",
    "KnownScenes",
    "NotApplicable",
    "Outcome",
    "PlantedClassifier",
    "PlantedGenerator",
    "Subject",
    "check_classifier",
    "check_clusterer",
    "check_corrector",
    "check_dataset",
    "check_executor",
    "check_generator",
    "check_labeler",
    "check_preset",
    "check_searcher",
    "known_problem",
    "known_scenes",
    "outcomes",
    "parametrize_with_checks",
    "preset_outcomes",
]

What = Component | Factory
Settings = Mapping[str, Any] | None


def check_generator(what: What, settings: Settings = None, *, only: Collection[str] | None = None) -> None:
    """Run the generator checks, or `only` those that are named; the first that fails raises `CheckFailed`."""
    run_checks("generator", what, settings, only)


def check_searcher(what: What, settings: Settings = None, *, only: Collection[str] | None = None) -> None:
    """Run the searcher checks, or `only` those that are named; the first that fails raises `CheckFailed`."""
    run_checks("searcher", what, settings, only)


def check_clusterer(what: What, settings: Settings = None, *, only: Collection[str] | None = None) -> None:
    """Run the clusterer checks, or `only` those that are named; the first that fails raises `CheckFailed`."""
    run_checks("clusterer", what, settings, only)


def check_labeler(what: What, settings: Settings = None, *, only: Collection[str] | None = None) -> None:
    """Run the labeler checks, or `only` those that are named; the first that fails raises `CheckFailed`."""
    run_checks("labeler", what, settings, only)


def check_corrector(what: What, settings: Settings = None, *, only: Collection[str] | None = None) -> None:
    """Run the corrector checks, or `only` those that are named; the first that fails raises `CheckFailed`."""
    run_checks("corrector", what, settings, only)


def check_dataset(what: What, settings: Settings = None, *, only: Collection[str] | None = None) -> None:
    """Run the dataset checks, or `only` those that are named; the first that fails raises `CheckFailed`."""
    run_checks("dataset", what, settings, only)


def check_classifier(what: What, settings: Settings = None, *, only: Collection[str] | None = None) -> None:
    """Run the classifier checks, or `only` those that are named; the first that fails raises `CheckFailed`."""
    run_checks("classifier", what, settings, only)


def check_executor(what: What, settings: Settings = None, *, only: Collection[str] | None = None) -> None:
    """Run the executor checks, or `only` those that are named; the first that fails raises `CheckFailed`."""
    run_checks("executor", what, settings, only)
