from __future__ import annotations

import json

import pytest

from .conftest import Invoke


def test_check_shows_the_data_and_the_model_before_anything_is_spent(quadrants: list[str], invoke: Invoke) -> None:
    done = invoke("check", *quadrants, "--classifier", "quadrants:good", "--out", "out")
    text = " ".join(done.stdout.split())
    assert done.exit_code == 0, done.output
    assert "1 x 8 x 8" in text
    assert "stored as uint8" in text
    assert "class train validation test 0 30 10 10" in text
    assert "100.0 % of the test images right" in text
    assert "arrived in train mode; modeldebug uses eval mode" in text
    assert "nothing stands in the way" in text
    assert done.stderr == ""


def test_check_as_json_has_every_finding(quadrants: list[str], invoke: Invoke) -> None:
    found = json.loads(invoke("check", *quadrants, "--classifier", "quadrants:softmax", "--json").stdout)
    assert found["output"] == "probabilities"
    assert found["detected"]
    assert not found["arrived_training"]
    assert (found["low"], found["high"]) == pytest.approx((0, 249 / 255), abs=0.01)
    assert found["per_class"]["test"] == [10, 10, 10, 10]
    assert found["accuracy"] == found["accuracy_raw"] == 1.0
    assert found["guessing"] == 0.25


@pytest.mark.parametrize(
    ("options", "warning"),
    [
        (["--classifier", "quadrants:guesses"], "as good as guessing"),
        (["--classifier", "quadrants:Wants255"], "values from 0 to 255"),
        (["--classifier", "quadrants:good", "--set", "classifier.std=[-1.0]"], "without normalisation"),
        (["--classifier", "quadrants:good", "--set", "classifier.output=probabilities"], "look like logits"),
    ],
    ids=["guesses", "range", "normalisation", "output"],
)
def test_check_warns_of_what_looks_wrong(
    quadrants: list[str], options: list[str], warning: str, invoke: Invoke
) -> None:
    done = invoke("check", *quadrants, *options)
    assert done.exit_code == 0, done.output
    assert warning in done.stderr


def test_check_says_that_a_classifier_which_the_run_trains_has_no_accuracy_yet(invoke: Invoke) -> None:
    found = json.loads(invoke("check", "--preset", "tiny", "--json").stdout)
    assert found["trained_in_run"]
    assert found["accuracy"] is None
    assert "after that" in found["notes"][0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classifier", "quadrants:three"], "wrong shape"),
        (["--classifier", "quadrants:torch"], "no torch module"),
        (["--classifier", "quadrants:good", "--weights", "missing.pt"], "no weights file"),
        (["--classifier", "quadrants:good", "--set", "dataset.path=quadrants.py"], "plugin:   datasets:arrays"),
        (["--classifier", "quadrants:good", "--out", "."], "not empty"),
    ],
    ids=["outputs", "no module", "weights", "data", "out"],
)
def test_check_refuses_what_the_run_would_refuse(
    quadrants: list[str], options: list[str], message: str, invoke: Invoke
) -> None:
    done = invoke("check", *quadrants, *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output


CAREFUL = ["--searcher", "tests.engine.guided:careful"]


def test_check_shows_the_guide_beside_the_model(quadrants: list[str], invoke: Invoke) -> None:
    options = [*quadrants, *CAREFUL, "--classifier", "quadrants:good", "--guide", "quadrants:softmax"]
    text = " ".join(invoke("check", *options).stdout.split())
    assert "guide quadrants:softmax (Sequential, " in text
    assert "it answers probabilities (detected) 100.0 % of the test images right" in text
    found = json.loads(invoke("check", *options, "--json").stdout)
    assert found["guide"]["accuracy"] == 1.0
    assert not any(other.startswith("guide") for other in found["components"])
    assert json.loads(invoke("check", *quadrants, "--classifier", "quadrants:good", "--json").stdout)["guide"] is None


def test_check_warns_of_a_guide_that_knows_less_than_the_model(quadrants: list[str], invoke: Invoke) -> None:
    done = invoke("check", *quadrants, *CAREFUL, "--classifier", "quadrants:good", "--guide", "quadrants:guesses")
    assert done.exit_code == 0, done.output
    assert "the guide is less often right than the classifier" in done.stderr


def test_check_refuses_the_model_as_its_own_guide(quadrants: list[str], invoke: Invoke) -> None:
    done = invoke("check", *quadrants, *CAREFUL, "--classifier", "quadrants:good", "--guide", "quadrants:good")
    assert done.exit_code == 2
    assert "the guide is the model under test" in done.stderr
