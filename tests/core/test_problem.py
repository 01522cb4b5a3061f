import weakref

import pytest
import torch
from probes import KNOWN, codes, in_ball, judge

from modeldebug import Candidates, ComponentConfig, Origins, PluginError, Problem, rng_for
from modeldebug.pipeline import Pipeline
from modeldebug.targets import margin
from modeldebug.testing.problems import PlantedGenerator


@pytest.fixture
def problem():
    return KNOWN.problem()


def test_evaluation_costs_one_query_an_image(problem):
    problem.evaluate(codes(7), origin=torch.zeros(7, dtype=torch.int64))
    problem.evaluate(codes(100), origin=torch.zeros(100, dtype=torch.int64))  # more than a batch
    assert problem.meter.queries == 107


def test_wrong_answers_are_counted_once_whether_they_are_proposed_or_not(problem):
    z, origin = in_ball(10)
    evaluation = problem.evaluate(z, origin=origin)
    assert problem.meter.failing == 10
    judge(problem, z=z[3:], origin=origin[3:], evaluation=evaluation.id[3:])
    assert problem.meter.failing == 10
    problem.value_and_grad(z[:2], origin=origin[:2])
    assert problem.meter.failing == 12
    judge(problem, z=z[:3], origin=origin[:3])
    assert problem.meter.failing == 15
    problem.evaluate(KNOWN.origins.z, origin=torch.arange(24))
    assert problem.meter.failing == 15, "right answers do not count"


def test_judging_what_was_evaluated_costs_nothing_more(problem):
    z, origin = in_ball(10)
    evaluation = problem.evaluate(z, origin=origin)
    failures = judge(problem, z=z[3:], origin=origin[3:], evaluation=evaluation.id[3:])
    assert problem.meter.queries == 10
    assert len(failures) == 7


def test_asking_about_nothing_runs_no_network(problem, monkeypatch):
    def refuse(*asked):
        raise AssertionError("a full batch is run for nothing")

    monkeypatch.setattr(Pipeline, "answered", refuse)
    nothing = {"z": torch.empty(0, 2), "origin": torch.empty(0, dtype=torch.int64)}
    evaluation = problem.evaluate(**nothing)
    failures = judge(problem, **nothing)
    assert evaluation.probs.shape == failures.probs.shape == (0, 4)
    assert failures.x.shape == (0, 1, 8, 8)
    assert problem.meter.queries == 0


def test_judging_what_was_not_evaluated_costs_its_queries(problem):
    z, origin = in_ball(10)
    assert len(judge(problem, z=z, origin=origin)) == 10
    assert problem.meter.queries == 10


def test_judged_failures_are_the_same_with_and_without_evaluation(problem):
    z, origin = codes(200), torch.arange(200) % 24
    evaluation = problem.evaluate(z, origin=origin)
    with_ids = judge(problem, z=z, origin=origin, evaluation=evaluation.id)
    without = judge(problem, z=z, origin=origin)
    assert evaluation.failing.sum() == len(with_ids)
    for name in ("x", "probs", "expected", "z", "distance", "log_prior"):
        assert torch.equal(getattr(with_ids, name), getattr(without, name))


def test_success_is_what_the_core_finds_not_what_a_searcher_claims(problem):
    origin = torch.zeros(24, dtype=torch.int64) + torch.arange(24)
    assert len(judge(problem, z=KNOWN.origins.z, origin=origin)) == 0


class RemembersImages(PlantedGenerator):
    """Knows how many batches of its images are in memory at most when it is asked for the next."""

    alive = most = 0

    def _decode(self, z, condition):
        self.most = max(self.most, self.alive)
        images = super()._decode(z, condition).numpy().copy()
        self.alive += 1
        weakref.finalize(images, self._gone)  # when no tensor has these values any more
        return torch.from_numpy(images)

    def _gone(self):
        self.alive -= 1


@pytest.mark.parametrize("evaluated", [True, False])
def test_images_are_held_for_one_batch_and_only_failures_stay(evaluated):
    generator = RemembersImages(ComponentConfig(), KNOWN.spec)
    problem = Problem(generator, KNOWN.classifier, KNOWN.origins, batch_size=64)
    z, origin = torch.cat([codes(300), in_ball(10)[0]]), torch.zeros(310, dtype=torch.int64)
    if evaluated:
        evaluation = problem.evaluate(z, origin=origin).id
        failures = judge(problem, z=z, origin=origin, evaluation=evaluation)
    else:
        failures = judge(problem, z=z, origin=origin)
    assert generator.most <= 1
    assert generator.alive == 0
    assert torch.equal(failures.x, KNOWN.generator.decode(failures.z))
    assert 0 < len(failures) < 310


def test_images_of_several_evaluations_are_found_again_in_any_order(problem):
    z, origin = torch.cat([in_ball(100)[0], codes(50)]), torch.arange(150) % 24
    ids = torch.cat([problem.evaluate(z[rows], origin=origin[rows]).id for rows in torch.arange(150).split(70)])
    order = torch.randperm(150, generator=rng_for(0))
    failures = judge(problem, z=z[order], origin=origin[order], evaluation=ids[order])
    assert torch.equal(failures.x, KNOWN.generator.decode(failures.z))
    assert len(failures) >= 100


def test_failure_keeps_its_code_image_origin_and_distance(problem):
    z, origin = in_ball(3)
    failures = problem.judge(Candidates(z=z, origin=origin), step=5, searcher="mine")
    assert torch.equal(failures.z, z)
    assert torch.equal(failures.x, KNOWN.generator.decode(z))
    assert torch.equal(failures.origin, KNOWN.origins.index[origin])
    assert torch.allclose(failures.distance, (z - KNOWN.origins.z[origin]).norm(dim=1))
    assert torch.equal(failures.log_prior, KNOWN.generator.log_prior(z))
    assert failures.expected.tolist() == [3, 3, 3]
    assert failures.predicted.tolist() == [0, 0, 0]
    assert failures.step.tolist() == [5, 5, 5]


@pytest.mark.parametrize("ids", [[10], [-1], [2**40]])
def test_ids_that_this_step_did_not_make_are_refused(problem, ids):
    z, origin = in_ball(10)
    problem.evaluate(z, origin=origin)
    with pytest.raises(PluginError, match="ids that this step did not make") as caught:
        judge(problem, z=z[:1], origin=origin[:1], evaluation=torch.tensor(ids))
    assert "mine:search" in str(caught.value)


def test_ids_of_an_earlier_step_are_refused(problem):
    z, origin = in_ball(4)
    evaluation = problem.evaluate(z, origin=origin)
    judge(problem, z=z, origin=origin, evaluation=evaluation.id)
    with pytest.raises(PluginError, match="did not make"):
        judge(problem, z=z, origin=origin, evaluation=evaluation.id)


def test_other_codes_under_an_id_are_refused(problem):
    z, origin = in_ball(4)
    evaluation = problem.evaluate(z, origin=origin)
    with pytest.raises(PluginError, match="not what it evaluated"):
        judge(problem, z=z + 1e-6, origin=origin, evaluation=evaluation.id)


def test_other_origins_under_an_id_are_refused(problem):
    z, origin = in_ball(4)
    evaluation = problem.evaluate(z, origin=origin)
    for other in (origin + 1, None):
        with pytest.raises(PluginError, match="not what it evaluated"):
            judge(problem, z=z, origin=other, evaluation=evaluation.id)


@pytest.mark.parametrize("ids", [torch.tensor([0.0]), torch.tensor([[0]]), torch.tensor([0], dtype=torch.int32)])
def test_ids_of_another_type_are_refused(problem, ids):
    z, origin = in_ball(1)
    problem.evaluate(z, origin=origin)
    with pytest.raises(PluginError, match="evaluation ids"):
        judge(problem, z=z, origin=origin, evaluation=ids)


def test_no_candidates_are_no_failures(problem):
    z, origin = in_ball(4)
    evaluation = problem.evaluate(z, origin=origin)
    failures = judge(problem, z=z[:0], origin=origin[:0], evaluation=evaluation.id[:0])
    assert len(failures) == 0
    assert failures.x.shape == (0, 1, 8, 8)
    assert len(judge(problem, z=z[:0], origin=origin[:0])) == 0


@pytest.mark.parametrize(
    ("z", "origin", "words"),
    [
        (torch.zeros(3, 5), torch.zeros(3, dtype=torch.int64), "wrong shape"),
        (torch.full((3, 2), torch.nan), torch.zeros(3, dtype=torch.int64), "NaN"),
        (torch.zeros(3, 2), torch.full((3,), 24), "out of range"),
        (torch.zeros(3, 2), torch.full((3,), -1), "out of range"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), "wrong shape"),
        (torch.zeros(3, 2), None, "nothing says which label is expected"),
    ],
)
def test_codes_and_origins_that_do_not_fit_are_refused(problem, z, origin, words):
    with pytest.raises(PluginError, match=words):
        problem.evaluate(z, origin=origin)


@pytest.mark.parametrize("condition", [torch.full((64,), 1), torch.full((200,), 1), torch.full((128,), 4)])
def test_conditions_that_do_not_fit_are_refused(problem, condition):
    with pytest.raises(PluginError, match="condition"):
        problem.evaluate(codes(128), condition=condition)  # two batches
    assert problem.meter.queries == 0


def test_plain_images_can_be_candidates(problem):
    z, origin = in_ball(5)
    failures = judge(problem, x=KNOWN.generator.decode(z), origin=origin)
    assert len(failures) == 5
    assert failures.z is None
    assert bool(failures.log_prior.isnan().all())


def test_plain_images_out_of_range_are_refused(problem):
    with pytest.raises(PluginError, match="candidate image is out of range"):
        judge(problem, x=2 * torch.ones(1, 1, 8, 8), origin=torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"z": torch.zeros(2, 2), "x": torch.zeros(2, 1, 8, 8)},
        {"z": torch.zeros(2, 2), "origin": torch.zeros(3, dtype=torch.int64)},
    ],
)
def test_candidates_that_contradict_themselves_are_refused(fields):
    with pytest.raises(PluginError, match="do not fit together"):
        Candidates(**fields)


def test_expected_label_of_a_prior_draw_is_the_condition(problem):
    z, _ = in_ball(4)
    evaluation = problem.evaluate(z, condition=torch.tensor([3, 3, 0, 0]))
    assert evaluation.failing.tolist() == [True, True, False, False]
    failures = judge(problem, z=z, condition=torch.tensor([3, 3, 0, 0]))
    assert failures.origin.tolist() == [-1, -1]


def test_conditional_generator_is_told_the_class_of_the_origin():
    origins = Origins(KNOWN.origins.index, KNOWN.origins.labels, KNOWN.origins.z, KNOWN.origins.labels)
    z, origin = in_ball(4)
    problem = Problem(KNOWN.generator, KNOWN.classifier, origins)
    evaluation = problem.evaluate(z, origin=origin)
    failures = judge(problem, z=z, origin=origin, evaluation=evaluation.id)
    assert failures.condition.tolist() == [3, 3, 3, 3]


def test_margin_is_above_zero_exactly_for_failures(problem):
    z, origin = codes(300), torch.arange(300) % 24
    value = problem.value_and_grad(z, origin=origin).value
    assert torch.equal(value > 0, problem.evaluate(z, origin=origin).failing)


def test_margin_has_its_known_value():
    log_probs = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]).log()
    value = margin(log_probs, torch.tensor([[True, False, False]]).expand(2, 3))
    assert torch.allclose(value.exp(), torch.tensor([0.6, 7.0]))


def test_searcher_cannot_change_what_was_judged(problem):
    z, origin = in_ball(10)
    evaluation = problem.evaluate(z, origin=origin)
    kept, before = z.clone(), evaluation.failing.clone()
    evaluation.probs.fill_(0.25)
    z += 5  # its own tensor, but no longer what was evaluated
    with pytest.raises(PluginError, match="not what it evaluated"):
        judge(problem, z=z, origin=origin, evaluation=evaluation.id)
    failures = judge(problem, z=kept, origin=origin, evaluation=evaluation.id)
    assert len(failures) == int(before.sum())
    assert not (failures.probs == 0.25).all(1).any()


def test_one_evaluation_is_one_failure(problem):
    z, origin = in_ball(1)
    evaluation = problem.evaluate(z, origin=origin)
    with pytest.raises(PluginError, match="more than once"):
        judge(problem, z=z.repeat(9, 1), origin=origin.repeat(9), evaluation=evaluation.id.repeat(9))
