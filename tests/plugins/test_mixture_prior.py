"""The prior of a class whose codes are known by training images: a mixture of normal distributions around them."""

import torch
from modeldebug_bayestrex.mixture_prior import MixturePrior
from modeldebug_bayestrex.posterior import Codes, Posterior

from modeldebug import Target, rng_for
from modeldebug.testing import known_problem

CENTRE = torch.tensor([[0.0, 0.0], [2.0, -1.0], [2.5, 3.0]])
SPREAD = torch.tensor([[1.0, 0.2], [0.5, 0.5], [0.05, 2.0]])
PRIOR = MixturePrior(CENTRE, SPREAD, torch.tensor([4, 7, 9]))


def by_hand(z):
    parts = torch.distributions.Normal(CENTRE.double(), SPREAD.double())
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(3).double()), torch.distributions.Independent(parts, 1)
    )
    return mixture.log_prob(z.double())


def test_density_is_that_of_the_mixture_but_for_a_constant():
    z = 2 * torch.randn(50, 2, generator=rng_for(0))
    value, _ = PRIOR.log_density(z)
    away = value - by_hand(z).float()
    assert torch.allclose(away, away[:1].expand(50), atol=1e-3)


def test_slope_is_the_gradient():
    z = torch.randn(20, 2, generator=rng_for(0)).double().requires_grad_()
    (slope,) = torch.autograd.grad(by_hand(z).sum(), z)
    assert torch.allclose(PRIOR.log_density(z.detach().float())[1], slope.float(), rtol=1e-3, atol=1e-3)


def test_draws_have_the_moments_of_the_mixture():
    z = PRIOR.draw(20_000, rng_for(0))
    assert torch.allclose(z.mean(0), CENTRE.mean(0), atol=0.05)
    second = (SPREAD**2 + CENTRE**2).mean(0)
    assert torch.allclose((z**2).mean(0), second, rtol=0.05)


def test_each_code_belongs_to_the_image_that_most_probably_made_it():
    assert PRIOR.nearest(CENTRE).tolist() == [4, 7, 9]
    nearer_to_the_third = torch.tensor([[2.9, 1.2]])  # whose deviation in x is 0.05
    assert PRIOR.nearest(nearer_to_the_third).tolist() == [7]


def test_posterior_has_the_prior_of_the_class_and_its_gradient():
    known = known_problem()
    posterior = Posterior(known.problem(targets=[Target("misclassified", (3,)), Target("misclassified", (2,))]))
    codes = posterior.draw(torch.tensor([0, 1] * 200), rng_for(0))
    drawn = known.classifier.probs(known.generator.decode(codes.z)).argmax(1)
    expected = torch.tensor([3, 2] * 200)
    assert float((drawn == expected).float().mean()) > 0.8
    value, slope = posterior.prior(codes, gradient=True)
    step = torch.tensor([1e-3, 0.0])
    ahead, behind = (posterior.prior(codes.moved(codes.z + s), gradient=False)[0] for s in (step, -step))
    assert torch.allclose((ahead - behind) / 2e-3, slope[:, 0], rtol=0.05, atol=0.5)
    swapped = Codes(codes.z, 1 - codes.target)
    assert float((posterior.prior(swapped, gradient=False)[0] < value).float().mean()) > 0.9
