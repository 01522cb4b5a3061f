"""Which of a search's failures are kept: a uniform draw, whatever came in which portions."""

import pytest
import torch

from modeldebug.stages.kept import Kept
from modeldebug.testing import known_problem

N, MOST = 200, 16


@pytest.fixture(scope="module")
def failures():
    """Of which each has its own step as a name."""
    found = known_problem().failures(per_ball=N)
    rows = found.subset(torch.arange(N))
    return type(rows)(**{**vars(rows), "step": torch.arange(N)})


def kept_of(failures, drawn, portions):
    kept = Kept(MOST, failures.subset(torch.arange(0)), torch.empty(0))
    for rows in torch.arange(N).split(portions):
        kept.add(failures.subset(rows), drawn[rows])
    return kept


@pytest.mark.parametrize("portions", [1, 7, N])
def test_those_with_the_smallest_numbers_are_kept_in_the_order_they_came(failures, portions):
    drawn = torch.rand(N, generator=torch.Generator().manual_seed(1))
    found, numbers = kept_of(failures, drawn, portions).all()
    expected = drawn.argsort()[:MOST].sort().values
    assert torch.equal(found.step, expected)
    assert torch.equal(numbers, drawn[expected])
    assert torch.equal(found.x, failures.x[expected])


def test_one_that_was_saved_goes_on_as_if_it_had_not_been(failures):
    drawn = torch.rand(N, generator=torch.Generator().manual_seed(2))
    half, rest = torch.arange(N // 2), torch.arange(N // 2, N)
    first = Kept(MOST, failures.subset(torch.arange(0)), torch.empty(0))
    first.add(failures.subset(half), drawn[half])
    second = Kept(MOST, *first.all())
    second.add(failures.subset(rest), drawn[rest])
    assert torch.equal(second.all()[0].step, kept_of(failures, drawn, N).all()[0].step)


def test_no_more_is_held_than_a_quarter_too_many(failures):
    drawn = torch.linspace(1, 0, N)  # each one smaller than all before it: the worst case
    kept = Kept(MOST, failures.subset(torch.arange(0)), torch.empty(0))
    held = []
    for row in torch.arange(N).split(1):
        kept.add(failures.subset(row), drawn[row])
        held.append(len(kept))
    assert max(held) <= MOST + MOST // 4
    assert torch.equal(kept.all()[0].step, torch.arange(N - MOST, N))


def test_nothing_is_kept_of_nothing(failures):
    found, numbers = Kept(MOST, failures.subset(torch.arange(0)), torch.empty(0)).all()
    assert (len(found), len(numbers)) == (0, 0)
