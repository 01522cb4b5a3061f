"""The settings of the data sets; nothing here imports torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modeldebug import AbsolutePath, DatasetConfig


class DigitsConfig(DatasetConfig):
    """scikit-learn's bundled handwritten digits."""


class ArraysConfig(DatasetConfig):
    """Arrays in an .npz file."""

    path: AbsolutePath = Field(
        description="file with `images` (n, c, h, w), uint8 or float32 in [0, 1], and `labels` (n,) from 0"
    )
    names: tuple[str, ...] | None = Field(None, description="class names; the labels' numbers if unset")


class FolderConfig(DatasetConfig):
    """A folder of images, one folder a class."""

    path: AbsolutePath = Field(
        description="folder with a folder for each class; or with train, validation and test, and classes in them"
    )
    size: int = Field(32, ge=4, le=4096, description="images are resized to size x size pixels")
    channels: Literal[1, 3] = Field(3, description="1 for grey, 3 for colour")


class PublishedConfig(DatasetConfig):
    """What the published data sets share: where their files are."""

    root: AbsolutePath | None = Field(
        None, description="folder that holds the files already; they are downloaded if unset"
    )


class IdxConfig(PublishedConfig):
    """MNIST, and data sets in its format."""

    validation: int = Field(10_000, ge=1, description="images held out of the 60,000 for validation, drawn at random")


class SvhnConfig(PublishedConfig):
    """Street view house numbers, cropped digits."""


class GtsrbConfig(PublishedConfig):
    """German traffic signs."""

    size: int = Field(128, ge=4, le=1024, description="images are resized to size x size pixels")
    crop: bool = Field(False, description="cut out the sign first, by the box that comes with each image")
