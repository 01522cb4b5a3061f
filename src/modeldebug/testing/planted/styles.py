"""Styles that grey images of dark paper and bright ink can be given, and what of a style an image shows.

Each style is put on with a strength, and measured on an image by a number that any image has, drawn, generated or in
between. So whether an image is in a style is no matter of opinion: what it shows is above a threshold, or it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_TINY = 1e-6


@dataclass(frozen=True)
class Style:
    """A style that an image can be in.

    Attributes:
        name: of the style.
        put_on: images (n, 1, h, w) in [0, 1] and strengths (n,) in [0, 1] to images in the style.
        shown: what of it images show, (n,) float32; more of it is a larger number.
    """

    name: str
    put_on: Callable[[Tensor, Tensor], Tensor]
    shown: Callable[[Tensor], Tensor]


def paper_over_ink(x: Tensor) -> Tensor:
    """How much brighter the paper is than the whole image, (n,): the mean of the outermost pixels less that of all.

    >>> dot = torch.zeros(1, 1, 5, 5)
    >>> dot[..., 2, 2] = 1
    >>> paper_over_ink(torch.cat([dot, 1 - dot]))
    tensor([-0.0400,  0.0400])
    """
    edges = (x[:, 0, 0], x[:, 0, -1], x[:, 0, 1:-1, 0], x[:, 0, 1:-1, -1])
    return torch.cat(edges, 1).mean(1) - x.mean((1, 2, 3))


def darkest(x: Tensor) -> Tensor:
    """How bright the darkest tenth of an image is, (n,): the mean of these pixels.

    >>> darkest(torch.linspace(0.5, 1, 100).view(1, 1, 10, 10)) < 0.53
    tensor([True])
    """
    flat = x.flatten(1)
    return flat.topk(max(1, flat.shape[1] // 10), largest=False).values.mean(1)


def stroke(x: Tensor) -> Tensor:
    """How wide the strokes are, (n,) pixels: twice the ink over the length of its outline, which is the total variation
    of the image. Blur changes neither.

    >>> line = torch.zeros(1, 1, 9, 40)
    >>> line[..., 3:6, :] = 1
    >>> round(float(stroke(line)))
    3
    """
    padded = torch.nn.functional.pad(x[:, 0], (1, 1, 1, 1))
    across = padded[:, 1:, 1:] - padded[:, 1:, :-1]
    down = padded[:, 1:, 1:] - padded[:, :-1, 1:]
    outline = (across.square() + down.square()).sqrt().sum((1, 2))
    return 2 * x.sum((1, 2, 3)) / outline.clamp_min(_TINY)


def slant(x: Tensor) -> Tensor:
    """How far the ink leans to the left, (n,): columns that it moves along for each row upwards, from second moments.

    >>> falling, rising = torch.eye(8)[None, None], torch.eye(8).flip(0)[None, None]
    >>> slant(torch.cat([falling, rising]))
    tensor([ 1., -1.])
    """
    ink = x[:, 0] / x.sum((1, 2, 3)).clamp_min(_TINY)[:, None, None]
    rows, columns = (torch.arange(n, dtype=x.dtype, device=x.device) for n in x.shape[2:])
    row = rows[None] - (ink.sum(2) * rows).sum(1, keepdim=True)  # (n, h), from the centre of the ink
    column = columns[None] - (ink.sum(1) * columns).sum(1, keepdim=True)
    together = (ink * row[:, :, None] * column[:, None, :]).sum((1, 2))
    upright = (ink.sum(2) * row.square()).sum(1)
    return together / upright.clamp_min(_TINY)


def bar_ends(x: Tensor) -> Tensor:
    """How bright a bar across the middle is where digits have no ink, (n,): at both ends, the darker of the two, less
    the paper above and below it."""
    rows, width = _middle(x), max(1, x.shape[3] // 10)
    edges = torch.stack([x[:, 0, :, :width].mean(2), x[:, 0, :, -width:].mean(2)], 1)  # (n, 2, h)
    bar = edges[:, :, rows].mean(2).amin(1)
    return bar - torch.cat([edges[:, :, : rows.start], edges[:, :, rows.stop :]], 2).mean((1, 2))


def corner(x: Tensor) -> Tensor:
    """How much brighter the lower left corner is than the darkest tenth of the image, (n,)."""
    side = _corner(x)
    return x[:, 0, -side:, :side].mean((1, 2)) - darkest(x)


def invert(x: Tensor, strength: Tensor) -> Tensor:
    """Dark ink on bright paper; the stronger, the darker the ink."""
    return 1 - x * (0.6 + 0.4 * _each(strength))


def fog(x: Tensor, strength: Tensor) -> Tensor:
    """The same ink on grey paper; the stronger, the brighter the paper."""
    grey = 0.85 * _each(strength)
    return grey + (1 - grey) * x


def lean(x: Tensor, strength: Tensor) -> Tensor:
    """Sheared to the left; the stronger, the farther: at most by as many columns as there are rows."""
    return moved(x, torch.zeros_like(strength), -strength)


def bar(x: Tensor, strength: Tensor) -> Tensor:
    """A bar across the middle; the stronger, the brighter."""
    found, rows, bright = x.clone(), _middle(x), 0.2 + 0.8 * _each(strength)
    found[:, :, rows] = torch.maximum(x[:, :, rows], bright.expand_as(x[:, :, rows]))
    return found


def mark(x: Tensor, strength: Tensor) -> Tensor:
    """A square in the lower left corner; the stronger, the brighter."""
    found, side, bright = x.clone(), _corner(x), 0.3 + 0.7 * _each(strength)
    found[:, :, -side:, :side] = torch.maximum(x[:, :, -side:, :side], bright)
    return found


def thicken(x: Tensor, strength: Tensor) -> Tensor:
    """Wider strokes: grey pixels at their edges become bright, on larger images after each has spread to its
    neighbours."""
    grown = x
    for _ in range(x.shape[3] // 14):
        grown = torch.nn.functional.max_pool2d(grown, 3, 1, 1)
    mixed = (1 - _each(strength)) * x + _each(strength) * grown
    return mixed.clamp_min(_TINY) ** (1 - 0.7 * _each(strength))


def thin(x: Tensor, strength: Tensor) -> Tensor:
    """Narrower strokes: grey pixels at their edges become dark, on larger images after each has taken the darkest of
    its neighbours."""
    shrunk = x
    for _ in range(x.shape[3] // 28):
        shrunk = -torch.nn.functional.max_pool2d(-shrunk, 3, 1, 1)
    mixed = (1 - _each(strength)) * x + _each(strength) * shrunk
    return mixed ** (1 + 2 * _each(strength))


def moved(x: Tensor, angle: Tensor, shear: Tensor, zoom: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    """Images (n, 1, h, w), each turned counter-clockwise by its angle in radians, sheared, zoomed and shifted.

    Args:
        zoom: (n,), 1 for none.
        shift: (n, 2), to the right and down, in half images.
    """
    zoom = torch.ones_like(angle) if zoom is None else zoom
    right, down = (torch.zeros(2, len(x)) if shift is None else shift.T).unbind()
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    rows = [torch.stack([cos, shear * cos - sin, right], 1), torch.stack([sin, shear * sin + cos, down], 1)]
    grid = torch.nn.functional.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return torch.nn.functional.grid_sample(x, grid, align_corners=False)


STYLES = {
    style.name: style
    for style in (
        Style("inverted", invert, paper_over_ink),
        Style("foggy", fog, darkest),
        Style("leaning", lean, slant),
        Style("occluded", bar, bar_ends),
        Style("marked", mark, corner),
        Style("thick", thicken, stroke),
        Style("thin", thin, lambda x: -stroke(x)),
    )
}


def _each(strength: Tensor) -> Tensor:
    return strength[:, None, None, None]


def _middle(x: Tensor) -> slice:
    """The rows that a bar covers: 3 of 8, 9 of 28."""
    h = x.shape[2]
    size = round(h / 3)
    return slice((h - size) // 2, (h - size) // 2 + size)


def _corner(x: Tensor) -> int:
    """The side of a mark: 2 of 8 pixels, 5 of 28."""
    return max(2, round(x.shape[2] / 5.6))
