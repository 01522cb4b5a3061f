import pytest
import torch

from modeldebug import DataError, DatasetConfig, DatasetSource, DataSpec, ImageSet, Splits, hold_out, rng_for, split
from modeldebug.data import check_debuggable, check_splits, chosen, data_hash, limited, narrowed

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
        check_debuggable(check_splits(splits(), name="datasets:mine"), name="datasets:mine")
    assert "datasets:mine" in str(caught.value)


def test_good_data_pass():
    splits = splits_of()
    assert check_debuggable(check_splits(splits, name="mine"), name="mine") is splits


def test_data_need_a_second_class_and_every_split_only_where_a_classifier_is_debugged():
    whole = splits_of()
    none = whole.test.subset(torch.arange(0))
    training_alone = Splits(whole.spec, whole.train.subset(whole.train.labels == 1), none, none)
    assert check_splits(training_alone, name="mine") is training_alone
    assert chosen(training_alone, ("b",), None, rng=rng_for(0), name="mine").spec.classes == ("b",)


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


def test_images_of_a_wrong_shape_are_not_said_to_be_of_a_wrong_type_alone():
    with pytest.raises(DataError, match="images have the wrong type or shape"):
        ImageSet(torch.rand(3, 4, 4), torch.zeros(3, dtype=torch.int64))


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


def test_views_share_the_storage_and_hold_the_same_images_as_copies():
    images = ImageSet(images_of(20), torch.arange(20) % 3)
    view = images.subset(images.labels > 0).subset(torch.tensor([3, 1]))
    assert view.storage is images.storage
    assert (view.dtype, view.shape, len(view)) == (torch.float32, (1, 4, 4), 2)
    for index in (slice(None), slice(1, 2), torch.tensor([1, 0, 1]), torch.tensor([True, False])):
        copy = ImageSet(view.images, view.labels)
        assert torch.equal(view.stored(index), copy.stored(index))
        for ours, theirs in zip(view.batch(index), copy.batch(index), strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("size", [1, 7, 20, 100])
def test_chunks_are_all_images_in_order(size):
    images = ImageSet(images_of(40), torch.zeros(40, dtype=torch.int64)).subset(torch.arange(39, 0, -2))
    assert torch.equal(torch.cat(list(images.chunks(size))), images.images)
    assert max(map(len, images.chunks(size))) <= size


@pytest.mark.parametrize("rows", [torch.tensor([0, 5]), torch.tensor([-1, 0]), torch.tensor([0.0, 1.0])])
def test_rows_that_the_storage_does_not_have_are_refused(rows):
    with pytest.raises(DataError, match="rows"):
        ImageSet(images_of(5), torch.tensor([0, 1]), rows)


def test_splitting_copies_no_image():
    images = images_of(100)
    splits = split(images, torch.arange(100) % 3, classes=CLASSES, rng=rng_for(0))
    splits = limited(narrowed(splits, ("c", "a"), name="mine"), 30, rng=rng_for(0), name="mine")
    rest, held_out = hold_out(splits.train, 4, rng=rng_for(0))
    for part in (splits.train, splits.validation, splits.test, rest, held_out, splits.without_test().test):
        assert part.storage is images


def copied(splits):
    parts = (splits.train, splits.validation, splits.test)
    return Splits(splits.spec, *(ImageSet(part.images, part.labels) for part in parts))


def test_hash_of_a_view_is_that_of_the_same_images_copied():
    splits = splits_of(2000)
    assert data_hash(splits) == data_hash(copied(splits))


def test_hash_is_that_of_version_0_1():
    pixels = (torch.arange(20 * 16) % 251).to(torch.uint8).view(20, 1, 4, 4)
    splits = split(pixels, torch.arange(20) % 2, classes=("a", "b"), rng=rng_for(0))
    assert data_hash(splits).startswith("62228aae4bbaa0a63b60c142939a242a")


def test_classes_are_chosen_by_name_or_number_and_numbered_anew():
    splits = narrowed(splits_of(), (2, "a"), name="mine")
    assert splits.spec == DataSpec((1, 4, 4), ("c", "a"))
    for part, whole in ((splits.train, splits_of().train), (splits.test, splits_of().test)):
        assert [n % 3 for n in numbers(part, 100)] == [(2, 0)[label] for label in part.labels.tolist()]
        assert len(part) == int((whole.labels != 1).sum())


def test_a_name_that_is_a_number_wins_over_the_number():
    splits = split(images_of(40), torch.arange(40) % 4, classes=("0", "1", "10", "2"), rng=rng_for(0))
    assert narrowed(splits, (2, "10"), name="mine").spec.classes == ("2", "10")


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (("a", "d"), "no class 'd'"),
        (("a", 3), "a number from 0 to 2"),
        (("a", -1), "no class '-1'"),
        (("a", 0), "class 'a' is chosen twice"),
    ],
)
def test_classes_that_are_not_there_or_twice_are_refused(classes, words):
    with pytest.raises(DataError, match=words) as caught:
        narrowed(splits_of(), classes, name="datasets:mine")
    assert "datasets:mine" in str(caught.value)


def test_unknown_class_is_answered_with_the_nearest():
    splits = split(images_of(9), torch.arange(9) % 3, classes=("trouser", "coat", "bag"), rng=rng_for(0))
    with pytest.raises(DataError, match="did you mean 'trouser'"):
        narrowed(splits, ("trousers",), name="mine")


@pytest.mark.parametrize("limit", [9, 10, 37, 99])
def test_limit_is_kept_exactly_and_every_class_of_every_split_stays(limit):
    labels = torch.tensor([0] * 80 + [1] * 15 + [2] * 5)
    whole = split(images_of(100), labels, classes=CLASSES, rng=rng_for(0))
    few = limited(whole, limit, rng=rng_for(1), name="mine")
    counts = torch.stack([p.labels.bincount(minlength=3) for p in (few.train, few.validation, few.test)])
    sizes = torch.stack([p.labels.bincount(minlength=3) for p in (whole.train, whole.validation, whole.test)])
    assert int(counts.sum()) == limit
    assert bool((counts >= 1).all())
    assert bool((counts <= sizes).all())
    assert set(numbers(few.test, 100)) <= set(numbers(whole.test, 100))


def test_limit_takes_from_splits_and_classes_in_proportion():
    few = limited(splits_of(300), 30, rng=rng_for(0), name="mine")
    assert [p.labels.bincount().tolist() for p in (few.train, few.validation, few.test)] == [[6] * 3, [2] * 3, [2] * 3]


def test_limit_draws_by_seed():
    def drawn(seed):
        return numbers(limited(splits_of(), 30, rng=rng_for(seed), name="mine").train, 100)

    assert drawn(0) == drawn(0) != drawn(1)


def test_limit_that_is_no_limit_changes_nothing():
    splits = splits_of()
    assert limited(splits, 100, rng=rng_for(0), name="mine") is splits


def test_a_choice_without_a_training_image_is_refused():
    whole = splits_of()
    without = Splits(whole.spec, whole.train.subset(whole.train.labels != 1), whole.validation, whole.test)
    with pytest.raises(DataError, match="the train split is empty") as caught:
        chosen(without, ("b",), None, rng=rng_for(0), name="datasets:mine")
    assert "datasets:mine" in str(caught.value)


def test_limit_below_one_image_a_class_and_split_is_refused():
    with pytest.raises(DataError, match="at least 9: one image of each class in each split"):
        limited(splits_of(), 8, rng=rng_for(0), name="mine")


@pytest.mark.parametrize("n", [1, 7, 50])
def test_held_out_images_and_the_rest_are_disjoint_and_complete(n):
    images = ImageSet(images_of(100), torch.tensor([0] * 70 + [1] * 29 + [2]))
    rest, held_out = hold_out(images, n, rng=rng_for(0))
    assert len(held_out) == n
    assert sorted(numbers(rest, 100) + numbers(held_out, 100)) == list(range(100))
    assert abs(int((held_out.labels == 0).sum()) - 0.7 * n) < 1


class Mine(DatasetSource[DatasetConfig]):
    """A third party's data set, which knows nothing of classes and limits."""

    def _load(self, rng):
        return split(images_of(90), torch.arange(90) % 3, classes=CLASSES, rng=rng)


def test_classes_and_limit_work_for_data_sets_that_know_nothing_of_them():
    splits = Mine(DatasetConfig(classes=("b", "c"), limit=20)).load(rng_for(0))
    assert splits.spec.classes == ("b", "c")
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 20


def test_one_class_alone_is_refused():
    with pytest.raises(DataError, match="one class only"):
        Mine(DatasetConfig(classes=("b",))).load(rng_for(0))


def test_what_is_loaded_is_chosen_from_all_with_the_generator_that_split_them():
    rng = rng_for(0)
    whole = Mine(DatasetConfig(classes=("b", "c"), limit=20)).load_all(rng)
    assert len(whole.train) + len(whole.validation) + len(whole.test) == 90
    assert data_hash(chosen(whole, ("b", "c"), 20, rng=rng, name="mine")) == data_hash(
        Mine(DatasetConfig(classes=("b", "c"), limit=20)).load(rng_for(0))
    )
