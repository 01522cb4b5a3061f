"""What an observer is told, and that it can do no harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modeldebug import Run
from modeldebug.events import Event

from ..conftest import PLAIN_STAGES, Finished
from . import planted
from .bits import Watch, bits


def test_stages_start_and_finish_one_after_the_other_between_the_ends_of_the_run(finished: Finished) -> None:
    events = [json.loads(line) for line in finished.stream.splitlines()[:-1]]
    assert [e["kind"] for e in events].count("run_started") == [e["kind"] for e in events].count("run_finished") == 1
    bounds = [(e["kind"], e["stage"]) for e in events if e["kind"].startswith("stage_")]
    assert bounds == [(kind, stage) for stage in PLAIN_STAGES for kind in ("stage_started", "stage_finished")]
    at_work = None
    for event in events:
        if event["kind"] == "stage_started":
            at_work = event["stage"]
        elif event["kind"] == "progress":
            assert event["stage"] == at_work
            assert 0 <= event["done"] <= 1


def test_the_overall_share_never_falls_and_ends_at_one(finished: Finished) -> None:
    events = [json.loads(line) for line in finished.stream.splitlines()[:-1]]
    shares = [e["overall"] for e in events if e["overall"] is not None]
    assert len(shares) > 100
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.05
    assert shares[-1] == 1.0
    assert shares[-2] == pytest.approx(1.0)


def test_the_time_left_is_never_negative_and_falls_to_nothing(finished: Finished) -> None:
    left = [json.loads(line)["eta"] for line in finished.stream.splitlines()[:-1]]
    known = [eta for eta in left if eta is not None]
    assert len(known) > 100
    assert min(known) >= 0
    assert known[-1] < 0.2 * max(known)


def test_the_last_event_carries_the_results_and_a_finished_stage_its_figures(tmp_path: Path) -> None:
    watch = Watch()
    run = planted.debug(tmp_path / "run", listeners=[watch])
    assert watch.events[-1].kind == "run_finished"
    assert watch.events[-1].data == run.results
    for stage in PLAIN_STAGES:
        (event,) = watch.of("stage_finished", stage)
        assert event.data == json.loads((run.path / "stages" / f"{stage}.json").read_text())


def test_a_listener_that_raises_is_logged_and_neither_the_run_nor_others_suffer(
    planted_run: Run, tmp_path: Path
) -> None:
    def clumsy(event: Event) -> None:
        raise ZeroDivisionError(f"at {event.kind}")

    watch = Watch()
    run = planted.debug(tmp_path / "run", listeners=[clumsy, watch])
    assert bits(run.path) == bits(planted_run.path)
    log = (run.path / "log.txt").read_text()
    assert "the event listener of 'clumsy' failed on stage_started; the run goes on" in log
    assert "ZeroDivisionError: at run_finished" in log
    assert watch.events[-1].kind == "run_finished"


def test_a_run_without_trouble_logs_nothing(finished: Finished) -> None:
    assert (finished.folder / "log.txt").read_text() == ""
