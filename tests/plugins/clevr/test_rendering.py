"""Pictures of scenes: what they show, and that the same code gives the same bits."""

import hashlib
import subprocess
import sys
from itertools import product

import pytest
import torch
from modeldebug_clevr.objects import COLOUR, LATENT, MATERIAL, SHAPE, SHAPES, SIZE, THERE, unpacked
from modeldebug_clevr.scenes import Scenes

from modeldebug import ConfigError, ImageSet, rng_for

pytest.importorskip("mitsuba", reason="scenes are rendered by the package mitsuba, which is not installed")

from modeldebug_clevr import render as rendering
from modeldebug_clevr.render import pixels, render

SMALL = {"size": 32, "samples": 4}
HUES = {1: [1, 0, 0], 2: [0, 0, 1], 3: [0, 1, 0], 6: [0, 1, 1], 7: [1, 1, 0]}  # of the colours that are no mixture


def scenes(n):
    return Scenes(shapes=SHAPES).sample(n, rng_for(0, "pictures"))


def alone(**numbers):
    """A code of one large object in the middle: a red rubber cube, but for the numbers given."""
    z = torch.zeros(1, LATENT)
    unpacked(z)[0, 0] = torch.tensor([1, 0, 0, 0, 0, 1, 0, 1.0])
    for column, value in numbers.items():
        unpacked(z)[0, 0, {"shape": SHAPE, "colour": COLOUR, "material": MATERIAL, "size": SIZE}[column]] = value
    return z


@pytest.fixture(scope="module")
def floor():
    return render(torch.zeros(1, LATENT), **SMALL)[0]


def test_an_object_has_its_colour_and_the_floor_is_grey(floor):
    assert float((floor.max(0).values - floor.min(0).values).max()) < 0.03
    for (colour, hue), shape in product(HUES.items(), range(4)):
        x = render(alone(colour=colour, shape=shape), **SMALL)[0]
        there = (x - floor).abs().max(0).values > 0.2
        strong = x[:, there].mean(1)
        assert int(there.sum()) > 10
        strongest = sorted(range(3), key=lambda c: -float(strong[c]))[: sum(hue)]
        assert sorted(strongest) == [c for c in range(3) if hue[c]], (colour, shape, strong)


def test_every_attribute_changes_the_picture_of_every_shape():
    for shape in range(4):
        red = render(alone(shape=shape), **SMALL)
        for change in ({"shape": (shape + 1) % 4}, {"shape": (shape + 2) % 4}, {"colour": 4}, {"material": 1}):
            other = render(alone(**{"shape": shape, **change}), **SMALL)
            assert int(((red - other).abs().amax(1) > 0.1).sum()) > 5, (shape, change)
        assert int(((red - render(alone(shape=shape, size=0), **SMALL)).abs().amax(1) > 0.1).sum()) > 20


def test_no_object_is_cut_off_at_any_edge_of_the_floor():
    corners = torch.tensor([[x, y] for x in (-3.0, 0.0, 3.0) for y in (-3.0, 0.0, 3.0) if x or y])
    for shape in range(4):
        z = torch.zeros(1, LATENT)
        for i, place in enumerate(corners):
            unpacked(z)[0, i] = torch.tensor([1, *place, 0.125, shape, 7, 0, 1])
        x = render(z, size=128, samples=4)[0]
        yellow = x[0] - x[2] > 0.2
        assert int(yellow.sum()) > 300
        assert not bool(torch.cat([yellow[0], yellow[-1], yellow[:, 0], yellow[:, -1]]).any())


def test_the_picture_depends_neither_on_the_order_of_objects_nor_on_those_that_are_not_there():
    z = scenes(3)
    mixed = unpacked(z)[:, torch.randperm(10, generator=rng_for(0, "order"))].clone()
    mixed[..., COLOUR] = torch.where(mixed[..., THERE] > 0, mixed[..., COLOUR], 7 - mixed[..., COLOUR])
    assert torch.equal(pixels(z, **SMALL), pixels(mixed.reshape(3, LATENT), **SMALL))


def test_a_code_gives_the_same_bits_alone_in_threads_and_in_another_process(tmp_path):
    z, threads = scenes(5), torch.get_num_threads()
    found = pixels(z, **SMALL)
    assert torch.equal(found, torch.cat([pixels(code[None], **SMALL) for code in z.flip(0)]).flip(0))
    try:
        torch.set_num_threads(3)
        assert torch.equal(found, pixels(z, **SMALL))
    finally:
        torch.set_num_threads(threads)
    torch.save(z, tmp_path / "z.pt")
    script = (
        "import hashlib, sys, torch; from modeldebug_clevr.render import pixels; z = torch.load(sys.argv[1]);"
        "print(hashlib.sha256(pixels(z, size=32, samples=4).numpy().tobytes()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "z.pt"], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == hashlib.sha256(found.numpy().tobytes()).hexdigest()


def test_pictures_are_kept_as_bytes_without_loss():
    z = scenes(2)
    kept = ImageSet(pixels(z, **SMALL), torch.zeros(2, dtype=torch.int64))
    assert torch.equal(kept.batch(slice(None))[0], render(z, **SMALL))
    assert render(z[:0], **SMALL).shape == (0, 3, 32, 32)


def test_without_mitsuba_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mitsuba", None)
    rendering.mitsuba.cache_clear()
    try:
        with pytest.raises(ConfigError, match="mitsuba, which is not installed") as caught:
            render(torch.zeros(1, LATENT), **SMALL)
    finally:
        rendering.mitsuba.cache_clear()
    assert "modeldebug[clevr]" in str(caught.value)
    assert caught.value.exit_code == 2
