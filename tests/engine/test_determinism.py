"""A seed decides every byte of a run's stages, and nothing else does."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import modeldebug

from ..conftest import PLAIN_STAGES
from . import planted
from .bits import bits


def short_run(out: Path, seed: int) -> dict[str, Any]:
    settings = planted.SHORT | {
        "run": {"seed": seed},
        "dataset": {"limit": 300},
        "classifier": {"epochs": 3},
        "generator": {"epochs": 30},
        "labeler": {"epochs": 8, "members": 1, "width": 8, "confidence": 0.0},
        "clusterer": {"components": 3},
        "report": {"tsne": 20},
    }
    return bits(modeldebug.run(preset="tiny", settings=settings, out=out).path)


@pytest.fixture(scope="module")
def seed_0(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return short_run(tmp_path_factory.mktemp("seed") / "0", 0)


def test_another_seed_gives_another_result_in_every_stage_and_the_same_one_the_same_bytes(
    seed_0: dict[str, Any], tmp_path: Path
) -> None:
    assert json.loads(seed_0["stages/correction.json"])["skipped"] is None, "all stages have to do something"
    other = short_run(tmp_path / "1", 1)
    changed = {Path(name).stem for name in seed_0.keys() & other.keys() if seed_0[name] != other[name]}
    assert changed >= set(PLAIN_STAGES)

    random.seed(123)
    np.random.seed(123)
    torch.manual_seed(123)
    assert short_run(tmp_path / "0", 0) == seed_0, "what the process did before has changed the run"


def test_a_run_leaves_the_generators_of_its_caller_as_they_were(tmp_path: Path) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    planted.debug(tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_a_run_leaves_the_number_of_threads_of_its_caller_as_it_was(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        seen = set()
        planted.debug(tmp_path / "run", listeners=[lambda event: seen.add((event.stage, torch.get_num_threads()))])
        assert {threads for stage, threads in seen if stage} == {1}, "so small images are computed with one"
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
