"""SVHN's Matlab files: what is read, and which files are refused."""

import numpy as np
import pytest
import torch
from modeldebug_datasets.settings import SvhnConfig
from modeldebug_datasets.svhn import Svhn
from published import every, write_svhn
from scipy.io import loadmat, savemat

from modeldebug import DataError, rng_for


def load(root, **settings):
    return Svhn(SvhnConfig(root=str(root), **settings)).load(rng_for(0))


def test_images_are_turned_round_and_ten_is_the_digit_zero(tmp_path):
    splits = load(write_svhn(tmp_path))
    assert splits.spec.shape == (3, 32, 32)
    assert splits.spec.classes == tuple("0123456789")
    x = torch.from_numpy(loadmat(tmp_path / "train_32x32.mat")["X"])  # (h, w, c, n)
    assert torch.equal(splits.train.images, x.permute(3, 2, 0, 1))
    assert torch.equal(every(splits, "images")[:, 0, 0, 0].long() % 10, every(splits))


def test_half_of_the_test_images_are_for_validation(tmp_path):
    splits = load(write_svhn(tmp_path))
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [100, 30, 30]
    assert sorted(torch.cat([splits.validation.rows, splits.test.rows]).tolist()) == list(range(60))
    assert splits.validation.labels.bincount().tolist() == [3] * 10


def test_missing_file_is_named(tmp_path):
    write_svhn(tmp_path / "SVHN")
    (tmp_path / "SVHN" / "test_32x32.mat").unlink()
    with pytest.raises(DataError, match="files of SVHN are missing") as caught:
        load(tmp_path)
    assert "http://ufldl.stanford.edu/housenumbers/test_32x32.mat" in str(caught.value)


X, Y = np.zeros((32, 32, 3, 20), dtype=np.uint8), (np.arange(20) % 10 + 1).astype(np.uint8)[:, None]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"X": X}, "no array 'y'"),
        ({"x": X, "y": Y}, "no array 'X'"),
        ({"X": X[..., 0], "y": Y}, "holds no images"),
        ({"X": X.astype(float), "y": Y}, "holds no images"),
        ({"X": X.transpose(3, 0, 1, 2), "y": Y}, "holds no images"),
        ({"X": X, "y": Y[:7]}, "20 images, 7 labels"),
        ({"X": X, "y": Y - 1}, "label is out of range"),
        ({"X": X, "y": Y + 1}, "label is out of range"),
        ({"X": X, "y": Y + 0.5}, "label is out of range"),
        ({"X": X, "y": "digits"}, "not as many labels"),
    ],
)
def test_foreign_contents_are_refused(tmp_path, content, words):
    savemat(write_svhn(tmp_path) / "train_32x32.mat", content)
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert words in str(caught.value)
    assert "train_32x32.mat" in str(caught.value)


@pytest.mark.parametrize("change", [lambda c: c[:-9], lambda c: c[:100], lambda c: b"", lambda c: b"<html>" * 99])
def test_damaged_files_are_refused(tmp_path, change):
    file = write_svhn(tmp_path) / "train_32x32.mat"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(DataError, match=r"cannot be read|no array"):
        load(tmp_path)
