"""The run folder: written whole or not at all, and every damage found."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from modeldebug import RunFolderError
from modeldebug import store as store_module
from modeldebug.store import RunStore, Saved, prefixed


@pytest.fixture
def store(tmp_path):
    return RunStore.create(tmp_path / "run", {"status": "new"})


@pytest.fixture
def finished(store):
    """A run with one finished stage."""
    store.save_stage("search", "key", Saved({"z": torch.arange(6.0).view(3, 2)}, {"found": 3}), seconds=1.23456)
    return store


def files(store):
    return sorted(str(p.relative_to(store.path)) for p in store.path.rglob("*") if p.is_file())


def test_stage_is_read_back_as_it_was_written(finished):
    saved = RunStore.open(finished.path).load_stage("search", "key")
    assert torch.equal(saved.tensors["z"], torch.arange(6.0).view(3, 2))
    assert saved.info == {"found": 3}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_tensors_keep_dtype_and_shape(store, dtype, shape):
    store.save_stage("search", "key", Saved({"x": torch.ones(shape).to(dtype)}), seconds=0)
    x = store.load_stage("search").tensors["x"]
    assert (x.dtype, tuple(x.shape)) == (dtype, shape)


def test_transposed_tensors_are_written_in_order(store):
    x = torch.arange(6.0).view(2, 3).T
    store.save_stage("search", "key", Saved({"x": x}), seconds=0)
    assert torch.equal(store.load_stage("search").tensors["x"], x)


def test_same_results_give_the_same_bytes(tmp_path):
    written = []
    for name in ("a", "b"):
        store = RunStore.create(tmp_path / name, {})
        store.save_stage("search", "key", Saved({"b": torch.ones(2), "a": torch.zeros(2)}, {"x": 0.1}), seconds=0)
        written.append([(store.path / "stages" / f"search.{s}").read_bytes() for s in ("json", "safetensors")])
    assert written[0] == written[1]


def test_stage_without_tensors_has_no_tensor_file(store):
    store.save_stage("audit", "key", Saved({}, {"genuine": None}), seconds=0)
    assert files(store) == ["manifest.json", "stages/audit.json"]
    assert store.load_stage("audit").info == {"genuine": None}


def test_figures_that_json_cannot_say_are_an_error_before_anything_is_written(store):
    with pytest.raises(ValueError, match="JSON"):
        store.save_stage("search", "key", Saved({}, {"rate": float("nan")}), seconds=0)
    assert files(store) == ["manifest.json"]
    assert not store.finished("search")


def test_no_draft_is_left_after_writing(finished):
    assert files(finished) == ["manifest.json", "stages/search.json", "stages/search.safetensors"]


def test_failed_write_leaves_the_old_file_whole_and_no_draft(finished, monkeypatch):
    before = (finished.path / "manifest.json").read_bytes()

    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunFolderError, match="cannot be written: Input/output error"):
        finished.write("manifest.json", b"half")
    assert (finished.path / "manifest.json").read_bytes() == before
    assert not list(finished.path.rglob("*.tmp"))


def test_full_disk_is_said_and_keeps_what_was_finished(finished, monkeypatch):
    real = Path.open

    def full(path, mode="r", *args, **kwargs):
        if "w" in mode and path.name.startswith("clusters"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(RunFolderError, match="the disk is full") as caught:
        finished.save_stage("clusters", "key", Saved({"z": torch.ones(2)}), seconds=0)
    assert "modeldebug resume" in str(caught.value)
    monkeypatch.undo()
    again = RunStore.open(finished.path)
    assert not again.finished("clusters")
    assert again.load_stage("search", "key").info == {"found": 3}
    again.save_stage("clusters", "key", Saved({"z": torch.ones(2)}), seconds=0)
    assert again.finished("clusters")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunFolderError, match="cannot be written: Permission denied"):
        RunStore.create(tmp_path / "run", {})


def test_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written"):
        RunStore.create(tmp_path / "file" / "run", {})


def test_folder_that_holds_a_run_is_refused_with_the_way_to_resume_it(store):
    with pytest.raises(RunFolderError, match="holds a run already") as caught:
        RunStore.create(store.path, {})
    assert f"modeldebug resume {store.path}" in str(caught.value)


def test_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("text")
    with pytest.raises(RunFolderError, match="not empty, and holds no run"):
        RunStore.create(tmp_path, {})
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_empty_folder_may_be_used(tmp_path):
    RunStore.create(tmp_path, {})
    assert (tmp_path / "manifest.json").is_file()


def test_folder_without_a_run_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(RunFolderError, match="no run in this folder"):
            RunStore.open(path)


@pytest.mark.parametrize("content", ["", "{", "\x00"])
def test_broken_manifest_is_refused(store, content):
    (store.path / "manifest.json").write_text(content)
    with pytest.raises(RunFolderError, match="manifest cannot be read"):
        RunStore.open(store.path)


@pytest.mark.parametrize("number", [99, 2, 1])
def test_run_of_another_version_is_refused(store, number):
    (store.path / "manifest.json").write_text(json.dumps({"format": number}))
    with pytest.raises(RunFolderError, match="another version") as caught:
        RunStore.open(store.path)
    assert f"format {number}" in str(caught.value)
    assert "begin a new run without it" in str(caught.value)


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_missing_stage_file_is_named_with_the_way_to_redo_it(finished, suffix):
    (finished.path / "stages" / f"search.{suffix}").unlink()
    with pytest.raises(RunFolderError, match="'search' is missing") as caught:
        finished.load_stage("search")
    assert f"search.{suffix}" in str(caught.value)
    assert "--redo search" in str(caught.value)


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b + b" ", lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_truncated_or_changed_stage_file_is_named(finished, suffix, damage):
    file = finished.path / "stages" / f"search.{suffix}"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(RunFolderError, match="'search' is damaged") as caught:
        finished.load_stage("search")
    assert str(file) in str(caught.value)
    assert "--redo search" in str(caught.value)


def test_stage_made_from_other_inputs_is_refused(finished):
    with pytest.raises(RunFolderError, match="made from other inputs, settings or versions"):
        finished.load_stage("search", "another key")


def test_unfinished_stage_is_refused(finished):
    with pytest.raises(RunFolderError, match="has not finished its stage 'clusters'"):
        finished.load_stage("clusters")


def test_dropped_stages_are_forgotten_with_their_files(finished):
    finished.save_stage("audit", "key", Saved({}, {"genuine": 1}), seconds=0)
    finished.drop_stages(["search", "clusters"])
    again = RunStore.open(finished.path)
    assert (again.finished("search"), again.finished("audit")) == (False, True)
    assert files(finished) == ["manifest.json", "stages/audit.json"]


@pytest.fixture
def at_once(monkeypatch):
    """Checkpoints are written whenever they are offered."""
    monkeypatch.setattr(store_module, "CHECKPOINT_SECONDS", 0.0)


def test_checkpoint_is_read_back(store, at_once):
    state = {"state": {"z": torch.ones(2), "seed": 3, "done": False}, "step": 4, "parts": [torch.zeros(1)]}
    store.checkpoint("search", "key").save(lambda: state)
    loaded = store.checkpoint("search", "key").load()
    assert torch.equal(loaded["state"]["z"], torch.ones(2))
    assert (loaded["step"], loaded["state"]["seed"]) == (4, 3)


def test_checkpoint_of_another_key_counts_for_nothing(store, at_once):
    store.checkpoint("search", "key").save(lambda: {"step": 4})
    assert store.checkpoint("search", "another").load() is None
    assert store.checkpoint("clusters", "key").load() is None


def test_damaged_checkpoint_counts_for_nothing(store, at_once):
    store.checkpoint("search", "key").save(lambda: {"step": 4})
    file = store.path / "stages" / "search.checkpoint"
    file.write_bytes(file.read_bytes()[:50])
    assert store.checkpoint("search", "key").load() is None


def test_checkpoint_is_made_only_when_it_is_time(store):
    def make():
        raise AssertionError("too early")

    store.checkpoint("search", "key").save(make)
    assert files(store) == ["manifest.json"]


def test_finished_stage_leaves_no_checkpoint(store, at_once):
    store.checkpoint("search", "key").save(lambda: {"step": 4})
    store.save_stage("search", "key", Saved(), seconds=0)
    assert files(store) == ["manifest.json", "stages/search.json"]


LOCK = """
import sys
from pathlib import Path
from modeldebug.errors import RunFolderError
from modeldebug.store import RunStore
try:
    with RunStore.open(Path(sys.argv[1])).locked():
        print("locked")
except RunFolderError as error:
    print(error)
"""


def lock_elsewhere(store):
    done = subprocess.run([sys.executable, "-c", LOCK, str(store.path)], check=True, capture_output=True, text=True)
    return done.stdout


def test_second_process_is_refused_while_the_first_works(store):
    with store.locked():
        assert "another process is working on this run" in lock_elsewhere(store)
    assert lock_elsewhere(store) == "locked\n"


def test_lock_is_given_back_after_an_error(store):
    with pytest.raises(KeyError), store.locked():
        raise KeyError
    with RunStore.open(store.path).locked():
        pass


def test_locking_reads_what_another_process_wrote_meanwhile(store):
    other = RunStore.open(store.path)
    other.save_stage("search", "key", Saved(), seconds=0)
    assert not store.finished("search")
    with store.locked():
        assert store.finished("search")


def test_prefixed_tensors_come_back_as_a_part():
    saved = Saved({**prefixed("corrected", {"0.weight": torch.ones(1)}), "map/xy": torch.zeros(1)})
    assert saved.part("corrected") == {"0.weight": torch.ones(1)}
    assert saved.part("corr") == {}


def test_a_stage_of_another_run_is_taken_over_under_its_key_only(finished, tmp_path):
    other = RunStore.create(tmp_path / "other", {})
    assert not other.take_over("search", "another key", finished)
    assert not other.take_over("clusters", "key", finished)
    assert files(other) == ["manifest.json"]
    assert other.take_over("search", "key", finished)
    assert torch.equal(RunStore.open(other.path).load_stage("search", "key").tensors["z"], torch.arange(6.0).view(3, 2))


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_stage_of_another_run_is_not_taken_over(finished, tmp_path, damage):
    other = RunStore.create(tmp_path / "other", {})
    file = finished.path / "stages/search.safetensors"
    file.unlink()
    if damage == "changed":
        file.write_bytes(b"{}")
    assert not other.take_over("search", "key", finished)
    assert files(other) == ["manifest.json"]
    assert not other.finished("search")
