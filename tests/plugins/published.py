"""Small files in exactly the formats of the published data sets."""

import csv
import gzip
from pathlib import Path

import numpy as np
import torch
from modeldebug_datasets.gtsrb_tables import COLUMNS
from PIL import Image
from scipy.io import savemat

PARTS = ("train", "validation", "test")


def every(splits, field="labels"):
    return torch.cat([getattr(getattr(splits, part), field) for part in PARTS])


def idx(array):
    """An array of bytes in IDX format."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4) for n in array.shape) + array.tobytes()


def idx_arrays(n, seed=0, size=28):
    """n images of ten classes; the first pixel of each is its label."""
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (n, size, size), dtype=np.uint8), (np.arange(n) % 10).astype(np.uint8)
    images[:, 0, 0] = labels
    return images, labels


def write_idx(folder, *, train=200, test=60, zipped=True):
    """The four files of MNIST."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", train), ("t10k", test)):
        for kind, array in zip(("images", "labels"), idx_arrays(n, seed=n), strict=True):
            content = idx(array)
            name = f"{part}-{kind}-idx{array.ndim}-ubyte"
            (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(content) if zipped else content)
    return folder


def write_svhn(folder, *, train=100, test=60):
    """The two files of SVHN; the first red value of each image is its label, 1 to 10."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", train), ("test", test)):
        x = np.random.default_rng(n).integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
        y = (np.arange(n) % 10 + 1).astype(np.uint8)
        x[0, 0, 0] = y
        savemat(folder / f"{part}_32x32.mat", {"X": x, "y": y[:, None]})
    return folder


def sign(label, variant, size=(12, 10)):
    """A picture of a sign in its box, on black: its class decides its place and colour."""
    width, height = size
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    box = (1, 2, width - 2, height - 3)  # inclusive, as the tables count
    pixels[box[1] : box[3] + 1, box[0] : box[2] + 1] = 60 + 4 * variant
    row, column = box[1] + label // 7 % (box[3] - box[1]), box[0] + label % 7 % (box[2] - box[0])
    pixels[row : row + 2, column : column + 2, label % 3] = 255
    return pixels, box


def write_gtsrb(folder, *, per_class=4, test_per_class=4, training="Training", size=(12, 10)):
    """GTSRB's official folders and tables, for all 43 classes."""
    top = folder / "GTSRB"
    for label in range(43):
        _write_signs(top / training / f"{label:05}", f"GT-{label:05}.csv", [label] * per_class, size)
    labels = [label for label in range(43) for _ in range(test_per_class)]
    images = top / "Final_Test" / "Images"
    _write_signs(images, "GT-final_test.csv", labels, size)
    (images / "GT-final_test.csv").rename(top / "GT-final_test.csv")
    (images / "GT-final_test.test.csv").write_text(";".join(COLUMNS[:-1]) + "\n")  # the official one has no classes
    return folder


def _write_signs(folder: Path, table, labels, size):
    folder.mkdir(parents=True)
    with (folder / table).open("w", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(COLUMNS)
        for number, label in enumerate(labels):
            pixels, box = sign(label, number % 4, size)
            Image.fromarray(pixels).save(folder / f"{number:05}.ppm")
            rows.writerow([f"{number:05}.ppm", *size, *box, label])
