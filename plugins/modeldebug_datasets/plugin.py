"""The hooks and settings of the data sets; nothing here imports torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modeldebug import AbsolutePath, Component, ComponentConfig, hookimpl


class DigitsConfig(ComponentConfig):
    """scikit-learn's bundled handwritten digits."""

    limit: int | None = Field(None, ge=100, description="use so many images, drawn at random; all 1,797 if unset")


class ArraysConfig(ComponentConfig):
    """Arrays in an .npz file."""

    path: AbsolutePath = Field(
        description="file with `images` (n, c, h, w), uint8 or float32 in [0, 1], and `labels` (n,) from 0"
    )
    classes: tuple[str, ...] | None = Field(None, description="class names; the labels' numbers if unset")


class FolderConfig(ComponentConfig):
    """A folder of images, one folder a class."""

    path: AbsolutePath = Field(
        description="folder with a folder for each class; or with train, validation and test, and classes in them"
    )
    size: int = Field(32, ge=4, description="images are resized to size x size pixels")
    channels: Literal[1, 3] = Field(3, description="1 for grey, 3 for colour")


@hookimpl
def modeldebug_datasets() -> list[Component]:
    labels = frozenset({"labels"})
    return [
        Component(
            "digits", "1,797 handwritten digits of 8 x 8 pixels, bundled with scikit-learn", DigitsConfig,
            "modeldebug_datasets.digits:Digits", provides=labels,
        ),
        Component(
            "arrays", "images and labels in an .npz file", ArraysConfig,
            "modeldebug_datasets.arrays:Arrays", provides=labels,
        ),
        Component(
            "folder", "a folder of images, one folder a class", FolderConfig,
            "modeldebug_datasets.folder:Folder", provides=labels,
        ),
    ]  # fmt: skip
