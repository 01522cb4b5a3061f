"""Components read what they are given, and write into none of it: later stages use the same tensors."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass

import torch
from torch import Tensor

from ..errors import PluginError

CHECKSUMMED = 2**22  # bytes: one and a half milliseconds for each MB are not noticed up to here

Prints = dict[str, tuple[int, int | None]]


@contextmanager
def untouched(name: str, *, contents: bool = True, **given: object) -> Iterator[None]:
    """Refuse what a component has written into the tensors that it was given.

    torch counts a tensor's in-place operations, which costs nothing to look at. Whoever writes past torch, through
    numpy or `.data`, is found by a checksum, which is taken of tensors of at most 4 MB.

    Args:
        name: `plugin:component`.
        contents: whether to take checksums; not in inner loops.
        given: tensors, or dataclasses and mappings that hold some; None is passed over.

    Raises:
        PluginError: it wrote into some of them.

    >>> with untouched("mine:clusterer", codes=torch.zeros(2)):
    ...     pass
    """
    before = prints(given, contents=contents)
    yield
    refuse_touched(name, before, prints(given, contents=contents))


def refuse_touched(name: str, before: Prints, after: Prints) -> None:
    """Refuse a component, if tensors are not as they were.

    Raises:
        PluginError: some have changed.
    """
    changed = [what for what, print_ in before.items() if after[what] != print_]
    if changed:
        raise PluginError(
            f"{name} wrote into what it was given to read",
            got=f"changed: {', '.join(changed[:4])}",
            expected="the same values afterwards: the core and other components use these tensors too",
            fix="let it work on copies (tensor.clone()), without in-place operations on its arguments",
            plugin=name,
        )


def prints(given: Mapping[str, object], *, contents: bool = True) -> Prints:
    """Of each tensor its version, and where that is asked for a checksum, by the name that it is given under.

    >>> z = torch.zeros(2)
    >>> seen = prints({"failures": {"z": z, "condition": None}})
    >>> z.numpy()[0] = 1.0
    >>> seen == prints({"failures": {"z": z, "condition": None}})
    False
    """
    return {what: (_version(x), _checksum(x) if contents else None) for what, x in _tensors(given, "")}


def _version(x: Tensor) -> int:
    return 0 if x.is_inference() else x._version


def _checksum(x: Tensor) -> int | None:
    if x.numel() * x.element_size() > CHECKSUMMED:
        return None
    return zlib.crc32(x.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)


def _tensors(value: object, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _tensors(inner, f"{name}.{key}".lstrip("."))
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name), f"{name}.{field.name}".lstrip("."))
