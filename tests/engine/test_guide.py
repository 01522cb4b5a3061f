"""A guide is another classifier: asked by the search alone, metered by itself, and never the model under test."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

import modeldebug
from modeldebug import ConfigError, InputError, Run, store
from modeldebug.cli import program
from modeldebug.report.reproduce import command
from modeldebug.testing.problems import PlantedClassifier, codes_of, truth

from . import guided, planted
from .bits import Watch, bits, kept

HERE = guided.__name__
PLANTED = "modeldebug.testing.problems:PlantedClassifier"
CAREFUL = {"use": f"{HERE}:careful"}
EXACT = {"use": f"{HERE}:exact"}
LEARNING = {"use": f"{HERE}:network", "train": True, "epochs": 6, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def unguided(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted.debug(tmp_path_factory.mktemp("unguided") / "run", searcher=CAREFUL)


@pytest.fixture(scope="module")
def guided_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted.debug(tmp_path_factory.mktemp("guided") / "run", searcher=CAREFUL, guide=EXACT)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return planted.debug(tmp_path_factory.mktemp("learnt") / "run", searcher=CAREFUL, guide=LEARNING)


def test_a_search_with_an_exact_guide_finds_nothing_but_genuine_failures(guided_run: Run, unguided: Run) -> None:
    plain, careful = unguided.results["search"], guided_run.results["search"]
    assert plain["drift"] > plain["genuine"] > 0
    assert careful["genuine"] > 0
    assert careful["drift"] == careful["third_class"] == 0
    failures = load_file(guided_run.path / "stages" / "search.safetensors")
    assert torch.equal(truth(codes_of(failures["x"])), failures["expected"])


def test_guide_queries_are_counted_apart_from_the_classifiers(guided_run: Run, unguided: Run) -> None:
    plain, careful = unguided.results["search"], guided_run.results["search"]
    assert careful["queries"] == plain["queries"] == guided.STEPS * plain["origins"]
    assert careful["guide_queries"] == plain["found"], "of every failure the guide was asked once"
    assert plain["guide_queries"] is None


def test_results_say_who_guided_and_how_far_it_can_be_believed(guided_run: Run, unguided: Run, learnt: Run) -> None:
    assert guided_run.results["guide"] == EXACT["use"]
    assert guided_run.results["guide_accuracy"] == 1.0
    assert 0.5 < learnt.results["guide_accuracy"] < 1
    assert unguided.results["guide"] is unguided.results["guide_accuracy"] is None


def test_console_and_report_name_the_guide_beside_its_queries(learnt: Run, unguided: Run) -> None:
    asked = f"{learnt.results['search']['guide_queries']:,}"
    right = f"{100 * learnt.results['guide_accuracy']:.1f} % of the test images right"
    shown = " ".join(CliRunner().invoke(program, ["resume", str(learnt.path)]).stdout.split())
    assert f"queries (and {asked} of the guide)" in shown
    assert f"guide {LEARNING['use']}: {right}" in shown
    page = learnt.report().read_text(encoding="utf-8").replace("\u00a0", " ")
    assert f'<dt>Guide</dt><dd class="num">{LEARNING["use"]}, trained by this run; {right}' in page
    assert f"of the classifier and {asked} of the guide, starting from" in page
    other = unguided.report().read_text(encoding="utf-8")
    assert "<dt>Guide</dt>" not in other
    assert "of the guide" not in other


def test_report_warns_of_a_guide_that_knows_less_than_the_classifier(learnt: Run, guided_run: Run) -> None:
    words = "The guide of the search is right on"
    assert words in learnt.report().read_text(encoding="utf-8")
    assert words not in guided_run.report().read_text(encoding="utf-8")


def test_a_guide_changes_nothing_before_the_search(guided_run: Run, unguided: Run) -> None:
    plain, careful = (json.loads((run.path / "manifest.json").read_text())["stages"] for run in (unguided, guided_run))
    assert careful.keys() - plain.keys() == {"guide"}
    same = {stage for stage in plain if plain[stage]["key"] == careful[stage]["key"]}
    assert same == set(list(plain)[: list(plain).index("search")])


def test_another_guide_does_the_search_again_and_nothing_before_it(guided_run: Run, tmp_path: Path) -> None:
    watch = Watch()
    settings = planted.settings(searcher=CAREFUL, guide=LEARNING)
    modeldebug.run(settings=settings, out=tmp_path / "run", reuse=guided_run.path, listeners=[watch])
    assert watch.started[:2] == ["guide", "search"]


@pytest.mark.parametrize(("stage", "at"), [("guide", 3), ("search", 3)])
def test_a_guided_run_interrupted_in_the_middle_ends_with_the_same_bits(
    stage: str, at: int, learnt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "CHECKPOINT_SECONDS", 0.0)
    out, watch = tmp_path / "run", Watch()
    with pytest.raises(KeyboardInterrupt):
        planted.debug(out, searcher=CAREFUL, guide=LEARNING, listeners=[Watch("progress", stage, at)])
    modeldebug.resume(out, listeners=[watch])
    whole = LEARNING["epochs"] if stage == "guide" else guided.STEPS
    assert len(watch.of("progress", stage)) == whole - (at - 1), "the checkpoint was not used"
    assert bits(out) == bits(learnt.path)


def test_guide_and_classifier_of_one_kind_are_trained_from_seeds_of_their_own(tmp_path: Path) -> None:
    one = LEARNING | {"epochs": 1}
    run = planted.debug(tmp_path / "run", searcher=CAREFUL, classifier=one, guide=one | {"batch_size": 63})
    tested, guide = (load_file(run.path / "stages" / f"{stage}.safetensors") for stage in ("classifier", "guide"))
    assert tested.keys() == guide.keys()
    assert not torch.equal(tested["1.weight"], guide["1.weight"])


def test_a_guide_of_ones_own_takes_its_weights_from_a_file(tmp_path: Path) -> None:
    wrong = guided.exact()
    with torch.no_grad():
        wrong.quadrants.mul_(-1)
    save_file(wrong.state_dict(), tmp_path / "w.safetensors")
    guide = EXACT | {"weights": str(tmp_path / "w.safetensors")}
    assert planted.debug(tmp_path / "run", searcher=CAREFUL, guide=guide).results["guide_accuracy"] == 0.0


def test_the_corrected_model_of_a_guided_run_is_had_without_the_guides_weights(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_file(guided.exact().state_dict(), file)
    run = planted.debug(tmp_path / "run", searcher=CAREFUL, guide=EXACT | {"weights": str(file)})
    file.unlink()
    assert isinstance(run.corrected_model(), PlantedClassifier)


def of_the_classifier(folder: Path) -> str:
    """A file with the weights of the model under test."""
    save_file(PlantedClassifier().state_dict(), folder / "w.safetensors")
    return str(folder / "w.safetensors")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the same component with the same settings": ({"guide": {"use": PLANTED}}, "the guide is the model under test"),
    "the same weights, asked in another way": ({"guide": {"use": PLANTED, "mean": [0.0]}}, "have the same weights"),
    "a searcher that asks none": ({"guide": EXACT, "searcher": {"use": "beta-noise"}}, "the searcher asks none"),
    "no guide for a searcher that needs one": ({"searcher": {"use": f"{HERE}:needy"}}, "nothing .* provides 'guide'"),
    "a component that is no classifier": ({"guide": {"use": f"{HERE}:needy"}}, "needy cannot serve as the guide"),
    "a guide of other classes": ({"guide": {"use": f"{HERE}:of_three"}}, "has the wrong shape"),
    "a setting that is none": ({"guide": EXACT | {"wieghts": "w"}}, "there is no setting 'guide.wieghts'"),
    "a file that is not there": ({"guide": EXACT | {"weights": "missing.pt"}}, "there is no weights file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_guide_that_cannot_guide_is_refused_and_leaves_no_folder(case: str, tmp_path: Path) -> None:
    changed, words = REFUSED[case]
    with pytest.raises(InputError, match=words) as caught:
        planted.debug(tmp_path / "run", **({"searcher": CAREFUL} | changed))
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_classifiers_weights_in_the_guides_file_are_found_out(tmp_path: Path) -> None:
    guide = {"use": PLANTED, "weights": of_the_classifier(tmp_path)}
    with pytest.raises(ConfigError, match="both have the same weights") as caught:
        planted.debug(tmp_path / "run", searcher=CAREFUL, guide=guide)
    assert "guide.weights" in str(caught.value)
    assert "modeldebug plugins list" in str(caught.value)
    assert caught.value.plugin == PLANTED


def test_the_ensemble_guides_a_search_of_the_preset_tiny_from_the_command_line(tmp_path: Path) -> None:
    short = [f"{section}.{name}={json.dumps(v)}" for section, own in planted.SHORT.items() for name, v in own.items()]
    short = [text for text in short if not text.startswith(("searcher.", "generator."))]
    ensemble = ["guide.members=2", "guide.epochs=8", "guide.width=4"]
    options = [f"--set={text}" for text in (*short, *ensemble)]
    words = ["--preset", "tiny", "--searcher", CAREFUL["use"], "--guide", "labelers:ensemble", *options]
    invoke = partial(CliRunner().invoke, program)
    found = invoke(["check", *words])
    assert found.exit_code == 0, found.output
    assert "labelers:ensemble (Members, " in " ".join(found.stdout.split())
    done = invoke(["run", *words, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert kept(tmp_path / "run")[:3] == ["data", "classifier", "guide"]
    again = command(store.RunStore.open(tmp_path / "run").manifest)
    assert "--set guide.use=labelers:ensemble --set guide.members=2 " in again
    results = modeldebug.open_run(tmp_path / "run").results
    assert results["guide"] == "labelers:ensemble"
    assert results["guide_accuracy"] > 0.3
    assert results["search"]["guide_queries"] >= results["search"]["found"] > 0
