"""The numbers of a run are those that its own files give when they are computed again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import modeldebug
from modeldebug import Run
from modeldebug.aims import run_targets
from modeldebug.classifier import Classifier
from modeldebug.folders import restore_config
from modeldebug.prepare import make, prepare
from modeldebug.stages.regions import load_clustering, load_divisions, load_regions
from modeldebug.stages.sampler import Division, Sampler
from modeldebug.store import RunStore
from modeldebug.testing.problems import codes_of, known_problem, truth

from ..conftest import Finished
from . import planted


@pytest.fixture(scope="module")
def tiny(finished: Finished) -> Run:
    return modeldebug.open_run(finished.folder)


def load(run: Run, stage: str) -> dict[str, torch.Tensor]:
    return load_file(run.path / "stages" / f"{stage}.safetensors")


def test_every_failure_is_judged_as_exactly_one_kind(tiny: Run, planted_run: Run) -> None:
    for run in (tiny, planted_run):
        found = run.results["search"]
        assert found["failures"] == len(load(run, "search")["x"]) > 0
        kinds = ("genuine", "third_class", "drift", "abstained")
        assert sum(found[kind] for kind in kinds) == found["failures"]
        every = RunStore.open(run.path).load_stage("regions").info["regions"]
        by_region = [row["failures"] for row in every if row["parent"] is None]
        assignment = load(run, "clusters")["assignment"]
        assert sum(sum(row.values()) for row in by_region) == int((assignment >= 0).sum())


def test_failures_are_what_the_truth_of_the_known_problem_says(planted_run: Run) -> None:
    failures, found = load(planted_run, "search"), planted_run.results["search"]
    right, predicted = truth(failures["z"]), failures["probs"].argmax(1)
    margin = planted.SETTINGS["auditor"]["margin"]
    abstained = (codes_of(failures["x"]).abs() <= margin).any(1)
    assert (predicted != failures["expected"]).all()
    assert found["abstained"] == int(abstained.sum())
    assert found["genuine"] == int((~abstained & (right == failures["expected"])).sum())
    assert found["drift"] == int((~abstained & (right == predicted)).sum())
    in_ball = torch.stack([ball.distance(failures["z"]) < ball.radius for ball in known_problem().balls], 1).any(1)
    genuine = right == failures["expected"]
    assert bool((in_ball == genuine).float().mean() > 0.95), "genuine failures are those in the planted balls"


def test_failures_are_still_failures_when_they_are_decoded_and_classified_again(tiny: Run) -> None:
    store = RunStore.open(tiny.path)
    _, config = restore_config(store)
    prepared = prepare(config, aims=run_targets)
    classifier = prepared.classifier.copy(load(tiny, "classifier"))
    model = make(config, "generator", prepared.splits.spec)
    model.load_state_dict(load(tiny, "generator"))
    failures = load(tiny, "search")
    with torch.no_grad():
        again = model.decode(failures["z"])
    assert torch.allclose(again, failures["x"], atol=1e-5)
    assert torch.equal(classifier.probs(failures["x"]).argmax(1), failures["probs"].argmax(1))
    assert torch.equal(prepared.splits.train.labels[failures["origin"]], failures["expected"])


def test_region_purity_is_that_of_the_labels_in_the_files(tiny: Run, planted_run: Run) -> None:
    for run in (tiny, planted_run):
        stage = RunStore.open(run.path).load_stage("regions")
        every = load_regions(stage)
        labels = stage.tensors["labels"].view(len(every), -1)
        shares = []
        for region, votes in zip(every, labels, strict=True):
            labelled = votes[votes >= 0]
            assert region.abstained == int((votes < 0).sum())
            if region.status == "kept":
                shares.append(float((labelled == region.label).float().mean()))
        assert run.results["regions"] == len(run.regions) == len(shares) > 0
        assert run.results["region_purity"] == pytest.approx(sum(shares) / len(shares), abs=1e-6)
        assert [r.weight for r in run.regions] == sorted((r.weight for r in run.regions), reverse=True)


def test_the_corrected_model_has_the_test_accuracy_that_is_reported(tiny: Run, planted_run: Run) -> None:
    for run in (tiny, planted_run):
        _, config = restore_config(RunStore.open(run.path))
        prepared = prepare(config, aims=run_targets)
        module = run.corrected_model()
        assert not module.training
        saved = load_file(run.path / "corrected.safetensors")
        assert all(torch.equal(v, saved[k]) for k, v in module.state_dict().items())
        corrected = Classifier(**{**vars(prepared.classifier), "module": module})
        before = prepared.classifier.copy(load(run, "classifier"))
        assert corrected.accuracy(prepared.splits.test) == run.results["test_accuracy"]["after"]
        assert before.accuracy(prepared.splits.test) == run.results["test_accuracy"]["before"]


def test_correction_helps_on_region_samples_that_nobody_has_seen(planted_run: Run) -> None:
    store = RunStore.open(planted_run.path)
    _, config = restore_config(store)
    prepared, clustering = prepare(config, aims=run_targets), load_clustering(store.load_stage("clusters"))
    assert clustering is not None
    spec = prepared.splits.spec
    clusterer, model = (make(config, role, spec) for role in ("clusterer", "generator"))
    divisions = (Division.of_all(clustering), *load_divisions(store.load_stage("regions")))
    sampler = Sampler(clusterer, divisions, model, config.core.regions.tau, 512, torch.device("cpu"))
    right = {"before": 0, "after": 0}
    module = planted_run.corrected_model()
    for region in planted_run.regions:
        _, x = sampler.draw(region.cluster, 500, torch.Generator().manual_seed(99))
        for name, model in (("before", prepared.classifier.module), ("after", module)):
            right[name] += int((model(x).argmax(1) == region.label).sum())
    for name, hits in right.items():
        share = hits / (500 * len(planted_run.regions))
        assert share == pytest.approx(planted_run.results["region_accuracy"][name], abs=0.15)
    assert right["after"] > 5 * right["before"]


def test_seconds_are_those_of_the_stages_and_add_up(tiny: Run) -> None:
    seconds = dict(tiny.results["seconds"])
    total = seconds.pop("total")
    stages = RunStore.open(tiny.path).manifest["stages"]
    assert seconds == {name: entry["seconds"] for name, entry in stages.items()}
    assert total == pytest.approx(sum(seconds.values()), abs=1e-3)


def test_a_run_is_read_from_its_folder_wherever_that_was_moved(run_copy: Path, finished: Finished) -> None:
    moved = run_copy.rename("elsewhere")
    assert modeldebug.open_run(moved).results == modeldebug.open_run(finished.folder).results
    assert modeldebug.open_run(moved).redraw().read_bytes() == (finished.folder / "report.html").read_bytes()
