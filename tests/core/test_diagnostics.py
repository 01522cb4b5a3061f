"""R-hat and effective sizes have their known values, and a target that was not reached is said not to be, and why."""

import json
from dataclasses import asdict

import pytest
import torch

from modeldebug import Target, rng_for
from modeldebug.diagnostics import Samples, diagnose, enough

SIGMA = 0.05
SURE, TORN = Target("high-confidence", (0,), (1.0,)), Target("ambiguous", (0, 1), (0.5, 0.5))


def normal(*shape, seed=0):
    return torch.randn(shape, generator=rng_for(seed))


def samples(z, probs=(0.99, 0.01), target=0):
    """Of codes (chains, draws, d): every code with the same prediction, or predictions (chains, draws, k)."""
    chains, draws, d = z.shape
    probs = torch.as_tensor(probs, dtype=torch.float32)
    return Samples(
        z.reshape(chains * draws, d),
        probs.expand(chains, draws, probs.shape[-1]).reshape(chains * draws, probs.shape[-1]),
        torch.full((chains * draws,), target),
        torch.arange(chains).repeat_interleave(draws),
    )


def diagnosis(given, target=SURE, **how):
    return diagnose(given, [target], sigma=SIGMA, **how)[0]


def autoregressive(chains, draws, phi, seed=0):
    """Chains whose autocorrelation is phi to the power of the lag: n draws are worth n (1 - phi) / (1 + phi)."""
    noise, rows = normal(draws, chains, seed=seed), []
    for step in noise:
        rows.append(step if not rows else phi * rows[-1] + (1 - phi**2) ** 0.5 * step)
    return torch.stack(rows, 1)[:, :, None]


def test_independent_draws_are_worth_their_number_and_agree():
    found = diagnosis(samples(normal(4, 500, 3)))
    assert found.rhat < 1.01
    assert found.ess == pytest.approx(2000, rel=0.2)
    assert (found.samples, found.chains, found.reached, found.reason) == (2000, 4, True, "")


@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_correlated_draws_are_worth_less_by_their_autocorrelation_time(phi):
    found = diagnosis(samples(autoregressive(4, 5000, phi)))
    assert found.ess == pytest.approx(20_000 * (1 - phi) / (1 + phi), rel=0.2)


def test_codes_are_compared_by_what_sums_them_up():
    z = normal(4, 500, 2)
    z[2:] = z[2:].flip(2) + 4  # two chains have the numbers in the other order, and higher: what sums up says if both
    assert diagnosis(samples(z)).rhat > 1.5
    assert diagnosis(samples(z), summary=lambda z: z[:, :1] - z[:, 1:]).rhat < 1.02
    assert diagnosis(samples(z), summary=lambda z: z.sum(1, keepdim=True)).rhat > 1.5


def test_worst_dimension_counts():
    z = torch.cat([normal(4, 2000, 2), autoregressive(4, 2000, 0.9)], 2)
    assert diagnosis(samples(z)).ess == pytest.approx(8000 / 19, rel=0.25)
    z[0, :, 1] += 3
    assert diagnosis(samples(z)).rhat > 1.2


def test_chains_with_other_means_or_other_spreads_disagree():
    z = normal(4, 500, 1)
    shifted, widened = z.clone(), z.clone()
    shifted[0] += 1
    widened[0] *= 4
    for broken in (shifted, widened):
        found = diagnosis(samples(broken))
        assert found.rhat > 1.05
        assert not found.reached
        assert "chains disagree: R-hat 1." in found.reason


def test_populations_that_differ_are_worth_no_more_than_their_number():
    z = normal(8, 256, 1) + 3 * normal(8, 1, 1, seed=1)
    found = diagnosis(samples(z))
    assert found.ess < 2 * 8
    assert not found.reached


def test_confidences_count_as_dimensions_do():
    p = torch.sigmoid(normal(2, 200, 1) + torch.tensor([0.0, 2.0])[:, None, None])
    given = samples(normal(2, 200, 2), torch.cat([p, 1 - p], 2))
    assert diagnosis(given, TORN).rhat > 1.2


def test_quantity_that_never_changes_says_nothing():
    z = torch.cat([normal(4, 500, 1), torch.zeros(4, 500, 1)], 2)
    assert diagnosis(samples(z)) == diagnosis(samples(z[:, :, :1]))


def test_chains_that_stand_still_in_different_places_disagree():
    z = torch.arange(4.0)[:, None, None].expand(4, 50, 1)
    found = diagnosis(samples(z))
    assert found.rhat == 1e6
    assert "R-hat infinite" in found.reason
    assert not found.reached


def test_chains_that_all_stand_still_in_one_place_tell_nothing():
    found = diagnosis(samples(torch.ones(4, 50, 2)))
    assert (found.rhat, found.ess, found.reached) == (None, None, False)
    assert "chains agree" in found.reason


def test_one_chain_is_compared_by_its_halves():
    z = normal(1, 400, 1)
    assert diagnosis(samples(z)).rhat < 1.05
    assert diagnosis(samples(z)).reached
    drifting = z + torch.linspace(0, 3, 400)[None, :, None]
    assert diagnosis(samples(drifting)).rhat > 1.2


@pytest.mark.parametrize(("chains", "draws"), [(4, 3), (1, 3), (1, 7), (0, 0)])
def test_too_few_draws_are_said_to_be_too_few(chains, draws):
    found = diagnosis(samples(normal(chains, draws, 2)))
    assert found.rhat is None
    assert not found.reached
    assert found.reason == ("too few draws to tell whether chains agree" if draws else "there is no sample of it")


def test_target_without_samples_is_not_left_out():
    other = samples(normal(4, 100, 2), target=1)
    first, second = diagnose(other, [TORN, SURE], sigma=SIGMA)
    assert (first.target, first.samples, first.chains, first.reached) == ("ambiguous:0,1", 0, 0, False)
    assert (first.error, first.confidence, first.spread, first.aim) == (None, (), (), (0.5, 0.5))
    assert (second.target, second.samples, second.reached) == ("high-confidence:0", 400, True)


def test_chains_of_different_lengths_are_cut_to_the_shortest_and_all_samples_counted():
    long, short = samples(normal(1, 300, 1)), samples(normal(1, 100, 1, seed=1))
    short = Samples(short.z, short.probs, short.target, short.chain + 7)
    found = diagnosis(Samples.concatenate([long, short]))
    assert (found.samples, found.chains) == (400, 2)
    assert found.ess < 260


def test_chains_may_be_interleaved():
    given = samples(autoregressive(3, 400, 0.8))
    mixed = given.subset(torch.arange(1200).view(3, 400).T.reshape(-1))
    assert diagnosis(mixed).ess == pytest.approx(diagnosis(given).ess)
    assert diagnosis(mixed).rhat == pytest.approx(diagnosis(given).rhat)


@pytest.mark.parametrize(("probability", "reached"), [(0.91, True), (0.89, False)])
def test_target_is_reached_within_two_sigma(probability, reached):
    found = diagnosis(samples(normal(4, 200, 1), (probability, 1 - probability)))
    assert found.error == pytest.approx(1 - probability, abs=1e-6)
    assert found.reached is reached
    assert ("away on average, more than two sigma (0.1)" in found.reason) is not reached


def test_being_sure_of_one_class_half_of_the_time_is_not_ambiguity():
    one = (torch.arange(200) % 2).float()[None, :, None].expand(4, 200, 1)
    found = diagnosis(samples(normal(4, 200, 1), torch.cat([one, 1 - one], 2)), TORN)
    assert found.confidence == (0.5, 0.5)
    assert found.spread == (0.5, 0.5)
    assert found.error == 1
    assert not found.reached


def test_both_reasons_are_given():
    z = normal(4, 200, 1) + torch.arange(4.0)[:, None, None]
    reason = diagnosis(samples(z, (0.2, 0.8))).reason
    assert "0.800 away" in reason
    assert "chains disagree" in reason


def test_moves_are_those_of_the_target():
    moves = {"acceptance": torch.tensor([0.25, torch.nan]), "divergences": torch.tensor([3, 0])}
    first, second = diagnose(samples(normal(4, 50, 1)), [SURE, TORN], sigma=SIGMA, moves=moves)
    assert (first.acceptance, first.divergences) == (0.25, 3)
    assert (second.acceptance, second.divergences) == (None, 0)
    silent = diagnosis(samples(normal(4, 50, 1)))
    assert (silent.acceptance, silent.divergences) == (None, None)


def test_sampling_may_stop_when_every_target_is_there():
    both = Samples.concatenate([samples(normal(4, 500, 1)), samples(autoregressive(4, 500, 0.9), target=1)])
    found = diagnose(both, [SURE, SURE], sigma=SIGMA)
    assert enough(found[:1], ess=1000, rhat=1.01)
    assert not enough(found, ess=1000, rhat=None)
    assert enough(found, ess=20, rhat=None)
    assert not enough(found, ess=20, rhat=1.0001)
    assert not enough(found, ess=None, rhat=None), "without a rule there is nothing to stop at"
    assert not enough(diagnose(both, [SURE, SURE, TORN], sigma=SIGMA), ess=1, rhat=None), "a target without samples"


def test_diagnosis_can_be_written_as_json():
    given = [samples(normal(4, 50, 1)), samples(torch.arange(4.0)[:, None, None].expand(4, 50, 1), target=1)]
    found = diagnose(Samples.concatenate(given), [SURE, SURE, TORN], sigma=SIGMA)
    assert json.loads(json.dumps([asdict(d) for d in found], allow_nan=False))[0]["target"] == "high-confidence:0"
