"""`--device cuda`, watched on a machine without one: no layer is computed anywhere but on the run's device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from modeldebug_labelers.oracle import EnsembleLabeler
from torch import nn

import modeldebug
from modeldebug import ModelDebugError

from . import planted
from .elsewhere import GPU, Elsewhere, second_device

CUDA: dict[str, dict[str, Any]] = {
    "run": {"device": "cuda"},
    "dataset": {"limit": 300},
    "classifier": {"epochs": 2},
    "generator": {"epochs": 2},
}
RUN: dict[str, dict[str, Any]] = {
    **planted.SHORT,
    **CUDA,
    "generator": {**planted.SHORT["generator"], "use": "defuse:cvae", "epochs": 2},
    "searcher": {"use": "defuse:margin", "steps": 2, "keep": 2},
    "guide": {"use": "labelers:ensemble", "epochs": 1, "members": 1, "width": 4},
    "search": {"origins": 40},
}


def test_a_run_computes_every_layer_on_its_device_also_with_networks_that_are_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with second_device(monkeypatch) as device:
        modeldebug.run(preset="tiny", settings=RUN, out=tmp_path / "run", until="gate")
        run = modeldebug.resume(tmp_path / "run")
    assert run.status == "done"
    assert device.there > 100
    assert device.here == 0


def test_an_inspection_computes_every_layer_on_its_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = CUDA | {"search": {"queries": 400}}
    targets = ["ambiguous:0,4", "class-excluded:1"]
    with second_device(monkeypatch) as device:
        found = modeldebug.inspect(preset="bayestrex-tiny", targets=targets, settings=settings, out=tmp_path / "it")
    assert found.status == "done"
    assert device.there > 100
    assert device.here == 0


def test_a_network_that_is_not_moved_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EnsembleLabeler, "to", lambda labeler, device: setattr(labeler, "_device", device))
    same = "Expected all tensors to be on the same device"
    with second_device(monkeypatch):
        modeldebug.run(preset="tiny", settings=RUN, out=tmp_path / "run", until="labeler")  # training moves it
        with pytest.raises(ModelDebugError, match=same):
            modeldebug.resume(tmp_path / "run")


def test_a_network_that_is_left_behind_with_its_images_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with second_device(monkeypatch) as device:
        nn.Linear(3, 2)(torch.zeros(1, 3))
        network = nn.Linear(3, 2).to(GPU)
        answer = network(torch.zeros(1, 3, device=GPU))
        answer.sum().backward()
        assert isinstance(answer, Elsewhere)
        assert not isinstance(answer.cpu(), Elsewhere)
    assert (device.here, device.there) == (1, 1)
