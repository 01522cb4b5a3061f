"""A component that breaks its contract in the middle of a run: one clear error that names it, and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

import modeldebug
from modeldebug import PluginError

from ..conftest import PLAIN_STAGES
from . import misbehaving, planted
from .bits import Watch, kept, status

CASES = [
    ("generator", "decodes_nan", "search", "NaN"),
    ("generator", "decodes_beyond_one", "search", "out of range"),
    ("generator", "raises_when_it_decodes", "search", "ArithmeticError: too dark"),
    ("searcher", "SearchesInThreeDimensions", "search", "wrong shape"),
    ("searcher", "EvaluatesInThreeDimensions", "search", "wrong shape"),
    ("searcher", "NamesNoOrigin", "search", "out of range"),
    ("searcher", "ForgesEvaluations", "search", "not what it evaluated"),
    ("searcher", "RaisesInStepTwo", "search", "ZeroDivisionError: no origins left"),
    ("auditor", "RaisesAboutFailures", "audit", "ZeroDivisionError: no votes"),
    ("clusterer", "AssignsOutOfRange", "clusters", "out of range"),
    ("clusterer", "SamplesInThreeDimensions", "regions", "wrong shape"),
    ("clusterer", "RaisesWhenItSamples", "regions", "ZeroDivisionError: no covariance"),
    ("labeler", "VotesOutOfRange", "regions", "out of range"),
    ("labeler", "RaisesAboutRegions", "regions", "ZeroDivisionError: no votes"),
    ("corrector", "ChangesTheClassifier", "correction", "changed the classifier"),
    ("corrector", "ForgetsAWeight", "correction", "does not fit"),
]


@pytest.mark.parametrize(("role", "attribute", "stage", "words"), CASES, ids=[case[1] for case in CASES])
def test_a_component_that_breaks_in_a_run_is_named_and_earlier_stages_are_kept(
    role: str, attribute: str, stage: str, words: str, tmp_path: Path
) -> None:
    name = f"{misbehaving.__name__}:{attribute}"
    with pytest.raises(PluginError, match=words) as caught:
        planted.debug(tmp_path / "run", **{role: {"use": name}})
    assert caught.value.exit_code == 2
    assert caught.value.plugin == name, str(caught.value)
    assert status(tmp_path / "run") == "failed"
    assert kept(tmp_path / "run") == list(PLAIN_STAGES[: PLAIN_STAGES.index(stage)])

    watch = Watch()
    with pytest.raises(PluginError, match=words):
        modeldebug.resume(tmp_path / "run", listeners=[watch])
    assert watch.started == [stage], "stages that were finished were done again"
