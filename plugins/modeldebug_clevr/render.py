"""Pictures of scenes: what is in front of the camera, and the rays through its pixels. Mitsuba is imported here alone.

CLEVR's look (Johnson et al. 2017): simple objects on a grey floor under soft light, of rubber or metal. Nothing is
random: every picture is taken with the same camera, the same lamp and the same random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modeldebug import ConfigError

from .objects import RADII, present, unpacked
from .words import COLOUR, MATERIAL, ROTATION, SHAPE, SHAPES, SIZE, X, Y

VARIANT = "scalar_rgb"  # Mitsuba's; it needs no compiler, and one thread gives the same bits as another

_RGB = (  # CLEVR's colours, as they are on a screen
    (87, 87, 87), (173, 35, 35), (42, 75, 215), (29, 105, 20), (129, 74, 25), (129, 38, 192), (41, 208, 208),
    (255, 238, 51),
)  # fmt: skip
_ELEVATION, _DISTANCE, _CENTRE = 50.0, 16.0, (0.0, -0.5, 0.7)  # of the camera, and what it looks at
_VIEW = 30.5  # degrees: no object anywhere on the floor is cut off, whatever its size
_LAMP, _LAMP_SIDE = (-5.0, -4.0, 9.0), 3.5  # a square that looks at the middle of the floor
_KEY, _SKY = 0.55, 0.4  # how bright the lamp and the sky make a white floor
_FLOOR, _FLOOR_GLOW, _GLOW = 0.38, 0.17, 0.12
"""Light is followed to the first surface alone, so that no metal throws specks of light on the floor. What surfaces
would get from each other is a glow of their own: without it, metal would mirror black."""


def render(z: Tensor, *, size: int, samples: int) -> Tensor:
    """Pictures (n, 3, size, size) float32 of scenes (n, 80), in whole 255ths: nothing is lost as uint8.

    The same code gives the same bits, alone or among others, in any process, with any number of threads; so do the
    objects of a code in another order.

    Args:
        samples: rays through each pixel: 4, 16 or 64.

    Raises:
        ConfigError: Mitsuba is not installed.
    """
    return pixels(z, size=size, samples=samples).float() / 255


def pixels(z: Tensor, *, size: int, samples: int) -> Tensor:
    """The same as uint8 (n, 3, size, size). As many threads as torch has take a share of the scenes each."""
    mitsuba()
    objects = [_canonical(scene, there) for scene, there in zip(unpacked(z), present(z), strict=True)]
    threads = max(1, min(torch.get_num_threads(), len(objects)))
    shares = [objects[i::threads] for i in range(threads)]
    if threads == 1:
        pictures = [_photographed(shares[0], size, samples)]
    else:
        with ThreadPoolExecutor(threads) as pool:
            pictures = list(pool.map(lambda share: _photographed(share, size, samples), shares))
    found = np.empty((len(objects), 3, size, size), np.uint8)
    for i, share in enumerate(pictures):
        found[i::threads] = share
    return torch.from_numpy(found)


@cache
def mitsuba() -> Any:
    """The package.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import drjit
        import mitsuba as mi
    except ImportError as error:
        raise ConfigError(
            "scenes are rendered by the package mitsuba, which is not installed",
            fix="pip install 'modeldebug[clevr]'",
            plugin="clevr",
        ) from error
    mi.set_variant(VARIANT)
    drjit.set_thread_count(1)  # its own threads would only hand pictures to each other: each caller works on one
    return mi


def _canonical(objects: Tensor, there: Tensor) -> list[list[float]]:
    """The objects of a scene that are there, in an order that does not depend on their places in the code."""
    rows: list[list[float]] = objects[there].tolist()
    return sorted(rows)


def _photographed(scenes: list[list[list[float]]], size: int, samples: int) -> np.ndarray:
    """Pictures (n, 3, size, size) uint8 of scenes, one after the other with one camera."""
    mi = mitsuba()
    mi.set_variant(VARIANT)  # each thread has its own
    stage = _stage(size, samples)
    found = np.empty((len(scenes), 3, size, size), np.uint8)
    for i, objects in enumerate(scenes):
        parts = {f"object-{j}-{name}": part for j, o in enumerate(objects) for name, part in _object(o).items()}
        scene = mi.load_dict({**stage, **parts}, parallel=False)
        found[i] = _screen(np.array(mi.render(scene, seed=0))).transpose(2, 0, 1)
    return found


def _screen(light: np.ndarray) -> np.ndarray:
    """Linear light as uint8 of a screen (sRGB)."""
    light = light.clip(0, 1).astype(np.float64)
    screen = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (screen * 255 + 0.5).astype(np.uint8)


def _stage(size: int, samples: int) -> dict[str, Any]:
    """What every scene has: the floor, the light and the camera."""
    mi = mitsuba()
    move, high = mi.ScalarTransform4f(), math.radians(_ELEVATION)
    eye = [_CENTRE[0], _CENTRE[1] - _DISTANCE * math.cos(high), _CENTRE[2] + _DISTANCE * math.sin(high)]
    far = math.dist(_LAMP, (0, 0, 0))
    power = math.pi * _KEY * far**2 / (_LAMP_SIDE**2 * _LAMP[2] / far)
    camera = {
        "type": "perspective",
        "fov": _VIEW,
        "to_world": move.look_at(origin=eye, target=list(_CENTRE), up=[0, 0, 1]),
        "film": {
            "type": "hdrfilm", "width": size, "height": size, "pixel_format": "rgb", "component_format": "float32",
            "rfilter": {"type": "gaussian"},
        },
        "sampler": {"type": "multijitter", "sample_count": samples},
    }  # fmt: skip
    floor = {
        "type": "rectangle",
        "to_world": move.scale([30, 30, 1]),
        "bsdf": {"type": "diffuse", "reflectance": _colour([_FLOOR] * 3)},
        "emitter": _glow([_FLOOR_GLOW] * 3),
    }
    lamp = {
        "type": "rectangle",
        "to_world": move.look_at(origin=list(_LAMP), target=[0, 0, 0], up=[0, 0, 1]).scale(_LAMP_SIDE / 2),
        "emitter": {"type": "area", "radiance": _colour([power] * 3)},
    }
    # rays that leave a surface at random find sky and glow; only the lamp is aimed at, so open floor has no noise
    sky = {"type": "constant", "sampling_weight": 0.0, "radiance": _SKY}
    block = 1 << (size - 1).bit_length()  # a power of two
    # a picture is one block: one thread at a time works on it, and adds up its rays in the same order
    direct = {"type": "direct", "block_size": block}
    parts = {"integrator": direct, "camera": camera, "floor": floor, "lamp": lamp, "sky": sky}
    return {"type": "scene", **{name: mi.load_dict(part) for name, part in parts.items()}}


def _object(numbers: list[float]) -> dict[str, Any]:
    """The parts of an object, from its eight numbers."""
    move = mitsuba().ScalarTransform4f()
    radius, shape = RADII[int(numbers[SIZE])], SHAPES[int(numbers[SHAPE])]
    look = _look(int(numbers[COLOUR]), int(numbers[MATERIAL]))
    middle = move.translate([numbers[X], numbers[Y], radius]).rotate([0, 0, 1], 360 * numbers[ROTATION]).scale(radius)
    if shape == "sphere":
        return {"ball": {"type": "sphere", "to_world": middle, **look}}
    if shape == "cube":  # its corners are as far from the middle as the wall of a cylinder is
        half = math.sqrt(0.5)
        return {"cube": {"type": "cube", "to_world": middle @ move.translate([0, 0, half - 1]).scale(half), **look}}
    if shape == "cylinder":
        return {
            "wall": {"type": "cylinder", "p0": [0, 0, -1], "p1": [0, 0, 1], "to_world": middle, **look},
            "lid": {"type": "disk", "to_world": middle @ move.translate([0, 0, 1]), **look},
        }
    return {"cone": _cone(numbers[X], numbers[Y], radius, look)}


def _look(colour: int, material: int) -> dict[str, Any]:
    linear = [v / 12.92 if v < 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in _RGB[colour])]
    if material == 0:
        rubber = {"type": "principled", "base_color": _colour(linear), "roughness": 0.7, "specular": 0.3}
        return {"bsdf": rubber, "emitter": _glow([_GLOW * v for v in linear])}
    mirrored = [0.1 + 0.9 * v**0.75 for v in linear]
    metal = {"type": "roughconductor", "alpha": 0.15, "specular_reflectance": _colour(mirrored)}
    return {"bsdf": metal, "emitter": _glow([_GLOW / 2 * v for v in linear])}


def _glow(light: list[float]) -> dict[str, Any]:
    return {"type": "area", "sampling_weight": 0.0, "radiance": _colour(light)}


def _colour(linear: list[float]) -> dict[str, Any]:
    return {"type": "rgb", "value": linear}


def _cone(x: float, y: float, radius: float, look: Mapping[str, Any]) -> Any:
    """A mesh, since Mitsuba has no cone. It stands on its base, which nobody sees, as high as it is wide."""
    mi = mitsuba()
    properties = mi.Properties()
    properties["mesh_bsdf"], properties["mesh_emitter"] = mi.load_dict(look["bsdf"]), mi.load_dict(look["emitter"])
    points, normals, faces = _cone_mesh()
    mesh = mi.Mesh("cone", len(points), len(faces), props=properties, has_vertex_normals=True)
    values = mi.traverse(mesh)
    values["vertex_positions"] = (points * radius + np.array([x, y, 0])).ravel().astype(np.float32)
    values["vertex_normals"], values["faces"] = normals.ravel(), faces.ravel()
    values.update()
    return mesh


@cache
def _cone_mesh(around: int = 48, rings: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (p, 3) and normals (p, 3) float32 of a cone of radius 1 and height 2, and its triangles (t, 3) uint32."""
    angle, up = np.arange(around + 1) * 2 * np.pi / around, np.arange(rings + 1)[:, None] / rings
    ones = np.ones_like(angle)
    points = np.stack([(1 - up) * np.cos(angle), (1 - up) * np.sin(angle), 2 * up * ones], 2)
    normals = np.broadcast_to(np.stack([np.cos(angle), np.sin(angle), ones / 2], 1) / math.sqrt(1.25), points.shape)
    first = (np.arange(rings)[:, None] * (around + 1) + np.arange(around)).ravel()
    above = first + around + 1
    faces = np.concatenate([np.stack([first, first + 1, above + 1], 1), np.stack([first, above + 1, above], 1)])
    return (
        points.reshape(-1, 3).astype(np.float32),
        normals.reshape(-1, 3).astype(np.float32),
        faces.astype(np.uint32),
    )
