"""Ballots with images in them, for the tests."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import torch
from modeldebug_labelers.ballots import FILE, Ballots
from modeldebug_labelers.people import question

CLASSES = ("cat", "dog", "owl")


def pictures(n: int, first: int = 0) -> torch.Tensor:
    """Images (n, 1, 4, 4), each unlike every other; images of two calls differ where their numbers do."""
    numbers = torch.arange(first, first + n)
    bits = (numbers[:, None] >> torch.arange(16)) & 1
    return bits.view(n, 1, 4, 4).float()


def put(
    ballots: Ballots,
    n: int,
    *,
    request: str = "regions",
    first: int = 0,
    needed: int = 2,
    group: int = 3,
    classes=CLASSES,
) -> bool:
    """Ask about n images in groups of `group`."""
    questions = [question(x, i // group) for i, x in enumerate(pictures(n, first))]
    return ballots.put(request, questions, classes=classes, needed=needed)


def waiting_run(folder: Path, n: int = 6, **how) -> Path:
    """The folder of a run that waits for labels of n images."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text("{}")
    with Ballots(folder / "labels") as ballots:
        put(ballots, n, **how)
    return folder


def rows(folder: Path, query: str) -> list[tuple]:
    """What the file of votes says, read past all of our own code."""
    connection = sqlite3.connect(folder / FILE)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
