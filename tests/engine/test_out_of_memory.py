"""Where memory runs out in a batch of answers, a run goes on with smaller ones; in training, it says what to set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import modeldebug
from modeldebug import store as stores
from modeldebug.errors import BatchTooLargeError, InputError
from modeldebug.store import RunStore

from . import inspected, narrow, planted
from .bits import Watch, bits, status


@pytest.fixture(autouse=True)
def afresh() -> None:
    for remembered in (narrow.Narrow.asked, narrow.Narrow.held, narrow._Crowded.left):
        remembered.clear()  # type: ignore[attr-defined]


def warnings(watch: Watch) -> list[str]:
    return [event.message for event in watch.of("warning")]


def halvings(largest: int, smallest: int) -> list[str]:
    said = []
    while largest > smallest:
        said.append(f"memory ran out with batches of {largest} images; going on with {largest // 2}")
        largest //= 2
    return said


@pytest.mark.parametrize(
    ("short", "asked"),
    [({"classifier": narrow.own("Narrow")}, None), ({"generator": narrow.own("decodes_few")}, 128)],
    ids=["on a GPU", "on a processor"],
)
def test_a_run_with_little_memory_ends_as_if_it_had_been_given_small_batches(
    tmp_path: Path, short: dict[str, Any], asked: int | None
) -> None:
    watch = Watch()
    planted.debug(tmp_path / "short", listeners=[watch], run={"batch_size": asked}, **short)
    assert warnings(watch) == halvings(asked or 512, narrow.MOST)
    assert RunStore.open(tmp_path / "short").manifest["batch_size"] == narrow.MOST
    planted.debug(tmp_path / "small", run={"batch_size": narrow.MOST}, **short)
    assert bits(tmp_path / "short") == bits(tmp_path / "small")
    report = (tmp_path / "short" / "report.html").read_text()
    assert "64, since memory ran out with more" in report
    assert "since memory ran out" not in (tmp_path / "small" / "report.html").read_text()


def test_finished_stages_are_kept_and_the_interrupted_one_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "CHECKPOINT_SECONDS", 0.0)
    crowded: dict[str, Any] = {"generator": narrow.own("crowded"), "run": {"batch_size": 64}}
    crowded["searcher"] = {"use": "beta-noise", "scale": 4.0, "draws": 2, "block": 8}  # many steps
    whole, watch = Watch(), Watch()
    planted.debug(tmp_path / "whole", listeners=[whole], **crowded)

    def crowd(event: modeldebug.events.Event) -> None:
        if event.kind == "progress" and event.stage == "search" and not watch.of("warning"):
            narrow._Crowded.left[:] = [1]  # the first batch of the next step is one too many

    planted.debug(tmp_path / "crowded", listeners=[watch, crowd], **crowded)
    assert warnings(watch) == halvings(64, 32)
    stages = [stage for stage in watch.started if stage != "search"]
    assert stages == [stage for stage in whole.started if stage != "search"]
    assert watch.started.count("search") == 2
    steps = [event.done for event in watch.of("progress", "search")]
    assert steps == [event.done for event in whole.of("progress", "search")]  # none was made twice


def test_a_resumed_run_goes_on_with_the_smaller_batches(tmp_path: Path) -> None:
    changed = planted.settings(classifier=narrow.own("Narrow"))
    modeldebug.run(settings=changed, out=tmp_path / "run", until="gate")
    narrow.Narrow.asked.clear()
    watch = Watch()
    modeldebug.resume(tmp_path / "run", listeners=[watch])
    assert max(narrow.Narrow.asked) == narrow.MOST
    assert not warnings(watch)


def test_an_inspection_goes_on_with_smaller_batches_where_gradients_need_the_memory(tmp_path: Path) -> None:
    watch = Watch()
    inspected.look(tmp_path / "it", "ambiguous:0,1", listeners=[watch], classifier=narrow.own("Narrow"))
    assert warnings(watch) == halvings(512, narrow.MOST)
    assert status(tmp_path / "it") == "done"


def test_labelers_are_told_the_size_of_batches(tmp_path: Path) -> None:
    watch = Watch()
    own = narrow.own("OfGivenSize")
    planted.debug(tmp_path / "run", listeners=[watch], labeler=own, auditor=own | {"margin": 0.02})
    assert warnings(watch) == halvings(512, narrow.MOST)


def test_a_component_that_takes_no_smaller_batches_ends_the_run_at_once(tmp_path: Path) -> None:
    watch = Watch()
    with pytest.raises(BatchTooLargeError) as caught:
        planted.debug(tmp_path / "run", listeners=[watch], labeler=narrow.own("OfOwnSize"))
    assert caught.value.size == 512
    assert warnings(watch) == halvings(512, 256)
    assert status(tmp_path / "run") == "failed"


def test_without_memory_for_one_image_a_run_says_so(tmp_path: Path) -> None:
    watch = Watch()
    with pytest.raises(BatchTooLargeError, match="a batch of 1 image") as caught:
        planted.debug(tmp_path / "run", listeners=[watch], classifier=narrow.own("NoMemory"))
    assert caught.value.got == narrow.GPU
    assert warnings(watch) == halvings(512, 1)


def test_where_training_runs_out_of_memory_its_own_batch_size_is_named(tmp_path: Path) -> None:
    watch = Watch()
    with pytest.raises(InputError) as caught:
        planted.debug(tmp_path / "run", listeners=[watch], generator=narrow.own("cannot_fit"))
    assert "--set generator.batch_size=16" in str(caught.value.fix)
    assert not warnings(watch)
