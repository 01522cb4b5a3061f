"""The data set of scenes: rendered once, in blocks, for any question."""

import pytest
import torch
from modeldebug_clevr import dataset
from modeldebug_clevr.objects import Pattern
from modeldebug_clevr.plugin import modeldebug_datasets
from modeldebug_clevr.settings import ScenesConfig

from modeldebug import DataError
from modeldebug.testing import check_dataset

pytest.importorskip("mitsuba", reason="scenes are rendered by the package mitsuba, which is not installed")

SMALL = {"size": 8, "top": 1, "objects": (0, 3), "train": 30, "validation": 10, "test": 10}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MODELDEBUG_CACHE", str(tmp_path))
    monkeypatch.setattr(dataset, "BLOCK", 10)
    return tmp_path


@pytest.fixture
def rendered(monkeypatch):
    """Codes, instead of pictures: their first numbers as bytes; and how many were asked for at a time."""
    asked = []

    def pixels(z, *, size, samples):
        asked.append(len(z))
        x = torch.zeros(len(z), 3, size, size, dtype=torch.uint8)
        x[:, 0, 0, 0] = Pattern.read("cubes").count(z).byte()
        return x

    monkeypatch.setattr(dataset, "pixels", pixels)
    return asked


def load(seed=0, **settings):
    return dataset.RenderedScenes(ScenesConfig(**{**SMALL, **settings})).load(torch.Generator().manual_seed(seed))


def test_labels_are_the_answers_and_images_are_those_of_their_scenes(rendered):
    splits = load()
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (30, 10, 10)
    assert splits.spec.classes == ("0 cubes", "1 or more cubes")
    for part in (splits.train, splits.validation, splits.test):
        assert torch.equal(part.images[:, 0, 0, 0].clamp_max(1).long(), part.labels)


def test_other_questions_and_other_seeds_of_the_run_share_the_images(rendered):
    first = load()
    other = load(seed=1, count="spheres")
    assert rendered.count(10) == 5
    assert torch.equal(first.test.images, other.test.images)
    assert not torch.equal(first.test.labels, other.test.labels)
    assert not torch.equal(first.train.rows, other.train.rows)
    load(seed=0, samples=16)
    assert rendered.count(10) == 10


def test_rendering_that_was_killed_goes_on_with_the_block_that_was_not_finished(rendered, monkeypatch, cache, capsys):
    whole = load()
    pixels, done = dataset.pixels, []

    def killed(z, **how):
        if len(done) == 4:  # the first few scenes, and three blocks
            raise KeyboardInterrupt
        done.append(len(z))
        return pixels(z, **how)

    monkeypatch.setenv("MODELDEBUG_CACHE", str(cache / "another"))
    monkeypatch.setattr(dataset, "pixels", killed)
    with pytest.raises(KeyboardInterrupt):
        load()
    monkeypatch.setattr(dataset, "pixels", pixels)
    rendered.clear()
    resumed = load()
    assert rendered[1:] == [10, 10]
    assert "rendering 20 scenes, this once" in capsys.readouterr().err
    assert torch.equal(resumed.train.images, whole.train.images)
    assert not list((cache / "another" / "rendering").iterdir())


def test_classes_without_a_training_image_are_refused(rendered):
    with pytest.raises(DataError, match="without a training image") as caught:
        load(top=3, train=2)
    assert "dataset.top" in str(caught.value)


def test_scenes_keep_the_contract_of_data_sets():
    check_dataset(*modeldebug_datasets(), SMALL)


def test_scenes_that_look_otherwise_are_rendered_anew(rendered, monkeypatch):
    load()
    pixels = dataset.pixels
    monkeypatch.setattr(dataset, "pixels", lambda z, **how: 255 - pixels(z, **how))
    assert int(load().test.images.max()) == 255
    assert rendered.count(10) == 10
