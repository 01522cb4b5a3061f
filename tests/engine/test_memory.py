"""A run converts its data in parts, and parts change no bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from modeldebug import ImageSet, batch_size_for, batches
from modeldebug.judging import judge_region
from modeldebug.stages.evidence import _novelty
from modeldebug.store import RunStore
from modeldebug.testing.problems import known_problem

from . import planted
from .bits import bits

SMALL = 8  # images in a batch: 64 in a part


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of `ImageSet.batch` converts."""
    sizes: list[int] = []
    batch = ImageSet.batch

    def watched(self: ImageSet, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        found = batch(self, index)
        sizes.append(len(found[0]))
        return found

    monkeypatch.setattr(ImageSet, "batch", watched)
    return sizes


def test_no_stage_converts_more_than_eight_batches_at_once_and_parts_change_no_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, converted: list[int]
) -> None:
    run: dict[str, Any] = {"run": {"batch_size": SMALL}}
    planted.debug(tmp_path / "whole", **run)
    assert max(converted) > 8 * SMALL
    converted.clear()
    monkeypatch.setattr(batches, "LARGEST_BATCH", SMALL)
    planted.debug(tmp_path / "parts", **run)
    assert max(converted) <= 8 * SMALL
    assert bits(tmp_path / "parts") == bits(tmp_path / "whole")


def test_the_batch_size_follows_the_image_size_unless_it_is_set_and_stands_in_the_manifest(tmp_path: Path) -> None:
    for name, changed, expected in (("unset", {}, 512), ("set", {"run": {"batch_size": SMALL}}, SMALL)):
        planted.debug(tmp_path / name, **changed)
        assert RunStore.open(tmp_path / name).manifest["batch_size"] == expected


@pytest.mark.parametrize("side", [4, 28, 64, 65, 128, 300, 4096, 100_000])
def test_a_batch_has_no_more_pixels_than_512_images_of_64_by_64(side: int) -> None:
    size = batch_size_for((3, side, side), torch.device("cuda"))
    assert 1 <= size <= 512
    assert size == 1 or size * side * side <= 512 * 64 * 64
    assert size == 512 or 2 * size * side * side > 512 * 64 * 64


@pytest.mark.parametrize("side", [4, 16, 28, 32, 64, 65, 128, 300, 4096])
def test_on_a_processor_a_layer_of_64_channels_stays_within_what_malloc_keeps(side: int) -> None:
    size = batch_size_for((3, side, side))
    assert size <= batch_size_for((3, side, side), torch.device("cuda"))
    assert size <= 32 or size * side * side * 64 * 4 <= 32 * 2**20
    assert size >= 32 or size == batch_size_for((3, side, side), torch.device("cuda"))


def test_the_nearest_misclassified_image_is_found_across_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "LARGEST_BATCH", 1)
    train = known_problem().splits.train
    predicted = (train.labels + (torch.arange(len(train)) % 3 == 0)) % 4  # every third one is wrong
    images = torch.rand(2 * 5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    region = judge_region(
        torch.zeros(5).long(), torch.ones(5).long(), cluster=0, weight=1.0, size=5, origins=5, num_classes=4,
        rho=0.5, min_purity=0.8, min_labelled=0.5,
    )  # fmt: skip
    tensors, info = _novelty(train, predicted, (region, region), images)
    wrong = torch.arange(0, len(train), 3)
    distance = (train.images[wrong][None] - images[::5, None]).square().sum((2, 3, 4)).sqrt()
    assert torch.equal(tensors["novelty/x"], train.images[wrong[distance.argmin(1)]])
    for row, found in enumerate(info["novelty"]):
        nearest = wrong[distance[row].argmin()]
        assert found["distance"] == pytest.approx(float(distance[row].min()), abs=1e-3)
        assert (found["label"], found["predicted"]) == (int(train.labels[nearest]), int(predicted[nearest]))
