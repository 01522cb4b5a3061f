"""Reading images and labels of whatever a user has: arrays, pictures, torch and Hugging Face data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import DataError, nearest
from .tensors import describe

CHANNELS = (1, 3, 4)
MOST_CLASSES = 100_000  # more than any data set has: a larger label is a mistake
GREY, DEEP = ("1", "L", "LA"), ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow's modes
IMAGE_COLUMNS = ("image", "img", "x", "pixel_values", "picture")
LABEL_COLUMNS = ("label", "labels", "fine_label", "y", "target", "class")


@dataclass(frozen=True)
class Columns:
    """How items are to be read; what is None is found out.

    Attributes:
        image, label: where items are mappings, the names of their columns.
        size: pictures are resized to size x size pixels.
        channels: pictures are made grey (1) or coloured (3).
    """

    image: str | None = None
    label: str | None = None
    size: int | None = None
    channels: int | None = None


def read_images(value: Any, *, name: str, columns: Columns | None = None) -> tuple[Tensor, Tensor]:
    """Images (n, c, h, w) uint8 or float32 and labels (n,) int64 of anything that holds items: a torch Dataset, a
    Hugging Face Dataset, a sequence of (image, label), or a pair of arrays. Items are read once, into one tensor.

    Raises:
        DataError: its items are neither pairs nor mappings with an image and a label, images of different shapes, or
            what `as_images` and `as_labels` refuse.

    >>> images, labels = read_images([(torch.zeros(1, 8, 8), 0), (torch.ones(1, 8, 8), 1)], name="mine")
    >>> images.shape, labels
    (torch.Size([2, 1, 8, 8]), tensor([0, 1]))
    >>> read_images([{"img": torch.zeros(1, 8, 8), "y": 1}], name="mine")[1]
    tensor([1])
    """
    columns = columns or Columns()
    if isinstance(value, tuple) and len(value) == 2 and all(hasattr(v, "shape") for v in value):
        _check_unresized(columns, value[0], name)
        return as_images(value[0], name=name), as_labels(value[1], name=name)
    if not (hasattr(value, "__getitem__") and hasattr(value, "__len__")):
        raise DataError(
            "this cannot be read as a data set",
            got=describe(value),
            expected="a torch or Hugging Face Dataset of images and labels, a pair of arrays, or a mapping of train, "
            "validation and test",
            plugin=name,
        )
    n = len(value)
    labels = torch.empty(n, dtype=torch.int64)
    images, dtype = torch.empty(0, 1, 1, 1), torch.float32
    for row in range(n):
        image, label = _fields(value[row], columns, row, name)
        pixels = _pixels(image, columns, f"item {row} of {name}")
        if row == 0:
            first = as_images(pixels[None], name=name)  # refused before all others are read
            images, dtype = torch.empty(n, *first.shape[1:], dtype=first.dtype), pixels.dtype
        _check_alike(pixels, images.shape[1:], dtype, row, name)
        images[row], labels[row] = pixels, _label(label, row, name)
    return images, as_labels(labels, name=name)


def _check_alike(pixels: Tensor, shape: tuple[int, ...], dtype: torch.dtype, row: int, name: str) -> None:
    if pixels.shape != shape:
        raise DataError(
            "the images have different shapes",
            got=f"item 0: {tuple(shape)}, item {row}: {tuple(pixels.shape)}",
            expected="(c, h, w), the same for all",
            fix="resize them first; where they are pictures: --set dataset.size=32 --set dataset.channels=3",
            plugin=name,
        )
    if pixels.dtype != dtype:
        raise DataError(
            "the images have different types",
            got=f"item 0: {dtype}, item {row}: {pixels.dtype}",
            expected="uint8, or float32 in [0, 1], the same for all",
            plugin=name,
        )


def _fields(item: Any, columns: Columns, row: int, name: str) -> tuple[Any, Any]:
    """Image and label of an item."""
    if isinstance(item, Mapping):
        image, label = column_names(item, columns, name)
        return item[image], item[label]
    if isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 2:
        return item[0], item[1]
    raise DataError(
        "an item of the data set is no pair",
        got=f"item {row}: {describe(item)}",
        expected="(image, label), or a mapping with an image and a label",
        plugin=name,
    )


def column_names(item: Mapping[str, Any], columns: Columns, name: str) -> tuple[str, str]:
    """The columns of image and label: those that are set, else the first of the usual names that is there."""
    found = []
    for what, wanted, usual in (("image", columns.image, IMAGE_COLUMNS), ("label", columns.label, LABEL_COLUMNS)):
        column = wanted if wanted is not None else next((c for c in usual if c in item), None)
        if column is None or column not in item:
            raise DataError(
                f"the items have no column '{column}'" if column else f"no column of the items looks like the {what}",
                got=f"columns {', '.join(map(str, item))}",
                expected=nearest(column, map(str, item)) if column else f"one of {', '.join(usual)}",
                fix=f"name it: --set dataset.{what}=COLUMN",
                plugin=name,
            )
        found.append(column)
    return found[0], found[1]


def class_names(value: Any, columns: Columns) -> tuple[str, ...] | None:
    """The classes' names where a data set, or the one that it is a subset of, knows them: Hugging Face's in
    `features[label].names`, torchvision's in `classes`."""
    while value is not None:
        features = getattr(value, "features", None)
        if isinstance(features, Mapping):
            usual = LABEL_COLUMNS if columns.label is None else (columns.label,)
            names = next((getattr(features[c], "names", None) for c in usual if c in features), None)
        else:
            names = getattr(value, "classes", None)
        if isinstance(names, Sequence) and not isinstance(names, str) and names:
            return tuple(str(name[0]) if isinstance(name, tuple) and name else str(name) for name in names)
        value = getattr(value, "dataset", None)
    return None


def _label(value: Any, row: int, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, RuntimeError):
        number = -1
    if number < 0 or number != value:
        raise DataError(
            "a label is no class number", got=f"item {row}: {value!r}", expected="an integer from 0", plugin=name
        )
    return number


def _is_picture(value: Any) -> bool:
    """Whether it is a Pillow image, which need not be imported to know."""
    return all(hasattr(value, attribute) for attribute in ("mode", "convert", "resize"))


def _pixels(value: Any, columns: Columns, name: str) -> Tensor:
    if _is_picture(value):
        return torch.from_numpy(as_pixels(value, size=columns.size, channels=columns.channels, name=name))
    _check_unresized(columns, value, name)
    return as_image(value, name=name)


def _check_unresized(columns: Columns, value: Any, name: str) -> None:
    if columns.size is not None or columns.channels is not None:
        raise DataError(
            "only pictures are resized or recoloured",
            got=describe(value),
            expected="Pillow images, where dataset.size or dataset.channels is set",
            fix="leave them unset, and resize arrays and tensors yourself",
            plugin=name,
        )


def as_pixels(
    picture: Any, *, size: int | None = None, channels: int | None = None, name: str
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A Pillow image as (c, h, w) uint8: grey or coloured as it is, or as asked for; bilinearly resized to a square.

    Palettes are looked up; an alpha channel is dropped.

    Raises:
        DataError: a picture with more than 8 bits a channel.

    >>> from PIL import Image
    >>> as_pixels(Image.new("P", (6, 8)), size=4, name="mine").shape
    (3, 4, 4)
    """
    if picture.mode in DEEP:
        raise DataError(
            "a picture has more than 8 bits a channel",
            got=f"mode {picture.mode}",
            expected="a grey or colour picture of 8 bits: how others are to be scaled cannot be guessed",
            fix="scale it first",
            plugin=name,
        )
    channels = channels or (1 if picture.mode in GREY else 3)
    picture = picture.convert("L" if channels == 1 else "RGB")
    if size is not None:
        from PIL.Image import Resampling

        picture = picture.resize((size, size), Resampling.BILINEAR)
    array = np.array(picture, dtype=np.uint8)
    return np.ascontiguousarray(np.moveaxis(array.reshape(*array.shape[:2], channels), 2, 0))


def as_image(value: Any, *, name: str) -> Tensor:
    """One image as (c, h, w): a tensor as it is; an array (h, w) or (h, w, c) turned round.

    Raises:
        DataError: another number of dimensions.

    >>> as_image(np.zeros((6, 8, 3)), name="mine").shape
    torch.Size([3, 6, 8])
    """
    if isinstance(value, Tensor):
        return value if value.dim() == 3 else value[None]
    array = np.asarray(value)
    if array.ndim not in (2, 3):
        raise DataError("an image has the wrong shape", got=array.shape, expected="(h, w), (h, w, c)", plugin=name)
    if array.ndim == 2:
        array = array[None]
    elif array.shape[2] in CHANNELS or array.shape[0] not in CHANNELS:  # else it is (c, h, w) already
        array = np.moveaxis(array, 2, 0)
    return torch.from_numpy(array.copy())


def as_images(value: Any, *, name: str) -> Tensor:
    """Images as uint8 or float32 (n, c, h, w); other numbers are refused rather than guessed at.

    Raises:
        DataError: another shape or type, or channels that come last.

    >>> as_images(np.zeros((5, 8, 8), dtype=np.uint8), name="mine").shape
    torch.Size([5, 1, 8, 8])
    """
    tensor = _numbers(value, "images", expected="(n, c, h, w)", name=name)
    if tensor.dim() == 3:
        tensor = tensor[:, None]
    if tensor.dim() != 4:
        raise DataError("images have the wrong shape", got=describe(tensor), expected="(n, c, h, w)", plugin=name)
    if tensor.shape[1] not in CHANNELS and tensor.shape[3] in CHANNELS:
        raise DataError(
            "the channels of the images come last",
            got=tuple(tensor.shape),
            expected="(n, c, h, w)",
            fix="images.transpose(0, 3, 1, 2)",
            plugin=name,
        )
    if tensor.dtype == torch.float64:
        tensor = tensor.float()
    if tensor.dtype not in (torch.uint8, torch.float32):
        raise DataError(
            "images have the wrong type", got=describe(tensor), expected="uint8, or float32 in [0, 1]", plugin=name
        )
    return tensor.contiguous()


def as_labels(value: Any, *, name: str) -> Tensor:
    """Labels as int64 (n,) from 0.

    Raises:
        DataError: another shape, no integers, or a negative label.

    >>> as_labels(np.array([0, 2], dtype=np.uint8), name="mine")
    tensor([0, 2])
    """
    tensor = _numbers(value, "labels", expected="integers (n,)", name=name)
    if tensor.dim() != 1 or tensor.dtype.is_floating_point or tensor.dtype == torch.bool:
        raise DataError(
            "labels have the wrong type or shape", got=describe(tensor), expected="integers (n,)", plugin=name
        )
    tensor = tensor.to(torch.int64)
    for extreme in (int(tensor.min()), int(tensor.max())) if len(tensor) else ():
        if not 0 <= extreme < MOST_CLASSES:
            expected = f"integers from 0 to {MOST_CLASSES - 1:,}"
            raise DataError("a label is out of range", got=extreme, expected=expected, plugin=name)
    return tensor


def _numbers(value: Any, what: str, *, expected: str, name: str) -> Tensor:
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":  # text and objects
        raise DataError(
            f"the {what} are no numbers", got=f"{array.dtype} {array.shape}", expected=expected, plugin=name
        )
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
