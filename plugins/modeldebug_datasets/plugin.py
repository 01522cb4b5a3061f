"""The hooks of the data sets; nothing here imports torch."""

from __future__ import annotations

from modeldebug import Component, hookimpl

from .settings import ArraysConfig, DigitsConfig, FolderConfig, GtsrbConfig, IdxConfig, SvhnConfig


@hookimpl
def modeldebug_datasets() -> list[Component]:
    labels = frozenset({"labels"})
    return [
        Component(
            "digits", "1,797 handwritten digits of 8 x 8 pixels, bundled with scikit-learn", DigitsConfig,
            "modeldebug_datasets.digits:Digits", provides=labels,
        ),
        Component(
            "mnist", "MNIST: 70,000 handwritten digits of 28 x 28 pixels", IdxConfig,
            "modeldebug_datasets.mnist:Mnist", provides=labels,
        ),
        Component(
            "fashion-mnist", "Fashion-MNIST: 70,000 images of clothes, 28 x 28 pixels", IdxConfig,
            "modeldebug_datasets.mnist:FashionMnist", provides=labels,
        ),
        Component(
            "svhn", "Street View House Numbers: 99,289 cropped digits in colour, 32 x 32 pixels", SvhnConfig,
            "modeldebug_datasets.svhn:Svhn", provides=labels,
        ),
        Component(
            "gtsrb", "German traffic signs: 39,270 images in colour of 43 classes, resized", GtsrbConfig,
            "modeldebug_datasets.gtsrb:Gtsrb", provides=labels,
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
