"""A search is repeated with what was trained, stops when its time is up, and traces what it spent."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import modeldebug
from modeldebug import Run, store
from modeldebug.store import RunStore

from . import planted
from .bits import Watch

AFTER = ("search", "audit", "clusters", "regions", "correction", "evidence")


def stages(folder: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = RunStore.open(folder).manifest["stages"]
    return found


def repeated(base: Run, out: Path, **search: object) -> Run:
    return modeldebug.run(settings=planted.settings(search=search), reuse=base.path, out=out)


def test_a_repeat_shares_everything_before_the_search_and_nothing_after_it(planted_run: Run, tmp_path: Path) -> None:
    first, second = (repeated(planted_run, tmp_path / f"{n}", repeat=n) for n in (1, 2))
    base, one, two = (stages(run.path) for run in (planted_run, first, second))
    before = set(base) - set(AFTER)
    assert before
    assert {name: base[name] for name in before} == {name: one[name] for name in before}
    for name in AFTER:
        assert len({str(found[name]["key"]) for found in (base, one, two)}) == 3, name
    codes = [run.failures.z for run in (planted_run, first, second)]
    assert all(z is not None and len(z) for z in codes)
    assert len({str(z) for z in codes}) == 3
    again = repeated(planted_run, tmp_path / "again", repeat=1)
    assert {n: s["files"] for n, s in stages(again.path).items()} == {n: s["files"] for n, s in one.items()}


def test_the_repeat_0_is_the_run_itself(planted_run: Run, tmp_path: Path) -> None:
    watch = Watch()
    settings = planted.settings(search={"repeat": 0})
    modeldebug.run(settings=settings, reuse=planted_run.path, out=tmp_path / "run", listeners=[watch])
    assert watch.started == []


def test_a_search_stops_when_its_time_is_up(planted_run: Run, tmp_path: Path) -> None:
    settings = planted.settings(search={"seconds": 1e-9})
    run = modeldebug.run(settings=settings, reuse=planted_run.path, until="search", out=tmp_path / "run")
    figures = run.figures("search")
    assert (figures["stopped"], figures["steps"]) == ("seconds", 1)
    assert figures["queries"] <= planted_run.figures("search")["queries"]


def test_the_trace_ends_with_the_totals_also_after_an_interruption(
    planted_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHECKPOINT_SECONDS", 0.0)
    asked = {"settings": planted.settings(search={"repeat": 3}), "reuse": planted_run.path, "out": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt):
        modeldebug.run(**asked, listeners=[Watch("progress", "search", 2)])
    spent = torch.load(tmp_path / "run" / "stages" / "search.checkpoint", weights_only=True)["seconds"]
    assert spent > 0
    modeldebug.resume(tmp_path / "run")
    done = RunStore.open(tmp_path / "run")
    search = done.load_stage("search")
    trace, info = search.tensors["trace"], search.info
    assert len(trace) == info["steps"] > 2
    assert trace[-1].tolist() == [info["queries"], info["guide_queries"] or 0, info["found"]]
    assert bool((trace[1:] >= trace[:-1]).all())
    assert done.manifest["stages"]["search"]["seconds"] >= round(spent, 3)  # those before the interruption, too
