"""Intervals of the shares, on populations whose shares are known, and the agreement of auditors."""

import pytest
import torch

from modeldebug.judging import (
    ABSTAINED,
    DRIFT,
    GENUINE,
    JUDGEMENTS,
    NOT_ASKED,
    THIRD_CLASS,
    agreement_of,
    count_judgements,
    share_intervals,
    wilson,
)
from modeldebug.rng import rng_for

IMAGES, OF_EACH, TRULY_GENUINE = 150, 12, 0.3


def clustered(seed):
    """Failures of one search: each image has a taste of its own, and nine of ten of its failures follow it."""
    rng = rng_for(seed)
    origin = torch.arange(IMAGES).repeat_interleave(OF_EACH)
    taste = torch.rand(IMAGES, generator=rng) < TRULY_GENUINE
    other = torch.rand(len(origin), generator=rng) < TRULY_GENUINE
    genuine = torch.where(torch.rand(len(origin), generator=rng) < 0.9, taste[origin], other)
    return torch.where(genuine, GENUINE, DRIFT), origin


def covers(interval):
    return interval["low"] <= TRULY_GENUINE <= interval["high"]


def test_in_about_95_of_100_searches_the_interval_holds_the_share_of_the_population():
    found = [share_intervals(*clustered(seed), seed=seed)["genuine"] for seed in range(200)]
    assert sum(map(covers, found)) / 200 == pytest.approx(0.95, abs=0.04)


def test_an_interval_that_takes_failures_of_an_image_for_independent_holds_it_far_less_often():
    found = []
    for seed in range(200):
        judged, _ = clustered(seed)
        found.append(share_intervals(judged, torch.full_like(judged, -1), seed=seed)["genuine"])
    assert sum(map(covers, found)) / 200 < 0.6


def width(interval):
    return interval["high"] - interval["low"]


def test_the_interval_is_wider_than_the_naive_one_where_failures_of_an_image_go_together():
    judged, origin = clustered(0)
    low, high = wilson(int((judged == GENUINE).sum()), len(judged))
    found = share_intervals(judged, origin, seed=0)["genuine"]
    assert width(found) > 2 * (high - low)


def test_failures_without_an_origin_each_count_as_their_own():
    judged, _ = clustered(0)
    low, high = wilson(int((judged == GENUINE).sum()), len(judged))
    found = share_intervals(judged, torch.full_like(judged, -1), seed=0)["genuine"]
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.01)
    each = share_intervals(judged, torch.arange(len(judged)), seed=0)["genuine"]
    assert width(found) == pytest.approx(width(each), rel=0.15)


def test_shares_sum_to_one_and_lie_within_their_intervals():
    judged = torch.randint(4, (500,), generator=rng_for(0))
    origin = torch.randint(-1, 60, (500,), generator=rng_for(1))
    found = share_intervals(judged, origin, seed=0)
    assert tuple(found) == JUDGEMENTS
    assert sum(v["share"] for v in found.values()) == pytest.approx(1)
    assert all(0 <= v["low"] <= v["share"] <= v["high"] <= 1 for v in found.values())


def test_the_same_seed_gives_the_same_interval_and_the_order_of_failures_does_not_matter():
    judged, origin = clustered(3)
    once = share_intervals(judged, origin, seed=7)
    assert once == share_intervals(judged, origin, seed=7)
    assert once == share_intervals(judged.flip(0), origin.flip(0), seed=7)
    assert once != share_intervals(judged, origin, seed=8)


def test_a_share_of_nothing_or_of_all_is_not_certain():
    found = share_intervals(torch.full((40,), GENUINE), torch.arange(10).repeat_interleave(4), seed=0)
    assert (found["genuine"]["low"], found["genuine"]["high"]) == wilson(10, 10)
    assert (found["drift"]["low"], found["drift"]["high"]) == wilson(0, 10)


def test_one_training_image_says_nothing_about_others():
    found = share_intervals(torch.tensor([GENUINE, DRIFT, DRIFT]), torch.tensor([4, 4, 4]), seed=0)
    assert [(found[k]["low"], found[k]["high"]) for k in ("genuine", "drift")] == [(0.0, 1.0)] * 2


def test_no_failures_have_no_shares():
    found = share_intervals(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), seed=0)
    assert {value for share in found.values() for value in share.values()} == {None}


def test_agreement_is_that_of_the_pairs():
    labels = torch.tensor([0, 1, 2, -1, -1]), torch.tensor([0, 2, 2, -1, 1])
    judged = (
        torch.tensor([GENUINE, THIRD_CLASS, DRIFT, ABSTAINED, ABSTAINED]),
        torch.tensor([GENUINE, THIRD_CLASS, DRIFT, ABSTAINED, THIRD_CLASS]),
    )
    assert agreement_of(labels, judged) == {"judgement": 0.8, "label": 2 / 3, "both_answer": 3, "both_asked": 5}


def test_agreement_on_nothing_is_unknown():
    nothing, abstained = torch.empty(0, dtype=torch.int64), torch.tensor([-1, -1])
    assert agreement_of((nothing, nothing), (nothing, nothing))["judgement"] is None
    all_abstained = agreement_of((abstained, abstained), (torch.tensor([3, 3]), torch.tensor([3, 3])))
    assert all_abstained == {"judgement": 1.0, "label": None, "both_answer": 0, "both_asked": 2}


def test_agreement_is_over_the_failures_that_both_were_asked_about():
    labels = torch.tensor([0, -1, 2, 1]), torch.tensor([-1, 1, 2, 0])
    judged = torch.tensor([GENUINE, NOT_ASKED, DRIFT, GENUINE]), torch.tensor([NOT_ASKED, GENUINE, DRIFT, DRIFT])
    assert agreement_of(labels, judged) == {"judgement": 0.5, "label": 0.5, "both_answer": 2, "both_asked": 2}


def test_shares_and_intervals_are_over_the_failures_that_were_asked_about():
    judged, origin = clustered(1)
    asked = torch.rand(len(judged), generator=rng_for(2)) < 0.3
    found = share_intervals(torch.where(asked, judged, NOT_ASKED), origin, seed=0)
    assert found == share_intervals(judged[asked], origin[asked], seed=0)
    assert count_judgements(torch.where(asked, judged, NOT_ASKED)) == count_judgements(judged[asked])
