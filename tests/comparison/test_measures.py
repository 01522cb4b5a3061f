"""What is measured of a cell, on failures that are planted in a finished run."""

import pytest
import torch

from modeldebug.aims import run_targets
from modeldebug.comparison import measures
from modeldebug.comparison.jobs import Task, do, is_done
from modeldebug.folders import restore_config
from modeldebug.judging import GENUINE, NOT_ASKED
from modeldebug.prepare import prepare
from modeldebug.stages.search import load_failures
from modeldebug.store import RunStore, Saved, tensors_of


@pytest.fixture
def planted(run_copy):
    """A finished run whose first six failures are: two training images, two images of noise, and two between; the
    first, third and fifth with the log prior of the origin of the latent space, the others far out of it."""
    store = RunStore.open(run_copy)
    config = restore_config(store)[1]
    search, audit = store.load_stage("search"), store.load_stage("audit")
    failures = load_failures(search).subset(range(6))
    train, _ = prepare(config, aims=run_targets).splits.train.batch(slice(0, 4))
    noise = torch.rand(2, *train.shape[1:], generator=torch.Generator().manual_seed(0))
    changed = {
        "x": torch.cat([train[:2], noise, (0.9 * train[2:4] + 0.01)]),
        "log_prior": torch.where(torch.arange(6) % 2 == 0, 0.0, -1e6)
        + failures.log_prior.new_tensor([0, 0, 0, 0, 0, float("nan")]),
    }
    kept = tensors_of(failures) | changed
    entries = store.manifest["stages"]
    with store.locked():
        tensors = kept | {"trace": search.tensors["trace"]}
        store.save_stage("search", entries["search"]["key"], Saved(tensors, search.info), seconds=1.5)
        judged = torch.tensor([GENUINE, GENUINE, GENUINE, GENUINE, GENUINE, NOT_ASKED])
        store.save_stage("audit", entries["audit"]["key"], Saved({"judged": judged}, audit.info), seconds=1.0)
    return store, config


def test_near_and_typical_are_what_they_say(planted):
    saved = measures.measure(*planted, "searcher", memory=None)
    assert saved.tensors["near"].tolist() == [1, 1, 0, 0, 1, -1]  # the last one is not among the genuine ones
    typical = saved.tensors["typical"].tolist()
    assert typical[1] == typical[3] == 0
    assert typical[0] == typical[2] == typical[4] == 1
    assert typical[5] == -1  # its likelihood is unknown
    assert saved.tensors["shown"].tolist() == [0, 1, 2, 3, 4]
    assert (saved.info["asked"], saved.info["kept"]) == (5, 6)
    assert saved.info["seconds"] == 1.5
    assert torch.equal(measures.sample_of(saved).x, planted[0].load_stage("search").tensors["x"][:5])


def test_a_sample_of_the_genuine_failures_is_kept_and_the_same_each_time(planted, monkeypatch):
    monkeypatch.setattr(measures, "SAMPLE", 3)
    first, again = (measures.measure(*planted, "searcher", memory=None).tensors["shown"].tolist() for _ in range(2))
    assert first == again
    assert len(first) == 3
    assert set(first) < {0, 1, 2, 3, 4}


def test_a_cell_without_failures_is_measured(planted):
    store, config = planted
    search, audit = store.load_stage("search"), store.load_stage("audit")
    empty = {name: t if name == "trace" else t[:0] for name, t in search.tensors.items()}
    with store.locked():
        store.save_stage("search", "k", Saved(empty, search.info), seconds=1.0)
        store.save_stage("audit", "k", Saved({"judged": torch.empty(0, dtype=torch.int64)}, audit.info), seconds=1.0)
    saved = measures.measure(store, config, "searcher", memory=None)
    assert len(measures.sample_of(saved)) == 0
    assert saved.info["usual"]["distance"] is None


def test_a_cell_whose_stages_have_changed_is_measured_again(planted):
    store, _ = planted
    task = Task(str(store.path), "audit", "searcher")
    assert not is_done(task)
    assert do(task).error == ""
    assert is_done(task)
    before = RunStore.open(store.path).load_stage(measures.STAGE)
    with store.locked():
        store.drop_stages(["audit"])
        store.manifest["status"] = "interrupted"
        store.save_manifest()
    assert not is_done(task)
    assert do(task).error == ""
    again = RunStore.open(store.path)
    after, judged = again.load_stage(measures.STAGE), again.load_stage("audit").tensors["judged"]
    assert after.tensors["judged"].tolist() == judged.tolist() != before.tensors["judged"].tolist()
