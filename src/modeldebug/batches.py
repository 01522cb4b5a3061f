"""Networks are run in batches of one fixed shape, so that an answer does not depend on the batch an image is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from .errors import BatchTooLargeError, first_line, ran_out_of_memory

LARGEST_BATCH = 512  # images
FAST = 1 << 17  # pixels in a batch: above, a layer of 64 channels has more than the 32 MB that glibc's malloc keeps
FEWEST = 32  # images that are worth a call, where memory allows
PIXELS = LARGEST_BATCH * 64 * 64  # in a batch: half a gigabyte of activations in a network of 64 channels


def in_batches(
    function: Callable[..., Tensor], batch_size: int, device: torch.device, *tensors: Tensor | None
) -> Tensor:
    """Apply `function` to rows of `tensors`, `batch_size` at a time, on `device`; the result comes back to the CPU.

    The last batch is filled up with copies of its first row: a batch of another size may round differently.
    `None` is passed on. No gradients. What `function` writes into is a copy.

    Raises:
        BatchTooLargeError: memory ran out; a run goes on with smaller batches.

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
            with batch_of(batch_size):
                filled = [None if r is None else _fill(r, batch_size).to(device, copy=True) for r in rows]
                parts.append(function(*filled)[:size].cpu())
    return torch.cat(parts)


@contextmanager
def batch_of(size: int) -> Iterator[None]:
    """Networks answer about batches of `size` images inside.

    Raises:
        BatchTooLargeError: in place of what an allocator raises.

    >>> with batch_of(512):
    ...     raise torch.OutOfMemoryError("tried to allocate 2 GiB")
    Traceback (most recent call last):
    modeldebug.errors.BatchTooLargeError: there is not enough memory for a batch of 512 images...
    """
    try:
        yield
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        raise BatchTooLargeError(size, first_line(error)) from error


def batch_size_for(shape: Sequence[int], device: torch.device | None = None) -> int:
    """How many images (c, h, w) networks are given at a time, where nothing else is asked for: 512 up to 16 x 16
    pixels, fewer above, so that what a layer gives is kept by the allocator; and so few of large images that a batch
    needs no more than about half a gigabyte in a decoder or classifier of 64 channels. On a GPU, whose allocator keeps
    all it has, memory alone decides.

    >>> [batch_size_for((3, side, side)) for side in (8, 16, 28, 32, 64, 128, 224, 512)]
    [512, 512, 128, 128, 32, 32, 32, 8]
    """
    pixels = shape[1] * shape[2]
    if device is not None and device.type == "cuda":
        return _part_size(pixels)
    return min(_part_size(pixels), max(FEWEST, _power_of_two(FAST // pixels)))


def in_parts(n: int, shape: Sequence[int]) -> tuple[Tensor, ...]:
    """The numbers of `n` images (c, h, w) in parts, each small enough to be held as float32.

    >>> [len(rows) for rows in in_parts(10_000, (1, 28, 28))]
    [4096, 4096, 1808]
    """
    return torch.split(torch.arange(n), 8 * _part_size(shape[1] * shape[2]))


def _part_size(pixels: int) -> int:
    """An eighth of the images, each of so many pixels, that are held as float32."""
    return min(LARGEST_BATCH, _power_of_two(PIXELS // pixels))


def _power_of_two(n: int) -> int:
    """The largest one that is no larger; 1 for 0."""
    return 1 << (max(1, n).bit_length() - 1)


def _fill(rows: Tensor, size: int) -> Tensor:
    missing = size - len(rows)
    return rows if missing == 0 else torch.cat([rows, rows[:1].expand(missing, *rows.shape[1:])])
