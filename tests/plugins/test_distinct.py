"""What is kept of many failures of one image."""

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
