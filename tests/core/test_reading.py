"""What is read of whatever a user has, and what is refused rather than guessed at."""

import numpy as np
import pytest
import torch
from PIL import Image

from modeldebug import DataError
from modeldebug.reading import Columns, as_images, as_labels, as_pixels, class_names, read_images


def test_reading_names_the_plugin_to_blame():
    for read, value in ((as_images, np.zeros(3)), (as_labels, np.zeros(3)), (read_images, 3)):
        with pytest.raises(DataError) as caught:
            read(value, name="mine")
        assert "mine" in str(caught.value)


def test_arrays_with_channels_first_are_left_as_they_are():
    images, _ = read_images([(np.zeros((3, 8, 8), np.uint8), 0), (np.zeros((3, 8, 8), np.uint8), 1)], name="mine")
    assert images.shape == (2, 3, 8, 8)


@pytest.mark.parametrize("label", [1.7, -1, np.array([0, 1]), "cat"])
def test_labels_of_items_that_are_no_class_numbers_are_refused(label):
    with pytest.raises(DataError, match="no class number"):
        read_images([(np.zeros((8, 8), np.uint8), label)], name="mine")


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.dtype(">i4")])
def test_labels_of_any_integer_type_are_read(dtype):
    assert as_labels(np.array([0, 2, 1], dtype), name="mine").tolist() == [0, 2, 1]


def test_label_larger_than_any_number_of_classes_is_a_mistake():
    with pytest.raises(DataError, match="out of range"):
        as_labels(np.array([0, 2_000_000_000]), name="mine")


def picture(mode, size=(6, 4), value=200):
    return Image.new("L", size, value).convert(mode)


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("1", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3), ("P", 3), ("CMYK", 3), ("YCbCr", 3)]
)
def test_pictures_of_any_mode_become_grey_or_coloured_bytes(mode, channels):
    pixels = as_pixels(picture(mode), name="mine")
    assert (pixels.shape, pixels.dtype) == ((channels, 4, 6), np.uint8)
    assert abs(int(pixels.max()) - (255 if mode == "1" else 200)) <= 1
    for wanted in (1, 3):
        assert as_pixels(picture(mode), size=5, channels=wanted, name="mine").shape == (wanted, 5, 5)


def test_palettes_are_looked_up():
    red = Image.new("RGB", (2, 2), (255, 0, 0)).quantize(2)
    assert red.mode == "P"
    assert as_pixels(red, name="mine")[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["I", "F", "I;16"])
def test_pictures_of_more_than_8_bits_are_refused_rather_than_clipped(mode):
    with pytest.raises(DataError, match="more than 8 bits"):
        as_pixels(Image.new(mode, (4, 4)), name="mine")


def items(**columns):
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


GREY = [picture("L", value=v) for v in (0, 50, 100)]


@pytest.mark.parametrize("image", ["image", "img", "x"])
@pytest.mark.parametrize("label", ["label", "labels", "fine_label", "y", "target"])
def test_usual_columns_are_found(image, label):
    images, labels = read_images(items(id=[7, 8, 9], **{image: GREY, label: [0, 2, 1]}), name="mine")
    assert images[:, 0, 0, 0].tolist() == [0, 50, 100]
    assert labels.tolist() == [0, 2, 1]


def test_columns_that_are_named_win():
    data = items(image=GREY[::-1], photo=GREY, label=[0, 0, 0], kind=[0, 2, 1])
    images, labels = read_images(data, name="mine", columns=Columns(image="photo", label="kind"))
    assert images[:, 0, 0, 0].tolist() == [0, 50, 100]
    assert labels.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (Columns(), ("looks like the label", "columns image, kind", "--set dataset.label=COLUMN")),
        (Columns(image="img"), ("no column 'img'", "columns image, kind")),
        (Columns(label="kinds"), ("no column 'kinds'", "did you mean 'kind'?")),
    ],
)
def test_columns_that_are_not_there_are_told_with_those_that_are(columns, words):
    with pytest.raises(DataError) as caught:
        read_images(items(image=GREY, kind=[0, 1, 2]), name="mine", columns=columns)
    assert all(word in str(caught.value) for word in words)


def test_pictures_of_varying_size_and_mode_are_resized_where_that_is_asked_for():
    data = [(picture("L", (6, 4)), 0), (picture("RGB", (9, 9)), 1), (picture("P", (3, 2)), 2)]
    with pytest.raises(DataError, match=r"--set dataset\.size=32 --set dataset\.channels=3"):
        read_images(data, name="mine")
    images, _ = read_images(data, name="mine", columns=Columns(size=8, channels=3))
    assert images.shape == (3, 3, 8, 8)
    assert bool(((images.int() - 200).abs() <= 1).all())


@pytest.mark.parametrize("columns", [Columns(size=8), Columns(channels=1)])
@pytest.mark.parametrize("data", [[(np.zeros((4, 4), np.uint8), 0)], (np.zeros((2, 4, 4)), np.array([0, 1]))])
def test_what_is_no_picture_is_not_resized(columns, data):
    with pytest.raises(DataError, match="only pictures are resized"):
        read_images(data, name="mine", columns=columns)


@pytest.mark.parametrize("other", [torch.zeros(1, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int32)])
def test_images_of_different_types_are_refused(other):
    with pytest.raises(DataError, match="different types"):
        read_images([(torch.zeros(1, 4, 4, dtype=torch.uint8), 0), (other, 1)], name="mine")


def test_items_are_read_once_each_and_in_order():
    class Counting(list):
        asked = []  # noqa: RUF012

        def __getitem__(self, row):
            self.asked.append(row)
            return super().__getitem__(row)

    data = Counting([(picture("L", value=v), 0) for v in range(5)])
    images, _ = read_images(data, name="mine")
    assert data.asked == list(range(5))
    assert images[:, 0, 0, 0].tolist() == list(range(5))


class Label:
    """As Hugging Face's ClassLabel."""

    names = ("cat", "dog")


class Table(list):
    """As a Hugging Face Dataset: items are mappings, and `features` describe the columns."""

    def __init__(self, *rows, **features):
        super().__init__(rows)
        self.features = features


class Part:
    """As torch's Subset."""

    def __init__(self, dataset):
        self.dataset = dataset


class Known:
    """As torchvision's data sets."""

    classes = ("cat", ("dog", "hound"))


@pytest.mark.parametrize(
    ("value", "columns", "names"),
    [
        (Table(label=Label()), Columns(), ("cat", "dog")),
        (Table(kind=Label(), label=object()), Columns(label="kind"), ("cat", "dog")),
        (Table(label=object()), Columns(), None),
        (Known(), Columns(), ("cat", "dog")),
        (Part(Part(Known())), Columns(), ("cat", "dog")),
        ([(GREY[0], 0)], Columns(), None),
    ],
)
def test_class_names_are_taken_from_a_data_set_that_knows_them(value, columns, names):
    assert class_names(value, columns) == names
