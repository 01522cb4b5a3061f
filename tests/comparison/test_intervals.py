"""Intervals hold what they say, and two entrants are held against each other on the same images."""

import math

import pytest
import torch

from modeldebug.comparison.intervals import Counts, difference, interval, mean_over_seeds, rate, totals


def found(images, *, queries=100.0):
    """A cell with one failure of each of these images."""
    rows = torch.as_tensor(images, dtype=torch.int64)
    return Counts(rows, torch.ones(len(rows), 1, dtype=torch.float64), torch.tensor([queries], dtype=torch.float64))


def of(cells, **options):
    return rate(totals(cells, seed=0, resamples=options.pop("resamples", 1000)), 0, 1, **options)


def drawn(rng, seeds, *, images=60, hard=1.5, luck=0.0):
    """The cells of an entrant: some images fail more readily than others, and some seeds are luckier."""
    ready = hard * torch.randn(images, generator=rng) - 2
    found_by = []
    for _ in range(seeds):
        odds = torch.sigmoid(ready + luck * torch.randn((), generator=rng))
        found_by.append(found((torch.rand(images, generator=rng) < odds).nonzero()[:, 0], queries=images))
    return found_by


@pytest.mark.parametrize(("seeds", "hard", "luck"), [(1, 1.5, 0.0), (3, 1.5, 0.5), (4, 30.0, 0.0)])
def test_intervals_cover_the_truth_as_often_as_they_say(seeds, hard, luck):
    rng = torch.Generator().manual_seed(seeds)
    many = torch.randn(2, 100_000, generator=rng)
    truth = float(torch.sigmoid(hard * many[0] - 2 + luck * many[1]).mean())
    simulations = 120
    covered = 0
    for _ in range(simulations):
        point, resampled = of(
            {(0, s): cell for s, cell in enumerate(drawn(rng, seeds, hard=hard, luck=luck))}, resamples=400
        )
        told = interval(point[0], resampled[:, 0])
        covered += told["low"] <= truth <= told["high"]
    assert 0.88 <= covered / simulations <= 0.995


def test_figures_of_a_few_seeds_are_as_uncertain_as_students_distribution_says():
    rng = torch.Generator().manual_seed(0)
    values = torch.randn(400, 3, generator=rng, dtype=torch.float64)
    points, resampled = mean_over_seeds(values, seed=0)
    told = [interval(points[i], resampled[:, i]) for i in range(400)]
    covered = sum(t["low"] <= 0 <= t["high"] for t in told) / 400
    assert 0.92 <= covered <= 0.98  # drawing 3 seeds with replacement gives 0.75
    half = 4.303 * float(values[0].std()) / math.sqrt(3)
    assert told[0]["high"] - float(points[0]) == pytest.approx(half, rel=0.15)


def test_the_same_failures_found_again_with_another_seed_are_no_new_evidence():
    images = torch.arange(20)
    once, five = (of({(0, s): found(images) for s in range(seeds)}) for seeds in (1, 5))
    widths = [(t["high"] - t["low"]) for t in (interval(p[0], r[:, 0]) for p, r in (once, five))]
    assert widths[1] == pytest.approx(widths[0], rel=0.05)


def test_entrants_that_find_the_same_differ_by_nothing():
    cells = {(e, s): found(torch.arange(5 + s)) for e in range(2) for s in range(3)}
    told = difference(*of(cells), 0, 1)
    assert (told["mean"], told["low"], told["high"], told["real"]) == (0, 0, 0, False)


def test_a_difference_on_the_same_images_is_found_where_intervals_overlap():
    images = torch.arange(40)
    cells = {(0, 0): found(images), (1, 0): found(images[:-8])}
    point, resampled = of(cells)
    more, fewer = (interval(point[e], resampled[:, e]) for e in range(2))
    assert more["low"] < fewer["high"]
    assert difference(point, resampled, 0, 1)["real"]
    apart = {(0, 0): found(images), (1, 0): found(images[:-8] + 1000)}
    assert not difference(*of(apart), 0, 1)["real"]


def test_chance_is_seldom_called_a_difference():
    rng = torch.Generator().manual_seed(5)
    called = 0
    for _ in range(100):
        both = drawn(rng, 3), drawn(rng, 3)
        called += difference(*of({(e, s): both[e][s] for e in range(2) for s in range(3)}, resamples=400), 0, 1)["real"]
    assert called <= 10


def test_failures_of_one_image_go_together():
    apart = found(torch.arange(30))
    together = Counts(torch.arange(3), torch.full((3, 1), 10.0, dtype=torch.float64), apart.costs)
    narrow, wide = (interval(p[0], r[:, 0]) for p, r in (of({(0, 0): cell}) for cell in (apart, together)))
    assert narrow["mean"] == wide["mean"]
    assert wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"])


def test_failures_of_no_image_are_as_many_images_with_one_seed_and_left_to_the_seeds_with_several():
    none, some = found(torch.full((30,), -1)), found(torch.arange(30))
    one, other = (interval(p[0], r[:, 0]) for p, r in (of({(0, 0): cell}) for cell in (none, some)))
    assert one["high"] - one["low"] == pytest.approx(other["high"] - other["low"], rel=0.1)
    point, resampled = of({(0, s): none for s in range(3)})
    assert interval(point[0], resampled[:, 0]) == {"mean": 0.3, "low": 0.3, "high": 0.3}


def test_a_failure_that_was_never_found_is_not_known_never_to_be():
    point, resampled = of({(0, 0): found([]), (1, 0): found(torch.arange(4)), (2, 0): found(torch.arange(9))}, per=100)
    told = interval(point[0], resampled[:, 0], least=0)
    assert (told["mean"], told["low"]) == (0, 0)
    assert told["high"] == pytest.approx(3.69, rel=0.15)  # 3.69 events in 100 queries: the exact Poisson limit
    assert not difference(point, resampled, 1, 0)["real"]  # 4 against none: p = 0.125
    assert difference(point, resampled, 2, 0)["real"]


def test_what_is_true_of_all_that_were_found_is_not_known_to_be_true_of_all():
    rows = torch.arange(20)
    all_of_them = Counts(rows, torch.ones(20, 2, dtype=torch.float64), torch.empty(0, dtype=torch.float64))
    point, resampled = rate(totals({(0, 0): all_of_them}, seed=0), 0, 1, share=True)
    told = interval(point[0], resampled[:, 0], least=0, most=1)
    assert (told["mean"], told["high"]) == (1, 1)
    assert 0.7 < told["low"] < 0.9


def test_what_no_cell_knows_has_no_mean_and_what_one_seed_knows_no_interval():
    nan = math.nan
    values = torch.tensor([[nan, nan, nan], [nan, 2, nan], [1, nan, 3]], dtype=torch.float64)
    points, resampled = mean_over_seeds(values, seed=0)
    assert interval(points[0], resampled[:, 0]) == {"mean": None, "low": None, "high": None}
    assert interval(points[1], resampled[:, 1]) == {"mean": 2, "low": None, "high": None}
    assert interval(points[2], resampled[:, 2])["low"] < 1
    assert difference(points, resampled, 1, 2)["real"] is None


def test_nothing_found_by_anybody_is_no_rate_of_anything():
    empty = Counts(torch.empty(0, dtype=torch.int64), torch.empty(0, 2, dtype=torch.float64), torch.empty(0))
    point, resampled = rate(totals({(0, 0): empty, (1, 0): empty}, seed=0, resamples=10), 0, 1, share=True)
    assert interval(point[0], resampled[:, 0])["mean"] is None
    assert difference(point, resampled, 0, 1) == {"mean": None, "low": None, "high": None, "real": None}
