"""`compare --planted`: what is refused, and how scores become rows."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from modeldebug import ConfigError, WaitingForPeople
from modeldebug.comparison.comparing import new_request
from modeldebug.config import Layer
from modeldebug.testing.planted import BugScore, Score, comparing, suite
from modeldebug.testing.planted.comparing import _on_case, _root, _rows, work_on_cases


def request(role="searcher", layers=(), entrants=("beta-noise", "margin")):
    return new_request(["defuse"], layers, preset="tiny", role=role, entrants=entrants, seeds=1)


def found(case, *, hit, regions=2):
    bugs = (BugScore("a", 9, 1 if hit else 0, 0.75 if hit else None, 40), BugScore("b", 0, 0, None, None))
    return Score(case, bugs, regions, int(hit), None, 12, 100)


def test_every_bug_and_region_of_all_cases_counts_once_and_seeds_are_averaged() -> None:
    scores = {
        ("margin", 0): [found("one", hit=True), found("two", hit=True, regions=3)],
        ("margin", 1): [found("one", hit=False), found("two", hit=True, regions=3)],
    }
    (row,) = _rows(scores)
    assert row["recall"]["mean"] == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert row["precision"]["mean"] == pytest.approx((2 / 5 + 1 / 5) / 2)
    assert row["purity"]["mean"] == pytest.approx(0.75)
    assert 0 <= row["recall"]["low"] < row["recall"]["mean"] < row["recall"]["high"] <= 1


def test_data_and_classifier_are_the_cases_and_cells_end_with_regions() -> None:
    case = suite()[0]
    asked = request(
        layers=(Layer("--set", {"search": {"origins": 50}}), Layer("--set", {"dataset": {"root": "/data"}}))
    )
    own = _on_case(asked, case, _root(asked))
    assert own.until == "regions"
    assert own.layers[0].settings == {"search": {"origins": 50}}
    assert own.layers[-1].settings["dataset"]["case"] == own.layers[-1].settings["classifier"]["case"] == case.name
    assert own.layers[-1].settings["dataset"]["root"] == "/data"


def test_data_of_ones_own_and_correctors_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="data and classifiers of their own"):
        work_on_cases(request(layers=(Layer("--set", {"dataset": {"limit": 5}}),)), "digits", tmp_path / "out")
    with pytest.raises(ConfigError, match="no matter of correctors"):
        work_on_cases(request("corrector", entrants=("lambda", "lambda,epochs=1")), "digits", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_people_are_waited_for_in_all_cases_at_once_and_nothing_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waits(case: Path, **_: Any) -> None:
        raise WaitingForPeople("2 of 4 cells wait for people", fix=f"label {case.name}")

    monkeypatch.setattr(comparing, "opened_folder", lambda _, folder: nullcontext(folder))
    monkeypatch.setattr(comparing, "work_on", waits)
    names = [case.name for case in suite() if case.base == "digits"]
    with pytest.raises(WaitingForPeople, match=f"people are waited for in {len(names)} case") as told:
        work_on_cases(request(), "digits", tmp_path)
    lines = [line.strip() for line in (told.value.fix or "").splitlines()]
    assert lines == [*(f"label {name}" for name in names), "then: the same command again"]
    assert not list(tmp_path.iterdir())
