"""Which scenes there are: their prior, which of them are possible, and the steps of a random walk through them
(Bayes-TrEx, section 4.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .objects import (
    COLOUR,
    LATENT,
    MATERIAL,
    MOST,
    PARTS,
    RADII,
    ROTATION,
    SHAPE,
    SHAPES,
    SIZE,
    THERE,
    VALUES,
    Pattern,
    Shape,
    X,
    Y,
    present,
    unpacked,
)

HALF = 3.0  # x and y of objects lie between -3 and 3
APART = 0.1  # that much floor at least lies between two objects
FREE = (1.0, 1.0, 0.90, 0.726, 0.525, 0.338, 0.196, 0.101, 0.0466, 0.0183, 0.00683)
"""About which share of scenes of so many objects, put down at random, have no overlap. How many objects are drawn is
made up for by it, so that every number comes out about as often; the prior's density knows it too."""

STEP, TURN, REDRAWN, TOGGLED = 0.30, 0.05, 0.2, 0.1
ANEW = 0.5  # of the steps that move one object put another in its place
_BLOCK, _TRIES = 4096, 64  # scenes that are drawn at a time, and for each that is wanted


@dataclass(frozen=True)
class Scenes:
    """All scenes that may occur, each as probable as another of as many objects.

    Attributes:
        shapes: that objects may have.
        least, most: how many objects a scene has.
        never: patterns that no object has.

    >>> scenes = Scenes(never=(Pattern.read("cubes"),))
    >>> z = scenes.sample(100, torch.Generator().manual_seed(0))
    >>> bool(scenes.valid(z).all()), int(Pattern.read("cubes").count(z).sum())
    (True, 0)
    """

    shapes: tuple[Shape, ...] = SHAPES[:3]
    least: int = 3
    most: int = MOST
    never: tuple[Pattern, ...] = ()

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Codes (n, 80) float32 from the prior: scenes are drawn until so many have no overlap."""
        found, missing = [torch.empty(0, LATENT)], n
        while missing > 0:
            z = self._drawn(min(_BLOCK, _TRIES * missing), rng)
            z = z[~overlapping(z)]  # most have overlaps: the rest is asked of few
            found.append(z[self.valid(z)][:missing])
            missing -= len(found[-1])
        return torch.cat(found)

    def log_prior(self, z: Tensor) -> Tensor:
        """The log density (n,) float32 of codes that are valid, but for a constant."""
        counts = present(z).sum(1).clamp(self.least, self.most)
        weight = torch.tensor([math.log(1 / FREE[i] / math.comb(MOST, i)) for i in range(MOST + 1)])
        return weight[counts]

    def valid(self, z: Tensor) -> Tensor:
        """Which codes (n, 80) stand for a scene that may occur, (n,) bool: numbers that mean something, no object that
        is never there, and none within another."""
        objects, there = unpacked(z), present(z)
        numbers = torch.isfinite(objects).all(2)
        for column, values in VALUES.items():
            numbers &= torch.isin(objects[..., column], torch.arange(len(values)).float())
        numbers &= torch.isin(objects[..., SHAPE], self._shapes.float())
        numbers &= torch.isin(objects[..., THERE], torch.tensor([0.0, 1.0]))
        numbers &= (objects[..., [X, Y]].abs() <= HALF).all(2)
        numbers &= (objects[..., ROTATION] >= 0) & (objects[..., ROTATION] < 1)
        for pattern in self.never:
            numbers &= ~_has(objects, pattern)
        counts = there.sum(1)
        return numbers.all(1) & (counts >= self.least) & (counts <= self.most) & ~overlapping(z)

    def propose(self, z: Tensor, rng: torch.Generator, scale: Tensor, *, one: bool) -> tuple[Tensor, Tensor]:
        """A step from each code (n, 80), and by how much the way back is likelier, (n,) (Bayes-TrEx, section 4.2).

        x and y go to a normal draw around them, cut off at the walls; the rotation likewise, around the circle; shape,
        colour, material and size are redrawn, each with a probability of 0.2. With a probability of 0.1 an object
        comes or goes. Whether the scene is valid is another question.

        Args:
            scale: (n,) float32, how many times the paper's deviations x, y and rotation move by.
            one: only one object is moved, and its attributes redrawn; every other time, on average, it is drawn anew
                altogether, which is how a scene gets other objects. The paper moves all objects at once.
        """
        n, size = len(z), (len(z), MOST)
        before = unpacked(z)
        after = before.clone()
        moved = torch.ones(size, dtype=torch.bool)
        if one:
            moved = torch.arange(MOST) == torch.randint(MOST, (n, 1), generator=rng)
        deviation = (STEP * scale)[:, None].clamp_min(1e-6).double()
        log_ratio = torch.zeros(n, dtype=torch.float64)
        for column in (X, Y):
            place = before[..., column].double()
            low, high = _normal((-HALF - place) / deviation), _normal((HALF - place) / deviation)
            uniform = torch.rand(size, generator=rng, dtype=torch.float64)
            there = place + deviation * torch.special.ndtri(low + (high - low) * uniform)
            there = torch.where(moved, there.clamp(-HALF, HALF), place)
            width = _normal((HALF - there) / deviation) - _normal((-HALF - there) / deviation)
            log_ratio += torch.where(moved, (high - low).log() - width.log(), 0.0).sum(1)
            after[..., column] = there.float()
        turned = before[..., ROTATION] + TURN * scale[:, None] * torch.randn(size, generator=rng)
        after[..., ROTATION] = torch.where(moved, turned % 1.0 % 1.0, before[..., ROTATION])
        for column in (SHAPE, COLOUR, MATERIAL, SIZE):
            redrawn = moved & (torch.rand(size, generator=rng) < REDRAWN)
            after[..., column] = torch.where(redrawn, self._values(column, size, rng), before[..., column])
        if one:
            anew = (torch.rand(n, 1, generator=rng) < ANEW) & moved
            after = torch.where(anew[..., None], self._put_down(n, rng), after)
            after[..., THERE] = before[..., THERE]
            log_ratio = torch.where(anew.any(1), 0.0, log_ratio)
        toggled = torch.arange(MOST) == torch.randint(MOST, (n, 1), generator=rng)
        toggled &= torch.rand(n, 1, generator=rng) < TOGGLED
        after[..., THERE] = torch.where(toggled, 1 - before[..., THERE], before[..., THERE])
        return after.view(n, LATENT), log_ratio.float()

    def _drawn(self, n: int, rng: torch.Generator) -> Tensor:
        """Codes of objects put down anywhere."""
        weights = torch.tensor([1 / FREE[i] for i in range(self.least, self.most + 1)])
        counts = self.least + torch.multinomial(weights, n, replacement=True, generator=rng)
        order = torch.rand(n, MOST, generator=rng).argsort(1).argsort(1)
        objects = self._put_down(n, rng)
        objects[..., THERE] = (order < counts[:, None]).float()
        return objects.view(n, LATENT)

    def _put_down(self, n: int, rng: torch.Generator) -> Tensor:
        """Objects (n, 10, 8) anywhere, none of them there yet."""
        objects = torch.zeros(n, MOST, len(PARTS))
        for column in (X, Y):
            objects[..., column] = HALF * (2 * torch.rand(n, MOST, generator=rng) - 1)
        objects[..., ROTATION] = torch.rand(n, MOST, generator=rng)
        again = torch.ones(n, MOST, dtype=torch.bool)
        while bool(again.any()):
            for column in (SHAPE, COLOUR, MATERIAL, SIZE):
                objects[..., column] = torch.where(again, self._values(column, again.shape, rng), objects[..., column])
            again = torch.zeros_like(again)
            for pattern in self.never:
                again |= _has(objects, pattern)
        return objects

    def _values(self, column: int, size: tuple[int, ...], rng: torch.Generator) -> Tensor:
        """Random values of an attribute, all alike."""
        if column == SHAPE:
            return self._shapes[torch.randint(len(self.shapes), size, generator=rng)].float()
        return torch.randint(len(VALUES[column]), size, generator=rng).float()

    @property
    def _shapes(self) -> Tensor:
        return torch.tensor([SHAPES.index(shape) for shape in self.shapes])


def summed_up(z: Tensor) -> Tensor:
    """What scenes (n, 80) hold, in whatever order their objects stand, (n, m) float32: how many objects have each
    shape, colour, material and size, and for each shape the sums of their x and y. Not which attributes go together,
    nor rotations: chains that agree in these numbers may differ in others.

    >>> summed_up(torch.zeros(3, LATENT)).shape
    torch.Size([3, 24])
    """
    objects, there = unpacked(z), present(z)
    numbers = []
    for column, values in VALUES.items():
        for value in range(len(values)):
            having = there & (objects[..., column] == value)
            numbers.append(having.sum(1).float())
            if column == SHAPE:
                numbers += [torch.where(having, objects[..., place], 0.0).sum(1) for place in (X, Y)]
    return torch.stack(numbers, 1)


def overlapping(z: Tensor) -> Tensor:
    """In which scenes of codes (n, 80) two objects that are there are too near to each other, (n,) bool."""
    objects, there = unpacked(z), present(z)
    place = objects[..., [X, Y]]
    radius = torch.tensor(RADII)[objects[..., SIZE].nan_to_num(0).clamp(0, 1).long()]
    distance = (place[:, :, None] - place[:, None]).square().sum(3)
    least = (radius[:, :, None] + radius[:, None] + APART).square()
    other = ~torch.eye(MOST, dtype=torch.bool) & there[:, :, None] & there[:, None]
    return ((distance < least) & other).flatten(1).any(1)


def _has(objects: Tensor, pattern: Pattern) -> Tensor:
    """Which objects (n, 10, 8) have the attributes, whether they are there or not, (n, 10) bool."""
    found = torch.ones(objects.shape[:2], dtype=torch.bool)
    for column, value in pattern.wanted:
        found &= objects[..., column] == value
    return found


def _normal(x: Tensor) -> Tensor:
    share: Tensor = torch.special.ndtr(x)
    return share
