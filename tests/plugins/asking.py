"""A request about images that are easy to tell apart, for tests of labelers that ask people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from modeldebug_labelers.ballots import Ballots

from modeldebug import DataSpec, Labeler, LabelRequest

CLASSES = ("cat", "dog", "owl")


def request(n: int = 4, *, id: str = "regions", first: int = 0, classes: tuple[str, ...] = CLASSES) -> LabelRequest:
    """n images (1, 2, 2); image i is of grey `(first + i) / 100`."""
    x = (torch.arange(first, first + n) / 100).view(n, 1, 1, 1).expand(n, 1, 2, 2).contiguous()
    return LabelRequest(id, x, DataSpec((1, 2, 2), classes), torch.zeros(n, dtype=torch.int64))


def labeler(kind: type[Labeler[Any]], config: Any, run: Path, *, classes: tuple[str, ...] = CLASSES) -> Any:
    """A labeler at work on a run, as the core makes it."""
    made = kind(config, DataSpec((1, 2, 2), classes))
    made.folder = run / "labels"
    return made


def history(run: Path) -> list[int]:
    """Answers that were taken back or changed, in their order."""
    with Ballots(run / "labels") as ballots:
        return [answer for (answer,) in ballots.read("SELECT answer FROM withdrawn ORDER BY id")]
