"""Stages of runs with another precision are other stages, and `auto` is what it stands for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import modeldebug

from ..conftest import Finished
from .bits import Watch, bits


def settings(precision: str) -> dict[str, dict[str, object]]:
    return {"run": {"precision": precision}}


def test_nothing_of_a_run_in_float32_is_taken_over_in_bfloat16(finished: Finished, tmp_path: Path) -> None:
    watch = Watch("stage_finished", "data")
    with pytest.raises(KeyboardInterrupt):
        modeldebug.run(
            preset="tiny", settings=settings("bfloat16"), out=tmp_path, reuse=finished.folder, listeners=[watch]
        )
    assert watch.started == ["data"]


def test_auto_on_a_processor_that_gains_nothing_is_float32(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    watch = Watch()
    modeldebug.run(preset="tiny", settings=settings("auto"), out=tmp_path, reuse=finished.folder, listeners=[watch])
    assert watch.started == []
    assert bits(tmp_path) == bits(finished.folder)


def test_a_generator_trained_in_bfloat16_is_another_one_and_is_written_in_float32(
    finished: Finished, tmp_path: Path
) -> None:
    run = modeldebug.run(preset="tiny", settings=settings("bfloat16"), out=tmp_path, until="generator")
    one, other = (load_file(folder / "stages/generator.safetensors") for folder in (finished.folder, run.path))
    assert {name: t.shape for name, t in one.items()} == {name: t.shape for name, t in other.items()}
    assert {t.dtype for t in other.values()} == {torch.float32}
    assert not any(torch.equal(one[name], other[name]) for name in one)
    classifiers = [(folder / "stages/classifier.safetensors").read_bytes() for folder in (finished.folder, run.path)]
    assert classifiers[0] == classifiers[1], "a classifier is trained in float32"
