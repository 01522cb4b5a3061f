"""An oracle of classifiers that it was given: calibrated, kept with the run, and refused where it is no other model."""

import json

import pytest
import torch
from modeldebug_labelers.oracle import Oracle
from modeldebug_labelers.plugin import OracleConfig, modeldebug_labelers
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn

from modeldebug import ClassifierError, ConfigError, Context, LabelRequest
from modeldebug.judging import majority
from modeldebug.testing import known_problem, parametrize_with_checks
from modeldebug.testing.problems import PlantedClassifier, codes_of, truth

from . import planted

HERE = __name__
SPEC = known_problem().spec


class Sees(nn.Module):
    """Right everywhere, and the less sure the nearer a boundary between classes; `slope` says how fast."""

    def __init__(self, slope=2.0):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(float(slope)))

    def forward(self, x):
        z = codes_of(x)
        right = nn.functional.one_hot(truth(z), 4).float()
        return right * (self.slope * z.abs().amin(1))[:, None]


class Probable(Sees):
    """The same, in probabilities."""

    def forward(self, x):
        return super().forward(x).softmax(1)


class OverSure(Sees):
    """Wrong for one of the classes, and sure."""

    def forward(self, x):
        return super().forward(x).roll(1, 1) * 9


def sees_too():
    return Sees(3.0)


MODELS = (f"{HERE}:Sees", f"{HERE}:Probable", f"{HERE}:sees_too")


def fitted(*models, **settings):
    oracle = Oracle(OracleConfig(models=models, **settings), SPEC)
    oracle.fit(known_problem().splits, Context.quiet(0))
    return oracle


def answers_of(oracle, x):
    return oracle.label(LabelRequest("r", x, SPEC, torch.full((len(x),), -1)))


ORACLE = next(component for component in modeldebug_labelers() if component.name == "oracle")


@parametrize_with_checks([(ORACLE, {"models": MODELS, "confidence": 0.8})])
def test_an_oracle_of_given_models_keeps_its_contract(check):
    check()


def test_each_model_is_an_annotator_with_its_name_and_all_are_right():
    x, y = known_problem().splits.test.batch(slice(None))
    found = answers_of(fitted(*MODELS), x)
    assert found.annotators == MODELS
    labels = majority(found.votes, 4)
    assert torch.equal(labels[labels >= 0], y[labels >= 0])
    assert float((labels >= 0).float().mean()) > 0.8


def test_logits_and_probabilities_are_told_apart():
    x = known_problem().splits.test.batch(slice(None, 50))[0]
    oracle = fitted(f"{HERE}:Sees", f"{HERE}:Probable")
    probs = oracle._probs(x)
    torch.testing.assert_close(probs[:, 0], probs[:, 1], atol=1e-5, rtol=1e-4)
    assert float(probs.amax()) > 0.9, "probabilities that are taken for logits are never sure"


def test_models_are_calibrated_on_the_validation_images():
    always_wrong = fitted(f"{HERE}:OverSure")
    assert float(always_wrong._members.temperature[0]) > 10, "it softens what is wrong"
    assert float(fitted(f"{HERE}:Sees")._members.temperature[0]) < 1, "it sharpens what is right"


def test_models_that_disagree_abstain():
    x = known_problem().splits.test.batch(slice(None, 50))[0]
    votes = answers_of(fitted(f"{HERE}:Sees", f"{HERE}:OverSure", confidence=0.0), x).votes
    assert majority(votes, 4).tolist() == [-1] * 50


def test_weights_of_a_file_are_taken_and_kept_with_what_was_fitted(tmp_path):
    save_file({"slope": torch.tensor(7.0)}, tmp_path / "w.safetensors")
    oracle = fitted(f"{HERE}:Sees@{tmp_path}/w.safetensors")
    (module,) = oracle.given().values()
    assert module.slope.item() == 7.0
    other = Oracle(OracleConfig(models=(f"{HERE}:Sees",)), SPEC)
    other.load_state_dict(oracle.state_dict())
    x = known_problem().splits.test.batch(slice(None, 20))[0]
    assert torch.equal(answers_of(other, x).confidence, answers_of(oracle, x).confidence)
    (module,) = other.given().values()
    assert module.slope.item() == 7.0


def test_weights_that_do_not_fit_are_refused(tmp_path):
    save_file({"steepness": torch.tensor(7.0)}, tmp_path / "w.safetensors")
    with pytest.raises(ClassifierError, match="the weights do not fit"):
        Oracle(OracleConfig(models=(f"{HERE}:Sees@{tmp_path}/w.safetensors",)), SPEC)


@pytest.mark.parametrize("name", ["Sees", "my_models:", ":Sees", "my_models:Sees@"])
def test_what_names_no_model_is_refused_as_a_setting(name):
    with pytest.raises(ValidationError, match="expected 'module:attribute'"):
        OracleConfig(models=(name,))


def test_the_same_model_twice_is_refused():
    with pytest.raises(ValidationError, match="named twice"):
        OracleConfig(models=(f"{HERE}:Sees", f"{HERE}:Sees"))


def test_a_weights_path_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert OracleConfig(models=("my:Net@w.pt",)).models == (f"my:Net@{tmp_path}/w.pt",)


def test_what_cannot_be_imported_is_said():
    with pytest.raises(ConfigError, match="has no 'Seees'"):
        Oracle(OracleConfig(models=(f"{HERE}:Seees",)), SPEC)


def test_a_run_is_labelled_by_given_models_and_says_who_they_are(tmp_path):
    models = [f"{HERE}:Sees", f"{HERE}:Probable"]
    labeler = {"use": "labelers:oracle", "confidence": 0.5, "models": models}
    results = planted.debug(tmp_path / "run", labeler=labeler).results
    assert results["oracle_accuracy"] == 1.0
    assert results["regions"] > 0
    assert [row["name"] for row in results["agreement"]["annotators"]] == models


def test_what_was_fitted_holds_no_longer_once_the_weights_file_is_another(tmp_path):
    def keys(name, slope):
        save_file({"slope": torch.tensor(slope)}, tmp_path / "w.safetensors")
        models = [f"{HERE}:Sees@{tmp_path}/w.safetensors"]
        run = planted.debug(tmp_path / name, labeler={"use": "labelers:oracle", "confidence": 0.5, "models": models})
        stages = json.loads((run.path / "manifest.json").read_text())["stages"]
        return {stage: saved["key"] for stage, saved in stages.items()}

    one, same, other = keys("one", 2.0), keys("same", 2.0), keys("other", 2.5)
    assert one == same
    assert one["labeler"] != other["labeler"]
    assert one["search"] == other["search"]


@pytest.mark.parametrize("role", ["labeler", "auditor"])
def test_the_model_under_test_is_no_judge(role, tmp_path):
    judge = {"use": "labelers:oracle", "models": [f"{PlantedClassifier.__module__}:PlantedClassifier"]}
    with pytest.raises(ConfigError, match=f"the {role} is given the model under test as a judge") as caught:
        planted.debug(tmp_path / "run", **{role: judge})
    assert caught.value.plugin == "labelers:oracle"


def test_one_model_is_not_both_labeler_and_auditor(tmp_path):
    def judge(*models, **more):
        return {"use": "labelers:oracle", "models": list(models), **more}

    with pytest.raises(ConfigError, match="the auditor is given the labeler of regions as a judge"):
        planted.debug(
            tmp_path / "run",
            labeler=judge(f"{HERE}:Sees"),
            auditor=judge(f"{HERE}:sees_too", f"{HERE}:Sees", confidence=0.9),
        )
