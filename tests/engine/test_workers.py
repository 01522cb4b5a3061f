"""A run whose tasks are done side by side ends with the same bytes as one that does them one after another."""

import pickle

import pytest
import torch

import modeldebug
from modeldebug import ConfigError, Context, in_order, rng_for
from modeldebug.context import Here, NoCheckpoint

SMALL = {
    "labeler": {"members": 2, "epochs": 8},
    "auditor": {"members": 2, "epochs": 2},
    "corrector": {"lambdas": [0.1, 1.0, 10.0], "epochs": 1},
    "regions": {"min_purity": 0.0, "rho": 0.01, "samples": 8},
}


def stage_files(run):
    return {file.name: file.read_bytes() for file in (run.path / "stages").iterdir()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run without workers."""
    return modeldebug.run(preset="tiny", settings=SMALL, out=tmp_path_factory.mktemp("runs") / "alone")


def test_run_with_two_workers_ends_with_the_same_bytes(alone, tmp_path):
    both = modeldebug.run(preset="tiny", settings=SMALL, out=tmp_path / "run", workers=2)
    assert stage_files(both) == stage_files(alone)
    assert len(both.failures) > 0
    assert both.results["region_accuracy"]["after"] is not None, "nothing was corrected: the sweep was not tried"


def test_run_is_resumed_with_other_workers_than_it_began_with(alone, tmp_path):
    part = modeldebug.run(preset="tiny", settings=SMALL, out=tmp_path / "run", workers=2, until="data")
    done = modeldebug.resume(part.path, workers=1)
    assert stage_files(done) == stage_files(alone)


def test_number_of_workers_is_asked_of_the_executor_that_is_chosen():
    with pytest.raises(ConfigError, match="workers"):
        modeldebug.run(preset="tiny", workers=0)


def test_context_that_is_sent_away_is_silent():
    told = []
    context = Context(rng_for(3), progress=lambda done, message: told.append(done), executor=object())
    sent = pickle.loads(pickle.dumps(context))
    sent.progress(0.5, "half")
    assert told == []
    assert isinstance(sent.executor, Here)
    assert isinstance(sent.checkpoint, NoCheckpoint)
    assert torch.equal(torch.rand(3, generator=sent.rng), torch.rand(3, generator=rng_for(3)))


def test_results_come_in_order_as_soon_as_they_can():
    given = []

    def results():
        for i in (2, 0, 1, 3):
            given.append(i)
            yield i, i

    seen = [(result, len(given)) for result in in_order(results())]
    assert seen == [(0, 2), (1, 3), (2, 3), (3, 4)]
