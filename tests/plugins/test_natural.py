"""Growing noise: how near the nearest flip is, what it costs, and when the search gives up."""

import pytest
import torch
from lines import EDGE, SPEC, found, problem, run
from modeldebug_rivals.natural import Natural
from modeldebug_rivals.plugin import modeldebug_searchers
from modeldebug_rivals.settings import NaturalConfig

from modeldebug import rng_for
from modeldebug.testing import known_problem, parametrize_with_checks

KNOWN = known_problem()
NATURAL = next(c for c in modeldebug_searchers() if c.name == "natural")
QUICK = {"samples": 40, "delta_r": 0.05, "extra": 2, "block": 2000}


@parametrize_with_checks([(NATURAL, QUICK), (NATURAL, {**QUICK, "search": "iterative", "delta_r": 0.1})])
def test_natural_keeps_the_contract_of_searchers(check):
    check()


def natural(spec=SPEC, **settings):
    return Natural(NaturalConfig(**{"samples": 100, "block": 10_000, **settings}), spec)


def to_the_nearest_flip(z):
    """True distances (n,) of codes in the known problem: to a planted ball, or to where the image is another class."""
    return torch.stack([*(ball.distance(z) - ball.radius for ball in KNOWN.balls), *z.abs().unbind(1)]).amin(0)


@pytest.mark.parametrize("search", ["hybrid", "iterative"])
def test_the_nearest_flip_of_every_origin_is_found_but_for_the_width_of_a_shell(search):
    delta_r = 0.04
    z, origin = found(natural(KNOWN.spec, search=search, delta_r=delta_r), KNOWN.problem())
    assert sorted(origin.tolist()) == list(range(len(KNOWN.origins))), "one of each"
    codes = KNOWN.origins.z[origin]
    excess = (z - codes).norm(dim=1) - to_the_nearest_flip(codes)
    assert float(excess.min()) > -1e-5
    assert float(excess.max()) < delta_r


def test_shrinking_costs_a_fraction_of_growing():
    """The paper: about four times as fast; the farther the flip, the more so."""
    asked = {}
    for search in ("hybrid", "iterative"):
        line = problem([[EDGE - 1.5, 0.0]] * 2)
        found(natural(search=search, radius=4.0, samples=40), line)
        asked[search] = line.meter.queries
    assert asked["hybrid"] < asked["iterative"] / 3


@pytest.mark.parametrize("search", ["hybrid", "iterative"])
def test_an_origin_without_a_flip_within_the_radius_is_given_up(search):
    far, near = [EDGE - 3.0, 0.0], [EDGE - 0.5, 0.0]
    _, origin = found(natural(search=search, radius=2.0, delta_r=0.1), problem([far, near]))
    assert origin.tolist() == [1]


def test_a_reconstruction_that_fails_already_is_as_near_as_can_be():
    z, _ = found(natural(), problem([[EDGE + 0.5, 0.0]]))
    assert float((z - torch.tensor([EDGE + 0.5, 0.0])).norm()) < 0.01


def test_every_draw_lies_in_its_shell():
    line = problem([[EDGE - 0.35, 0.0]])
    run(natural(search="iterative", delta_r=0.1), line)
    shells = [(z - line.origins.z[origin]).norm(dim=1) for z, origin in line.asked if len(z) == 100]
    for i, distance in enumerate(shells):
        assert 0.1 * i - 1e-5 <= float(distance.min()) < float(distance.max()) <= 0.1 * (i + 1) + 1e-5
    assert len(shells) == 4


def test_one_that_is_done_makes_room_for_the_next():
    codes = [[EDGE - 0.3 - 0.1 * i, 0.0] for i in range(7)]
    line = problem(codes)
    searcher = natural(search="iterative", delta_r=0.1, block=250)
    state, together, shares = searcher.start(line, rng_for(0)), [], [0.0]
    while not state["done"]:
        state, candidates = searcher.step(line, state)
        together.append(len(line.asked[-1][1].unique()))
        line.judge(candidates, step=0, searcher="natural")
        shares.append(searcher.progress(state))
    assert together[:4] == [2] * 4, "250 codes are the draws around two"
    assert max(together) == 2
    assert shares == sorted(shares)
    assert shares[-1] == 1
