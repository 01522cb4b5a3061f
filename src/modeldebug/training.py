"""One training loop for every network of a run: seeded, resumable, and it says so when the loss is lost."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from .context import Context
from .errors import PluginError
from .types import ImageSet


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
    start, mean = 0, float("nan")
    saved = context.checkpoint.load()
    if saved is not None:
        start = _restore(saved, network, optimizer, schedule, context)
    for epoch in range(start, epochs):
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
        if not math.isfinite(mean):
            raise PluginError(
                f"training {what or type(network).__name__} diverged",
                got=f"a loss of {mean} in epoch {epoch + 1}",
                expected="a finite loss",
                fix="lower its learning rate",
            )
        context.progress((epoch + 1) / epochs, f"{what} epoch {epoch + 1}/{epochs}".strip())
        if after_epoch is not None:
            after_epoch(epoch + 1)
            network.train()
        context.checkpoint.save(partial(_state, epoch + 1, network, optimizer, schedule, context))
    network.eval()
    return mean


def _state(
    epoch: int,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler | None,
    context: Context,
) -> dict[str, object]:
    return {
        "epoch": epoch,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": None if schedule is None else schedule.state_dict(),
        "rng": context.rng.get_state(),
        "global_rng": torch.get_rng_state(),  # dropout draws from it
    }


def _restore(
    saved: dict[str, object],
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler | None,
    context: Context,
) -> int:
    epoch, rng, global_rng = saved["epoch"], saved["rng"], saved["global_rng"]
    assert isinstance(epoch, int)
    assert isinstance(rng, Tensor)
    assert isinstance(global_rng, Tensor)
    network.load_state_dict(saved["network"])  # type: ignore[arg-type]  # as _state wrote it
    optimizer.load_state_dict(saved["optimizer"])  # type: ignore[arg-type]
    if schedule is not None:
        schedule.load_state_dict(saved["schedule"])  # type: ignore[arg-type]
    context.rng.set_state(rng)
    torch.set_rng_state(global_rng)
    return epoch
