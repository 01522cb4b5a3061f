"""The fully connected VAE of Bayes-TrEx (table 6)."""

import pytest
import torch
from modeldebug_bayestrex.settings import VaeFcConfig
from modeldebug_bayestrex.vae_fc import FullyConnectedVae
from torch import nn

from modeldebug import Context, DataSpec
from modeldebug.rng import isolated_global_rng
from modeldebug.testing import known_problem


def vae(*shape, **settings):
    with isolated_global_rng(0):
        return FullyConnectedVae(VaeFcConfig(**settings), DataSpec(shape, ("a", "b")))


def test_at_28_pixels_it_is_the_papers_network():
    layers = [m for m in vae(1, 28, 28).network.modules() if not list(m.children())]
    sizes = [(m.in_features, m.out_features) for m in layers if isinstance(m, nn.Linear)]
    assert sizes == [(784, 400), (400, 2 * 5), (5, 400), (400, 784)]
    assert sum(isinstance(m, nn.ReLU) for m in layers) == 2


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 30, 17), (4, 9, 9)], ids=str)
def test_images_of_any_size_are_encoded_and_decoded(shape):
    model = vae(*shape, hidden=16, latent=6)
    x = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    z = model.encode(x)
    assert z.shape == (3, 6)
    assert model.decode(z).shape == x.shape


def spread_of_codes(beta):
    known = known_problem()
    with isolated_global_rng(0):
        model = FullyConnectedVae(
            VaeFcConfig(epochs=15, latent=2, hidden=32, learning_rate=5e-3, beta=beta), known.spec
        )
        model.fit(known.splits.train, Context.quiet(0))
    with torch.no_grad():
        return float(model.encode(known.splits.train.images).std(0).max())


def test_beta_weighs_the_divergence():
    assert spread_of_codes(0.1) > 0.5
    assert spread_of_codes(100.0) < 0.05
