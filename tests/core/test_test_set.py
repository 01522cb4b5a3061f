"""Errors of the labels of test images that are planted are found and named; where there are none, none is."""

from dataclasses import replace

import pytest
import torch

from modeldebug import ImageSet, rng_for
from modeldebug.judging import DRIFT, GENUINE, NOT_ASKED, judge_failures
from modeldebug.stages.test_set import SHOWN, SURE, Errors, answers_to, inspect_test_set
from modeldebug.testing import known_problem
from modeldebug.testing.problems import codes_of, truth

KNOWN = known_problem()
PER_BALL, FLIPPED = 4, torch.tensor([20, 33, 47])
CLASSES = KNOWN.spec.classes


def data(flipped=FLIPPED):
    """Test images with errors of the classifier (the first of them), and labels that are wrong."""
    z = KNOWN.codes_in_balls(PER_BALL, rng_for(0, "errors"))
    images, labels = KNOWN.splits.test.batch(slice(None))
    test = ImageSet(torch.cat([KNOWN.generator.decode(z), images]), torch.cat([truth(z), labels]))
    wrong = test.labels.clone()
    wrong[flipped] = (wrong[flipped] + 1) % len(CLASSES)
    return replace(test, labels=wrong)


def auditor(images):
    """Reads the class off the image."""
    return truth(codes_of(images.batch(slice(None))[0]))


def inspected(test, ask):
    probs = answers_to(KNOWN.classifier, test)
    return inspect_test_set(test, probs, Errors.of_test_set(test, probs, ask), classes=CLASSES)


def test_labels_that_are_wrong_are_found_and_told_from_errors_of_the_classifier():
    test = data()
    found = inspected(test, auditor)
    errors = PER_BALL * len(KNOWN.balls)
    assert found.info["wrong"] == errors + len(FLIPPED)
    assert found.info["judged"]["wrong"] == {
        "genuine": errors, "label_error": len(FLIPPED), "third_class": 0, "abstained": 0,
    }  # fmt: skip
    tensors = found.part("test/errors")
    marked = tensors["judged"] == DRIFT
    flipped = (test.batch(FLIPPED)[0] * 255).round().byte()
    shown = {bytes(image.flatten().tolist()) for image in tensors["x"][marked]}
    assert shown == {bytes(image.flatten().tolist()) for image in flipped}
    assert sorted(tensors["labels"][marked].tolist()) == sorted(test.labels[FLIPPED].tolist())
    assert torch.equal(tensors["said"][marked], tensors["probs"][marked].argmax(1))


def test_where_every_label_is_right_none_is_called_wrong():
    judged = inspected(data(torch.empty(0, dtype=torch.int64)), auditor).info["judged"]
    assert judged["wrong"]["label_error"] == judged["confident_errors"]["label_error"] == 0
    assert judged["wrong"]["genuine"] == PER_BALL * len(KNOWN.balls)


def test_the_model_under_test_as_its_own_auditor_would_call_every_error_one_of_the_labels():
    judged = inspected(data(), KNOWN.classifier.predict).info["judged"]
    assert judged["wrong"]["genuine"] == 0
    assert judged["wrong"]["label_error"] == PER_BALL * len(KNOWN.balls) + len(FLIPPED)


@pytest.mark.parametrize(("said", "kind"), [(-1, "abstained"), (3, "third_class")])
def test_who_does_not_agree_with_the_prediction_marks_no_label(said, kind):
    test, probs = ImageSet(torch.zeros(2, 1, 1, 1), torch.tensor([0, 0])), torch.tensor([[0.1, 0.9, 0, 0]] * 2)
    errors = Errors.of_test_set(test, probs, lambda images: torch.full((len(images),), said))
    judged = inspect_test_set(test, probs, errors, classes=CLASSES).info["judged"]["wrong"]
    assert judged == dict.fromkeys(("genuine", "label_error", "third_class", "abstained"), 0) | {kind: 2}


def test_without_an_auditor_nothing_is_said_of_labels():
    found = inspected(data(), None)
    assert found.info["judged"] is None
    assert {"said", "judged"}.isdisjoint(found.part("test/errors"))


def many(sure):
    """Images of class 0 that are all taken for class 1, with these confidences."""
    probs = torch.stack([1 - sure, sure, 0 * sure, 0 * sure], 1)
    return ImageSet(torch.zeros(len(sure), 1, 1, 1), torch.zeros(len(sure)).long()), probs


def test_the_surest_of_each_kind_are_shown_and_likely_label_errors_however_sure():
    test, probs = many(torch.linspace(0.55, 0.99, 4 * SHOWN))
    said = torch.arange(len(test)) % 2  # every second one is an error of its label
    tensors = inspect_test_set(test, probs, Errors.of_test_set(test, probs, lambda _: said), classes=CLASSES).tensors
    sure, judged = tensors["test/errors/probs"].amax(1), tensors["test/errors/judged"]
    every = probs[:, 1]
    assert torch.equal(sure[judged == DRIFT], every[said == 1].flip(0)[:SHOWN])
    genuine = every[(said == 0) & (every >= SURE)].flip(0)
    assert torch.equal(sure[judged == GENUINE], genuine[:SHOWN])
    assert len(genuine) < SHOWN < int((said == 0).sum())


def test_errors_that_people_were_not_asked_about_are_counted_as_of_no_kind():
    test, probs = many(torch.tensor([0.9, 0.95, 0.99]))
    said = torch.tensor([1, -1, -1])
    judged = judge_failures(torch.eye(4).bool()[test.labels], probs.argmax(1), said)
    judged[2] = NOT_ASKED
    found = inspect_test_set(test, probs, Errors(test, probs, said, judged), classes=CLASSES)
    assert found.info["judged"]["confident_errors"] == {
        "genuine": 0, "label_error": 1, "third_class": 0, "abstained": 1,
    }  # fmt: skip
    assert found.info["confident_errors"] == len(found.tensors["test/errors/judged"]) == 3
