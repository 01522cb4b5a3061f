"""How much memory a cell takes: what its own stage needs, whatever was done in the process before."""

import json
from pathlib import Path

import pytest

from modeldebug.comparison.jobs import Task, do
from modeldebug.comparison.measures import STAGE
from modeldebug.peak import Peak
from modeldebug.store import RunStore

MB, BLOCK = 1_000_000, 50_000  # small enough for the heap, which keeps what is freed below its last block
KNOWN = Peak().megabytes() is not None


def blocks(megabytes):
    return [bytearray(BLOCK) for _ in range(megabytes * MB // BLOCK)]


@pytest.mark.skipif(not KNOWN, reason="the system does not tell")
def test_what_was_freed_before_makes_no_work_seem_smaller():
    held = blocks(60)
    last = held.pop()
    held.clear()
    peak = Peak()
    blocks(40)
    assert peak.megabytes() >= 39
    del last


@pytest.mark.skipif(not KNOWN, reason="the system does not tell")
def test_what_was_freed_again_during_the_work_is_in_its_peak_and_what_was_held_before_is_not():
    blocks(60)
    held = blocks(60)
    peak = Peak()
    blocks(20)
    assert 19 <= peak.megabytes() < 40
    del held


@pytest.fixture
def cell(compared_copy):
    return RunStore.open(compared_copy / "cells" / "margin" / "seed-0")


def measured(cell):
    assert do(Task(str(cell.path), "audit", "searcher")).error == ""
    return RunStore.open(cell.path).load_stage(STAGE).info["memory_mb"]


def test_every_cell_of_a_comparison_has_its_own(compared):
    memory = [row["memory_mb"] for row in json.loads((compared / "comparison.json").read_text())["cells"]]
    assert all((grown is not None) == KNOWN for grown in memory)


def forget(cell, *names):
    with cell.locked():
        cell.drop_stages([*names, STAGE])


def test_what_other_stages_take_is_not_in_it(cell, monkeypatch):
    forget(cell, "search", "audit")
    seen = []

    def began(self):
        seen.append(set(RunStore.open(cell.path).manifest["stages"]))

    monkeypatch.setattr(Peak, "__init__", began)
    monkeypatch.setattr(Peak, "megabytes", lambda self: 12.5)
    assert measured(cell) == 12.5
    (before,) = seen
    assert "origins" in before
    assert "search" not in before


def test_of_a_search_that_was_done_before_it_is_unknown(cell):
    forget(cell, "audit")
    assert measured(cell) is None


def test_of_a_search_that_another_process_began_it_is_unknown(cell):
    forget(cell, "search", "audit")
    Path(cell.path, "stages", "search.checkpoint").write_bytes(b"what was found so far")
    assert measured(cell) is None
