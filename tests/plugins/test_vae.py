"""The beta-VAE of Defuse (AAAI appendix B)."""

import pytest
import torch
from modeldebug_defuse.settings import VaeConfig
from modeldebug_defuse.vae import BetaVae
from torch import nn

from modeldebug import Context, DataSpec
from modeldebug.rng import isolated_global_rng
from modeldebug.testing import known_problem


def vae(*shape, **settings):
    with isolated_global_rng(0):
        return BetaVae(VaeConfig(**({"channels": 4, "hidden": 16} | settings)), DataSpec(shape, ("a", "b")))


SHAPES = [
    (1, 4, 4),
    (1, 8, 8),
    (1, 28, 28),
    (3, 32, 32),
    (1, 48, 48),
    (3, 128, 128),
    (1, 5, 12),
    (3, 30, 17),
    (4, 9, 9),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_of_any_size_are_encoded_and_decoded(shape):
    model = vae(*shape, latent=6)
    x = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    z = model.encode(x)
    assert z.shape == (3, 6)
    assert model.decode(z).shape == x.shape


@pytest.mark.parametrize("shape", SHAPES[:6], ids=str)
def test_decoded_pixels_are_in_range_for_extreme_codes(shape):
    with torch.no_grad():
        x = vae(*shape).decode(1000 * torch.randn(4, 10, generator=torch.Generator().manual_seed(0)))
    assert float(x.min()) >= 0
    assert float(x.max()) <= 1


def layers(module, kind):
    return [m for m in module.modules() if isinstance(m, kind)]


@pytest.mark.parametrize(
    ("size", "encoder", "decoder"), [(8, 1, 2), (28, 3, 4), (32, 3, 4), (64, 4, 5), (128, 4, 5), (200, 4, 5)]
)
def test_depth_follows_the_image_size(size, encoder, decoder):
    network = vae(1, size, size).network
    assert len(layers(network.seen, nn.Conv2d)) == encoder
    assert len(layers(network.decoder, nn.ConvTranspose2d)) == decoder


def test_at_32_pixels_it_is_the_papers_network():
    network = vae(1, 32, 32, channels=32, hidden=256).network
    assert [(c.out_channels, c.kernel_size, c.stride) for c in layers(network.seen, nn.Conv2d)] == [
        (32, (4, 4), (2, 2))
    ] * 3
    assert [m.out_features for m in layers(network.encoder, nn.Linear)] == [256, 256, 20]
    assert [c.out_channels for c in layers(network.decoder, nn.ConvTranspose2d)] == [32, 32, 32, 1]
    assert [m.in_features for m in layers(network.decoder, nn.Linear)] == [10, 256, 256]


def test_every_pixel_reaches_the_code_and_every_code_the_pixels():
    model = vae(1, 11, 6)
    x = torch.rand(1, 1, 11, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    z = model.encode(x)
    (gradient,) = torch.autograd.grad(z.square().sum(), x)
    assert bool((gradient != 0).all())


def spread_of_codes(**settings):
    """The standard deviation of training codes, in the dimension where it is largest: 0 where they say nothing."""
    known = known_problem()
    short = {"epochs": 15, "latent": 2, "hidden": 32, "channels": 8, "learning_rate": 5e-3}
    with isolated_global_rng(0):
        model = BetaVae(VaeConfig(**(short | settings)), known.spec)
        model.fit(known.splits.train, Context.quiet(0))
    with torch.no_grad():
        return float(model.encode(known.splits.train.images).std(0).max())


def test_beta_weighs_the_divergence():
    assert spread_of_codes(beta=0.1, annealing=0) > 0.5
    assert spread_of_codes(beta=100.0, annealing=0) < 0.05


def test_annealing_delays_the_divergence():
    assert spread_of_codes(beta=100.0, annealing=10**7) > 0.5


def test_state_belongs_to_its_settings():
    with pytest.raises(RuntimeError, match="size mismatch"):
        vae(1, 8, 8, latent=3).load_state_dict(vae(1, 8, 8, latent=4).state_dict())
