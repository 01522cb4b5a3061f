"""Several networks, each trained from a seed of its own on augmented images, and calibrated on held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from modeldebug import Context, DataSpec, ImageSet, Splits, batch_size_for, in_batches, in_parts, train_network

from .augment import augmented
from .networks import member_network
from .plugin import MembersConfig

Normalise = Callable[[Tensor], Tensor]


def as_it_is(x: Tensor) -> Tensor:
    """No normalisation."""
    return x


class Members(nn.Module):
    """The networks of an ensemble, each with the temperature that it is calibrated by (Guo et al. 2017).

    Called, they answer as one: with the mean of their calibrated log-probabilities, as logits (n, k). This is the
    logarithmic opinion pool, in which one member that rules a class out weighs more than one that is sure of it.

    >>> members = Members(MembersConfig(members=2), DataSpec((1, 8, 8), ("a", "b", "c")))  # not trained yet
    >>> members.logits(torch.zeros(4, 1, 8, 8)).shape, members(torch.zeros(4, 1, 8, 8)).shape
    (torch.Size([4, 2, 3]), torch.Size([4, 3]))
    """

    temperature: Tensor

    def __init__(self, config: MembersConfig, spec: DataSpec, given: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.members = nn.ModuleList(given or (member_network(config, spec) for _ in range(config.members)))
        self.register_buffer("temperature", torch.ones(len(self.members)))

    def logits(self, x: Tensor) -> Tensor:
        """The calibrated logits (n, m, k) of each member."""
        return torch.stack([member(x) / t for member, t in zip(self.members, self.temperature, strict=True)], 1)

    def forward(self, x: Tensor) -> Tensor:
        """The pooled log-probabilities (n, k), up to a constant for each image."""
        return self.logits(x).log_softmax(2).mean(1)


def train_members(
    members: Members,
    config: MembersConfig,
    data: Splits,
    context: Context,
    *,
    what: str,
    normalised: Normalise = as_it_is,
    fresh: bool = True,
) -> None:
    """Train each member in place on augmented training images, and calibrate it on the validation images; several at
    once where there are workers.

    Args:
        what: it is called in progress and errors.
        normalised: applied to images before a member is given them.
        fresh: let each start from weights of its own seed, not from those that it has.

    Raises:
        PluginError: training diverged.
    """
    n = len(members.members)
    task = _Task(config, data, what, normalised)
    parts = [(None if fresh else m, context.part(i, n, f"member {i + 1}/{n}")) for i, m in enumerate(members.members)]
    for done, (i, (member, temperature)) in enumerate(context.executor.each(_trained, parts, task), start=1):
        members.members[i], members.temperature[i] = member, temperature
        context.progress(done / n, f"member {done}/{n} trained")


@dataclass(frozen=True, eq=False)
class _Task:
    """What the training of every member needs."""

    config: MembersConfig
    data: Splits
    what: str
    normalised: Normalise


def _trained(task: _Task, one: tuple[nn.Module | None, Context]) -> tuple[nn.Module, Tensor]:
    """A member, trained from its own weights or from new ones, and its temperature."""
    member, context = one
    torch.manual_seed(torch.randint(2**31, (), generator=context.rng).item())
    if member is None:
        member = member_network(task.config, task.data.spec)
    _train(member, task.config, task.data.train, context, task.what, task.normalised)
    return member, _calibrated(member, task.data, context, task.normalised)


def _train(
    member: nn.Module, config: MembersConfig, images: ImageSet, context: Context, what: str, normalised: Normalise
) -> None:
    def loss(x: Tensor, y: Tensor, step: int) -> Tensor:
        logits = member(normalised(augmented(x, config, context.rng)))
        return nn.functional.cross_entropy(logits, y, label_smoothing=0.05)

    train_network(
        member,
        loss,
        images,
        optimizer=torch.optim.Adam(member.parameters(), lr=config.learning_rate, fused=True),
        epochs=config.epochs,
        batch_size=config.batch_size,
        context=context,
        what=what,
        cosine=True,
    )


def calibrate_members(members: Members, data: Splits, context: Context) -> None:
    """Calibrate members that are trained already, in place, on the validation images."""
    n = len(members.members)
    for i, member in enumerate(members.eval().members):
        members.temperature[i] = _calibrated(member, data, context, as_it_is)
        context.progress((i + 1) / n, f"member {i + 1}/{n} calibrated")


def _calibrated(member: nn.Module, data: Splits, context: Context, normalised: Normalise) -> Tensor:
    def answer(x: Tensor) -> Tensor:
        logits: Tensor = member(normalised(x))
        return logits

    images, size, device = data.validation, context.batch_size or batch_size_for(data.spec.shape), context.device
    parts = [in_batches(answer, size, device, images.batch(rows)[0]) for rows in in_parts(len(images), images.shape)]
    return calibrate(torch.cat(parts), images.labels)


def calibrate(logits: Tensor, labels: Tensor) -> Tensor:
    """The temperature with the smallest cross-entropy on held-out images, searched on a grid of 5 % steps.

    >>> sure, all_right, half_wrong = 9 * torch.eye(2), torch.tensor([0, 1]), torch.tensor([0, 0])
    >>> bool(calibrate(sure, all_right) < 1 < calibrate(sure, half_wrong))  # sharpened, softened
    True
    """
    grid = 1.05 ** torch.arange(-30, 60)  # 0.23 to 17.8
    losses = torch.stack([nn.functional.cross_entropy(logits / t, labels) for t in grid])
    return grid[losses.argmin()]
