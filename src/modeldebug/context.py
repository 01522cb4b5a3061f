"""What the core hands to a component that works for a while: randomness, device, progress, checkpoints, workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import torch

from .rng import rng_for, spawn

Checkpointable = dict[str, object]  # tensors, primitives, and lists and dicts of them
Work = Callable[[Any, Any], Any]  # of what is shared, and of a task
Result = TypeVar("Result")


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


class Workers(Protocol):
    """Who does tasks that need nothing of each other: see the contract `Executor`."""

    @property
    def width(self) -> int: ...
    def each(self, work: Work, tasks: Sequence[Any], shared: Any = None) -> Iterator[tuple[int, Any]]: ...


class Here:
    """One task after another, in this process.

    >>> list(Here().each(pow, [2, 3], 10))
    [(0, 100), (1, 1000)]
    """

    width = 1

    def each(self, work: Work, tasks: Sequence[Any], shared: Any = None) -> Iterator[tuple[int, Any]]:
        """The result of each task, with its place."""
        yield from ((i, work(shared, task)) for i, task in enumerate(tasks))


def in_order(results: Iterator[tuple[int, Result]]) -> Iterator[Result]:
    """Results in the order of their tasks, each as soon as it and all before it are there.

    >>> list(in_order(iter([(1, "b"), (0, "a"), (2, "c")])))
    ['a', 'b', 'c']
    """
    early: dict[int, Result] = {}
    following = 0
    for i, result in results:
        early[i] = result
        while following in early:
            yield early.pop(following)
            following += 1


def _silent(done: float, message: str) -> None:
    return None


@dataclass(frozen=True)
class Context:
    """Everything around a piece of work that is not its input.

    Attributes:
        rng: the CPU generator of this piece of work; the same seed gives the same result.
        device: where networks run.
        precision: in which a network may multiply while it is trained, float32 or bfloat16: see `autocast`.
        batch_size: images that networks are asked about at a time; None for what `batch_size_for` says. Training has
            batches of its own.
        progress: call it with the share that is done, in [0, 1], and a few words.
        checkpoint: `load()` gives what was saved before a kill, or None; `save(make)` calls `make` and stores
            its result when enough time has passed since the last time, or with `now=True` in any case.
        executor: does tasks that need nothing of each other, side by side where the run has workers. A context that is
            sent to one of them is silent there: no progress, no checkpoints, and no workers of its own.

    >>> Context.quiet(seed=0).device
    device(type='cpu')
    """

    rng: torch.Generator
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: torch.dtype = torch.float32
    batch_size: int | None = None
    progress: Callable[[float, str], None] = _silent
    checkpoint: Checkpoint = field(default_factory=NoCheckpoint)
    executor: Workers = field(default_factory=Here)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"progress": _silent, "checkpoint": NoCheckpoint(), "executor": Here()}

    @staticmethod
    def quiet(seed: int) -> Context:
        """A context for tests and scripts: CPU, no progress, no checkpoints."""
        return Context(rng=rng_for(seed))

    def autocast(self) -> torch.autocast:
        """Run a network inside it, and it multiplies in `precision`; its weights stay float32, and what it gives is to
        be turned into float32 (`.float()`) before a loss is taken.

        >>> with replace(Context.quiet(seed=0), precision=torch.bfloat16).autocast():
        ...     print((torch.ones(1, 2) @ torch.ones(2, 1)).dtype)
        torch.bfloat16
        """
        return torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision != torch.float32)

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
