"""The genetic search: what is fitter lives on, children are of two parents, and a search that stands still ends."""

import math

import pytest
import torch
from lines import EDGE, SPEC, found, problem, run
from modeldebug_rivals.genetic import Genetic
from modeldebug_rivals.plugin import modeldebug_searchers
from modeldebug_rivals.settings import GeneticConfig
from pydantic import ValidationError

from modeldebug import Origins, rng_for
from modeldebug.testing import CHECKS, check_searcher, known_problem, parametrize_with_checks

KNOWN = known_problem()
GENETIC = next(c for c in modeldebug_searchers() if c.name == "genetic")
QUICK = {"population": 16, "parents": 6, "generations": 30, "smallest": 0.03}


@parametrize_with_checks([(GENETIC, QUICK)])
def test_genetic_keeps_the_contract_of_searchers(check):
    check()


@pytest.mark.parametrize("name", [c.name for c in CHECKS["searcher"] if c.name != "finds_planted_failures"])
def test_variation_keeps_the_contract_of_searchers_but_for_seeking_failures(name):
    check_searcher(GENETIC, {**QUICK, "fitness": "variation"}, only=[name])


def genetic(spec=SPEC, **settings):
    return Genetic(GeneticConfig(**settings), spec)


@pytest.mark.parametrize("fitness", ["flip", "variation"])
def test_the_best_fitness_of_no_population_ever_falls_and_that_of_all_rises(fitness):
    searcher, known = genetic(KNOWN.spec, **QUICK, fitness=fitness), KNOWN.problem()
    state, first, last = searcher.start(known, rng_for(0)), {}, {}
    while not state["done"]:
        state, candidates = searcher.step(known, state)
        for row, best in zip(state["row"].tolist(), state["best"].tolist(), strict=True):
            assert best >= last.get(row, best)
            last[row] = best
            first.setdefault(row, best)
        known.judge(candidates, step=0, searcher="genetic")
    assert sum(last[row] > first[row] + 0.01 for row in first) > len(first) / 2


def test_flips_are_far_nearer_than_those_that_the_search_begins_with():
    codes = torch.tensor([[EDGE - 0.2 - 0.1 * i, 0.0] for i in range(8)])
    z, origin = found(genetic(), problem(codes))
    assert sorted(origin.tolist()) == list(range(8))
    moved = (z - codes[origin]).abs()
    assert torch.allclose(moved[:, 0], EDGE - codes[origin, 0], atol=0.02), "just past the edge"
    assert float(moved[:, 1].max()) < 0.02, "and along no other dimension"


def test_variation_ends_where_the_prediction_is_even_whatever_the_label():
    codes = torch.tensor([[EDGE - 0.2 - 0.1 * i, 0.0] for i in range(8)])
    line = problem(codes)
    _, failures = run(genetic(fitness="variation"), line)
    probs = torch.cat([part.probs for part in failures])
    assert len(probs) > 0
    assert float((probs - 0.5).abs().max()) < 0.05
    other = problem(codes)
    other.origins.labels.fill_(1)
    run(genetic(fitness="variation"), other)
    rounds = [[z for z, origin in p.asked if len(z) > len(origin.unique())] for p in (line, other)]
    assert all(torch.equal(a, b) for a, b in zip(*rounds, strict=True)), "the same codes are asked about"


def test_variation_finds_the_boundary_between_classes():
    _, failures = run(genetic(KNOWN.spec, **QUICK, fitness="variation"), KNOWN.problem())
    probs = torch.cat([part.probs for part in failures])
    entropy = torch.special.entr(probs).sum(1)
    assert float(entropy.min()) > 0.9 * math.log(2), "at least two classes are as likely"


def test_parents_that_live_on_are_not_asked_about_again():
    line = problem([[EDGE - 0.5, 0.0]])
    proposed, _ = run(genetic(population=10, parents=4, generations=5, spread=1.0), line)
    assert line.meter.queries == 10 + 4 * 6 + sum(map(len, proposed))


def test_a_child_has_the_first_numbers_of_one_parent_and_the_last_of_another():
    d = 6
    codes = torch.zeros(1, d)
    searcher = genetic(population=40, parents=3, mutation=1e-12, smallest=1e-13, back=0.0)
    lives = searcher._unborn(torch.tensor([0]), 3, d)
    parents = torch.arange(1.0, 4.0)[:, None].expand(3, d)
    lives.z.copy_(parents)
    children = searcher._children(lives, codes, rng_for(0)).round()[0]
    changes = (children[:, 1:] != children[:, :-1]).sum(1)
    assert set(changes.tolist()) == {0, 1}, "one point of crossover, at most"
    assert set(children.flatten().tolist()) == {1.0, 2.0, 3.0}


def test_numbers_are_set_back_and_only_others_get_noise():
    d = 1000
    codes = torch.zeros(1, d)
    searcher = genetic(population=12, parents=2, back=0.25)
    lives = searcher._unborn(torch.tensor([0]), 2, d)
    lives.z.copy_(torch.cat([torch.zeros(d // 2), torch.full((d // 2,), 5.0)]).expand(2, d))
    children = searcher._children(lives, codes, rng_for(0))[0]
    assert bool((children[:, : d // 2] == 0).all()), "what is the training image's stays so"
    back = (children[:, d // 2 :] == 0).float().mean()
    assert float(back) == pytest.approx(0.25, abs=0.03)
    kept = children[:, d // 2 :][children[:, d // 2 :] != 0]
    assert float(kept.std()) == pytest.approx(0.1, abs=0.01)


def test_a_population_without_a_flip_dies_out():
    line = problem([[EDGE - 50.0, 0.0]])
    proposed, _ = run(genetic(), line)
    assert sum(map(len, proposed)) == 0
    generations = 1 + math.ceil(math.log(1e-3 / 0.1) / math.log(0.7))
    assert line.meter.queries == 50 + 30 * (generations - 1)


def test_one_that_is_done_makes_room_for_the_next():
    line = problem([[EDGE - 0.3, 0.0]] * 5)
    searcher = genetic(population=10, parents=4, block=20, smallest=0.02)
    state, together = searcher.start(line, rng_for(0)), []
    while not state["done"]:
        state, candidates = searcher.step(line, state)
        line.judge(candidates, step=0, searcher="genetic")
        together.append(len(state["row"]))
    assert max(together) <= 2
    assert state["next"] == 5
    assert searcher.progress(state) == 1


def test_no_origins_are_no_error():
    nothing = Origins(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), torch.empty(0, 2))
    assert run(genetic(KNOWN.spec), KNOWN.problem(nothing)) == ([], [])


def test_parents_leave_room_for_children():
    with pytest.raises(ValidationError, match="parents=50 leaves no room for children in population=50"):
        GeneticConfig(parents=50)
