"""Searches around many training images at once: one that is done makes room for the next."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from modeldebug import State


@dataclass(frozen=True, eq=False)
class Around:
    """The training images that are searched around, one a row. What is known of each is a tensor of a subclass.

    Attributes:
        row: (a,) int64, rows of the origins.
    """

    row: Tensor

    @classmethod
    def of(cls, state: State) -> Self:
        """Those of a search's state."""
        known = {field.name: state[field.name] for field in fields(cls)}
        return cls(**{name: value for name, value in known.items() if isinstance(value, Tensor)})

    def joined(self, other: Self) -> Self:
        """These, and after them others."""
        return type(self)(**{name: torch.cat([value, getattr(other, name)]) for name, value in vars(self).items()})

    def subset(self, rows: Tensor) -> Self:
        """The given rows, an index or a mask."""
        return type(self)(**{name: value[rows] for name, value in vars(self).items()})


def began(seed: int, of: int, nobody: Around) -> State:
    """The state of a search around `of` training images before its first step."""
    return {"seed": seed, "step": 0, "next": 0, "of": of, "done": of == 0, **vars(nobody)}


def newcomers(state: State, most: int) -> Tensor:
    """The training images that a step begins with, (n,) int64: at least one and at most `most` are searched around."""
    row, first = state["row"], int(state["next"])
    assert isinstance(row, Tensor)
    return torch.arange(first, min(int(state["of"]), first + max(1, most) - len(row)))


def advanced(state: State, new: Tensor, left: Around) -> State:
    """The state after a step that some began with, and that is not the last for those who are left."""
    last = int(state["next"]) + len(new)
    done = last == int(state["of"]) and not len(left.row)
    return {**state, "step": int(state["step"]) + 1, "next": last, "done": done, **vars(left)}


def share_done(state: State) -> float:
    """The share of the training images that have been searched around."""
    row = state["row"]
    assert isinstance(row, Tensor)
    return (int(state["next"]) - len(row)) / max(1, int(state["of"]))
