"""ADDA: a classifier's encoder is adapted to images of another domain, of which no label is known (Tzeng et al. 2017).

A discriminator learns to tell the codes of source images, from the encoder as it was trained, from the codes of target
images, from a copy of it; and the copy learns to be taken for the original. The head stays what it was.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from modeldebug import Context, ImageSet, isolated_global_rng, rng_for, train_network
from modeldebug.rng import derive_seed

CODE = 500  # numbers that the encoder makes of an image


class LeNet(nn.Module):
    """The classifier of Bayes-TrEx's domain adaptation (appendix A, table 7, right): (n, 1, 28, 28) to logits (n, k).

    >>> LeNet(10)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(800, CODE), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(CODE, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(x))
        return logits


def trained(data: ImageSet, classes: int, *, epochs: int, seed: int, batch_size: int = 64) -> LeNet:
    """A LeNet that has learnt labelled images."""
    with isolated_global_rng(derive_seed(seed, "lenet")):
        model = LeNet(classes)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    train_network(
        model, lambda x, y, step: nn.functional.cross_entropy(model(x), y), data, optimizer=adam, epochs=epochs,
        batch_size=batch_size, context=Context.quiet(seed=derive_seed(seed, "source")), cosine=True, what="LeNet",
    )  # fmt: skip
    return model.eval()


def adapted(
    model: LeNet,
    source: Tensor,
    target: Tensor,
    *,
    steps: int,
    seed: int,
    rate: float = 1e-4,
    critic_rate: float = 1e-3,
    batch_size: int = 128,
) -> LeNet:
    """A copy of the model whose encoder makes of target images what the model's own makes of source images.

    There is no place for labels of the target, and nothing of it is looked at to decide when to stop.

    Args:
        source, target: images (n, 1, 28, 28) float32.
        steps: of encoder and discriminator, each on a batch of both domains; fixed beforehand.
        rate: of the encoder's Adam; ten times smaller than the discriminator's, so that it cannot run away from it.
    """
    rng = rng_for(seed, "adda")
    found = copy.deepcopy(model).train()
    with isolated_global_rng(derive_seed(seed, "critic")):
        critic = nn.Sequential(
            nn.Linear(CODE, 500), nn.LeakyReLU(0.2), nn.Linear(500, 500), nn.LeakyReLU(0.2), nn.Linear(500, 1)
        )
    with torch.no_grad():  # the source's codes stay what they are
        codes = torch.cat([model.encoder(part) for part in source.tensor_split(-(-len(source) // 512))])
    learning = torch.optim.Adam(found.encoder.parameters(), lr=rate, betas=(0.5, 0.999))
    watching = torch.optim.Adam(critic.parameters(), lr=critic_rate, betas=(0.5, 0.999))
    tell = nn.functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(batch_size, 1), torch.zeros(batch_size, 1)
    for _ in range(steps):
        real = codes[torch.randint(len(codes), (batch_size,), generator=rng)]
        made = found.encoder(target[torch.randint(len(target), (batch_size,), generator=rng)])
        watching.zero_grad()
        caught = tell(critic(real), ones) + tell(critic(made.detach()), zeros)
        caught.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        watching.step()
        learning.zero_grad()
        tell(critic(made), ones).backward()  # type: ignore[no-untyped-call]
        learning.step()
    return found.eval()
