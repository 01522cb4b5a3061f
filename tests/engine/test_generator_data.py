"""A generator may learn from other data than the classifier's, and then sees nothing else."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import modeldebug
from modeldebug import (
    AbsolutePath,
    Component,
    ComponentConfig,
    ConfigError,
    Context,
    DataError,
    DatasetConfig,
    DatasetSource,
    DataSpec,
    ImageSet,
    Run,
    Splits,
    hold_out,
    rng_for,
)
from modeldebug.aims import run_targets
from modeldebug.check import check
from modeldebug.config import Layer, RunConfig, resolve
from modeldebug.data import data_hash
from modeldebug.prepare import Prepared, prepare
from modeldebug.registry import Registry
from modeldebug.report.reproduce import command
from modeldebug.store import RunStore, Saved
from modeldebug.testing.problems import ABILITIES, SPEC, PlantedGenerator, known_problem

from . import planted
from .bits import Watch, bits


def ready(config: RunConfig) -> Prepared:
    return prepare(config, aims=run_targets)


class Recording(PlantedGenerator):
    """Learns nothing, and remembers what it was given."""

    def __init__(self, config: ComponentConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.seen = torch.empty(0)

    def _fit(self, data: ImageSet, context: Context) -> None:
        self.seen = data.batch(slice(None))[0]

    def state_dict(self) -> dict[str, Tensor]:
        return {"seen": self.seen, "classes": torch.tensor(self.spec.num_classes)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.seen = state["seen"]


recording = Component("recording", "", ComponentConfig, Recording, provides=ABILITIES)
told = Component("told", "", ComponentConfig, Recording, provides=ABILITIES | {"conditional"})


def other() -> Splits:
    """Images that the classifier's data lack, of two classes with names of their own."""
    images = torch.linspace(0, 1, 80)[:, None, None, None].expand(80, 1, 8, 8).contiguous()
    parts = [ImageSet(images[i : i + 40 - 20 * (i > 0)], torch.arange(40 - 20 * (i > 0)) % 2) for i in (0, 40, 60)]
    return Splits(DataSpec((1, 8, 8), ("left", "right")), *parts)


def fewer() -> Splits:
    """The classifier's data, with half of its training images."""
    splits = known_problem().splits
    return replace(splits, train=splits.train.subset(torch.arange(0, len(splits.train), 2)))


def training_alone() -> Splits:
    """Images of one class that the classifier's data lack, and nothing to validate or test on."""
    images = other().train.images
    train = ImageSet(images, torch.zeros(len(images), dtype=torch.int64))
    none = train.subset(torch.arange(0))
    return Splits(DataSpec((1, 8, 8), ("novel",)), train, none, none)


def nothing() -> Splits:
    """No training image."""
    splits = known_problem().splits
    return replace(splits, train=splits.train.subset(torch.arange(0)))


class HeldOutConfig(DatasetConfig):
    validation: int = 100
    root: AbsolutePath | None = None


class HeldOut(DatasetSource[HeldOutConfig]):
    """The known problem's images, of which as many as asked for are held out for validation."""

    Config = HeldOutConfig
    read: ClassVar[list[int]] = []

    def _load(self, rng: torch.Generator) -> Splits:
        self.read.append(self.config.validation)
        splits = known_problem().splits
        rest, validation = hold_out(splits.train, self.config.validation, rng=rng)
        return replace(splits, train=rest, validation=validation)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What has been read of `HeldOut` since."""
    monkeypatch.setattr(HeldOut, "read", [])
    return HeldOut.read


def colour() -> Splits:
    """Data of another shape."""
    parts = [ImageSet(torch.zeros(8, 3, 8, 8), torch.arange(8) % 2) for _ in range(3)]
    return Splits(DataSpec((3, 8, 8), ("a", "b")), *parts)


def use(name: str, **settings: Any) -> dict[str, Any]:
    return {"use": f"{__name__}:{name}", **settings}


def debug(out: Path, *, listeners: Any = (), **changed: Mapping[str, Any]) -> Run:
    return planted.debug(out, listeners=listeners, **{"generator": use("recording"), **changed})


def configured(**changed: Mapping[str, Any]) -> RunConfig:
    settings = planted.settings(**{"generator": use("recording"), **changed})
    return resolve(Registry.load(["defuse"]), ["defuse"], [Layer("a test", settings)])


def stage(run: Run, name: str) -> Saved:
    return RunStore.open(run.path).load_stage(name)


@pytest.fixture(scope="module")
def on_other_data(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return debug(tmp_path_factory.mktemp("other") / "run", generator_data=use("other"))


def test_the_generator_sees_the_training_images_of_its_own_data_and_nothing_else(on_other_data: Run) -> None:
    tensors = stage(on_other_data, "generator").tensors
    assert torch.equal(tensors["seen"], other().train.images)
    assert int(tensors["classes"]) == 2


def test_gate_and_search_start_from_the_classifiers_images(on_other_data: Run) -> None:
    splits = known_problem().splits
    shown = stage(on_other_data, "gate").tensors["x"]
    assert torch.equal(shown, splits.validation.images[: len(shown)])
    assert on_other_data.results["search"]["origins"] == len(splits.train)
    assert on_other_data.results["search"]["failures"] > 0


def test_results_and_report_say_what_the_generator_learnt_from(on_other_data: Run) -> None:
    learnt = {"dataset": f"{__name__}:other", "images": 40, "classes": ["left", "right"]}
    assert on_other_data.results["generator_data"] == learnt
    assert f"learnt from 40 training images of {__name__}:other (left, right)" in on_other_data.report().read_text()


def test_without_data_of_its_own_the_generator_learns_from_the_classifiers(tmp_path: Path) -> None:
    run = debug(tmp_path / "run")
    assert torch.equal(stage(run, "generator").tensors["seen"], known_problem().splits.train.images)
    assert run.results["generator_data"] is None
    assert "learnt from" not in run.report().read_text()


def test_settings_alone_change_those_of_the_classifiers_data(tmp_path: Path) -> None:
    run = debug(
        tmp_path / "run",
        dataset={**planted.SETTINGS["dataset"], "limit": 600},
        generator_data={"classes": ["dark-dark", "bright-bright"]},
    )
    seen = stage(run, "generator").tensors["seen"]
    everything = {image.numpy().tobytes() for image in known_problem().splits.train.images}
    assert {image.numpy().tobytes() for image in seen} < everything
    assert run.results["generator_data"]["classes"] == ["dark-dark", "bright-bright"]
    assert len(stage(run, "data").info["classes"]) == 4
    config = json.loads((tmp_path / "run" / "manifest.json").read_text())["config"]
    assert config["generator_data"] == {**config["dataset"], "classes": ["dark-dark", "bright-bright"]}


def test_what_is_inherited_says_so_and_is_left_out_of_the_command_that_does_the_run_again() -> None:
    config = configured(generator_data={"classes": ["dark-dark", "bright-dark"]})
    assert config.sources["generator_data.use"] == "dataset"
    assert config.sources["generator_data.classes"] == "a test"
    manifest = {
        "kind": "run", "plugins": config.plugins, "preset": config.preset, "budget": config.budget,
        "config": config.to_dict(), "sources": config.sources,
    }  # fmt: skip
    words = shlex.split(command(manifest))
    assert [w for w in words if w.startswith("generator_data.")] == [
        'generator_data.classes=["dark-dark", "bright-dark"]'
    ]


def test_a_data_set_of_its_own_inherits_nothing() -> None:
    config = configured(dataset={**planted.SETTINGS["dataset"], "limit": 600}, generator_data=use("other"))
    assert config.choices["generator_data"].to_dict()["limit"] is None


def test_one_data_set_is_read_once_however_each_role_chooses_from_it(read: list[int]) -> None:
    ours, theirs = {"limit": 300}, {"classes": ["dark-dark", "bright-dark"], "limit": 120}
    for use_again in ({}, use("HeldOut")):
        config = configured(dataset=use("HeldOut", **ours), generator_data={**use_again, **theirs})
        prepared = ready(config)
        assert read == [100]
        assert prepared.legitimate.train.storage is prepared.splits.train.storage
        for splits, settings in ((prepared.splits, ours), (prepared.legitimate, theirs)):
            alone = HeldOut(HeldOutConfig.model_validate(settings)).load(rng_for(config.core.run.seed, "data"))
            assert data_hash(splits) == data_hash(alone)
        read.clear()


def test_one_data_set_split_in_two_ways_is_refused_before_it_is_read(read: list[int]) -> None:
    for use_again in ({}, use("HeldOut")):
        with pytest.raises(ConfigError, match="validated or tested on") as caught:
            ready(configured(dataset=use("HeldOut"), generator_data={**use_again, "validation": 50}))
        assert "generator_data.validation=50, dataset.validation=100" in str(caught.value)
    assert read == []


def test_the_same_component_with_another_path_is_another_data_set(read: list[int], tmp_path: Path) -> None:
    ready(configured(dataset=use("HeldOut"), generator_data={"root": str(tmp_path), "validation": 50}))
    assert read == [100, 50]


def test_a_generator_learns_from_one_class_without_validation_or_test_images(tmp_path: Path) -> None:
    run = debug(tmp_path / "run", generator_data=use("training_alone"))
    assert run.results["generator_data"] == {
        "dataset": f"{__name__}:training_alone", "images": 40, "classes": ["novel"],
    }  # fmt: skip
    assert ready(configured(generator_data={"classes": ["dark-dark"]})).legitimate.spec.classes == ("dark-dark",)


def test_a_generator_needs_training_images_and_a_classifier_two_classes() -> None:
    with pytest.raises(DataError, match="the train split is empty"):
        ready(configured(generator_data=use("nothing")))
    with pytest.raises(DataError, match="one class only"):
        ready(configured(dataset={"classes": ["dark-dark"]}))
    with pytest.raises(DataError, match="the validation split is empty"):
        ready(configured(dataset=use("training_alone")))


def test_images_of_another_shape_are_refused_naming_both(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="images of another shape than the classifier's") as caught:
        debug(tmp_path / "run", generator_data=use("colour"))
    for words in ("3 x 8 x 8", "1 x 8 x 8", f"{__name__}:colour", f"{planted.__name__}:data"):
        assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_generator_that_is_told_the_class_needs_the_classifiers_classes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is told the class of each image") as caught:
        debug(tmp_path / "run", generator=use("told"), generator_data=use("other"))
    assert "left, right" in str(caught.value)
    assert "dark-dark" in str(caught.value)
    assert not (tmp_path / "run").exists()
    run = debug(tmp_path / "run", generator=use("told"), generator_data=use("fewer"))
    assert int(stage(run, "generator").tensors["classes"]) == SPEC.num_classes


def test_interrupted_after_the_generator_it_ends_with_the_same_bits(on_other_data: Run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        debug(tmp_path / "run", generator_data=use("other"), listeners=[Watch("stage_finished", "generator")])
    watch = Watch()
    assert modeldebug.resume(tmp_path / "run", listeners=[watch]).status == "done"
    assert "generator" not in watch.started
    assert bits(tmp_path / "run") == bits(on_other_data.path)


def test_only_what_rests_on_the_generator_depends_on_its_data(on_other_data: Run, planted_run: Run) -> None:
    keys = [RunStore.open(run.path).manifest["stages"] for run in (on_other_data, planted_run)]
    same = {name for name in keys[0] if keys[0][name]["key"] == keys[1][name]["key"]}
    assert same == {"data", "classifier", "labeler", "auditor"}


def test_a_run_whose_generators_data_have_changed_since_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        debug(tmp_path / "run", generator_data=use("other"), listeners=[Watch("stage_finished", "generator")])
    changed = other()
    monkeypatch.setattr(f"{__name__}.other", lambda: replace(changed, train=changed.train.subset(torch.arange(30))))
    with pytest.raises(modeldebug.RunFolderError, match="generator"):
        modeldebug.resume(tmp_path / "run")


def test_check_lists_what_the_generator_learns_from() -> None:
    assert check(configured()).generator_data is None
    findings = check(configured(generator_data=use("other")))
    assert findings.generator_data == f"40 training images of {__name__}:other (left, right)"
    assert f"generator {__name__}:recording" in findings.components
    with pytest.raises(DataError):
        check(configured(generator_data=use("colour")))
