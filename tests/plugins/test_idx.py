"""MNIST and its relatives: what is read, and which files are refused."""

import gzip

import numpy as np
import pytest
import torch
from modeldebug_datasets.mnist import FashionMnist, Mnist
from modeldebug_datasets.settings import IdxConfig
from published import every, idx, idx_arrays, write_idx

from modeldebug import DataError, rng_for

LABELS, IMAGES = "train-labels-idx1-ubyte", "train-images-idx3-ubyte"


def load(root, kind=Mnist, seed=0, **settings):
    return kind(IdxConfig(root=str(root), **({"validation": 50} | settings))).load(rng_for(seed))


@pytest.mark.parametrize("zipped", [True, False])
def test_files_are_read_whole_zipped_or_not(tmp_path, zipped):
    splits = load(write_idx(tmp_path, zipped=zipped))
    assert splits.spec.shape == (1, 28, 28)
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [150, 50, 60]
    assert torch.equal(splits.test.images[:, 0], torch.from_numpy(idx_arrays(60, seed=60)[0]))
    assert torch.equal(every(splits, "images")[:, 0, 0, 0].long(), every(splits))


def test_validation_images_are_held_out_of_the_training_images_by_seed_and_class(tmp_path):
    write_idx(tmp_path)
    first, again, other = (load(tmp_path, seed=seed) for seed in (0, 0, 1))
    assert first.validation.labels.bincount().tolist() == [5] * 10
    assert torch.equal(first.validation.rows, again.validation.rows)
    assert not torch.equal(first.validation.rows, other.validation.rows)
    assert sorted(torch.cat([first.train.rows, first.validation.rows]).tolist()) == list(range(200))


def test_fashion_mnist_names_its_classes(tmp_path):
    assert load(write_idx(tmp_path), FashionMnist).spec.classes[-1] == "Ankle boot"


@pytest.mark.parametrize("place", ["MNIST/raw", "raw", "MNIST", "mnist"])
def test_files_are_found_where_torchvision_puts_them(tmp_path, place):
    write_idx(tmp_path / place)
    assert len(load(tmp_path).test) == 60


def test_names_with_a_dot_are_found_too(tmp_path):
    for file in write_idx(tmp_path, zipped=False).iterdir():
        file.rename(file.with_name(file.name.replace("-idx", ".idx")))
    assert len(load(tmp_path).test) == 60


def test_validation_larger_than_the_training_set_is_refused(tmp_path):
    with pytest.raises(DataError, match="too few images to hold some out"):
        load(write_idx(tmp_path), validation=200)


def test_missing_files_are_listed_with_their_addresses(tmp_path):
    write_idx(tmp_path)
    (tmp_path / f"{LABELS}.gz").unlink()
    with pytest.raises(DataError, match="files of MNIST are missing") as caught:
        load(tmp_path)
    message = str(caught.value)
    assert f"missing: {LABELS}.gz\n" in message
    assert f"https://ossci-datasets.s3.amazonaws.com/mnist/{LABELS}.gz" in message
    assert "t10k" not in message.partition("do:")[2]


def test_root_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load(tmp_path / "none")


def spoiled(name, change):
    def spoil(folder):
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return spoil


def swap(folder):
    (folder / IMAGES).rename(folder / "aside")
    (folder / LABELS).rename(folder / IMAGES)
    (folder / "aside").rename(folder / LABELS)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoiled(IMAGES, lambda content: content[:-1]), "it ends too early"),
        (spoiled(LABELS, lambda content: content[:-1]), "it ends too early"),
        (spoiled(IMAGES, lambda content: content + b"0"), "it goes on after its last item"),
        (spoiled(LABELS, lambda content: content[:6]), "it ends too early"),
        (spoiled(LABELS, lambda content: b""), "it ends too early"),
        (spoiled(IMAGES, lambda content: b"<html>not found</html>"), "no IDX file"),
        (spoiled(IMAGES, lambda content: gzip.compress(content)[:-500]), "cannot be read"),
        (spoiled(IMAGES, lambda content: content[:8] + b"\xff" * 8 + content[16:]), "images of 4294967295 x"),
        (spoiled(IMAGES, lambda content: content[:4] + b"\x7f" * 4 + content[8:]), "not as many labels as images"),
        (spoiled(LABELS, lambda content: content[:-1] + b"\x0a"), "label is out of range"),
        (spoiled(LABELS, lambda content: idx(idx_arrays(190)[1])), "200 images in"),
        (swap, "it should hold labels, and is a file of images"),
    ],
)  # fmt: skip
def test_damaged_and_foreign_files_are_refused_and_nothing_is_kept(tmp_path, cache, spoil, words):
    spoil(write_idx(tmp_path, zipped=False))
    before = sorted(cache.rglob("*.npy"))
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert sorted(cache.rglob("*.npy")) == before


def test_images_of_another_size_are_read_as_they_are(tmp_path):
    write_idx(tmp_path)
    for part, n in (("train", 200), ("t10k", 60)):
        content = idx(np.zeros((n, 12, 10), dtype=np.uint8))
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    assert load(tmp_path).spec.shape == (1, 12, 10)
