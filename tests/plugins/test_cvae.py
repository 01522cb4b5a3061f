"""The class-conditional beta-VAE: the class decides what an image shows, the code in which style."""

import pytest
import torch
from modeldebug_defuse.cvae import ConditionalVae
from modeldebug_defuse.settings import VaeConfig
from modeldebug_defuse.vae import BetaVae

from modeldebug import Context, DataSpec, ImageSet, PluginError, rng_for
from modeldebug.rng import isolated_global_rng

SIDE, BAR = 8, 2
SPEC = DataSpec((1, SIDE, SIDE), ("left", "middle", "right"))
COLUMNS = (0, 3, 6)  # where the bar of each class stands
SHORT = VaeConfig(latent=2, hidden=32, channels=8, epochs=60, batch_size=32, learning_rate=5e-3, beta=1.0, annealing=0)


def bars(length, labels):
    """Images of a bar from the top: the class says where it stands, the style how long it is, in pixels (n,)."""
    x = torch.zeros(len(labels), *SPEC.shape)
    for image, n, label in zip(x, length.tolist(), labels.tolist(), strict=True):
        image[:, :n, COLUMNS[label] : COLUMNS[label] + BAR] = 1.0
    return x


def place_and_length(x):
    """The class (n,) and the style (n,) that images show."""
    seen = torch.stack([x[..., c : c + BAR].sum((1, 2, 3)) / BAR for c in COLUMNS], 1)
    return seen.argmax(1), seen.amax(1)


def agreement(x, data):
    """The correlation of the lengths of bars with those of the data."""
    return float(torch.stack([place_and_length(x)[1], place_and_length(data.images)[1]]).corrcoef()[0, 1])


def model(kind=ConditionalVae, config=SHORT):
    with isolated_global_rng(0):
        made = kind(config, SPEC)
    made.name = "defuse:cvae"
    return made


@pytest.fixture(scope="module")
def data():
    labels = torch.arange(300) % 3
    return ImageSet(bars(torch.randint(2, SIDE + 1, (300,), generator=rng_for(0)), labels), labels)


@pytest.fixture(scope="module")
def fitted(data):
    made = model()
    with isolated_global_rng(0):
        made.fit(data, Context.quiet(0))
    return made


def test_images_are_reconstructed_in_their_class_and_style(fitted, data):
    with torch.no_grad():
        back = fitted.decode(fitted.encode(data.images, data.labels), data.labels)
    assert float((place_and_length(back)[0] == data.labels).float().mean()) > 0.99
    assert agreement(back, data) > 0.95


@pytest.mark.parametrize("told", range(3))
def test_the_code_of_an_image_decoded_under_another_class_shows_that_class_in_the_same_style(fitted, data, told):
    with torch.no_grad():
        as_told = fitted.decode(fitted.encode(data.images, data.labels), torch.full_like(data.labels, told))
    assert float((place_and_length(as_told)[0] == told).float().mean()) > 0.98
    assert agreement(as_told, data) > 0.9


def test_prior_draws_show_the_class_that_was_told(fitted):
    told = torch.arange(300) % 3
    with torch.no_grad():
        place, _ = place_and_length(fitted.decode(fitted.sample(300, rng_for(1)), told))
    assert float((place == told).float().mean()) > 0.95


@pytest.mark.parametrize("n", [1, 5])
def test_codes_spreads_and_images_have_a_row_for_each_image(fitted, data, n):
    x, y = data.batch(slice(None, n))
    with torch.no_grad():
        z, spread = fitted.encode(x, y), fitted.spread(x, y)
        assert z.shape == spread.shape == (n, 2)
        assert fitted.decode(z, y).shape == x.shape
    assert float(spread.min()) > 0
    assert float(spread.min()) < 1, "a code that says something is known more exactly than the prior"


def test_the_spread_of_the_posterior_is_that_of_vae_too(data):
    plain = model(BetaVae)
    mean, log_variance = plain.network.encode(data.images, None)
    assert torch.equal(plain.spread(data.images), (0.5 * log_variance).exp())
    assert torch.equal(plain.encode(data.images), mean)


@pytest.mark.parametrize("what", ["decode", "encode", "spread"])
def test_without_a_class_it_is_refused_with_what_to_do(what):
    made = model()
    given = torch.zeros(2, 2) if what == "decode" else torch.zeros(2, *SPEC.shape)
    with pytest.raises(PluginError, match="is told the class of each image, and was told none") as caught:
        getattr(made, what)(given)
    assert "condition (n,) int64" in str(caught.value)
    assert caught.value.plugin == "defuse:cvae"
    assert "an origin or a condition" in str(caught.value.fix)


def test_a_class_that_is_not_there_is_an_error_of_the_component():
    with pytest.raises(PluginError, match="defuse:cvae"):
        model().decode(torch.zeros(1, 2), torch.tensor([3]))


def test_vae_is_told_nothing_and_takes_no_notice_of_a_class(data):
    plain, (x, y) = model(BetaVae), data.batch(slice(None, 6))
    z = plain.encode(x)
    assert torch.equal(z, plain.encode(x, y))
    assert torch.equal(plain.decode(z), plain.decode(z, y))
    assert plain.network.encoder[0].in_features + 3 == model().network.encoder[0].in_features
    assert plain.network.decoder[0].in_features + 3 == model().network.decoder[0].in_features


def test_state_of_one_is_refused_by_the_other():
    with pytest.raises(RuntimeError, match="size mismatch"):
        model(BetaVae).load_state_dict(model().state_dict())
