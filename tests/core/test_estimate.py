"""The time left follows what a run measures, not what its weights say."""

import pytest

from modeldebug.estimate import WEIGHTS, Estimate
from modeldebug.results import STAGES


def told(seconds, parts=20):
    """What is said to be left, and what is, at each report of a run whose stages take so long."""
    estimate, now, said = Estimate(WEIGHTS), 0.0, []
    for stage, took in seconds.items():
        estimate.started(stage)
        for part in range(1, parts + 1):
            now += took / parts
            said.append((stage, estimate.left(part / parts, now), sum(seconds.values()) - now))
        estimate.finished(stage, took)
    return said


def without(*absent):
    return {stage: weight for stage, weight in WEIGHTS.items() if stage not in absent}


def test_there_is_a_weight_for_every_stage():
    assert tuple(WEIGHTS) == STAGES


def test_share_of_the_run_grows_from_stage_to_stage_to_the_whole():
    shares = [Estimate(WEIGHTS).overall(stage, done) for stage in STAGES for done in (0.0, 0.5, 1.0)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_a_run_that_keeps_to_the_weights_is_told_exactly():
    for _, said, left in told({stage: 3.0 * weight for stage, weight in WEIGHTS.items()})[1:]:
        assert said == pytest.approx(left, abs=1e-6)


def test_a_stage_a_hundred_times_as_long_as_its_weight_says_is_extrapolated_from_its_own_pace():
    seconds = {stage: float(weight) for stage, weight in WEIGHTS.items()} | {"correction": 2000.0}
    for stage, said, left in told(seconds)[1:]:
        if stage == "correction" and 100 < left < 1900:
            assert said / left == pytest.approx(1, rel=0.25)
    last = [said for stage, said, _ in told(seconds) if stage == "correction"]
    assert last[2:] == sorted(last[2:], reverse=True)


def test_a_stage_that_the_run_does_not_have_takes_no_time_and_no_share():
    estimate = Estimate(without("auditor_2", "auditor_3"))
    assert estimate.overall("auditor", 1.0) == estimate.overall("generator", 0.0)
    left = {}
    for absent in ((), ("auditor_3",)):
        estimate = Estimate(without(*absent))
        estimate.finished("labeler", float(WEIGHTS["labeler"]))
        estimate.started("auditor")
        left[absent] = estimate.left(0.0, now=0.0)
    assert left[()] - left["auditor_3",] == pytest.approx(WEIGHTS["auditor_3"])


def test_nothing_is_said_before_anything_is_measured():
    estimate = Estimate(WEIGHTS)
    estimate.started("data")
    assert estimate.left(0.5, 10.0) is None


def test_a_stage_resumed_from_its_checkpoint_does_not_seem_faster_than_it_is():
    estimate = Estimate(WEIGHTS)
    estimate.finished("correction", 20.0)
    estimate.started("evidence")
    estimate.left(0.90, now=1.0)
    assert estimate.left(0.95, now=11.0) == pytest.approx(10.0)


def test_what_an_earlier_process_measured_counts():
    estimate = Estimate(WEIGHTS)
    for stage in STAGES[:-1]:
        estimate.finished(stage, 7.0 * WEIGHTS[stage])
    estimate.started("evidence")
    assert estimate.left(0.0, now=0.0) == pytest.approx(7.0 * WEIGHTS["evidence"])
