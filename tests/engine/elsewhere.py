"""A second device on a machine that has none: its tensors compute here, and refuse to meet those of the processor.

What it shows: every network, and everything that meets one, is moved to the run's device, and back before it meets what
stayed. What it does not: kernels, rounding, memory and speed of a GPU. Operations are watched as Python calls
them; what torch does inside, such as the backward pass, is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter, tree_map

GPU = torch.device("cuda", 0)
HERE = torch.device("cpu")
LAYERS = ("conv2d", "conv_transpose2d", "linear")
BETWEEN = ("copy_", "module_load", "__get__", "__set__", "__setitem__", "_has_compatible_shallow_copy_type")


class Elsewhere(Tensor):
    """A tensor of the other device."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Elsewhere:
        if id(self) not in memo:
            copied = self.detach().clone().requires_grad_(self.requires_grad)
            copied.__dict__.update(vars(self))  # among it whether it is a parameter
            memo[id(self)] = copied
        found: Elsewhere = memo[id(self)]
        return found

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return _call(func, args, dict(kwargs or {}))


class Watching(TorchFunctionMode):
    """Sees every call, those too that make a tensor on a device.

    Attributes:
        here, there: how often a layer was computed on the processor, and on the other device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.here = self.there = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__name__", "") in LAYERS:
            far = isinstance(args[0], Elsewhere)
            self.there, self.here = self.there + far, self.here + (not far)
        return _call(func, args, dict(kwargs or {}))


def _call(func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    name = getattr(func, "__name__", "")
    with torch._C.DisableTorchFunctionSubclass():
        given = [t for t in tree_iter((args, kwargs)) if isinstance(t, Tensor)]
        far = [isinstance(t, Elsewhere) for t in given]
        if func == Tensor.device.__get__:
            return GPU if far[0] else HERE
        if func == Tensor.is_cuda.__get__:
            return far[0]
        if name in ("device", "_parse_to"):  # they make or read a device, and no tensor
            return func(*args, **kwargs)
        asked = [v for v in tree_iter((args, kwargs)) if _names_device(v)]
        there = far[:1] == [True] if name in BETWEEN else any(far)
        if asked or name == "cpu":
            there = bool(asked) and torch.device(asked[-1]).type == GPU.type
        if name in ("numpy", "__array__") and any(far):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        indexed = name == "__getitem__" and far[0]
        if not indexed and name not in BETWEEN and len({f for f, t in zip(far, given, strict=True) if t.dim()}) > 1:
            raise RuntimeError(f"Expected all tensors to be on the same device: {name}")
        near = tree_map(lambda v: HERE if _names_device(v) else v, (tuple(args), kwargs))
        found = func(*near[0], **near[1])
        return tree_map(lambda t: _placed(t, there, given, name in ("to", "cpu", "cuda")), found)


def _names_device(value: object) -> bool:
    return isinstance(value, torch.device) or (isinstance(value, str) and value in ("cpu", "cuda"))


def _placed(value: Any, there: bool, given: Sequence[Tensor], moves: bool) -> Any:
    if not isinstance(value, Tensor) or there == isinstance(value, Elsewhere):
        return value
    if any(value is t for t in given):  # a tensor that moves is copied; what changes in place stays where it is
        if not moves:
            return value
        value = value.clone()
    return value.as_subclass(Elsewhere if there else Tensor)


@contextmanager
def second_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watching]:
    """`--device cuda` works inside."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    swapped = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with Watching() as watching:
            yield watching
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swapped)
