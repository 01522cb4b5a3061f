"""What tests of samplers share: a whole search, and a simulation-based check (Cook et al. 2006, Talts et al. 2018)."""

import torch
from scipy.stats import kstest

from modeldebug import Problem, Target, rng_for
from modeldebug.diagnostics import Samples, diagnose
from modeldebug.testing import known_problem
from modeldebug.testing.problems import known_guide
from modeldebug.testing.quadrature import known_moments

WIDE = 0.2  # sigma at which short chains mix
TORN = Target("ambiguous", (0, 1), (0.5, 0.5))


def sampled(sampler, problem, seed=0):
    """All samples of a search, and its last state."""
    state, parts = sampler.start(problem, rng_for(seed)), []
    while not state["done"]:
        state, found = sampler.step(problem, state)
        if len(found):
            parts.append(Samples(found.z, problem.answers(found), found.target, found.chain))
        problem.judge(found, step=0, searcher="mine:search")
    return Samples.concatenate(parts), state


def standard_errors(samples, target, sigma):
    """How far mean and standard deviation of the codes are from those of the posterior: the largest over both and the
    dimensions, in standard errors of an effective size; and that size."""
    (found,) = diagnose(samples, [target], sigma=sigma)
    mean, deviation = known_moments(target, sigma)
    means = (samples.z.mean(0) - mean).abs() / deviation * found.ess**0.5
    spreads = (samples.z.std(0) / deviation - 1).abs() * (2 * found.ess) ** 0.5
    return float(torch.maximum(means, spreads).max()), found.ess


def simulated(n, sigma=WIDE, seed=0, told=1.0):
    """A problem of so many targets, each the noisy prediction at a code from the prior, and these codes (n, d): as if
    from the posterior of each target, where its sampler is told the true sigma, and not `told` times as much."""
    known, rng = known_problem(), rng_for(seed, "simulated")
    z = known.generator.sample(n, rng)
    probs = known_guide().probs(known.generator.decode(z))
    wanted = probs + sigma * torch.randn(probs.shape, generator=rng)
    targets = [Target("graded", (0, 1, 2, 3), tuple(u)) for u in wanted.tolist()]
    return Problem(known.generator, known_guide(), known.origins, targets=targets, sigma=told * sigma), z


def uniformity(samples, truth):
    """The smallest p-value, over the dimensions, of the hypothesis that each truth (t, d) is one more sample of its
    target: then its rank among them is uniform."""
    ranks = torch.stack([(samples.subset(samples.target == t).z < z).float().mean(0) for t, z in enumerate(truth)])
    return min(kstest(column, "uniform").pvalue for column in ranks.T.numpy())
