"""What is kept of many failures of one image."""

import pytest
import torch
from modeldebug_defuse.distinct import Distinct

from modeldebug import rng_for


def kept(*, keep, apart, unit, codes, rows):
    """A Distinct that was offered one code after another while its row was wanting."""
    found = Distinct(len(unit), keep=keep, apart=apart, unit=unit)
    for number, (row, z) in enumerate(zip(rows, codes, strict=True)):
        if row in found.wanting():
            found.add(row[None], z[None], torch.tensor([number]))
    return found


def test_of_many_random_codes_as_many_are_kept_as_are_wanted_and_apart():
    unit = torch.tensor([[1.0, 2.0, 0.5], [0.1, 1.0, 3.0]])
    rows = torch.arange(400) % 2
    codes = unit[rows] * torch.randn(400, 3, generator=rng_for(0))
    found = kept(keep=5, apart=0.8, unit=unit, codes=codes, rows=rows)
    origin, z, number = found.all()
    assert origin.tolist() == 5 * [0] + 5 * [1]
    assert torch.equal(z, codes[number])
    assert torch.equal(origin, rows[number])
    assert len(found.wanting()) == 0
    for row in (0, 1):
        mine = z[origin == row] / unit[row]
        gap = (mine[:, None] - mine).square().mean(2).sqrt() + 9 * torch.eye(5)
        assert float(gap.min()) >= 0.8


def test_the_distance_is_a_root_mean_square_in_units_of_each_dimension():
    unit = torch.tensor([[1.0, 10.0]])
    steps = torch.tensor([[0.0, 0.0], [1.4, 0.0], [1.5, 0.0], [0.0, 14.0], [0.0, -15.0]])  # 1.42 units in one of two
    found = kept(keep=9, apart=1.0, unit=unit, codes=steps, rows=torch.zeros(5, dtype=torch.int64))
    assert found.all()[2].tolist() == [0, 2, 4]


def test_rows_do_not_get_in_each_others_way():
    found = Distinct(3, keep=1, apart=1.0, unit=torch.ones(3, 2))
    found.add(torch.tensor([0, 2]), torch.zeros(2, 2), torch.tensor([7, 8]))
    assert found.wanting().tolist() == [1]
    found.add(torch.tensor([1]), torch.zeros(1, 2), torch.tensor([9]))
    assert found.all()[0].tolist() == [0, 1, 2]
    assert found.all()[2].tolist() == [7, 9, 8]
    assert found.wanting().tolist() == []


def test_without_a_distance_the_same_code_is_kept_twice():
    found = kept(keep=2, apart=0.0, unit=torch.ones(1, 2), codes=torch.zeros(3, 2), rows=torch.zeros(3, dtype=int))
    assert found.all()[2].tolist() == [0, 1]


def test_nothing_found_is_nothing_kept():
    found = Distinct(2, keep=3, apart=1.0, unit=torch.ones(2, 4))
    found.add(torch.empty(0, dtype=torch.int64), torch.empty(0, 4), torch.empty(0, dtype=torch.int64))
    rows, z, evaluation = found.all()
    assert (len(rows), z.shape, len(evaluation)) == (0, (0, 4), 0)
    assert found.wanting().tolist() == [0, 1]


@pytest.mark.parametrize("keep", [1, 3])
def test_what_is_kept_is_what_a_comparison_with_every_kept_code_of_the_row_keeps(keep):
    rng, unit, by_hand = rng_for(keep), torch.ones(50, 4), {row: [] for row in range(50)}
    found = Distinct(50, keep=keep, apart=1.0, unit=unit)
    for turn in range(6):
        rows = found.wanting()[::2] if turn % 2 else found.wanting()
        z = torch.randn(len(rows), 4, generator=rng)
        found.add(rows, z, 100 * turn + rows)
        for row, code in zip(rows.tolist(), z, strict=True):
            if all(float((code - other).square().mean().sqrt()) >= 1.0 for other, _ in by_hand[row]):
                by_hand[row].append((code, 100 * turn + row))
    rows, z, number = found.all()
    assert number.tolist() == [n for row in by_hand.values() for _, n in row]
    assert torch.equal(z, torch.stack([code for row in by_hand.values() for code, _ in row]))
    assert int(rows.bincount().max()) == keep


def test_memory_does_not_grow_with_the_number_of_rows_squared():
    n = 40_000  # pairs of rows would take 25 GB
    found = Distinct(n, keep=2, apart=1.0, unit=torch.ones(n, 4))
    for turn in range(2):
        found.add(torch.arange(n), torch.full((n, 4), 2.0 * turn), torch.arange(n) + turn * n)
    assert len(found.all()[0]) == 2 * n
