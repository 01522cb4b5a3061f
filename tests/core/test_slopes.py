"""Slopes of the classifier's margin and of the guide: what they are, what they cost, and who has none."""

import pytest
import torch
from probes import KNOWN, codes, in_ball, judge

from modeldebug import Classifier, ClassifierError, Evaluation, PluginError, Problem
from modeldebug.errors import BatchTooLargeError
from modeldebug.targets import Target
from modeldebug.testing.problems import PlantedClassifier


@pytest.fixture
def problem():
    return KNOWN.problem()


def test_gradient_costs_three_queries_an_image(problem):
    problem.value_and_grad(codes(70), origin=torch.zeros(70, dtype=torch.int64))
    assert problem.meter.queries == 210


def agrees_with_finite_differences(value, z, at, gradient):
    """Compare gradients (n, 2) of values (n,) at codes (n, 2) with differences, where no kink lies within a step."""
    step = 1e-2
    ahead, behind = (torch.stack([value(z + sign * s) for s in step * torch.eye(2)], 1) for sign in (1, -1))
    differences = (ahead - behind) / (2 * step)
    smooth = ((ahead + behind) / 2 - at[:, None]).abs().amax(1) < 1e-3
    assert int(smooth.sum()) > len(z) // 2
    return torch.allclose(gradient[smooth], differences[smooth], rtol=1e-2, atol=1e-2)


def test_gradient_of_the_margin_is_that_of_finite_differences(problem):
    z = codes(40)[(codes(40).abs() > 0.1).all(1)]
    origin = torch.arange(len(z)) % 24
    slope = problem.value_and_grad(z, origin=origin)

    def margin(z):
        return problem.margin(problem.evaluate(z, origin=origin), origin=origin)

    assert agrees_with_finite_differences(margin, z, slope.value, slope.gradient)


def test_a_slope_is_an_evaluation_too(problem):
    z, origin = torch.cat([in_ball(70)[0], codes(60)]), torch.arange(130) % 24  # more than two batches
    slope, told = problem.value_and_grad(z, origin=origin), KNOWN.problem().evaluate(z, origin=origin)
    assert torch.allclose(slope.evaluation.probs, told.probs, atol=1e-6)
    assert torch.equal(slope.evaluation.failing, told.failing)
    assert torch.allclose(problem.margin(slope.evaluation, origin=origin), slope.value, atol=1e-4)


def test_proposing_what_a_slope_was_computed_of_costs_nothing_more(problem):
    z = torch.stack([in_ball(60)[0], codes(60)], 1).flatten(0, 1)  # every second one fails, and some more
    origin = in_ball(120)[1]
    slope = problem.value_and_grad(z, origin=origin)
    failures = judge(problem, z=z[20:], origin=origin[20:], evaluation=slope.evaluation.id[20:])
    assert problem.meter.queries == 360
    assert len(failures) == int(slope.evaluation.failing[20:].sum()) < 100
    assert torch.allclose(failures.x, KNOWN.generator.decode(failures.z), atol=1e-6)


def test_slopes_and_evaluations_of_a_step_are_numbered_together(problem):
    z, origin = in_ball(6)
    parts = [
        problem.evaluate(z[:2], origin=origin[:2]).id,
        problem.value_and_grad(z[2:5], origin=origin[2:5]).evaluation.id,
        problem.evaluate(z[5:], origin=origin[5:]).id,
    ]
    order = torch.tensor([5, 0, 3, 4, 1, 2])
    failures = judge(problem, z=z[order], origin=origin[order], evaluation=torch.cat(parts)[order])
    assert torch.allclose(failures.x, KNOWN.generator.decode(z[order]), atol=1e-6)
    assert problem.meter.queries == 3 + 9


def test_margin_of_what_was_evaluated_costs_nothing_and_is_finite(problem):
    probs = torch.tensor([[0.0, 0, 0, 1], [1, 0, 0, 0]])
    certain = Evaluation(torch.tensor([0, 1]), probs, torch.tensor([False, True]))
    three = torch.full((2,), int((KNOWN.origins.labels == 3).nonzero()[0]))
    value = problem.margin(certain, origin=three)
    assert value[0] < -80
    assert value[1] > 80
    assert bool(torch.isfinite(value).all())
    assert problem.meter.queries == 0


def guided():
    """A problem whose guide is right everywhere."""
    guide = Classifier(PlantedClassifier(balls=()).eval(), KNOWN.spec, name="the guide", batch_size=64)
    return KNOWN.problem(guide=guide), guide


def test_guide_says_how_likely_the_image_is_what_is_expected():
    problem, guide = guided()
    z, origin = torch.cat([in_ball(70)[0], codes(60)]), torch.arange(130) % 24
    told = problem.ask_guide(z, origin=origin)
    labels = KNOWN.origins.labels[origin]
    assert torch.allclose(told.log_prob.exp(), guide.probs(KNOWN.generator.decode(z))[torch.arange(130), labels])
    assert told.gradient is None
    assert problem.guided


def test_gradient_of_the_guide_is_that_of_finite_differences():
    problem, _ = guided()
    z, origin = 0.5 * codes(100), torch.arange(100) % 24
    told = problem.ask_guide(z, origin=origin, gradient=True)

    def log_prob(z):
        return problem.ask_guide(z, origin=origin).log_prob

    assert agrees_with_finite_differences(log_prob, z, told.log_prob, told.gradient)
    assert float(told.gradient.abs().max()) > 1


def test_guide_queries_have_the_price_of_queries_and_a_meter_of_their_own():
    problem, _ = guided()
    problem.ask_guide(codes(70), origin=torch.zeros(70, dtype=torch.int64))
    assert (problem.meter.queries, problem.meter.guide_queries) == (0, 70)
    problem.ask_guide(codes(70), origin=torch.zeros(70, dtype=torch.int64), gradient=True)
    assert (problem.meter.queries, problem.meter.guide_queries) == (0, 280)


def test_what_a_guide_was_asked_is_no_evaluation():
    problem, _ = guided()
    z, origin = in_ball(3)
    problem.ask_guide(z, origin=origin, gradient=True)
    with pytest.raises(PluginError, match="did not make"):
        judge(problem, z=z, origin=origin, evaluation=torch.arange(3))


def test_without_a_guide_asking_one_is_refused(problem):
    assert not problem.guided
    with pytest.raises(PluginError, match="asks a guide, and there is none") as caught:
        problem.ask_guide(codes(2), origin=torch.zeros(2, dtype=torch.int64))
    assert "--guide NAME" in str(caught.value)


def test_gradients_are_there_for_a_searcher_that_has_turned_them_off():
    problem, z, origin = KNOWN.problem(guide=KNOWN.classifier), *in_ball(5)
    usual = problem.value_and_grad(z, origin=origin)
    with torch.no_grad():
        found = problem.value_and_grad(z, origin=origin)
        assert problem.ask_guide(z, origin=origin, gradient=True).gradient.abs().sum() > 0
        assert not torch.is_grad_enabled()
    assert torch.equal(found.value, usual.value)
    assert torch.equal(found.gradient, usual.gradient)


class WithDropout(torch.nn.Module):
    """Answers at random until it is told not to train."""

    def __init__(self):
        super().__init__()
        self.planted, self.dropout = PlantedClassifier(), torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.planted(self.dropout(x))


def test_networks_are_asked_in_eval_mode():
    both = Classifier(WithDropout().train(), KNOWN.spec, batch_size=64)
    problem = Problem(KNOWN.generator, both, KNOWN.origins, guide=both.copy(), batch_size=64)
    z, origin = in_ball(5)
    assert torch.equal(*(problem.value_and_grad(z, origin=origin).value for _ in range(2)))
    assert torch.equal(*(problem.ask_guide(z, origin=origin).log_prob for _ in range(2)))


class ThroughNumpy(PlantedClassifier):
    """Looks at the image through numpy, and then computes with weights of its own: a gradient, but not to the image."""

    def forward(self, x):
        return super().forward(torch.from_numpy(x.detach().numpy().copy()))


def test_a_classifier_without_a_gradient_to_the_image_is_told_from_others_by_name():
    box = Classifier(ThroughNumpy().eval(), KNOWN.spec, name="mine:box", batch_size=64)
    problem = Problem(KNOWN.generator, box, KNOWN.origins, guide=box, batch_size=64)
    z, origin = in_ball(5)
    for ask in (problem.value_and_grad, lambda z, origin: problem.ask_guide(z, origin=origin, gradient=True)):
        with pytest.raises(ClassifierError, match="no gradient goes back through mine:box") as caught:
            ask(z, origin=origin)
        assert "a searcher that needs no gradients" in str(caught.value)
    assert problem.evaluate(z, origin=origin).failing.all()


def test_gradients_leave_the_weights_of_the_classifier_alone():
    network = KNOWN.classifier.copy()
    Problem(KNOWN.generator, network, KNOWN.origins).value_and_grad(codes(3), origin=torch.zeros(3, dtype=torch.int64))
    assert all(p.grad is None for p in network.module.parameters())


class WithoutMemory(torch.autograd.Function):
    """Nothing to hold on the way there, too much on the way back."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, slope):
        raise torch.OutOfMemoryError("tried to allocate 2 GiB")


class Heavy(PlantedClassifier):
    def forward(self, x):
        return super().forward(WithoutMemory.apply(x))


@pytest.mark.parametrize(
    "ask",
    [
        lambda problem, z, rows: problem.value_and_grad(z, origin=rows),
        lambda problem, z, rows: problem.misfit(z, torch.zeros_like(rows), origin=rows),
        lambda problem, z, rows: problem.residuals(z, torch.zeros_like(rows), origin=rows),
        lambda problem, z, rows: problem.ask_guide(z, origin=rows, gradient=True),
    ],
    ids=["value_and_grad", "misfit", "residuals", "ask_guide"],
)
def test_memory_that_gradients_lack_is_told_as_a_batch_that_is_too_large(ask):
    heavy = Classifier(Heavy().eval(), KNOWN.spec, batch_size=64)
    target = Target("ambiguous", (0, 1), (0.5, 0.5))
    problem = Problem(KNOWN.generator, heavy, KNOWN.origins, guide=heavy, targets=[target], batch_size=64)
    with pytest.raises(BatchTooLargeError) as caught:
        ask(problem, codes(3), torch.zeros(3, dtype=torch.int64))
    assert caught.value.size == 64
