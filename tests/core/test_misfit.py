"""Problem.misfit: what it costs, what it says, and that what is proposed for a target is judged by that target."""

import pytest
import torch
from probes import KNOWN, codes, in_ball, judge

from modeldebug import Candidates, PluginError, Target, rng_for
from modeldebug.testing import known_problem
from modeldebug.testing.problems import known_guide
from modeldebug.testing.problems_discrete import known_scenes

TARGETS = [
    Target("ambiguous", (0, 1), (0.5, 0.5)),
    Target("class-excluded", (2,), (1.0,)),
    Target("misclassified", (3,)),
]
FIRST, EXCLUDED, WRONG = (torch.full((5,), t) for t in range(3))


@pytest.fixture
def problem():
    return KNOWN.problem(targets=TARGETS)


def test_misfit_is_the_targets_of_the_prediction(problem):
    z, target = codes(7), torch.tensor([0, 1, 2, 0, 1, 2, 1])
    found = problem.misfit(z, target)
    assert torch.equal(found.probs, KNOWN.classifier.probs(KNOWN.generator.decode(z)))
    by_hand = [TARGETS[t].misfit(p[None])[0] for t, p in zip(target.tolist(), found.probs, strict=True)]
    assert torch.allclose(found.value, torch.stack(by_hand))


@pytest.mark.parametrize("target", range(3))
def test_gradient_is_that_of_finite_differences(problem, target):
    z = torch.tensor([[0.13, -0.4], [-0.3, 0.2], [0.4, 0.35], [-0.2, -0.6]])
    rows = torch.full((4,), target)
    found = problem.misfit(z, rows)
    numeric = []
    for step in 1e-3 * torch.eye(2):
        ahead, behind = (problem.misfit(z + sign * step, rows, gradient=False).value for sign in (1, -1))
        numeric.append((ahead - behind) / 2e-3)
    assert torch.allclose(found.gradient, torch.stack(numeric, 1), atol=2e-3)
    assert found.gradient.abs().max() > 0.05


def test_residuals_are_those_of_the_target_with_a_slope_each(problem):
    z, rows = torch.tensor([[0.13, -0.4], [-0.3, 0.2], [0.4, 0.35]]), torch.tensor([0, 1, 2])
    found, misfit = problem.residuals(z, rows), problem.misfit(z, rows)
    assert torch.equal(found.probs, misfit.probs)
    assert torch.allclose(0.5 * found.value.square().sum(1), misfit.value)
    assert torch.allclose((found.value[:, :, None] * found.slope).sum(1), misfit.gradient, atol=1e-6)
    assert found.value[1:, 1].tolist() == [0, 0], "the second of these has one"


def test_residuals_cost_a_forward_pass_and_a_backward_pass_for_each(problem):
    problem.residuals(codes(100), torch.zeros(100, dtype=torch.int64))
    assert problem.meter.queries == 500
    guided = KNOWN.problem(targets=TARGETS, guide=known_guide())
    assert guided.residuals(codes(5), WRONG).value.shape == (5, 3)
    assert (guided.meter.queries, guided.meter.guide_queries) == (25, 15)


def test_rows_do_not_mix(problem):
    z, target = codes(200), torch.arange(200) % 3  # more than a batch
    together, alone = problem.misfit(z, target), problem.misfit(z[150:153], target[150:153])
    assert torch.allclose(together.value[150:153], alone.value, atol=1e-6)
    assert torch.allclose(together.gradient[150:153], alone.gradient, atol=1e-5)


def test_misfit_costs_three_queries_a_code_and_one_without_the_gradient(problem):
    problem.misfit(codes(100), torch.zeros(100, dtype=torch.int64))
    assert problem.meter.queries == 300
    found = problem.misfit(codes(100), torch.zeros(100, dtype=torch.int64), gradient=False)
    assert problem.meter.queries == 400
    assert found.gradient is None


def test_misfit_without_the_gradient_is_the_same(problem):
    z = codes(5)
    assert torch.allclose(problem.misfit(z, FIRST).value, problem.misfit(z, FIRST, gradient=False).value)


def test_hits_are_counted_as_failures_by_their_target(problem):
    ball = in_ball(5)[0]  # images of class 3, predicted as 0
    for rows, failing in ((FIRST, 0), (WRONG, 5), (EXCLUDED, 0)):
        before = problem.meter.failing
        problem.misfit(ball, rows, gradient=False)
        assert problem.meter.failing - before == failing


def test_nothing_is_remembered(problem):
    problem.misfit(codes(5), FIRST)
    with pytest.raises(PluginError, match="ids that this step did not make"):
        judge(problem, z=codes(5), target=FIRST, evaluation=torch.arange(5))


def test_misfit_leaves_codes_gradients_and_the_global_state_alone(problem):
    z = codes(5).requires_grad_()
    before = z.detach().clone()
    with torch.no_grad():
        found = problem.misfit(z, FIRST)
        assert not torch.is_grad_enabled()
    assert not found.value.requires_grad
    assert not found.gradient.requires_grad
    assert z.grad is None
    assert torch.equal(z.detach(), before)
    assert all(p.grad is None for p in problem._pipeline.classifier.module.parameters())


@pytest.mark.parametrize(
    ("z", "target", "words"),
    [
        (codes(5)[:, :1], FIRST, "z has the wrong shape"),
        (codes(5).double(), FIRST, "z is not what the contract asks for"),
        (codes(5) * torch.nan, FIRST, "NaN"),
        (codes(5), FIRST[:4], "target has the wrong shape"),
        (codes(5), FIRST.float(), "target is not what the contract asks for"),
        (codes(5), FIRST + 3, "target is out of range"),
        (codes(5), FIRST - 1, "target is out of range"),
    ],
)
def test_other_codes_and_targets_are_refused(problem, z, target, words):
    with pytest.raises(PluginError, match=words):
        problem.misfit(z, target)
    assert problem.meter.queries == 0


def test_guide_has_a_say_on_targets_that_expect_a_label_alone():
    guided, alone = KNOWN.problem(targets=TARGETS, guide=known_guide()), KNOWN.problem(targets=TARGETS)
    z, rows = codes(5), torch.tensor([0, 1, 2, 2, 2])
    sure = known_guide().probs(KNOWN.generator.decode(z))[:, 3]
    doubt = torch.where(rows == 2, 0.5 * (1 - sure) ** 2, 0.0)
    assert torch.allclose(guided.misfit(z, rows).value, alone.misfit(z, rows).value + doubt, atol=1e-6)
    assert doubt.max() > 0.01
    difference = guided.misfit(z, rows).gradient - alone.misfit(z, rows).gradient
    assert bool((difference[:2] == 0).all())
    assert difference[2:].abs().max() > 0.01


def test_guide_is_asked_as_often_and_metered_apart():
    problem = KNOWN.problem(targets=TARGETS, guide=known_guide())
    problem.misfit(codes(5), WRONG)
    problem.misfit(codes(5), WRONG, gradient=False)
    assert (problem.meter.queries, problem.meter.guide_queries) == (20, 20)


def test_conditional_decoder_is_told_the_class():
    known = known_problem(conditional=True)
    problem, z = known.problem(targets=TARGETS), codes(5).abs()
    told = torch.tensor([0, 1, 2, 3, 3])
    found = problem.misfit(z, WRONG, condition=told)
    assert torch.equal(found.probs, known.classifier.probs(known.generator.decode(z, told)))
    by_origin = problem.misfit(z, WRONG, origin=torch.arange(5))
    assert torch.allclose(
        by_origin.value, problem.misfit(z, WRONG, condition=known.origins.labels[:5], gradient=False).value
    )


def test_candidates_are_judged_by_their_target(problem):
    ball, z = in_ball(5)[0], torch.tensor([[-1.0, 1.0]]).repeat(5, 1)  # class 2, taken for 1 by the second ball
    for target, at, wrong, expected in (
        (FIRST, ball, 0, None),
        (WRONG, ball, 5, 3),
        (EXCLUDED, torch.tensor([[-0.3, 1.9]]).repeat(5, 1), 5, -1),
        (EXCLUDED, z, 0, None),
    ):
        evaluation = problem.evaluate(at, target=target)
        assert int(evaluation.failing.sum()) == wrong
        failures = judge(problem, z=at, target=target, evaluation=evaluation.id)
        assert len(failures) == wrong
        assert set(failures.expected.tolist()) == ({expected} if wrong else set())
        assert len(judge(problem, z=at, target=target)) == wrong, "the same without ids"


def test_answers_are_those_of_the_evaluations_that_candidates_name(problem):
    z = codes(5)
    evaluation = problem.evaluate(z, target=FIRST)
    rows = torch.tensor([4, 1])
    found = problem.answers(Candidates(z=z[rows], target=FIRST[rows], evaluation=evaluation.id[rows]))
    assert torch.equal(found, evaluation.probs[rows])
    assert problem.meter.queries == 5
    assert problem.answers(Candidates(z=z[:0], target=FIRST[:0])).shape == (0, 4)


@pytest.mark.parametrize("change", ["z", "target", "evaluation"])
def test_answers_of_other_candidates_than_were_evaluated_are_refused(problem, change):
    z = codes(5)
    given = {"z": z, "target": FIRST, "evaluation": problem.evaluate(z, target=FIRST).id}
    given[change] = {"z": z + 1, "target": EXCLUDED, "evaluation": None}[change]
    with pytest.raises(PluginError, match=r"not what it evaluated|do not say which evaluations"):
        problem.answers(Candidates(**given))


def test_a_step_is_the_generators_own():
    scenes, known = known_scenes().problem(), KNOWN.problem()
    z = known_scenes().states[:50]
    after, log_ratio = scenes.propose(z, rng_for(0), torch.ones(50))
    again = known_scenes().generator.propose(z, rng_for(0), torch.ones(50))
    assert torch.equal(after, again[0])
    assert torch.equal(log_ratio, again[1])
    assert not bool(scenes.valid(torch.tensor([[3.0, 3.0, 0.0], [8.0, 0.0, 0.0], [0.5, 0.0, 0.0]])).any())
    assert bool(known.valid(codes(5)).all())
    assert (scenes.meter.queries, known.meter.queries) == (0, 0)


def test_a_step_is_as_long_as_its_scale_unless_the_kernel_is_the_generators_own(problem):
    z, scale = torch.zeros(4000, 2), torch.tensor([0.1, 3.0]).repeat_interleave(2000)
    after, log_ratio = problem.propose(z, rng_for(0), scale)
    assert after[:2000].std().item() == pytest.approx(0.1, rel=0.05)
    assert after[2000:].std().item() == pytest.approx(3, rel=0.05)
    assert not bool(log_ratio.any())
    for wrong in (scale[:3], scale.double(), -scale):
        with pytest.raises(PluginError, match="the scale"):
            problem.propose(z, rng_for(0), wrong)
