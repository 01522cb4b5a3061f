"""Randomness is passed in: a seed for each stage and item, and global generators restored after foreign code."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seed(seed: int, *path: str | int) -> int:
    """A 63-bit seed for a named part of a run: the same path always gives the same seed.

    >>> derive_seed(0, "search", 3) == derive_seed(0, "search", 3) != derive_seed(0, "search", 4)
    True
    """
    text = "/".join(map(str, (seed, *path)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng_for(seed: int, *path: str | int) -> torch.Generator:
    """A torch CPU generator for a named part of a run.

    >>> torch.equal(torch.rand(2, generator=rng_for(0, "search", 3)), torch.rand(2, generator=rng_for(0, "search", 3)))
    True
    """
    return torch.Generator().manual_seed(derive_seed(seed, *path))


def spawn(rng: torch.Generator) -> int:
    """Draw a seed from `rng`, to hand to code that takes integers (scikit-learn, an item's own generator).

    >>> spawn(rng_for(0)) == spawn(rng_for(0)) < 2**31
    True
    """
    return int(torch.randint(0, 2**31 - 1, (), generator=rng))


@contextmanager
def isolated_global_rng(seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's global generators inside, and restore them outside.

    Layer initialisation and dropout draw from torch's global generator: so a stage's numbers depend on its
    own seed alone, and a caller's generators are left as they were.

    >>> before = torch.get_rng_state()
    >>> with isolated_global_rng(0):
    ...     layer = torch.nn.Linear(2, 2)
    >>> torch.equal(before, torch.get_rng_state())
    True
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
