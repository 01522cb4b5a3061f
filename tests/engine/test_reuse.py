"""A run that reuses another one's stages: nothing is done twice, and nothing is taken that does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import modeldebug
from modeldebug import RunFolderError
from modeldebug import session as session_module
from modeldebug.store import FORMAT, RunStore

from ..conftest import PLAIN_STAGES, Finished
from .bits import Watch, bits


def test_the_same_run_is_taken_over_whole_and_bit_for_bit(finished: Finished, tmp_path: Path) -> None:
    watch = Watch()
    modeldebug.run(preset="tiny", out=tmp_path / "run", reuse=finished.folder, listeners=[watch])
    assert watch.started == []
    assert bits(tmp_path / "run") == bits(finished.folder)


def test_only_stages_behind_a_changed_setting_are_done_again(finished: Finished, tmp_path: Path) -> None:
    watch = Watch()
    settings = {"regions": {"samples": 17}}
    run = modeldebug.run(
        preset="tiny", settings=settings, out=tmp_path / "run", reuse=finished.folder, listeners=[watch]
    )
    assert watch.started == list(PLAIN_STAGES[PLAIN_STAGES.index("regions") :])
    assert {region.samples for region in run.regions} <= {17}
    alone = modeldebug.run(preset="tiny", settings=settings, out=tmp_path / "alone")
    assert bits(run.path) == bits(alone.path), "a run that reuses stages ends with other bits than one that does not"


def test_another_seed_takes_nothing_over(finished: Finished, tmp_path: Path) -> None:
    watch = Watch("stage_finished", "data")
    with pytest.raises(KeyboardInterrupt):
        modeldebug.run(
            preset="tiny", settings={"run": {"seed": 1}}, out=tmp_path / "run", reuse=finished.folder, listeners=[watch]
        )
    assert watch.started == ["data"]


def test_a_run_that_reused_stages_is_resumed_without_the_other(
    finished: Finished, run_copy: Path, tmp_path: Path
) -> None:
    out, watch = tmp_path / "other", Watch("stage_started", "regions")
    with pytest.raises(KeyboardInterrupt):
        modeldebug.run(preset="tiny", settings={"regions": {"samples": 17}}, out=out, reuse=run_copy, listeners=[watch])
    run_copy.rename(tmp_path / "gone")
    again = Watch()
    assert modeldebug.resume(out, listeners=[again]).status == "done"
    assert again.started == list(PLAIN_STAGES[PLAIN_STAGES.index("regions") :])


def test_reusing_a_folder_that_is_no_run_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run"):
        modeldebug.run(preset="tiny", out=tmp_path / "run", reuse=tmp_path / "nothing")
    assert not (tmp_path / "run").exists()


def test_reusing_a_run_of_an_older_format_is_refused_before_anything_is_made(run_copy: Path, tmp_path: Path) -> None:
    manifest = json.loads((run_copy / "manifest.json").read_text())
    (run_copy / "manifest.json").write_text(json.dumps(manifest | {"format": FORMAT - 1}))
    with pytest.raises(RunFolderError, match="made by another version") as caught:
        modeldebug.run(preset="tiny", out=tmp_path / "other", reuse=run_copy)
    assert f"format {FORMAT - 1}" in str(caught.value)
    assert not (tmp_path / "other").exists()


def test_stages_of_another_format_have_other_keys(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "FORMAT", FORMAT + 1)
    run = modeldebug.run(preset="tiny", out=tmp_path / "run", until="data")
    ours, theirs = (RunStore.open(path).manifest["stages"]["data"]["key"] for path in (run.path, finished.folder))
    assert ours != theirs


def test_a_searchs_other_settings_leave_its_origins_alone(finished: Finished, tmp_path: Path) -> None:
    watch = Watch("stage_started", "search")
    with pytest.raises(KeyboardInterrupt):
        modeldebug.run(
            preset="tiny",
            settings={"search": {"max_failures": 17}},
            out=tmp_path / "run",
            reuse=finished.folder,
            listeners=[watch],
        )
    assert watch.started == ["search"]
