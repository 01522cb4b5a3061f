"""Tensors as pictures inside the page: small ones enlarged without blur, large ones reduced."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

CRISP_BELOW = 48  # pixels; smaller images are kept exactly, and enlarged by a whole number
TILE, THUMB = 56, 40  # about how wide, in CSS pixels; images that hold more pixels are shown larger
LARGER = 1.6


@dataclass(frozen=True)
class Picture:
    """An image as a data URI, and how large it is shown."""

    uri: str
    width: int
    height: int
    crisp: bool


@dataclass(frozen=True)
class Shot:
    """An image with a few words under it, line by line: a class, and its probability where there is one."""

    picture: Picture
    lines: tuple[tuple[str, str], ...]
    alt: str

    @staticmethod
    def of(x: Tensor, lines: Sequence[tuple[str, str]], what: str) -> Shot:
        """An image x (c, h, w) with its words, which also stand for it where it cannot be seen."""
        return Shot(picture(x), tuple(lines), f"{what}: {', '.join(' '.join(line).strip() for line in lines)}")


def picture(x: Tensor, size: int = TILE) -> Picture:
    """One image (c, h, w) in [0, 1], shown about `size` CSS pixels wide, or larger if it holds more than that."""
    image = _to_pillow(x)
    longest = max(image.size)
    if longest < CRISP_BELOW:
        times = max(1, round(size / longest))
        return Picture(_uri(image, "PNG"), image.width * times, image.height * times, True)
    shown = round(LARGER * size)
    width, height = (max(1, round(side * shown / longest)) for side in image.size)
    image.thumbnail((shown, shown), Image.Resampling.LANCZOS)
    return Picture(_uri(image, "WEBP"), width, height, False)


def heat_map(counts: Sequence[Sequence[int]]) -> str:
    """A confusion matrix with many classes as a small picture (a data URI): a pixel for each pair of classes.

    The right answers are grey, the wrong ones red and the denser the more of them; the rest is transparent, so that it
    reads on a light and on a dark page.
    """
    table = np.asarray(counts, dtype=np.float64)
    dense = np.log1p(table) / max(np.log1p(table).max(), 1e-9)
    pixels = np.zeros((*table.shape, 4), dtype=np.uint8)
    pixels[..., :3] = (200, 50, 30)
    pixels[np.eye(len(table), dtype=bool), :3] = (128, 134, 145)
    pixels[..., 3] = np.where(table > 0, 70 + 185 * dense, 0)
    return _uri(Image.fromarray(pixels), "PNG")


def data_uri(kind: str, content: bytes) -> str:
    """Bytes of an image as a URI that needs no other file."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _to_pillow(x: Tensor) -> Image.Image:
    """Grey for one or two channels (the first is shown), colour for three or more (the first three)."""
    channels = x[:3] if len(x) >= 3 else x[:1]
    pixels = (channels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels if len(channels) == 3 else pixels[..., 0])


def _uri(image: Image.Image, kind: str) -> str:
    buffer = io.BytesIO()
    if kind == "WEBP":
        image.save(buffer, kind, quality=80)
    else:
        image.save(buffer, kind, optimize=True)
    return data_uri(kind.lower(), buffer.getvalue())
