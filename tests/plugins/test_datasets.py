"""Digits, arrays and folders: what is read, and what is refused. And what all data sets share."""

import numpy as np
import pytest
import torch
from modeldebug_datasets.arrays import Arrays
from modeldebug_datasets.digits import Digits
from modeldebug_datasets.folder import Folder
from modeldebug_datasets.gtsrb import Gtsrb
from modeldebug_datasets.mnist import FashionMnist, Mnist
from modeldebug_datasets.plugin import modeldebug_datasets
from modeldebug_datasets.settings import (
    ArraysConfig,
    DigitsConfig,
    FolderConfig,
    GtsrbConfig,
    IdxConfig,
    SvhnConfig,
)
from modeldebug_datasets.svhn import Svhn
from PIL import Image
from published import every, write_gtsrb, write_idx, write_svhn

from modeldebug import DataError, rng_for
from modeldebug.data import data_hash
from modeldebug.testing import check_dataset


def test_digits_are_all_there_in_range_and_of_ten_classes():
    splits = Digits(DigitsConfig()).load(rng_for(0))
    assert splits.spec.shape == (1, 8, 8)
    assert splits.spec.classes == tuple("0123456789")
    assert len(every(splits, "labels")) == 1797
    assert (float(every(splits, "images").min()), float(every(splits, "images").max())) == (0, 1)
    assert every(splits, "labels").bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_are_split_by_seed():
    first, again, other = (Digits(DigitsConfig()).load(rng_for(seed)) for seed in (0, 0, 1))
    assert data_hash(first) == data_hash(again) != data_hash(other)


IMAGES = np.random.default_rng(0).integers(0, 256, (30, 3, 5, 4), dtype=np.uint8)
LABELS = np.arange(30) % 3


@pytest.fixture
def arrays(tmp_path):
    """Write an .npz file, and load it."""

    def load(names=None, **content):
        path = tmp_path / "data.npz"
        np.savez(path, **content)
        return Arrays(ArraysConfig(path=str(path), names=names)).load(rng_for(0))

    return load


@pytest.mark.parametrize(
    "images", [IMAGES, (IMAGES / 255).astype(np.float32), IMAGES / 255], ids=lambda a: str(a.dtype)
)
@pytest.mark.parametrize("label_type", [np.int64, np.int32, np.uint8])
def test_arrays_are_read_whole(arrays, images, label_type):
    splits = arrays(images=images, labels=LABELS.astype(label_type))
    assert splits.spec.shape == (3, 5, 4)
    assert splits.spec.classes == ("0", "1", "2")
    wanted = torch.from_numpy(images if images.dtype == np.uint8 else images.astype(np.float32))
    assert torch.equal(every(splits, "images").flatten().sort().values, wanted.flatten().sort().values)


def test_class_names_of_arrays_are_a_setting(arrays):
    assert arrays(images=IMAGES, labels=LABELS, names=("a", "b", "c")).spec.classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"images": IMAGES}, "no array 'labels'"),
        ({"x": IMAGES, "y": LABELS}, "no array 'images'"),
        ({}, "no arrays"),
        ({"images": IMAGES, "labels": LABELS[:7]}, "30 images, 7 labels"),
        ({"images": IMAGES.transpose(0, 2, 3, 1), "labels": LABELS}, "channels of the images come last"),
        ({"images": IMAGES.astype(np.int32), "labels": LABELS}, "wrong type"),
        ({"images": IMAGES.astype(np.float32), "labels": LABELS}, "out of range"),
        ({"images": IMAGES, "labels": LABELS - 1}, "out of range"),
        ({"images": IMAGES, "labels": LABELS.astype(float)}, "integers"),
        ({"images": IMAGES, "labels": LABELS * 0}, "one class only"),
        ({"images": IMAGES, "labels": LABELS, "names": ("a", "b")}, "out of range"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "empty"),
        ({"images": IMAGES, "labels": np.array(["cat", "dog", "owl"] * 10)}, "no numbers"),
        ({"images": IMAGES, "labels": np.array([0, 1, None] * 10, dtype=object)}, "cannot be read"),
    ],
)
def test_unusable_arrays_are_refused(arrays, content, words):
    with pytest.raises(DataError) as caught:
        arrays(**content)
    assert words in str(caught.value)


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        from pathlib import Path

        return Path.touch, (self.path,)


def test_pickled_objects_in_arrays_are_refused_and_their_code_does_not_run(arrays, tmp_path):
    trace = tmp_path / "executed"
    with pytest.raises(DataError, match="cannot be read") as caught:
        arrays(images=np.array([Trap(trace)] * 30, dtype=object), labels=LABELS)
    assert "nothing in it is unpickled" in str(caught.value)
    assert not trace.exists()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(DataError, match="data file cannot be read"):
        Arrays(ArraysConfig(path=str(tmp_path / "data.npz"))).load(rng_for(0))


def test_single_array_file_is_refused(tmp_path):
    np.save(tmp_path / "data.npy", IMAGES)
    with pytest.raises(DataError, match="data file cannot be read"):
        Arrays(ArraysConfig(path=str(tmp_path / "data.npy"))).load(rng_for(0))


def test_pickle_file_is_refused_and_its_code_does_not_run(tmp_path):
    import pickle

    (tmp_path / "data.npz").write_bytes(pickle.dumps(Trap(tmp_path / "executed")))
    with pytest.raises(DataError, match="data file cannot be read"):
        Arrays(ArraysConfig(path=str(tmp_path / "data.npz"))).load(rng_for(0))
    assert not (tmp_path / "executed").exists()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="no data file"):
        Arrays(ArraysConfig(path=str(tmp_path / "none.npz"))).load(rng_for(0))


def write_pictures(root, names=("cat", "dog"), n=10, size=(9, 7), mode="RGB", suffix="png"):
    """n pictures a class; the class's number is the brightness."""
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(n):
            Image.new(mode, size, 100 * label if mode == "L" else (100 * label,) * 3).save(
                root / name / f"{i}.{suffix}", **({"lossless": True} if suffix == "webp" else {})
            )


def folder(root, **settings):
    return Folder(FolderConfig(path=str(root), **({"size": 8} | settings))).load(rng_for(0))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "L"), (1, "RGB"), (3, "RGB")])
@pytest.mark.parametrize("suffix", ["png", "bmp", "webp"])
def test_folder_of_pictures_is_read_resized_and_labelled(tmp_path, channels, mode, suffix):
    write_pictures(tmp_path, mode=mode, suffix=suffix)
    splits = folder(tmp_path, channels=channels)
    assert splits.spec.shape == (channels, 8, 8)
    assert splits.spec.classes == ("cat", "dog")
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (12, 4, 4)
    brightness = every(splits, "images").flatten(1).float().mean(1)
    assert torch.equal(brightness, 100.0 * every(splits, "labels"))


def test_folder_with_splits_of_its_own_keeps_them(tmp_path):
    for part, n in (("train", 6), ("validation", 3), ("test", 2)):
        write_pictures(tmp_path / part, n=n)
    splits = folder(tmp_path)
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [12, 6, 4]


def test_pictures_in_deeper_folders_are_found_and_other_files_passed_over(tmp_path):
    write_pictures(tmp_path)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    (tmp_path / "cat" / "more").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "cat" / "more" / "one.PNG")
    assert len(every(folder(tmp_path), "labels")) == 21


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: (root / "cat" / "0.png").write_bytes(b"no picture"), "0.png"),
        (lambda root: (root / "train").mkdir(), "has some splits and lacks others"),
    ],
)
def test_unusable_folder_is_refused(tmp_path, spoil, words):
    write_pictures(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DataError) as caught:
        folder(tmp_path)
    assert words in str(caught.value)


def test_folder_without_pictures_or_that_is_missing_is_refused(tmp_path):
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="holds no images in class folders"):
        folder(tmp_path)
    with pytest.raises(DataError, match="no folder of images"):
        folder(tmp_path / "none")


def test_folder_of_one_class_is_refused(tmp_path):
    write_pictures(tmp_path, names=("cat",))
    with pytest.raises(DataError, match="one class only"):
        folder(tmp_path)


def make_arrays(root, **settings):
    np.savez(root / "data.npz", images=IMAGES, labels=LABELS)
    return Arrays(ArraysConfig(path=str(root / "data.npz"), names=("a", "b", "c"), **settings))


def make_folder(root, **settings):
    write_pictures(root / "pictures", names=("ant", "bee", "cat"))
    return Folder(FolderConfig(path=str(root / "pictures"), size=8, **settings))


EVERY = {
    "digits": lambda root, **settings: Digits(DigitsConfig(**settings)),
    "mnist": lambda root, **settings: Mnist(IdxConfig(root=str(write_idx(root)), validation=50, **settings)),
    "fashion-mnist": lambda root, **settings: FashionMnist(
        IdxConfig(root=str(write_idx(root)), validation=50, **settings)
    ),
    "svhn": lambda root, **settings: Svhn(SvhnConfig(root=str(write_svhn(root)), **settings)),
    "gtsrb": lambda root, **settings: Gtsrb(GtsrbConfig(root=str(write_gtsrb(root)), size=8, **settings)),
    "arrays": make_arrays,
    "folder": make_folder,
}


def test_every_data_set_is_tried_here():
    assert set(EVERY) == {component.name for component in modeldebug_datasets()}


@pytest.mark.parametrize("name", EVERY)
def test_every_data_set_keeps_the_contract_of_data_sets(name, tmp_path):
    source = EVERY[name](tmp_path)
    check_dataset(lambda: source)


@pytest.mark.parametrize("name", EVERY)
def test_every_data_set_can_be_narrowed_and_limited(name, tmp_path):
    source = EVERY[name](tmp_path)
    whole = source.load(rng_for(0))
    names = whole.spec.classes
    source.config = source.config.model_copy(update={"classes": (2, names[0]), "limit": 8})
    few = source.load(rng_for(0))
    assert few.spec.classes == (names[2], names[0])
    assert len(every(few)) == 8
    for part in ("train", "validation", "test"):
        old, new = getattr(whole, part), getattr(few, part)
        assert set(new.labels.tolist()) == {0, 1}
        for image, label in zip(new.images, new.labels, strict=True):
            same = (old.images == image).flatten(1).all(1)
            assert int(old.labels[same][0]) == (2, 0)[label]
