"""What the core hands to a component that works for a while: randomness, device, progress, checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from .rng import rng_for, spawn

Checkpointable = dict[str, object]  # tensors, primitives, and lists and dicts of them


class Checkpoint(Protocol):
    """Where a component may save what it has done, so that a killed stage goes on from there."""

    def load(self) -> Checkpointable | None: ...
    def save(self, make: Callable[[], Checkpointable], *, now: bool = False) -> None: ...


class NoCheckpoint:
    """Keeps nothing: for short work."""

    def load(self) -> Checkpointable | None:
        return None

    def save(self, make: Callable[[], Checkpointable], *, now: bool = False) -> None:
        return None


def _silent(done: float, message: str) -> None:
    return None


@dataclass(frozen=True)
class Context:
    """Everything around a piece of work that is not its input.

    Attributes:
        rng: the CPU generator of this piece of work; the same seed gives the same result.
        device: where networks run.
        progress: call it with the share that is done, in [0, 1], and a few words.
        checkpoint: `load()` gives what was saved before a kill, or None; `save(make)` calls `make` and stores
            its result when enough time has passed since the last time, or with `now=True` in any case.

    >>> Context.quiet(seed=0).device
    device(type='cpu')
    """

    rng: torch.Generator
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: Callable[[float, str], None] = _silent
    checkpoint: Checkpoint = field(default_factory=NoCheckpoint)

    @staticmethod
    def quiet(seed: int) -> Context:
        """A context for tests and scripts: CPU, no progress, no checkpoints."""
        return Context(rng=rng_for(seed))

    def part(self, index: int, of: int, name: str = "") -> Context:
        """The context of part `index` of `of` equal parts: its own generator, its share of the progress, and no
        checkpoint. Call it for the parts in order.

        >>> told = []
        >>> whole = Context(rng_for(0), progress=lambda done, message: told.append((done, message)))
        >>> whole.part(1, of=2, name="second").progress(0.5, "epoch 3")
        >>> told
        [(0.75, 'second epoch 3')]
        """
        start, progress = index / of, self.progress
        return replace(
            self,
            rng=torch.Generator().manual_seed(spawn(self.rng)),
            progress=lambda done, message: progress(start + done / of, f"{name} {message}".strip()),
            checkpoint=NoCheckpoint(),
        )
