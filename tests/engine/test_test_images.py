"""A run that inspects the test set finds its errors, learns no region of them, and finetunes nothing on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

import modeldebug
from modeldebug import Candidates, ComponentConfig, ImageSet, Problem, Run, Searcher, Splits, open_run, rng_for
from modeldebug.contracts.searcher import State
from modeldebug.testing.problems import codes_of, known_problem

from .planted import settings

PER_BALL = 5


def data() -> Splits:
    """The planted data, with test images that the classifier gets wrong: the first ten."""
    known = known_problem()
    z = known.codes_in_balls(PER_BALL, rng_for(0, "planted test images"))
    labels = torch.tensor([ball.label for ball in known.balls]).repeat_interleave(PER_BALL)
    images, right = known.splits.test.batch(slice(None))
    test = ImageSet(torch.cat([known.generator.decode(z), images]), torch.cat([labels, right]))
    return replace(known.splits, test=test)


class Peeks(Searcher[ComponentConfig]):
    """Looks for test images that it did not ask for."""

    Config = ComponentConfig
    seen: ClassVar[list[object]] = []

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        self.seen.append(problem.test)
        return {"done": False}

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        return {"done": True}, Candidates(z=torch.empty(0, 2), origin=torch.empty(0, dtype=torch.int64))


def debug(out: Path, searcher: dict[str, object]) -> Run:
    given = settings(dataset={"use": f"{__name__}:data"}, searcher=searcher)
    return modeldebug.run(plugins="defuse,rivals", settings=given, out=out)


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return debug(tmp_path_factory.mktemp("inspected") / "run", {"use": "rivals:test-set"})


def test_failures_are_the_test_errors_and_each_test_image_is_one_query(inspected: Run) -> None:
    search, failures = inspected.figures("search"), inspected.failures
    assert search["queries"] == len(data().test)
    assert search["failures"] == search["without_code"] == 2 * PER_BALL
    shown = sorted(codes_of(failures.x).tolist())
    assert torch.allclose(torch.tensor(shown), torch.tensor(sorted(codes_of(data().test.images)[:10].tolist())))
    assert sorted(failures.expected.tolist()) == [2] * PER_BALL + [3] * PER_BALL
    accuracy = inspected.figures("classifier")["accuracy"]["test"]
    assert search["failures"] == round((1 - accuracy) * search["queries"])


def test_test_errors_are_judged_like_any_failures(inspected: Run) -> None:
    assert set(inspected.judged) == {"genuine"}


def test_nothing_is_corrected_with_test_images_and_the_run_says_why(inspected: Run) -> None:
    results = inspected.results
    assert results["regions"] == 0
    assert results["test_accuracy"]["after"] is None
    assert "images without codes" in results["correction_skipped"]
    assert "nothing is finetuned on them" in results["correction_skipped"]
    page = (inspected.path / "report.html").read_text()
    assert "nothing is finetuned on them" in page
    assert "large enough" not in page
    assert not (inspected.path / "corrected.safetensors").exists()


def test_searchers_that_do_not_ask_for_test_images_are_given_none(tmp_path: Path) -> None:
    Peeks.seen.clear()
    found = modeldebug.run(
        settings=settings(searcher={"use": f"{__name__}:Peeks"}), out=tmp_path / "run", until="search"
    )
    assert Peeks.seen == [None]
    assert open_run(found.path).figures("search")["queries"] == 0
