"""Targets have the likelihoods of the paper, are read as they are written, and are refused where they are not."""

import math

import pytest
import torch

from modeldebug import ConfigError, DataSpec, Target
from modeldebug.targets import all_targets, read_targets, residuals

PROBS = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
SPEC = DataSpec((1, 8, 8), ("cat", "dog", "owl, barn", "3rd"))
EQUATIONS = [  # target, u by hand, u*
    ("high-confidence:0", [0.5], [1.0]),  # equation 6
    ("ambiguous:0,1", [0.2, 0.3 - 0.15], [0.0, 0.5]),  # 7 to 9
    ("ambiguous:1,3", [0.25, 0.05 - 0.5], [0.0, 0.5]),
    ("uniform", [0.45], [0.0]),  # appendix D
    ("graded:0=.6,1=.4", [0.5, 0.3, 0.15, 0.05], [0.6, 0.4, 0.0, 0.0]),  # 2
    ("class-excluded:1", [0.3], [1.0]),
    ("novel-class:3", [0.05], [1.0]),
    ("misclassified:0", [0.3], [1.0]),
    ("misclassified:1", [0.5], [1.0]),
]


def read(text, spec=SPEC):
    return read_targets([text], spec)


def one(text):
    (target,) = read(text)
    return target


@pytest.mark.parametrize(("text", "u", "wanted"), EQUATIONS)
def test_misfit_is_minus_sigma_squared_times_the_log_likelihood_of_the_papers_equation(text, u, wanted):
    sigma, target = 0.05, one(text)
    by_hand = sum(-((a - b) ** 2) / (2 * sigma**2) for a, b in zip(u, wanted, strict=True))
    assert float(-target.misfit(PROBS[None])[0] / sigma**2) == pytest.approx(by_hand)
    assert target.gap(PROBS[None])[0].tolist() == pytest.approx([a - b for a, b in zip(u, wanted, strict=True)])


@pytest.mark.parametrize("text", [text for text, _, _ in EQUATIONS])
def test_misfit_has_the_gradient_of_finite_differences(text):
    probs = torch.stack([PROBS, PROBS.flip(0), torch.tensor([0.1, 0.2, 0.33, 0.37]).double()]).requires_grad_()
    assert torch.autograd.gradcheck(one(text).misfit, probs)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("high-confidence:2", [0, 0, 1, 0]),
        ("ambiguous:0,3", [0.5, 0, 0, 0.5]),
        ("uniform", [0.25, 0.25, 0.25, 0.25]),
        ("graded:0=.9,3=.1", [0.9, 0, 0, 0.1]),
        ("class-excluded:1", [0, 1, 0, 0]),
        ("novel-class:1", [0, 1, 0, 0]),
        ("misclassified:1", [0, 0, 1, 0]),
    ],
)
def test_misfit_is_zero_where_the_target_is_met_and_confidences_are_their_aims(text, met):
    target, probs = one(text), torch.tensor([met], dtype=torch.float32)
    assert float(target.misfit(probs)) == pytest.approx(0, abs=1e-12)
    assert target.confidences(probs)[0].tolist() == pytest.approx(target.aims(4))


def test_being_sure_of_either_class_is_not_ambiguous():
    sure = torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    assert one("ambiguous:0,1").misfit(sure).tolist() == pytest.approx([0.5 * (1 + 0.25)] * 2)


def test_ambiguity_of_all_classes_there_are_has_no_others_to_lead():
    target = Target("ambiguous", (0, 1), (0.5, 0.5))
    assert target.gap(torch.tensor([[0.5, 0.5]])).tolist() == [[0, 0]]


@pytest.mark.parametrize("text", [text for text, _, _ in EQUATIONS])
def test_residuals_are_few_and_have_the_squared_length_of_the_gap(text):
    target, probs = one(text), torch.stack([PROBS, PROBS.flip(0)]).requires_grad_()
    found = target.residual(probs)
    assert found.shape == (2, target.residuals)
    assert torch.allclose(0.5 * found.square().sum(1), target.misfit(probs))
    assert torch.autograd.gradcheck(target.residual, probs)


def test_residual_of_an_ambiguous_target_has_the_sign_of_the_difference():
    assert one("ambiguous:1,3").residual(PROBS[None])[0].tolist() == pytest.approx([0.25, -0.95])
    assert one("ambiguous:1,3").residual(PROBS.flip(0)[None])[0].tolist() == pytest.approx([-0.35, -0.65])


@pytest.mark.parametrize("met", [[0.6, 0.4, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
def test_residuals_of_a_graded_target_have_a_gradient_also_where_it_is_met(met):
    probs = torch.tensor([met], requires_grad=True)
    (slope,) = torch.autograd.grad(one("graded:0=.6,1=.4").residual(probs).sum(), probs)
    assert bool(slope.isfinite().all())


def test_each_row_has_the_residuals_of_its_own_target_and_zeros():
    targets = read_targets([text for text, _, _ in EQUATIONS], SPEC)
    rows = torch.tensor([3, 1, 8, 4])
    found = residuals(targets, rows, PROBS.expand(4, 4))
    by_hand = [targets[t].residual(PROBS[None])[0].tolist() for t in rows.tolist()]
    assert found.tolist() == [value + [0.0] * (3 - len(value)) for value in by_hand]


def test_hits_are_failures_where_the_expected_label_is_not_what_is_predicted():
    allowed = {text: one(text).allowed(4).tolist() for text, _, _ in EQUATIONS}
    assert allowed["class-excluded:1"] == [True, False, True, True]
    assert allowed["novel-class:3"] == [False] * 4
    assert allowed["misclassified:0"] == [True, False, False, False]
    assert allowed["ambiguous:0,1"] == allowed["uniform"] == allowed["high-confidence:0"] == [True] * 4
    assert [one(t).fails for t in ("class-excluded:1", "novel-class:3", "misclassified:0", "uniform")] == [
        True, True, True, False
    ]  # fmt: skip


def test_only_misclassified_expects_a_label_and_only_class_excluded_leaves_a_class_out():
    assert {text: (one(text).expected, one(text).excluded) for text, _, _ in EQUATIONS} == {
        text: (int(text[-1]) if "misclassified" in text else -1, 1 if "excluded" in text else None)
        for text, _, _ in EQUATIONS
    }


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ambiguous:dog,cat", "ambiguous:0,1"),
        (" ambiguous: 1 , 0 ", "ambiguous:0,1"),
        ("high-confidence:owl, barn", "high-confidence:2"),
        ("misclassified:2", "misclassified:2"),
        ("novel-class:3rd", "novel-class:3"),
        ("graded:3=.1,cat=.9", "graded:0=0.9,3=0.1"),
        ("graded:0=1", "graded:0=1"),
        ("ambiguous:2,0", "ambiguous:0,2"),
    ],
)
def test_classes_are_written_by_number_or_name(text, name):
    assert one(text).name == name


WRITTEN = [*(text for text, _, _ in EQUATIONS), "ambiguous:2,3", "graded:1=.33333333,2=.66666667", "graded:2=1"]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_targets_name_reads_as_the_same_target(text):
    assert one(one(text).name) == one(text)


@pytest.mark.parametrize("classes", [SPEC.classes, ("1", "3", "0", "2"), ("a, b", "b", "a=b", "owl, barn=1, b")])
@pytest.mark.parametrize("text", WRITTEN)
def test_a_target_with_the_names_of_classes_reads_as_the_same_target(text, classes):
    target = one(text)
    assert read(target.described(classes), DataSpec((1, 8, 8), classes)) == (target,)


def test_class_that_is_named_like_a_number_is_meant_by_its_name():
    spec = DataSpec((1, 8, 8), ("1", "0", "2"))
    assert read("high-confidence:1", spec)[0].classes == (0,)


def test_target_is_described_with_the_names_of_classes():
    assert one("graded:0=.25,2=.75").described(SPEC.classes) == "graded:cat=0.25,owl, barn=0.75"
    assert one("uniform").described(SPEC.classes) == "uniform"


def test_a_kind_alone_means_every_class_or_pair():
    assert [t.name for t in read("novel-class")] == [f"novel-class:{c}" for c in range(4)]
    assert len(read("ambiguous")) == math.comb(4, 2)
    assert all(t.aims(4) == (0.5, 0.5) for t in read("ambiguous"))
    assert all(t.aims(4) == (1.0,) for t in all_targets("misclassified", 4))


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["confident:1"], "there is no target 'confident'"),
        (["high-confidense:1"], "did you mean 'high-confidence'"),
        (["high-confidence:4"], "there is no class '4'"),
        (["high-confidence:-1"], "there is no class '-1'"),
        (["high-confidence:dgo"], "did you mean 'dog'"),
        (["high-confidence:0,1"], "names one class"),
        (["high-confidence:"], "cannot be read"),
        (["ambiguous:1"], "names two different classes"),
        (["ambiguous:1,1"], "names two different classes"),
        (["ambiguous:0,1,2"], "names two different classes"),
        (["uniform:1"], "cannot be read"),
        (["graded"], "cannot be read"),
        (["graded:0=.5,1=.4"], "do not sum to 1"),
        (["graded:0=1.5,1=-.5"], "a probability from 0 to 1"),
        (["graded:0=half,1=.5"], "a probability from 0 to 1"),
        (["graded:0=nan,1=.5"], "a probability from 0 to 1"),
        (["graded:0,1"], "a probability from 0 to 1"),
        (["graded:0=.5,cat=.5"], "names a class twice"),
        (["graded:7=1"], "there is no class '7'"),
        (["ambiguous:0,1", "ambiguous:1,0"], "a target is named twice"),
        (["ambiguous", "ambiguous:1,0"], "a target is named twice"),
        ([""], "there is no target ''"),
    ],
)
def test_bad_target_is_refused_with_what_to_write_instead(texts, words):
    with pytest.raises(ConfigError) as refused:
        read_targets(texts, SPEC)
    message = str(refused.value)
    assert words in message
    assert any(word in message for word in ("like", "one of", "a number from 0 to 3", "once")), message
