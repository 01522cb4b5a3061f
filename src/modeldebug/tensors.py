"""Checks of tensors at the boundary between the core and everything else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .errors import InputError, PluginError


def describe(x: object) -> str:
    """Type, dtype and shape of a value, for messages."""
    if isinstance(x, Tensor):
        return f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"
    return type(x).__name__


def check_tensor(
    name: str,
    x: object,
    *,
    shape: Sequence[int | str],
    dtype: torch.dtype,
    low: float | None = None,
    high: float | None = None,
    finite: bool = True,
    plugin: str | None = None,
    error: type[InputError] = PluginError,
) -> Tensor:
    """Return `x` if it is a tensor of that shape, dtype and range; a letter in `shape` stands for any size.

    Raises:
        error: with what was got and what was expected, naming `plugin`.

    >>> check_tensor("z", torch.zeros(3, 2), shape=("n", 2), dtype=torch.float32).shape
    torch.Size([3, 2])
    """
    wanted = f"{str(dtype).removeprefix('torch.')} ({', '.join(map(str, shape))})"
    if not isinstance(x, Tensor) or x.dtype != dtype or x.dim() != len(shape):
        raise error(f"{name} is not what the contract asks for", got=describe(x), expected=wanted, plugin=plugin)
    for size, want in zip(x.shape, shape, strict=True):
        if isinstance(want, int) and size != want:
            raise error(f"{name} has the wrong shape", got=describe(x), expected=wanted, plugin=plugin)
    if not x.numel():
        return x
    if finite and x.dtype.is_floating_point and not bool(torch.isfinite(x).all()):
        bad = int((~torch.isfinite(x)).sum())
        raise error(
            f"{name} holds NaN or infinite values",
            got=f"{bad} of {x.numel()} values",
            expected="finite numbers",
            fix="find where they come from, or leave these rows out",
            plugin=plugin,
        )
    for bound, value, breaks in ((low, x.detach().min(), "below"), (high, x.detach().max(), "above")):
        if bound is not None and (float(value) < bound if breaks == "below" else float(value) > bound):
            raise error(
                f"{name} is out of range",
                got=f"values {breaks} {bound:g} (for example {float(value):g})",
                expected=f"[{low if low is not None else '-inf'}, {high if high is not None else 'inf'}]",
                plugin=plugin,
            )
    return x
