"""Networks are run in batches of one fixed shape, so that an answer does not depend on the batch an image is in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

LARGEST_BATCH = 512  # images
PIXELS = LARGEST_BATCH * 64 * 64  # in a batch: half a gigabyte of activations in a network of 64 channels


def in_batches(
    function: Callable[..., Tensor], batch_size: int, device: torch.device, *tensors: Tensor | None
) -> Tensor:
    """Apply `function` to rows of `tensors`, `batch_size` at a time, on `device`; the result comes back to the CPU.

    The last batch is filled up with copies of its first row: a batch of another size may round differently.
    `None` is passed on. No gradients. What `function` writes into is a copy.

    >>> in_batches(lambda x: x.sum(1), 2, torch.device("cpu"), torch.ones(3, 4))
    tensor([4., 4., 4.])
    """
    n = next(len(t) for t in tensors if t is not None)
    parts = []
    with torch.no_grad():
        for start in range(0, max(n, 1), batch_size):
            rows = [None if t is None else t[start : start + batch_size] for t in tensors]
            size = next(len(r) for r in rows if r is not None)
            if size == 0:  # no rows at all: ask for one made-up batch, to learn the shape of an answer
                rows = [None if t is None else t.new_zeros(1, *t.shape[1:]) for t in tensors]
            filled = [None if r is None else _fill(r, batch_size).to(device, copy=True) for r in rows]
            parts.append(function(*filled)[:size].cpu())
    return torch.cat(parts)


def batch_size_for(shape: Sequence[int]) -> int:
    """How many images (c, h, w) networks are given at a time, where nothing else is asked for: 512 up to 64 x 64
    pixels; above, so many fewer that a batch has no more pixels than those.

    A decoder or classifier of 64 channels then needs about half a gigabyte for a batch of any image size.

    >>> [batch_size_for((3, side, side)) for side in (8, 28, 64, 96, 128, 224)]
    [512, 512, 512, 128, 128, 32]
    """
    fitting = max(1, PIXELS // (shape[1] * shape[2]))
    return min(LARGEST_BATCH, 1 << (fitting.bit_length() - 1))


def in_parts(n: int, shape: Sequence[int]) -> tuple[Tensor, ...]:
    """The numbers of `n` images (c, h, w) in parts, each small enough to be held as float32: eight batches.

    >>> [len(rows) for rows in in_parts(10_000, (1, 28, 28))]
    [4096, 4096, 1808]
    """
    return torch.split(torch.arange(n), 8 * batch_size_for(shape))


def _fill(rows: Tensor, size: int) -> Tensor:
    missing = size - len(rows)
    return rows if missing == 0 else torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])])
