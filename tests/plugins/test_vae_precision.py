"""A VAE that is trained in bfloat16 learns what one trained in float32 learns."""

import io
from dataclasses import replace

import pytest
import torch
from modeldebug_bayestrex.settings import VaeFcConfig
from modeldebug_bayestrex.vae_fc import FullyConnectedVae
from modeldebug_defuse.cvae import ConditionalVae
from modeldebug_defuse.settings import VaeConfig
from modeldebug_defuse.upsampling import Upsampling
from modeldebug_defuse.vae import BetaVae
from torch import nn

from modeldebug import CodeLinear, Context
from modeldebug.rng import isolated_global_rng
from modeldebug.testing import known_problem

KINDS = [BetaVae, ConditionalVae]


class Killed(Exception):  # noqa: N818
    """Stands for a kill."""


class Memory:
    """Keeps the last checkpoint, as bytes would be kept; stops after the first where that is asked for."""

    def __init__(self, *, stops=False):
        self.saved, self.stops = None, stops

    def load(self):
        return self.saved

    def save(self, make, *, now=False):
        buffer = io.BytesIO()
        torch.save(make(), buffer)
        self.saved = torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
        if self.stops:
            self.stops = False
            raise Killed


def untrained(kind, **settings):
    short = {"epochs": 15, "latent": 2, "hidden": 32, "channels": 8, "learning_rate": 5e-3, "beta": 0.05}
    with isolated_global_rng(0):
        return kind(VaeConfig(**(short | settings)), known_problem().spec)


def context(precision, checkpoint=None):
    quiet = replace(Context.quiet(0), precision=precision)
    return quiet if checkpoint is None else replace(quiet, checkpoint=checkpoint)


def trained(kind, precision, **settings):
    model = untrained(kind, **settings)
    model.fit(known_problem().splits.train, context(precision))
    return model


def error(model):
    """Of the reconstructions of images that it was not trained on: cross entropy, nats an image."""
    x, y = known_problem().splits.validation.batch(slice(None))
    with torch.no_grad():
        back = model.decode(model.encode(x, y), y)
    return float(nn.functional.binary_cross_entropy(back, x, reduction="sum")) / len(x)


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_as_well(kind):
    full, half = (error(trained(kind, precision)) for precision in (torch.float32, torch.bfloat16))
    before = error(untrained(kind))
    assert full != half
    assert abs(full - half) < 0.05 * (before - full)


def test_its_layers_compute_in_bfloat16_but_those_of_the_code_and_its_loss_in_float32():
    seen = {True: set(), False: set()}
    model = untrained(BetaVae, epochs=1)
    for layer in model.network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear, Upsampling)):
            layer.register_forward_hook(lambda layer, x, y: seen[isinstance(layer, CodeLinear)].add(y.dtype))
    model.fit(known_problem().splits.train, context(torch.bfloat16))
    assert seen == {True: {torch.float32}, False: {torch.bfloat16}}
    assert {p.grad.dtype for p in model.network.parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", [BetaVae, FullyConnectedVae])
def test_codes_are_not_rounded_to_bfloat16(kind):
    with isolated_global_rng(0):
        network = kind((VaeConfig if kind is BetaVae else VaeFcConfig)(), known_problem().spec).network
    near = torch.tensor([[1.0], [1.001]]).repeat(1, 10 if kind is BetaVae else 5)
    assert torch.equal(*near.bfloat16())  # they would be one code
    with context(torch.bfloat16).autocast():
        mean, _ = network.encode(known_problem().splits.validation.batch(slice(None))[0], None)
        one, other = network.decode(near, None)
    assert not torch.equal(mean, mean.bfloat16().float())
    assert not torch.equal(one, other)


def test_its_weights_are_laid_out_as_those_that_are_read_back():
    model, again = trained(BetaVae, torch.bfloat16, epochs=2), untrained(BetaVae)
    again.load_state_dict(
        {name: t.clone(memory_format=torch.contiguous_format) for name, t in model.state_dict().items()}
    )
    for one, other in zip(model.state_dict().values(), again.state_dict().values(), strict=True):
        assert (one.dtype, one.stride()) == (torch.float32, other.stride())
    x = known_problem().splits.validation.images
    assert torch.equal(model.encode(x), again.encode(x))


def test_interrupted_training_ends_with_the_bits_of_a_straight_one():
    straight, resumed = trained(BetaVae, torch.bfloat16, epochs=3), untrained(BetaVae, epochs=3)
    memory = Memory(stops=True)
    with pytest.raises(Killed):
        untrained(BetaVae, epochs=3).fit(known_problem().splits.train, context(torch.bfloat16, memory))
    resumed.fit(known_problem().splits.train, context(torch.bfloat16, memory))
    for one, other in zip(straight.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("out_channels", [1, 3])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_upsampling_has_the_gradient_of_a_transposed_convolution(out_channels, precision):
    ours = Upsampling(4, out_channels)
    theirs = nn.ConvTranspose2d(4, out_channels, 4, stride=2, padding=1)
    theirs.load_state_dict(ours.state_dict())
    rng = torch.Generator().manual_seed(0)
    x, away = torch.rand(5, 4, 6, 7, generator=rng), torch.rand(5, out_channels, 12, 14, generator=rng)
    found, tolerance = [], 0.02 if precision == torch.bfloat16 else 1e-5
    for layer in (ours, theirs):
        given = x.clone().requires_grad_()
        with context(precision).autocast():
            y = layer(given)
        assert y.dtype == precision
        (y.float() * away).sum().backward()
        found.append((y.float(), given.grad, layer.weight.grad, layer.bias.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
