"""A model that gives probabilities and nothing else: searched without gradients, and not corrected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modeldebug import ClassifierError, Component, ComponentConfig, Problem, RunFolderError, Searcher
from modeldebug.testing.problems import PlantedClassifier

from . import guided, planted

HERE = __name__


class Behind(nn.Module):
    """The planted classifier behind an interface of numpy arrays. Its weights are its own affair."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            answer = PlantedClassifier()(torch.from_numpy(x.detach().numpy())).softmax(1)
        return torch.from_numpy(answer.numpy().copy())


class Frozen(PlantedClassifier):
    """Weights that nobody may train."""

    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)


SEARCH = {"use": "margin-evolution", "pursue": 1.0, "step": 0.2, "sigma": 0.05, "pairs": 4}
BOX = {"use": f"{HERE}:Behind"}
REASONS = {
    "Behind": "the classifier has no weights that can be trained",
    "Frozen": "the classifier's weights are frozen (requires_grad is False)",
}


@pytest.mark.parametrize("classifier", REASONS)
def test_a_model_that_cannot_be_trained_is_debugged_and_left_as_it_is(classifier: str, tmp_path: Path) -> None:
    reason = REASONS[classifier]
    tested = {"use": f"{HERE}:{classifier}"}
    run = planted.debug(tmp_path / "run", classifier=tested, searcher=SEARCH, search={"origins": 300})
    results = run.results
    assert results["search"]["genuine"] > 0
    assert results["regions"] > 0
    assert results["correction_skipped"] == reason
    assert results["test_accuracy"]["after"] is results["region_accuracy"]["after"] is None
    assert reason in run.report().read_text(encoding="utf-8").replace("&#39;", "'")
    with pytest.raises(RunFolderError, match="nothing was corrected"):
        run.corrected_model()


@pytest.mark.parametrize("role", ["classifier", "guide"])
def test_training_frozen_weights_is_refused_before_anything_is_made(role: str, tmp_path: Path) -> None:
    frozen = {role: {"use": f"{HERE}:Frozen", "train": True}}
    with pytest.raises(ClassifierError, match=f"the {role} is to be trained, and all its weights are frozen") as caught:
        planted.debug(tmp_path / "run", searcher=SEARCH, **frozen)
    assert f"{role}.train=true" in str(caught.value)
    assert f"--set {role}.train=false" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_guide_serves_a_black_box_as_well(tmp_path: Path) -> None:
    few, exact = {"origins": 100}, {"use": f"{guided.__name__}:exact"}
    run = planted.debug(tmp_path / "run", classifier=BOX, searcher=SEARCH, guide=exact, search=few)
    assert run.results["search"]["genuine"] > 0
    assert run.results["search"]["drift"] == 0


class Follows(Searcher[ComponentConfig]):
    """Never comes to follow anything."""

    def _start(self, problem: Problem, rng: torch.Generator) -> Any:
        raise AssertionError("it was started")


follows = Component("follows", "", ComponentConfig, Follows, requires=frozenset({"encode", "gradients"}))


@pytest.mark.parametrize("roles", [{"classifier": BOX}, {"guide": BOX}], ids=["the model under test", "a guide"])
def test_whoever_hides_gradients_is_refused_to_a_search_that_follows_them(
    roles: dict[str, Any], tmp_path: Path
) -> None:
    search = {"use": "margin"} if "guide" in roles else {"use": f"{HERE}:follows"}
    with pytest.raises(ClassifierError, match=f"no gradient goes back through {HERE}:Behind") as caught:
        planted.debug(tmp_path / "run", searcher=search, **roles)
    assert "a searcher that needs no gradients" in str(caught.value)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []
