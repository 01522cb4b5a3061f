"""Margin search, where the boundary is a line and where failures were planted."""

import math

import lines
import pytest
import torch
from click.testing import CliRunner
from lines import EDGE, SLOPE, below, found, problem, resumed, run
from modeldebug_defuse.margin import OVERSHOOT, Margin
from modeldebug_defuse.settings import MarginConfig

from modeldebug import ClassifierError, rng_for
from modeldebug.cli import program
from modeldebug.testing import known_problem
from modeldebug.testing.problems import PlantedClassifier, codes_of

KNOWN = known_problem()
NEAR = {"past": 0.1, "sure": 0.85, "weight": 2.0}  # failures just past the boundary
TRUTH = 0.5  # where an image is no longer "below": the second number of its code


def search(**settings):
    """All origins, and a step as long as it takes, unless something else is said."""
    return Margin(MarginConfig(**{"pursue": 1.0, **NEAR, "step": 9.0, "trust": 1000.0, **settings}), lines.SPEC)


def slanted():
    """Its boundary is x + y = 1, so the way that is straight up leads out of the class, through y = TRUTH."""
    return lines.classifier(lines.Line(direction=(1.0, 1.0)))


def guide():
    return lines.classifier(lines.Line(direction=(0.0, 1.0), edge=TRUTH, slope=8.0))


@pytest.mark.parametrize("past", [0.0, 0.1, 1.0])
def test_first_step_lands_past_a_line_as_far_as_it_is_told(past):
    codes = below(20)
    tried = problem(codes)
    z, origin = found(search(steps=1, past=past), tried)
    assert origin.tolist() == list(range(20))
    assert torch.allclose(SLOPE * (z[:, 0] - EDGE), torch.full((20,), past + OVERSHOOT), atol=1e-4)
    assert torch.allclose(z[:, 1], codes[:, 1], atol=1e-4), "straight up the margin"
    assert tried.meter.queries == 20 * (3 + 1)


def test_many_short_steps_end_just_past_the_boundary_too_and_none_is_longer_than_told():
    tried = problem(below(20))
    _, (failures,) = run(search(step=0.3, steps=20, past=0.1), tried)
    assert failures.origin.tolist() == [100 + row for row in range(20)]
    beyond = failures.distance - (EDGE - below(20)[:, 0])
    assert float(beyond.min()) > 0.1 / SLOPE
    assert float(beyond.max()) < (0.1 + OVERSHOOT) / SLOPE + 1e-4
    assert float((failures.z - below(20))[:, 1].abs().max()) < 1e-4
    longest = 0.0
    for (z, rows), (later, those) in zip(tried.asked, tried.asked[1:], strict=False):
        longest = max(longest, float((later - z[torch.isin(rows, those)]).norm(dim=1).max()))
    assert longest == pytest.approx(0.3, abs=1e-5)


def exact(known):
    """A guide that is right everywhere."""
    return type(known.classifier)(PlantedClassifier(balls=()).eval(), known.spec, batch_size=64)


def test_on_the_known_problem_it_finds_the_planted_failures_and_with_an_exact_guide_nothing_else():
    settings = {"step": 0.2, "steps": 10}
    plain, guided = (found(search(**settings), KNOWN.problem(guide=g))[0] for g in (None, exact(KNOWN)))
    assert len(KNOWN.origins) / 2 < int((KNOWN.ball_of(plain) >= 0).sum()) < len(plain), "and a drift"
    assert len(guided) > len(KNOWN.origins) / 2
    assert bool((KNOWN.ball_of(guided) >= 0).all())
    depth = torch.stack([ball.radius - ball.distance(guided) for ball in KNOWN.balls], 1).amax(1)
    assert float(depth.max()) < 0.1, "next to the boundary"


def test_ranking_costs_one_query_each_and_the_nearest_to_the_boundary_are_pursued():
    codes = below(21)
    tried = problem(codes)
    _, origin = found(search(pursue=0.25, steps=1, block=4), tried)
    nearest = codes[:, 0].argsort(descending=True)[: math.ceil(0.25 * 21)]
    assert sorted(origin.tolist()) == sorted(nearest.tolist())
    assert tried.meter.queries == 21 + 6 * (3 + 1)


def test_ranking_in_several_steps_is_the_same(monkeypatch):
    whole = found(search(pursue=0.25), problem(below(50)))
    monkeypatch.setattr("modeldebug_defuse.margin.RANKED", 3)
    parts = found(search(pursue=0.25, block=4), problem(below(50)))
    assert len(whole[1]) == 13
    assert whole[1].sort().values.equal(parts[1].sort().values)
    assert whole[0][whole[1].argsort()].equal(parts[0][parts[1].argsort()])


def test_only_those_that_have_not_failed_yet_are_asked_about():
    tried = problem([[0.8, 0.0], [0.4, 0.0], [0.0, 0.0]])  # past the edge after 1, 2 and 3 steps of 0.5
    _, origin = found(search(step=0.5, steps=6), tried)
    assert origin.tolist() == [0, 1, 2]
    assert [rows.tolist() for _, rows in tried.asked] == [[0, 1, 2], [0, 1, 2], [1, 2], [2]]
    assert tried.meter.queries == 3 * (3 + 3 + 2 + 1)


def test_the_last_step_looks_without_a_gradient():
    tried = problem([[0.8, 0.0], [0.4, 0.0], [-9.0, 0.0]])
    _, origin = found(search(step=0.5, steps=2), tried)
    assert origin.tolist() == [0, 1]
    assert tried.meter.queries == 3 * (3 + 3) + 2


def test_reconstruction_that_fails_already_is_a_failure_at_distance_0_after_one_look():
    tried = problem([[EDGE + 1.0, 0.3]])
    (candidates,), (failures,) = run(search(), tried)
    assert torch.equal(candidates.z, tried.origins.z)
    assert failures.distance.tolist() == [0.0]
    assert failures.origin.tolist() == [100]
    assert tried.meter.queries == 3


def test_a_failure_that_is_not_past_the_boundary_far_enough_is_taken_further():
    tried = problem([[EDGE + 0.01, 0.0]])
    z, _ = found(search(past=0.5), tried)
    assert float(SLOPE * (z[0, 0] - EDGE)) == pytest.approx(0.5 + OVERSHOOT, abs=1e-4)


@pytest.mark.parametrize("spread", [(0.1, 0.2), None])
def test_trust_region_is_never_left(spread):
    codes = torch.tensor([[-2.0, 0.0], [-2.5, 0.4], [-3.0, -0.3]])
    tried = problem(codes, spread)
    z, _ = found(search(trust=2.0, step=0.3, steps=8, keep=2, restarts=5, jitter=10.0), tried)
    unit = codes.std(0, correction=0) if spread is None else torch.tensor(spread)
    far = torch.cat([((z - codes[rows]) / unit).square().mean(1).sqrt() for z, rows in tried.asked])
    assert float(far.max()) == pytest.approx(2.0, abs=1e-4), "up to its border, and no farther"
    assert len(z) == 0, "the boundary is beyond"


def apart(z, origin, unit):
    """The smallest root mean square distance between failures of one origin."""
    gap = ((z[:, None] - z) / unit).square().mean(2).sqrt()
    same = (origin[:, None] == origin) & ~torch.eye(len(z), dtype=torch.bool)
    return float(gap[same].min())


def test_restarts_give_several_failures_of_one_image_and_none_like_another():
    spread = (0.5, 1.0)
    settings = {"keep": 3, "apart": 0.5, "restarts": 12, "jitter": 1.0}
    z, origin = found(search(**settings), problem(below(8), spread))
    assert origin.bincount(minlength=8).tolist() == [3] * 8
    assert origin.tolist() == sorted(origin.tolist())
    assert apart(z, origin, torch.tensor(spread)) >= 0.5
    z, origin = found(search(**settings | {"apart": 0.0}), problem(below(8), spread))
    assert apart(z, origin, torch.tensor(spread)) < 0.5, "else `apart` changed nothing"


def test_an_image_that_has_its_failures_is_not_asked_about_again():
    once, often = problem(below(8)), problem(below(8))
    found(search(restarts=0), once)
    found(search(restarts=5), often)
    assert once.meter.queries == often.meter.queries


def test_restarts_are_for_images_that_have_too_few():
    codes = [[0.9, 0.0], [-8.0, 0.0]]
    tried = problem(codes, (0.1, 0.1))
    found(search(step=0.2, steps=1, restarts=3), tried)
    assert [rows.tolist() for _, rows in tried.asked] == [[0, 1], [0, 1]] + 3 * [[1], [1]]
    starts = torch.cat([z for z, _ in tried.asked[2::2]])
    assert len(starts.unique(dim=0)) == 3


def test_a_guide_keeps_the_search_from_images_that_have_changed_their_class():
    codes = torch.stack([torch.linspace(-0.5, 0.3, 9), torch.full((9,), 0.2)], 1)
    plain, _ = found(search(step=0.2, steps=30), problem(codes, tested=slanted()))
    assert bool((plain[:, 1] > TRUTH).any()), "without a guide there is drift"
    z, origin = found(search(step=0.2, steps=30), problem(codes, tested=slanted(), guide=guide()))
    assert origin.tolist() == list(range(9))
    sure = torch.sigmoid(8.0 * (TRUTH - z[:, 1]))
    assert float(sure.min()) >= 0.85 - 1e-4
    assert bool((z.sum(1) > 1 + 0.1 / SLOPE).all())


def test_a_guide_that_only_forbids_finds_less_than_one_that_leads():
    codes = torch.stack([torch.linspace(-0.5, 0.3, 9), torch.full((9,), 0.2)], 1)
    led, forbidden = (
        found(search(step=0.2, steps=30, weight=weight), problem(codes, tested=slanted(), guide=guide()))[1]
        for weight in (2.0, 0.0)
    )
    assert len(forbidden) < len(led) == 9


def test_a_surer_guide_keeps_failures_farther_from_the_end_of_their_class():
    z = [
        found(search(step=0.1, steps=60, sure=sure), problem([[-0.5, 0.2]], tested=slanted(), guide=guide()))[0]
        for sure in (0.6, 0.85)
    ]
    assert float(z[1][0, 1]) < float(z[0][0, 1]) <= TRUTH


def test_the_guide_is_metered_by_itself_at_the_same_price():
    codes = torch.stack([below(20)[:, 0], torch.full((20,), -1.0)], 1)
    tried = problem(codes, guide=guide())
    found(search(pursue=0.5, steps=1), tried)
    assert tried.meter.queries == 20 + 10 * (3 + 1), "ranking asks the classifier alone"
    assert tried.meter.guide_queries == 10 * (1 + 1), "where it is sure its slope is not asked for"


def test_the_slope_of_a_guide_that_is_not_sure_costs_three_queries_more():
    tried = problem([[-9.0, TRUTH], [-9.0, 0.0]], guide=guide())
    found(search(steps=1, step=0.01), tried)
    assert tried.meter.guide_queries == 2 + 1 * 3 + 2


def test_past_the_boundary_the_guide_leads_without_losing_margin():
    past_but_unsure = torch.tensor([[0.9, 0.45]])
    tried = problem(past_but_unsure, tested=slanted(), guide=guide())
    searcher = search(step=0.2, sure=0.99, weight=0.01)
    before = searcher._ask(tried, past_but_unsure, torch.tensor([0]), rng_for(0))
    after = searcher._ask(tried, past_but_unsure + searcher._move(before), torch.tensor([0]), rng_for(0))
    assert float(before.doubt) > float(after.doubt), "however little the guide weighs"
    assert float(after.margin) >= float(before.margin) - 1e-4


def test_without_a_guide_none_is_asked(monkeypatch):
    tried = problem(below(4))
    monkeypatch.setattr(tried, "ask_guide", None)
    assert len(found(search(steps=1), tried)[1]) == 4
    assert tried.meter.guide_queries == 0


@pytest.mark.parametrize("guided", [False, True])
def test_a_search_that_is_resumed_from_any_state_is_the_same(guided):
    settings = {"pursue": 0.6, "block": 3, "step": 0.3, "keep": 2, "apart": 0.1, "restarts": 2, "jitter": 1.0}

    def again():
        return problem(below(20), (0.2, 0.2), tested=slanted(), guide=guide() if guided else None)

    straight, _ = run(search(**settings), again())
    parts = resumed(lambda: search(**settings), again)
    assert len(parts) == len(straight) == 1 + 4
    for one, other in zip(straight, parts, strict=True):
        assert torch.equal(one.z, other.z)
        assert torch.equal(one.origin, other.origin)
    assert sum(map(len, straight)) > 0


def test_one_seed_is_one_search_and_another_draws_other_restarts():
    settings = {"keep": 3, "apart": 0.1, "restarts": 3}
    first, again, other = (found(search(**settings), problem(below(6)), seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_size_of_a_block_does_not_change_what_is_found():
    whole, parts = (found(search(block=block), problem(below(10))) for block in (512, 3))
    assert torch.equal(whole[0][whole[1].argsort()], parts[0][parts[1].argsort()])


def test_progress_grows_from_start_to_end():
    searcher, tried, shares = search(pursue=0.5, block=3), problem(below(20)), []
    state = searcher.start(tried, rng_for(0))
    while not state["done"]:
        shares.append(searcher.progress(state))
        state, _ = searcher.step(tried, state)
    assert shares[0] == 0
    assert shares == sorted(set(shares))
    assert searcher.progress(state) == 1


def test_nothing_to_search_from_is_no_error():
    tried = problem(torch.empty(0, 2))
    assert search().start(tried, rng_for(0))["done"]
    assert len(found(search(), problem([[0.0, 0.0]]))[1]) == 1


@pytest.mark.parametrize("guided", [False, True])
def test_a_conditional_decoder_is_told_the_class_of_the_image_that_was_started_from(guided):
    told = known_problem(conditional=True)
    tried = told.problem(guide=exact(told) if guided else None)
    _, (failures,) = run(search(step=0.2, steps=10), tried)
    assert len(failures) > len(told.origins) / 2
    assert torch.equal(failures.condition, failures.expected)
    assert bool((told.ball_of(codes_of(failures.x)) >= 0).all())


class Insists(lines.Opaque):
    """Goes to numpy without a thought for gradients."""

    def forward(self, x):
        return super().forward(torch.from_numpy(x.numpy()))


@pytest.mark.parametrize("module", [lines.Opaque(), Insists()])
def test_a_black_box_is_told_from_others_and_shown_the_search_for_it(module):
    with pytest.raises(ClassifierError) as caught:
        run(search(), problem(below(3), tested=lines.classifier(module, output="probabilities")))
    assert "a searcher that needs no gradients" in str(caught.value)
    assert caught.value.plugin == "mine:line"


def test_a_black_box_guide_is_refused_by_name():
    hidden = lines.opaque()
    with pytest.raises(ClassifierError, match="no gradient goes back through mine:line"):
        run(search(), problem(below(3), guide=hidden))


@pytest.mark.parametrize("command", ["run", "check"])
def test_on_the_command_line_a_black_box_is_refused_before_anything_is_trained(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    box = f"{__name__}:ten_classes"
    options = ["--preset", "tiny", "--classifier", box, "--searcher", "margin"]
    done = CliRunner().invoke(program, [command, *options, *(["--out", "run"] if command == "run" else [])])
    assert done.exit_code == 2
    assert f"no gradient goes back through {box}" in done.output
    assert "a searcher that needs no gradients" in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []


class _TenClasses(torch.nn.Module):
    def forward(self, x):
        return torch.from_numpy(x.detach().numpy()[:, 0, :2].reshape(len(x), -1)[:, :10].copy())


def ten_classes():
    """A black box for the preset `tiny`."""
    return _TenClasses()
