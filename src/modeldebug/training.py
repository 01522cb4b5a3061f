"""One training loop for every network of a run: seeded, resumable, and it says so when the loss is lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from .context import Context
from .errors import PluginError
from .types import ImageSet


class Stateful(Protocol):
    """What can be interrupted: a network, an optimiser, a schedule."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Any, /) -> object: ...


def epochs_left(epochs: int, parts: Mapping[str, Stateful], context: Context) -> Iterator[int]:
    """The numbers of the epochs that are left to do, from 0; after each, all `parts` and random states are saved.

    For a training loop of your own: `parts` is whatever it changes. What was saved is restored before the first epoch.

    >>> network = nn.Linear(2, 2)
    >>> [epoch for epoch in epochs_left(3, {"network": network}, Context.quiet(seed=0))]
    [0, 1, 2]
    """
    start = 0
    saved: dict[str, Any] | None = context.checkpoint.load()
    if saved is not None:
        start = saved["epoch"]
        for name, part in parts.items():
            part.load_state_dict(saved["parts"][name])
        context.rng.set_state(saved["rng"])
        torch.set_rng_state(saved["global_rng"])

    def state() -> dict[str, object]:
        return {
            "epoch": epoch + 1,
            "parts": {name: part.state_dict() for name, part in parts.items()},
            "rng": context.rng.get_state(),
            "global_rng": torch.get_rng_state(),  # dropout draws from it
        }

    for epoch in range(start, epochs):
        yield epoch
        context.checkpoint.save(state)


def train_network(
    network: nn.Module,
    loss: Callable[[Tensor, Tensor, int], Tensor],
    data: ImageSet,
    *,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batch_size: int,
    context: Context,
    what: str = "",
    cosine: bool = False,
    after_epoch: Callable[[int], None] | None = None,
) -> float:
    """Train `network` in place, and return the mean loss of the last epoch.

    Args:
        loss: of a batch: images (b, c, h, w) float32, labels (b,) int64, and the number of the step from 0.
        data: shuffled anew in each epoch by `context.rng`.
        cosine: let the learning rate fall to zero along a cosine.
        after_epoch: called with the number of epochs done.

    Raises:
        PluginError: the loss is NaN or infinite.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> data = ImageSet(torch.zeros(4, 1, 2, 2), torch.arange(4) % 2)
    >>> adam = torch.optim.Adam(network.parameters())
    >>> mean = train_network(network, lambda x, y, step: nn.functional.cross_entropy(network(x), y), data,
    ...                      optimizer=adam, epochs=1, batch_size=2, context=Context.quiet(seed=0))
    """
    network.train().to(context.device)
    batches = -(-len(data) // batch_size)  # of nearly equal size, none larger than batch_size
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches) if cosine else None
    mean = float("nan")
    parts: dict[str, Stateful] = {"network": network, "optimizer": optimizer}
    if schedule is not None:
        parts["schedule"] = schedule
    for epoch in epochs_left(epochs, parts, context):
        order = torch.randperm(len(data), generator=context.rng)
        total = torch.zeros((), device=context.device)
        for step, rows in enumerate(order.tensor_split(batches), start=epoch * batches):
            x, y = data.batch(rows)
            value = loss(x.to(context.device), y.to(context.device), step)
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            optimizer.step()
            if schedule is not None:
                schedule.step()
            total += value.detach()
        mean = float(total) / batches
        require_finite(mean, what or type(network).__name__, epoch)
        context.progress((epoch + 1) / epochs, f"{what} epoch {epoch + 1}/{epochs}".strip())
        if after_epoch is not None:
            after_epoch(epoch + 1)
            network.train()
    network.eval()
    return mean


def require_finite(loss: float, what: str, epoch: int) -> None:
    """Stop training whose loss is lost, after an epoch numbered from 0.

    Raises:
        PluginError: the loss is NaN or infinite.

    >>> require_finite(0.5, "the network", epoch=0)
    """
    if not math.isfinite(loss):
        raise PluginError(
            f"training {what} diverged",
            got=f"a loss of {loss} in epoch {epoch + 1}",
            expected="a finite loss",
            fix="lower its learning rate",
        )
