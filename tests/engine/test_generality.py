"""The engine is for more than small grey digits: colour, odd sizes, many classes, models and data of one's own."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import modeldebug
from modeldebug import ConfigError, Run, RunFolderError
from modeldebug.store import RunStore

from .bits import Watch, bits
from .planted import SHORT


def squares(n: int, classes: int, shape: tuple[int, int, int], dtype: str = "float32") -> tuple[Any, Any]:
    """Noisy images with one bright rectangle, whose place and colour tell the class."""
    rng, (c, h, w) = np.random.default_rng(0), shape
    images, labels = rng.random((n, c, h, w)) * 0.4, np.arange(n) % classes
    for image, label in zip(images, labels, strict=True):
        row, column = (3 * (label // 4)) % (h - 3), (3 * label) % (w - 3)
        image[label % c, row : row + 3, column : column + 3] += 0.6
    return (images * 255).astype(np.uint8) if dtype == "uint8" else images.astype(np.float32), labels


class Net(nn.Module):
    """A linear model on fixed random features, which a run has not trained; `softmax` returns probabilities."""

    def __init__(self, shape: tuple[int, int, int], classes: int, *, softmax: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(
                nn.Flatten(), nn.Linear(int(np.prod(shape)), 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1),
                nn.Linear(32, classes),
            )  # fmt: skip
        self.softmax = softmax

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layers(x)
        return answer.softmax(1) if self.softmax else answer


def assert_whole(run: Run, classes: int) -> None:
    """A run that did something in all its stages."""
    assert run.status == "done"
    assert run.report().stat().st_size > 10_000
    data, results = RunStore.open(run.path).load_stage("data").info, run.results
    assert len(data["classes"]) == classes
    assert results["search"]["failures"] > 0
    if classes > 2:  # two classes may not disagree after one epoch
        assert results["correction_skipped"] is None, "no region was kept, so that correction was not tried"
        assert 0 <= results["region_accuracy"]["after"] <= 1
        assert run.corrected_model() is not None


def state(module: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(module.state_dict())


def assert_untouched(module: nn.Module, before: dict[str, Tensor]) -> None:
    assert module.training, "the mode of the model that was given has changed"
    assert all(m.training for m in module.modules())
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


@pytest.mark.parametrize(
    ("classes", "shape", "dtype"),
    [(5, (3, 12, 10), "float32"), (5, (3, 9, 14), "uint8"), (43, (1, 8, 8), "uint8"), (2, (1, 5, 5), "float32")],
    ids=["colour, not square", "colour, odd, uint8", "43 classes", "two classes, five pixels wide"],
)
def test_arrays_of_any_size_and_number_of_classes_run_to_the_end(
    classes: int, shape: tuple[int, int, int], dtype: str, tmp_path: Path
) -> None:
    images, labels = squares(max(150, 7 * classes), classes, shape, dtype)
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    settings = SHORT | {
        "dataset": {"use": "arrays", "path": str(tmp_path / "data.npz")},
        "classifier": {"epochs": 1, "channels": [4, 8], "hidden": 16},
    }
    run = modeldebug.run(preset="tiny", settings=settings, out=tmp_path / "run")
    assert_whole(run, classes)
    assert tuple(RunStore.open(run.path).load_stage("data").info["shape"]) == shape


@pytest.mark.parametrize("softmax", [False, True], ids=["logits", "probabilities"])
def test_a_model_and_data_from_python_are_debugged_and_left_as_they_were(softmax: bool, tmp_path: Path) -> None:
    shape, classes = (3, 8, 6), 5
    model = Net(shape, classes, softmax=softmax).train()
    before, data = state(model), squares(150, classes, shape)
    run = modeldebug.run(model, data, preset="tiny", settings=SHORT, out=tmp_path / "run")
    assert_whole(run, classes)
    info = RunStore.open(run.path).load_stage("classifier").info
    assert info["output"] == ("probabilities" if softmax else "logits")
    assert_untouched(model, before)
    assert type(run.corrected_model()) is Net
    assert_untouched(model, before)


def test_a_run_of_a_model_from_python_is_resumed_with_it_to_the_same_bits(tmp_path: Path) -> None:
    shape, classes = (1, 8, 8), 4
    data = squares(150, classes, shape)
    settings = SHORT | {"classifier": {"train": True, "epochs": 3}}
    model = Net(shape, classes).train()
    before = state(model)
    straight = modeldebug.run(model, data, preset="tiny", settings=settings, out=tmp_path / "straight")
    assert RunStore.open(straight.path).load_stage("classifier").info["trained"]
    assert_untouched(model, before)

    out = tmp_path / "run"
    watch = Watch("progress", "classifier", 2)
    with pytest.raises(KeyboardInterrupt):
        modeldebug.run(model, data, preset="tiny", settings=settings, out=out, listeners=[watch])
    assert_untouched(model, before)
    with pytest.raises(KeyboardInterrupt):
        modeldebug.resume(out, model=model, dataset=data, listeners=[Watch("stage_started", "search")])
    assert_untouched(model, before)
    with pytest.raises(ConfigError, match="started from Python with a classifier object"):
        modeldebug.resume(out)
    with pytest.raises(RunFolderError, match="other inputs"):
        modeldebug.resume(out, model=Net(shape, classes).apply(_doubled), dataset=data)
    assert modeldebug.resume(out, model=model, dataset=data).status == "done"
    assert bits(out) == bits(straight.path)


def _doubled(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        with torch.no_grad():
            module.weight.mul_(2)


def test_training_sees_the_images_as_the_run_does_normalised(tmp_path: Path) -> None:
    """A model of one's own that is trained in the run learns from what it is asked about later."""

    class Sees(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64, 4)
            self.seen: dict[bool, list[float]] = {True: [], False: []}

        def __deepcopy__(self, memo: object) -> Sees:
            other = Sees()
            other.load_state_dict(self.state_dict())
            other.seen = self.seen
            return other.train(self.training)

        def forward(self, x: Tensor) -> Tensor:
            self.seen[self.training].append(float(x.min()))
            answer: Tensor = self.linear(x.flatten(1))
            return answer

    model = Sees()
    settings = SHORT | {"classifier": {"train": True, "epochs": 1, "mean": [10.0], "std": [2.0]}}
    with pytest.raises(KeyboardInterrupt):
        modeldebug.run(
            model,
            squares(150, 4, (1, 8, 8)),
            preset="tiny",
            settings=settings,
            out=tmp_path / "run",
            listeners=[Watch("stage_finished", "classifier")],
        )
    assert max(model.seen[False]) < -4, "normalised where it is asked"
    assert max(model.seen[True]) < -4, "and where it is trained"


def test_the_bundled_network_too_is_trained_on_normalised_images(tmp_path: Path) -> None:
    """With a mean far off, only a network that was trained behind the same normalisation can be right."""
    images, labels = squares(200, 4, (1, 8, 8))
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    settings = SHORT | {
        "dataset": {"use": "arrays", "path": str(tmp_path / "data.npz")},
        "classifier": {"epochs": 15, "mean": [3.0], "std": [0.3]},
    }
    watch = Watch("stage_finished", "classifier")
    with pytest.raises(KeyboardInterrupt):
        modeldebug.run(preset="tiny", settings=settings, out=tmp_path / "run", listeners=[watch])
    (learned,) = watch.of("stage_finished", "classifier")
    assert learned.data["accuracy"]["train"] > 0.9
