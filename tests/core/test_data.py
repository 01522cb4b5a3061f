import pytest
import torch

from modeldebug import DataError, DataSpec, ImageSet, Splits, rng_for, split
from modeldebug.data import check_splits, data_hash

CLASSES = ("a", "b", "c")


def images_of(n, seed=0):
    """n different images with their number in the first pixel."""
    images = torch.rand(n, 1, 4, 4, generator=rng_for(seed))
    images[:, 0, 0, 0] = torch.arange(n) / n
    return images


def numbers(part, n):
    return (part.images[:, 0, 0, 0] * n).round().long().tolist()


def splits_of(n=100, seed=0):
    return split(images_of(n), torch.arange(n) % 3, classes=CLASSES, rng=rng_for(seed))


def test_splits_are_disjoint_and_complete():
    splits = splits_of()
    parts = [numbers(p, 100) for p in (splits.train, splits.validation, splits.test)]
    assert sorted(parts[0] + parts[1] + parts[2]) == list(range(100))


def test_splits_are_stratified_60_20_20():
    labels = torch.tensor([0] * 50 + [1] * 10 + [2] * 40)
    splits = split(images_of(100), labels, classes=CLASSES, rng=rng_for(0))
    assert splits.train.labels.bincount().tolist() == [30, 6, 24]
    assert splits.validation.labels.bincount().tolist() == [10, 2, 8]
    assert splits.test.labels.bincount().tolist() == [10, 2, 8]


def test_images_keep_their_labels():
    splits = splits_of()
    for part in (splits.train, splits.validation, splits.test):
        assert [n % 3 for n in numbers(part, 100)] == part.labels.tolist()


def test_seed_decides_the_splits():
    assert data_hash(splits_of(seed=0)) == data_hash(splits_of(seed=0)) != data_hash(splits_of(seed=1))


def test_labels_beyond_the_class_names_are_refused_rather_than_dropped():
    with pytest.raises(DataError, match="label is out of range") as caught:
        split(images_of(30), torch.arange(30) % 3, classes=("a", "b"), rng=rng_for(0))
    assert "label 2" in str(caught.value)
    assert "0 to 1" in str(caught.value)


def broken(images=None, labels=None, *, part="test", spec=None):
    good = splits_of()
    parts = {name: getattr(good, name) for name in ("train", "validation", "test")}
    parts[part] = ImageSet(
        parts[part].images if images is None else images, parts[part].labels if labels is None else labels
    )
    return Splits(spec or good.spec, **parts)


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        (lambda: broken(torch.empty(0, 1, 4, 4), torch.empty(0, dtype=torch.int64)), "the test split is empty"),
        (lambda: broken(torch.rand(20, 1, 5, 4), torch.zeros(20, dtype=torch.int64)), "another shape"),
        (lambda: broken(labels=splits_of().test.labels + 1), "label is out of range"),
        (lambda: broken(images=splits_of().test.images * torch.nan), "NaN or infinite"),
        (lambda: broken(images=splits_of().test.images * 255), "out of range"),
        (lambda: broken(images=splits_of().test.images - 0.5), "out of range"),
        (lambda: broken(labels=torch.zeros_like(splits_of().train.labels), part="train"), "one class only"),
        (lambda: split(images_of(9), torch.arange(9) * 0, classes=("a",), rng=rng_for(0)), "one class only"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_debugged_with_are_refused(splits, words):
    with pytest.raises(DataError, match=words) as caught:
        check_splits(splits(), name="datasets:mine")
    assert "datasets:mine" in str(caught.value)


def test_good_data_pass():
    splits = splits_of()
    assert check_splits(splits, name="mine") is splits


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (torch.rand(3, 4, 4), torch.zeros(3, dtype=torch.int64)),
        (torch.rand(3, 1, 4, 4).double(), torch.zeros(3, dtype=torch.int64)),
        (torch.rand(3, 1, 4, 4), torch.zeros(4, dtype=torch.int64)),
        (torch.rand(3, 1, 4, 4), torch.zeros(3)),
        (torch.rand(3, 1, 4, 4), torch.tensor([0, -1, 0])),
    ],
)
def test_image_set_refuses_wrong_shapes_types_and_negative_labels(images, labels):
    with pytest.raises(DataError):
        ImageSet(images, labels)


def test_bytes_become_floats_in_a_batch_only():
    images = ImageSet(torch.full((2, 1, 2, 2), 255, dtype=torch.uint8), torch.tensor([0, 1]))
    x, y = images.batch(torch.tensor([1]))
    assert x.dtype == torch.float32
    assert bool((x == 1).all())
    assert y.tolist() == [1]
    assert images.subset(torch.tensor([0])).images.dtype == torch.uint8


def test_hash_sees_every_pixel_label_and_class_name():
    def changed(splits, **changes):
        return Splits(**(vars(splits) | changes))

    splits = splits_of()
    pixel = splits.test.images.clone()
    pixel[0, 0, 0, 0] += 0.001
    others = [
        changed(splits, test=ImageSet(pixel, splits.test.labels)),
        changed(splits, train=ImageSet(splits.train.images, splits.train.labels.flip(0))),
        changed(splits, spec=DataSpec((1, 4, 4), ("a", "b", "d"))),
    ]
    assert len({data_hash(s) for s in [splits, *others]}) == 4
