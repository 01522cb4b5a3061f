"""A run that was interrupted and resumed ends with the bits of one that was not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import modeldebug
from modeldebug import Run, RunFolderError, store

from ..conftest import PLAIN_STAGES, Finished
from . import planted
from .bits import Watch, bits, kept, status


def test_a_run_interrupted_after_every_stage_ends_with_the_same_bits(finished: Finished, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for number, stage in enumerate(PLAIN_STAGES):
        watch = Watch("stage_finished", stage)
        go_on = partial(modeldebug.resume, out) if number else partial(modeldebug.run, preset="tiny", out=out)
        with pytest.raises(KeyboardInterrupt):
            go_on(listeners=[watch])
        assert watch.started == [stage], "a stage that was finished was done again"
        assert status(out) == "interrupted"
    watch = Watch()
    assert modeldebug.resume(out, listeners=[watch]).status == "done"
    assert watch.started == []
    assert bits(out) == bits(finished.folder)


def test_a_run_that_was_to_stop_after_a_stage_goes_on_to_the_same_bits(planted_run: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert modeldebug.run(settings=planted.SETTINGS, out=out, until="audit").status == "stopped"
    assert kept(out) == list(PLAIN_STAGES[: PLAIN_STAGES.index("audit") + 1])
    watch = Watch()
    assert modeldebug.resume(out, listeners=[watch]).status == "done"
    assert watch.started == ["clusters", "regions", "correction", "evidence"]
    assert bits(out) == bits(planted_run.path)


@pytest.fixture
def checkpoints_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CHECKPOINT_SECONDS", 0.0)


def progress_events(run: Finished, stage: str) -> int:
    events = map(json.loads, run.stream.splitlines()[:-1])
    return sum((event["kind"], event["stage"]) == ("progress", stage) for event in events)


# The event comes before the checkpoint of its epoch or step: what is interrupted at the k-th is resumed after k - 1.
@pytest.mark.parametrize("stage", ["classifier", "generator", "search"])
def test_a_stage_interrupted_twice_goes_on_from_its_checkpoints_to_the_same_bits(
    stage: str, finished: Finished, run_copy: Path, checkpoints_at_once: None
) -> None:
    done = 0
    for at in (3, 2):
        watch = Watch("progress", stage, at)
        with pytest.raises(KeyboardInterrupt):
            modeldebug.resume(run_copy, redo=stage if done == 0 else None, listeners=[watch])
        done += at - 1
        assert (run_copy / "stages" / f"{stage}.checkpoint").is_file()
    watch = Watch("stage_finished", stage)
    with pytest.raises(KeyboardInterrupt):
        modeldebug.resume(run_copy, listeners=[watch])
    assert len(watch.of("progress", stage)) == progress_events(finished, stage) - done, "the checkpoint was not used"
    assert {p.name: p.read_bytes() for p in run_copy.glob(f"stages/{stage}.*")} == {
        p.name: p.read_bytes() for p in finished.folder.glob(f"stages/{stage}.*")
    }


def test_a_damaged_checkpoint_costs_time_and_no_bits(
    finished: Finished, run_copy: Path, checkpoints_at_once: None
) -> None:
    with pytest.raises(KeyboardInterrupt):
        modeldebug.resume(run_copy, redo="search", listeners=[Watch("progress", "search", 4)])
    checkpoint = run_copy / "stages" / "search.checkpoint"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    watch = Watch()
    modeldebug.resume(run_copy, listeners=[watch])
    assert len(watch.of("progress", "search")) == progress_events(finished, "search"), "a broken checkpoint was used"
    assert bits(run_copy) == bits(finished.folder)


def test_what_a_kill_left_lying_is_gone_when_the_run_is_finished(finished: Finished, run_copy: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        modeldebug.resume(run_copy, redo="evidence", listeners=[Watch("stage_started", "evidence")])
    left = ["stages/search.checkpoint", "stages/search.checkpoint.tmp", "stages/search.json.tmp", "manifest.json.tmp"]
    for name in left:
        (run_copy / name).write_bytes(b"half")
    modeldebug.resume(run_copy)
    assert [name for name in left if (run_copy / name).exists()] == []
    assert bits(run_copy) == bits(finished.folder)


def damage_nothing_but_the_last_byte(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("search.safetensors", Path.unlink),
        ("search.json", lambda file: file.write_bytes(file.read_bytes()[:-1])),
        ("clusters.safetensors", damage_nothing_but_the_last_byte),
    ],
)
def test_a_damaged_stage_is_named_and_redo_heals_it_to_the_same_bits(
    name: str, damage: Callable[[Path], object], planted_run: Run, tmp_path: Path
) -> None:
    out, stage = Path(shutil.copytree(planted_run.path, tmp_path / "run")), Path(name).stem
    with pytest.raises(KeyboardInterrupt):
        modeldebug.resume(out, redo="evidence", listeners=[Watch("stage_started", "evidence")])
    damage(out / "stages" / name)
    with pytest.raises(RunFolderError, match=f"stage '{stage}'") as caught:
        modeldebug.resume(out)
    assert f"--redo {stage}" in str(caught.value)
    assert kept(out) == list(PLAIN_STAGES[:-1]), "nothing that was finished may be forgotten"
    modeldebug.resume(out, redo=stage)
    assert bits(out) == bits(planted_run.path)


def test_a_finished_run_says_that_it_is_damaged(run_copy: Path) -> None:
    (run_copy / "stages" / "evidence.json").unlink()
    with pytest.raises(RunFolderError, match="'evidence' is missing"):
        modeldebug.resume(run_copy)
