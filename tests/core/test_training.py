import pytest
import torch
from torch import nn

from modeldebug import Context, ImageSet, PluginError, epochs_left, require_finite, rng_for, train_network
from modeldebug.rng import isolated_global_rng

EPOCHS = 4


class Killed(Exception):  # noqa: N818
    """Stands for a kill."""


class Memory:
    """Keeps every checkpoint, as bytes would be kept; stops after some of them."""

    def __init__(self, saved=None, stop_after=None):
        self.saved, self.left = saved, stop_after

    def load(self):
        return self.saved

    def save(self, make):
        import io

        buffer = io.BytesIO()
        torch.save(make(), buffer)
        buffer.seek(0)
        self.saved = torch.load(buffer, weights_only=True)
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Killed


def data():
    rng = rng_for(0)
    labels = torch.randint(3, (50,), generator=rng)
    images = torch.rand(50, 1, 4, 4, generator=rng)
    images[torch.arange(50), 0, 0, labels] = 1
    return ImageSet(images, labels)


def train(checkpoint, *, seed=0, loss=None, fused=False, **changes):
    """Train a small network with dropout, batch normalisation, momentum and a schedule."""
    with isolated_global_rng(seed):
        network = nn.Sequential(
            nn.Flatten(), nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3)
        )
        mean = train_network(
            network,
            loss or (lambda x, y, step: nn.functional.cross_entropy(network(x), y)),
            data(),
            optimizer=torch.optim.Adam(network.parameters(), lr=0.01, fused=fused),
            context=Context(rng=rng_for(seed), checkpoint=checkpoint),
            **({"epochs": EPOCHS, "batch_size": 16, "cosine": True} | changes),
        )
    return network, mean


def weights(network):
    return torch.cat([v.float().flatten() for v in network.state_dict().values()])


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("stop_after", range(1, EPOCHS + 1))
def test_interrupted_training_ends_with_the_bits_of_a_straight_one(stop_after, fused):
    straight, _ = train(Memory(), fused=fused)
    interrupted = Memory(stop_after=stop_after)
    with pytest.raises(Killed):
        train(interrupted, fused=fused)
    assert interrupted.saved["epoch"] == stop_after
    resumed, _ = train(Memory(saved=interrupted.saved), fused=fused)
    assert torch.equal(weights(resumed), weights(straight))


@pytest.mark.parametrize("stop_after", range(1, EPOCHS + 1))
def test_interrupted_loop_of_ones_own_ends_with_the_bits_of_a_straight_one(stop_after):
    def loop(checkpoint):
        with isolated_global_rng(0):
            one, other = nn.Linear(3, 3), nn.BatchNorm1d(3)
            context = Context(rng=rng_for(0), checkpoint=checkpoint)
            done = []
            for epoch in epochs_left(EPOCHS, {"one": one, "other": other}, context):
                done.append(epoch)
                with torch.no_grad():
                    other(torch.randn(5, 3, generator=context.rng))
                    one.weight += torch.rand(3, 3)
        return torch.cat([weights(one), weights(other)]), done

    straight, every = loop(Memory())
    assert every == list(range(EPOCHS))
    interrupted = Memory(stop_after=stop_after)
    with pytest.raises(Killed):
        loop(interrupted)
    resumed, rest = loop(Memory(saved=interrupted.saved))
    assert rest == every[stop_after:]
    assert torch.equal(resumed, straight)


def test_a_finite_loss_is_no_error():
    require_finite(1e30, "the network", epoch=0)


def test_resumed_training_does_only_what_is_left():
    interrupted = Memory(stop_after=3)
    with pytest.raises(Killed):
        train(interrupted)
    epochs = []
    train(Memory(saved=interrupted.saved), after_epoch=epochs.append)
    assert epochs == [4]


def test_seed_decides_the_weights():
    assert torch.equal(weights(train(Memory())[0]), weights(train(Memory())[0]))
    assert not torch.equal(weights(train(Memory())[0]), weights(train(Memory(), seed=1)[0]))


def test_training_learns():
    _, first = train(Memory(), epochs=1)
    _, last = train(Memory(), epochs=60, cosine=False)
    assert last < first / 2


def test_every_image_is_seen_once_an_epoch():
    seen = []
    network = nn.Linear(1, 1)

    def loss(x, y, step):
        seen.append((step, x[:, 0, 3, 3]))
        return network.weight.sum()

    train(Memory(), loss=loss, epochs=2)
    pixels = data().images[:, 0, 3, 3].sort().values
    batches = len(seen) // 2
    for epoch in range(2):
        rows = torch.cat([x for _, x in seen[epoch * batches : (epoch + 1) * batches]])
        assert torch.equal(rows.sort().values, pixels)
    assert [step for step, _ in seen] == list(range(2 * batches))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_lost_loss_is_an_error_that_says_when(value):
    weight = torch.ones((), requires_grad=True)
    with pytest.raises(PluginError, match="training my network diverged") as caught:
        train(Memory(), loss=lambda x, y, step: weight * (value if step >= 4 else 1), what="my network")
    assert "in epoch 2" in str(caught.value)
    assert "learning rate" in str(caught.value)


def test_network_ends_in_eval_mode_and_trains_in_train_mode():
    modes = []
    flat = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))

    def loss(x, y, step):
        modes.append(flat.training)
        return nn.functional.cross_entropy(flat(x), y)

    train_network(
        flat,
        loss,
        data(),
        optimizer=torch.optim.SGD(flat.parameters(), lr=0.1),
        epochs=2,
        batch_size=25,
        context=Context.quiet(0),
        after_epoch=lambda epoch: flat.eval(),
    )
    assert modes == [True] * 4
    assert not flat.training


def test_fewer_images_than_a_batch_are_one_batch():
    train(Memory(), batch_size=500, epochs=1)


def test_progress_rises_to_one():
    shares = []
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    train_network(
        network,
        lambda x, y, step: nn.functional.cross_entropy(network(x), y),
        data(),
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        epochs=4,
        batch_size=16,
        context=Context(rng=rng_for(0), progress=lambda done, message: shares.append((done, message))),
        what="net",
    )
    assert shares == [(0.25, "net epoch 1/4"), (0.5, "net epoch 2/4"), (0.75, "net epoch 3/4"), (1.0, "net epoch 4/4")]
