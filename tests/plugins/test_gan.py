"""The DCGAN of Bayes-TrEx (table 6): its networks, its training, its health, and the codes of images."""

import copy
from functools import cache

import pytest
import torch
from modeldebug_gan.dcgan import Dcgan
from modeldebug_gan.health import health_of
from modeldebug_gan.inversion import refined
from modeldebug_gan.networks import Decoder, Encoder
from modeldebug_gan.settings import DcganConfig
from modeldebug_gan.training import Diary, distance
from torch import nn

from modeldebug import Context, DataSpec, ImageSet, PluginError, rng_for
from modeldebug.rng import isolated_global_rng
from modeldebug.testing import known_problem
from modeldebug.testing.problems import codes_of, truth

KNOWN = known_problem()
SHORT = {"latent": 2, "channels": 16, "epochs": 30, "batch_size": 32, "learning_rate": 3e-3, "inverter_steps": 250}
SHAPES = [(1, 4, 4), (1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 48, 48), (3, 30, 17), (4, 9, 9)]


def gan(shape=(1, 8, 8), **settings):
    with isolated_global_rng(0):
        return Dcgan(DcganConfig(**({"channels": 8} | settings)), DataSpec(shape, ("a", "b")))


def fit(data=KNOWN.splits.train, context=None, **settings):
    model = gan(**(SHORT | settings))
    with isolated_global_rng(0):
        model.fit(data, context or Context.quiet(0))
    return model


fitted = cache(fit)


def layers(module, kind):
    return [m for m in module.modules() if isinstance(m, kind)]


def test_at_28_pixels_the_decoder_is_the_papers_network():
    decoder = gan((1, 28, 28), channels=512).decoder
    transposed = layers(decoder, nn.ConvTranspose2d)
    assert [(m.in_channels, m.out_channels) for m in transposed] == [(5, 512), (512, 256), (256, 128), (128, 64)]
    assert [(m.kernel_size, m.stride) for m in transposed] == [((4, 4), (1, 1)), *[((4, 4), (2, 2))] * 3]
    assert [(m.in_channels, m.out_channels, m.kernel_size[0]) for m in layers(decoder, nn.Conv2d)] == [(64, 1, 1)]
    assert [m.num_features for m in layers(decoder, nn.BatchNorm2d)] == [512, 256, 128, 64]
    assert len(layers(decoder, nn.ReLU)) == 4


def test_28_pixels_come_from_a_padding_of_3_in_the_last_layer_of_stride_2():
    decoder, z = gan((1, 28, 28)).decoder, torch.randn(3, 5, generator=rng_for(0))
    before = decoder.layers[:-4](z)
    crop, norm, relu = decoder.layers[-3:]
    padded = nn.functional.conv_transpose2d(before, decoder.layers[-4].weight, stride=2, padding=3)
    with torch.no_grad():
        assert crop(decoder.layers[-4](before)).shape == padded.shape
        torch.testing.assert_close(decoder.last(relu(norm(padded))), decoder(z))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_images_of_any_size_are_encoded_and_decoded(shape):
    model = gan(shape, latent=6, refine=1)
    x = torch.rand(3, *shape, generator=rng_for(0))
    z = model.encode(x)
    assert z.shape == (3, 6)
    assert model.decode(z).shape == x.shape


@pytest.mark.parametrize(("size", "doublings", "strides"), [(8, 1, [1, 1, 2]), (32, 3, [2, 2, 2]), (64, 4, [2] * 4)])
def test_depth_follows_the_image_size_and_the_encoder_mirrors_it(size, doublings, strides):
    config, spec = DcganConfig(channels=64), DataSpec((1, size, size), ("a", "b"))
    decoder, encoder = Decoder(config, spec), Encoder(config, spec, outputs=1)
    made = [m.out_channels for m in layers(decoder, nn.ConvTranspose2d)]
    seen = layers(encoder, nn.Conv2d)
    assert made == [64 >> i for i in range(doublings + 1)]
    assert [m.stride[0] for m in seen] == [*strides, 1]
    assert [m.out_channels for m in seen[:-1]][-doublings:] == made[:0:-1]
    assert len(layers(encoder, nn.BatchNorm2d)) == len(strides) - 1  # none on the image itself


def test_every_pixel_reaches_the_discriminator():
    encoder = Encoder(DcganConfig(channels=32), DataSpec((1, 11, 6), ("a", "b")), outputs=1)
    x = torch.rand(2, 1, 11, 6, generator=rng_for(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(encoder(x).square().sum(), x)
    assert bool((gradient != 0).all())


def test_weights_start_as_in_radford_et_al():
    decoder = gan((1, 28, 28), channels=128).decoder
    weights = torch.cat([m.weight.detach().flatten() for m in layers(decoder, nn.ConvTranspose2d)])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.02)
    assert float(weights.mean()) == pytest.approx(0, abs=1e-3)


def test_it_learns_what_is_in_the_data():
    model = fitted()
    with torch.no_grad():
        codes = codes_of(model.decode(model.sample(500, rng_for(0))))
    shares = truth(codes).bincount(minlength=4) / 500
    assert bool((shares > 0.1).all())  # every class of four
    assert abs(float(torch.corrcoef(codes.T)[0, 1])) < 0.4  # halves are independent in the data


def test_a_gan_that_has_learnt_is_called_healthy():
    health = fitted().health()
    assert health.warning is None
    assert "D(x) 0." in health.summary
    last = health.figures["epochs"][-1]
    assert last["diversity"] == pytest.approx(1, abs=0.3)
    assert 0 < last["fake"] < last["real"] < 1


def test_a_gan_that_shows_one_image_is_said_to_have_collapsed():
    health = fit(learning_rate=1e-9, epochs=1, inverter_steps=1).health()
    assert "the GAN has collapsed" in health.warning
    assert "generator.learning_rate" in health.warning
    assert health.figures["epochs"][-1]["diversity"] < 0.1


@pytest.mark.parametrize(
    ("certain", "smoothing", "told"),
    [
        ([(0.6, 0.4), (1.0, 0.0), (1.0, 0.0), (1.0, 0.0)], 0, True),
        ([(1.0, 0.0), (1.0, 0.0), (1.0, 0.0), (0.8, 0.1)], 0, False),
        ([(1.0, 0.0), (0.9, 0.1), (1.0, 0.0)], 0, False),
        ([(0.9, 0.0)] * 3, 0.1, True),
        ([(0.9, 0.0)] * 3, 0.0, False),
    ],
)
def test_a_discriminator_that_is_sure_for_epochs_is_told(certain, smoothing, told):
    diary = Diary()
    losses = {"discriminator_loss": 0.5, "generator_loss": 1.0, "diversity": 1.0}
    diary.epochs += [{**losses, "real": real, "fake": fake} for real, fake in certain]
    warning = health_of(diary, smoothing).warning
    assert (warning is not None and "saturated" in warning) == told


def test_each_epoch_tells_how_it_went():
    told = []
    context = Context(rng_for(0), progress=lambda done, words: told.append((done, words)))
    model = fit(context=context, epochs=2, inverter_steps=150)
    shares, words = zip(*told, strict=True)
    assert shares == (0.25, 0.5, 0.75, 1.0)
    assert words[0].startswith("GAN epoch 1/2: losses D ")
    assert words[1].endswith(model.health().summary)
    assert words[3].startswith("inverter round 2/2: error ")


def test_lost_loss_is_an_error_that_says_when():
    images = torch.full((40, 1, 8, 8), torch.nan)
    with pytest.raises(PluginError, match="training the GAN diverged") as caught:
        fit(ImageSet(images, torch.zeros(40, dtype=torch.int64)))
    assert "in epoch 1" in str(caught.value)


class Killed(Exception):  # noqa: N818
    """Stands for a kill."""


class Memory:
    """Keeps the last checkpoint; stops after some of them."""

    def __init__(self, saved=None, stop_after=0):
        self.saved, self.left = saved, stop_after

    def load(self):
        return self.saved

    def save(self, make):
        self.saved, self.left = copy.deepcopy(make()), self.left - 1
        if self.left == 0:
            raise Killed


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4])
def test_interrupted_training_ends_with_the_bits_of_a_straight_one(stop_after):
    settings = {"epochs": 2, "inverter_steps": 120}
    straight, memory = fitted(**settings), Memory(stop_after=stop_after)
    with pytest.raises(Killed):
        fit(context=Context(rng_for(0), checkpoint=memory), **settings)
    resumed = fit(context=Context(rng_for(0), checkpoint=Memory(memory.saved)), **settings)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
    assert straight.health() == resumed.health()


def test_codes_of_its_own_images_are_found_again():
    model = fitted()
    z = model.sample(200, rng_for(0))
    with torch.no_grad():
        error = (model.encode(model.decode(z)) - z).square().mean()
    assert float(error) < 0.1  # a guess of zeros has 1


def test_refinement_brings_images_nearer_and_never_farther():
    model = fitted()
    x, _ = KNOWN.splits.validation.batch(slice(100))

    def error(steps):
        with torch.no_grad():
            z = refined(model.decoder, x, model.inverter(x), steps=steps)
            return (model.decode(z) - x).square().flatten(1).sum(1) + 0.01 * z.square().sum(1)

    guessed, better = error(0), error(20)
    assert bool((better <= guessed).all())
    assert float(better.mean()) < 0.8 * float(guessed.mean())


def test_refinement_of_an_image_depends_on_no_other_and_leaves_no_gradient_behind():
    model = fitted()
    model.decoder.zero_grad(set_to_none=True)
    x, _ = KNOWN.splits.validation.batch(slice(8))
    torch.testing.assert_close(model.encode(x)[:4], model.encode(x[:4]))
    assert all(parameter.grad is None for parameter in model.decoder.parameters())


def test_distance_is_the_mean_over_pairs():
    x = torch.tensor([0.0, 1.0, 3.0]).reshape(3, 1, 1, 1)
    assert distance(x) == pytest.approx(2)
    assert distance(x[:1]) == 0
