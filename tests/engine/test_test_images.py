"""A run that inspects the test set finds its errors, learns no region of them, and finetunes nothing on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

import modeldebug
from modeldebug import Candidates, ComponentConfig, ImageSet, Problem, Run, Searcher, Splits, open_run, rng_for
from modeldebug.cli.summary import summarise
from modeldebug.contracts.searcher import State
from modeldebug.testing.problems import codes_of, known_problem

from ..report.pages import Page
from .bits import Watch
from .inspected import look
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


FLIPPED = 3  # labels of test images that are wrong, the last ones


def mislabelled() -> Splits:
    """The same data, with some labels of test images that are wrong."""
    planted = data()
    labels = planted.test.labels.clone()
    labels[-FLIPPED:] = (labels[-FLIPPED:] + 1) % 4
    return replace(planted, test=replace(planted.test, labels=labels))


class Peeks(Searcher[ComponentConfig]):
    """Looks for test images that it did not ask for."""

    Config = ComponentConfig
    seen: ClassVar[list[object]] = []

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        self.seen.append(problem.test)
        return {"done": False}

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        return {"done": True}, Candidates(z=torch.empty(0, 2), origin=torch.empty(0, dtype=torch.int64))


def debug(out: Path, searcher: dict[str, object], dataset: str = "data") -> Run:
    given = settings(dataset={"use": f"{__name__}:{dataset}"}, searcher=searcher)
    return modeldebug.run(plugins="defuse,rivals", settings=given, out=out)


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return debug(tmp_path_factory.mktemp("inspected") / "run", {"use": "rivals:test-set"})


@pytest.fixture(scope="module")
def doubted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that inspects test images of which some have a wrong label."""
    return debug(tmp_path_factory.mktemp("doubted") / "run", {"use": "rivals:test-set"}, "mislabelled")


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


def test_wrong_labels_are_counted_apart_from_errors_of_the_classifier(doubted: Run, inspected: Run) -> None:
    found, clean = doubted.results["test_set"], inspected.results["test_set"]
    assert (found["wrong"], clean["wrong"]) == (2 * PER_BALL + FLIPPED, 2 * PER_BALL)
    assert found["judged"]["wrong"] == clean["judged"]["wrong"] | {"label_error": FLIPPED}
    assert clean["judged"]["wrong"] == {"genuine": 2 * PER_BALL, "label_error": 0, "third_class": 0, "abstained": 0}
    assert sum(map(sum, found["confusion"])) == found["images"] == len(data().test)
    assert found["auditor"]["component"].endswith(":Rule")
    assert found["auditor"]["error"] == pytest.approx(FLIPPED / found["images"], rel=0.1)  # by the labels


def test_report_and_summary_speak_of_labels_and_never_of_drift(doubted: Run) -> None:
    page = Page((doubted.path / "report.html").read_text()).text.replace("\u00a0", " ")
    assert f"{2 * PER_BALL + FLIPPED} of {len(data().test)} test images wrong" in page
    assert f"{FLIPPED} likely label errors" in page
    assert "An auditor that learnt from training labels with the same errors makes them, too." in page
    assert "drift" not in page.partition("What was run")[0].lower()
    assert "image from the generator" not in page
    summary = summarise(doubted.results)
    assert f"Likely label errors: {FLIPPED}" in summary.headline
    assert [row[:2] for row in summary.failures][:2] == [("genuine", "10"), ("label error", "3")]
    assert summary.confusions is not None
    assert [int(n.replace(".", "0")) for n in summary.confusions[1][0][1:]] == doubted.results["test_set"]["confusion"][
        0
    ]


def test_runs_that_search_elsewhere_say_nothing_of_the_test_set(tmp_path: Path) -> None:
    run = modeldebug.run(settings=settings(searcher={"use": f"{__name__}:Peeks"}), out=tmp_path / "run")
    assert run.results["test_set"] is None
    assert summarise(run.results).confusions is None
    assert "likely label error" not in (run.path / "report.html").read_text()


def test_an_inspection_marks_wrong_labels_by_the_auditor_of_the_run_that_it_inspects(
    doubted: Run, tmp_path: Path
) -> None:
    began = Watch()
    inspection = look(tmp_path / "it", "high-confidence:0", run=doubted.path, listeners=[began])
    assert "auditor" not in began.started
    assert inspection.results["test_set"]["judged"] == doubted.results["test_set"]["judged"]
    assert "Likely label errors" in (inspection.path / "report.html").read_text()


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
