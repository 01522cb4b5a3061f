"""An inspection samples what it is asked for, says what it did not reach, and does nothing twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import modeldebug
from modeldebug import ConfigError, InputError, Inspection, Run, RunFolderError, store
from modeldebug import inspection as inspecting
from modeldebug.config import Layer
from modeldebug.inspecting import inspection_config
from modeldebug.registry import Registry
from modeldebug.testing.problems import SPEC, known_problem

from .bits import Watch, bits, kept
from .inspected import SMC, look, own, settings

KNOWN = known_problem()
TARGETS = ("ambiguous:0,1", "high-confidence:bright-bright", "class-excluded:1")
JUDGED = ["data", "classifier", "auditor"]  # the auditor since the settings name one
STAGES = [*JUDGED, "generator", "samples", "generator-without-1", "samples-without-1", "evidence"]


@pytest.fixture(scope="module")
def inspection(tmp_path_factory: pytest.TempPathFactory) -> Inspection:
    """Look, but change nothing."""
    return look(tmp_path_factory.mktemp("inspection") / "it", *TARGETS, generator=own("learning"))


def labels(inspection: Inspection, stage: str) -> list[int]:
    learnt = store.RunStore.open(inspection.path).load_stage(stage).tensors["labels"]
    return sorted(set(learnt.tolist()))


def stage_files(inspection: Inspection) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in inspection.path.glob("stages/*")}


def test_every_target_has_its_diagnosis_and_its_generator(inspection: Inspection) -> None:
    results = inspection.results
    assert kept(inspection.path) == STAGES
    assert [t["target"] for t in results["targets"]] == ["ambiguous:0,1", "high-confidence:3", "class-excluded:1"]
    assert results["targets"][0]["described"] == "ambiguous:dark-dark,bright-dark"
    assert [t["generator"] for t in results["targets"]] == ["generator", "generator", "generator-without-1"]
    assert results["reached"] == sum(d.reached for d in inspection.targets)
    assert results["queries"] == sum(inspection.figures(s)["queries"] for s in STAGES if s.startswith("samples"))
    assert results == json.loads((inspection.path / "results.json").read_text())
    assert (results["kind"], inspection.status) == ("inspection", "done")


def test_no_auditor_is_trained_that_only_the_preset_names() -> None:
    registry = Registry.load(["bayestrex"])
    config = inspection_config(registry, ["bayestrex"], [], targets=["uniform"])
    assert "auditor" in config.choices
    assert config.sources["auditor.use"].startswith(inspecting.FROM_ELSEWHERE)
    named = inspection_config(
        registry, ["bayestrex"], [Layer("--auditor", {"auditor": {"use": "oracle"}})], targets=["uniform"]
    )
    assert not named.sources["auditor.use"].startswith(inspecting.FROM_ELSEWHERE)


def test_images_of_a_target_are_predicted_as_its_samples_say(inspection: Inspection) -> None:
    for target in ("ambiguous:dark-dark,bright-dark", "class-excluded:1"):
        samples, images = inspection.samples(target), inspection.images(target)
        assert len(samples) == SMC["populations"] * SMC["particles"]
        assert torch.allclose(KNOWN.classifier.probs(images), samples.probs, atol=1e-5)
    torn = inspection.samples("ambiguous:0,1").probs[:, :2].mean(0)
    assert torn.tolist() == pytest.approx([0.5, 0.5], abs=0.1)


def test_a_class_excluded_target_gets_a_generator_that_has_not_seen_the_class(inspection: Inspection) -> None:
    assert labels(inspection, "generator") == [0, 1, 2, 3]
    assert labels(inspection, "generator-without-1") == [0, 2, 3]
    assert inspection.figures("generator-without-1")["without"] == "bright-dark"


def test_generator_data_without_the_class_serve_as_they_are(tmp_path: Path) -> None:
    data = {"classes": ["dark-dark", "dark-bright"]}
    found = look(tmp_path / "it", "class-excluded:1", generator=own("learning"), generator_data=data)
    assert kept(found.path) == [*JUDGED, "generator", "samples", "evidence"]
    assert found.results["generator_data"]["classes"] == data["classes"]
    assert found.results["targets"][0]["generator"] == "generator"


def test_a_target_that_is_not_reached_is_in_results_and_report_with_the_reason(tmp_path: Path) -> None:
    found = look(tmp_path / "it", "uniform", search={"queries": 1})
    (target,) = found.results["targets"]
    assert (target["reached"], target["stopped"], target["samples"]) == (False, "queries", 0)
    assert target["reason"] == found.targets[0].reason == "there is no sample of it"
    assert found.results["reached"] == 0
    assert found.status == "done"
    assert "there is no sample of it" in found.report().read_text().replace("\u00a0", " ")


def test_what_a_run_has_done_is_taken_over(planted_run: Run, tmp_path: Path) -> None:
    watch = Watch()
    taken = look(tmp_path / "taken", "ambiguous:0,1", run=planted_run.path, listeners=[watch])
    assert watch.started == ["samples", "evidence"]
    alone = look(tmp_path / "alone", "ambiguous:0,1")
    assert stage_files(taken) == stage_files(alone)


def test_an_inspection_can_be_inspected_for_other_targets(inspection: Inspection, tmp_path: Path) -> None:
    watch = Watch()
    found = look(tmp_path / "it", "uniform", run=inspection.path, listeners=[watch])
    assert watch.started == ["samples", "evidence"]
    assert [d.target for d in found.targets] == ["uniform"]


def test_a_sampler_is_taken_where_the_run_has_none(planted_run: Run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        modeldebug.inspect(
            run=planted_run.path, targets="uniform", out=tmp_path / "it", listeners=[Watch("stage_started", "samples")]
        )
    config = json.loads((tmp_path / "it" / "manifest.json").read_text())["config"]
    assert config["searcher"]["use"] == "bayestrex:smc"


def test_a_conditional_generator_is_told_classes_and_its_images_decode_alike(tmp_path: Path) -> None:
    found = look(tmp_path / "it", "misclassified:3", "ambiguous:0,1", generator=own("conditional"))
    samples = found.samples("misclassified:3")
    assert samples.condition is not None
    assert set(samples.condition.tolist()) == {3}
    for target in ("misclassified:3", "ambiguous:0,1"):
        assert torch.allclose(KNOWN.classifier.probs(found.images(target)), found.samples(target).probs, atol=1e-5)


SAMPLERS: dict[str, dict[str, Any]] = {
    "smc": SMC,
    "hmc": {"use": "bayestrex:hmc", "chains": 2, "warmup": 12, "samples": 12, "leaps": 2, "draws": 64, "block": 6},
    "random-walk": {"use": "bayestrex:random-walk", "chains": 2, "warmup": 20, "samples": 20, "draws": 64, "block": 10},
    "nuts": {"use": "bayestrex:nuts", "chains": 2, "warmup": 10, "samples": 10, "draws": 64, "block": 5, "depth": 3},
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_inspection_stopped_while_it_samples_ends_with_the_same_bits(
    sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHECKPOINT_SECONDS", 0)
    chosen = {"searcher": SAMPLERS[sampler]}
    whole = look(tmp_path / "whole", "ambiguous:0,1", "uniform", **chosen)
    with pytest.raises(KeyboardInterrupt):
        look(tmp_path / "it", "ambiguous:0,1", "uniform", listeners=[Watch("progress", "samples", at=3)], **chosen)
    assert (tmp_path / "it" / "stages" / "samples.checkpoint").exists()
    resumed = modeldebug.resume(tmp_path / "it")
    assert isinstance(resumed, Inspection)
    assert resumed.status == "done"
    assert bits(resumed.path) == bits(whole.path)


def test_redo_does_a_stage_and_those_behind_it_again(tmp_path: Path) -> None:
    found = look(tmp_path / "it", "uniform")
    before, watch = bits(found.path), Watch()
    modeldebug.resume(found.path, redo="samples", listeners=[watch])
    assert watch.started == ["samples", "evidence"]
    assert bits(found.path) == before
    with pytest.raises(ConfigError, match="there is no stage 'clusters'"):
        modeldebug.resume(found.path, redo="clusters")


def test_evidence_is_taken_over_unless_other_extras_decide_what_it_shows(
    inspection: Inspection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(name: str) -> list[str | None]:
        watch = Watch()
        look(tmp_path / name, *TARGETS, run=inspection.path, listeners=[watch])
        return watch.started

    assert started("same") == []
    monkeypatch.setattr(inspecting, "_version", lambda package: "another")
    assert started("other") == ["evidence"]


def test_each_kind_of_folder_is_opened_by_its_own_function(inspection: Inspection, planted_run: Run) -> None:
    with pytest.raises(RunFolderError, match="no run") as caught:
        modeldebug.open_run(inspection.path)
    assert f"modeldebug.open_inspection('{inspection.path}')" in str(caught.value)
    with pytest.raises(RunFolderError, match="no inspection") as caught:
        modeldebug.open_inspection(planted_run.path)
    assert f"modeldebug.open_run('{planted_run.path}')" in str(caught.value)
    assert modeldebug.open_inspection(inspection.path).targets == inspection.targets


def test_a_report_is_drawn_again_from_the_folder_alone(inspection: Inspection) -> None:
    before = inspection.report().read_bytes()
    assert inspection.redraw().read_bytes() == before


REFUSED: dict[str, tuple[tuple[str, ...], dict[str, Any], str]] = {
    "no target": ((), {}, "no target is named"),
    "a class that does not exist": (("ambiguous:0,9",), {}, "there is no class '9'"),
    "probabilities that do not sum to 1": (("graded:0=.5,1=.4",), {}, "do not sum to 1"),
    "a target twice": (("uniform", "uniform"), {}, "a target is named twice"),
    "a generator without gradients": (("uniform",), {"generator": own("blind")}, "provides 'gradients'"),
    "images of an expected label, which would have to be encoded": (("misclassified:1",), {}, "does not encode"),
    "a novel class that the generator has learnt": (("novel-class:1",), {}, "has learnt none"),
    "a class left out of which there is no image": (
        ("class-excluded:3",),
        {"dataset": {"use": f"{__name__}:three_of_four"}},
        "hold no image of 'bright-bright'",
    ),
    "a searcher that pursues no targets": (("uniform",), {"searcher": {"use": "beta-noise"}}, "pursues none"),
    "a guide": (("uniform",), {"guide": {"use": "labelers:ensemble"}}, "asks no guide"),
}


def three_of_four() -> Any:
    """The known data without the images of the last class, which keeps its name."""
    splits = KNOWN.splits
    parts = [part.subset(part.labels < 3) for part in (splits.train, splits.validation, splits.test)]
    return modeldebug.Splits(SPEC, *parts)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_and_leaves_no_folder(case: str, tmp_path: Path) -> None:
    targets, changed, words = REFUSED[case]
    with pytest.raises(InputError, match=words) as caught:
        look(tmp_path / "it", *targets, **changed)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_without_a_target_that_of_the_inspected_folder_does_not_count(inspection: Inspection, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no target is named") as caught:
        modeldebug.inspect(run=inspection.path, out=tmp_path / "it")
    assert "class-excluded:1" in str(caught.value)
    assert "--matrix ambiguous" in str(caught.value)


def test_a_preset_for_a_run_that_has_one_is_refused(planted_run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has its preset already"):
        modeldebug.inspect(run=planted_run.path, targets="uniform", preset="tiny", out=tmp_path / "it")


def test_objects_that_the_run_was_started_with_are_asked_for(tmp_path: Path) -> None:
    model, data = KNOWN.classifier.copy().module, KNOWN.splits.train.batch(slice(None))
    chosen = {role: values for role, values in settings().items() if role not in ("dataset", "classifier")}
    first = modeldebug.inspect(model, data, targets="uniform", settings=chosen, out=tmp_path / "one")
    with pytest.raises(ConfigError, match="was started from Python with a classifier object") as caught:
        modeldebug.inspect(run=first.path, targets="ambiguous:0,1", out=tmp_path / "two")
    assert "modeldebug.inspect(" in str(caught.value)
    watch = Watch()
    again = modeldebug.inspect(
        model, data, run=first.path, targets="ambiguous:0,1", out=tmp_path / "two", listeners=[watch]
    )
    assert watch.started == ["samples", "evidence"]
    assert len(again.images("ambiguous:0,1")) == len(again.samples("ambiguous:0,1"))
