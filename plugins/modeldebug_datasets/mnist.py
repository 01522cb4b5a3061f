"""MNIST and Fashion-MNIST: their official files, and a validation set held out of the training images."""

from __future__ import annotations

from typing import ClassVar

import torch

from modeldebug import DatasetSource, DataSpec, ImageSet, Splits, hold_out

from .converted import converted
from .download import Files, Remote
from .idx import read_idx
from .settings import IdxConfig


class Mnist(DatasetSource[IdxConfig]):
    """60,000 and 10,000 images (1, 28, 28) uint8 of handwritten digits (LeCun et al. 1998).

    10,000 of the 60,000 are held out for validation, in proportion to the classes. Files that are already there may be
    gzipped or not, and are checked by what they say of themselves, so that other data in this format can be read.

    Raises:
        DataError: files that are missing, damaged or of another kind; or no network.
    """

    title: ClassVar[str] = "MNIST"
    folder: ClassVar[str] = "mnist"
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    mirrors: ClassVar[tuple[str, ...]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }  # images and labels for training, images and labels for testing

    def _load(self, rng: torch.Generator) -> Splits:
        train, test = self._part(slice(0, 2)), self._part(slice(2, 4))
        rest, validation = hold_out(train, self.config.validation, rng=rng)
        c, h, w = train.shape
        return Splits(DataSpec((c, h, w), self.classes), rest, validation, test)

    def _part(self, part: slice) -> ImageSet:
        remote = [Remote(name, md5, tuple(mirror + name for mirror in self.mirrors)) for name, md5 in self.md5.items()]
        folders = (f"{self.title}/raw", "raw", self.title, self.folder)
        files = Files(self.title, remote, folders, self.config.root, self.name)
        return converted(
            ["idx", files.fingerprint(part)],
            lambda: read_idx(*files.get(part), classes=len(self.classes), plugin=self.name),
            plugin=self.name,
        )


class FashionMnist(Mnist):
    """60,000 and 10,000 images (1, 28, 28) uint8 of clothes in ten classes (Xiao et al. 2017); else as `Mnist`."""

    title = "FashionMNIST"
    folder = "fashion-mnist"
    classes = (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    )  # fmt: skip
    mirrors = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    )
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    }
