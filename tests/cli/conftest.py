from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from modeldebug.cli import program

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Call the program in an 80-column terminal's width, as if its output went to a file."""
    monkeypatch.setenv("COLUMNS", "80")
    return lambda *arguments: CliRunner().invoke(program, [str(a) for a in arguments], prog_name="modeldebug")


QUADRANTS = """
import torch
from torch import nn

def good():
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())  # class i: quadrant i is the brightest

def softmax():
    return nn.Sequential(good(), nn.Softmax(1)).eval()

def guesses():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    nn.init.zeros_(model[1].weight)
    return model

class Wants255(nn.Module):
    def forward(self, x):
        return good()(x).clamp_min(2.0)

def three():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
"""


@pytest.fixture
def quadrants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options for a data set of four classes, images with one bright quadrant, and a module `quadrants` of models."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "quadrants", raising=False)
    Path("quadrants.py").write_text(QUADRANTS)
    labels = np.arange(200) % 4
    images = np.random.default_rng(0).integers(0, 100, (200, 1, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = 4 * (label // 2), 4 * (label % 2)
        image[0, row : row + 4, column : column + 4] += 150
    np.savez("data.npz", images=images, labels=labels)
    return ["--dataset", "arrays", "--set", "dataset.path=data.npz"]
