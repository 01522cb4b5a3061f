"""A debugging problem whose answer is known: where the classifier fails, with which label, and how often.

Codes are two-dimensional with a standard normal prior. An image of 8 x 8 pixels has a left half as bright as
sigmoid(z[0]) and a right half as bright as sigmoid(z[1]), so a code can be read off its image. The four classes are the
quadrants of the latent plane. The classifier is right everywhere but inside the planted balls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from ..classifier import Classifier
from ..component import ComponentConfig
from ..context import Context
from ..contracts.generator import Generator
from ..data import split
from ..problem import Problem
from ..rng import rng_for
from ..targets import Target
from ..types import Candidates, DataSpec, Failures, ImageSet, Origins, Splits

SPEC = DataSpec((1, 8, 8), ("dark-dark", "bright-dark", "dark-bright", "bright-bright"))
ABILITIES = frozenset({"encode", "gradients", "labels"})
"""What the known problem provides to the component under test; with `conditional=True`, that too."""

_SIGNS = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])  # (k, d): the quadrant of each class
_SLOPE, _STEEPNESS = 4.0, 4.0  # logits per latent unit: towards a quadrant, and into a ball
_GAIN = 100.0  # a ball is closed by about 20 steps of Adam at a learning rate of 0.001
_CLEAR = 0.15  # images nearer to a class boundary are left out of the data
_AROUND = 1.25  # and so are codes within this multiple of a ball's radius: the data do not show the failures


@dataclass(frozen=True)
class Ball:
    """A planted failure region: codes within `radius` of `centre` show class `label` and are taken for `predicted`."""

    centre: tuple[float, float]
    radius: float
    label: int
    predicted: int

    def distance(self, z: Tensor) -> Tensor:
        """l2 distance (n,) of codes (n, 2) to the centre."""
        distance: Tensor = torch.linalg.vector_norm(
            z - torch.tensor(self.centre, device=z.device, dtype=z.dtype), dim=1
        )
        return distance


BALLS = (Ball((1.2, 1.2), 0.5, label=3, predicted=0), Ball((-1.2, 1.2), 0.5, label=2, predicted=1))


def codes_of(x: Tensor) -> Tensor:
    """The codes (n, 2) that images (n, 1, 8, 8) show; differentiable."""
    return x.reshape(len(x), 8, 2, 4).mean((1, 3)).clamp(1e-4, 1 - 1e-4).logit()


def truth(z: Tensor) -> Tensor:
    """The class (n,) int64 that the images of codes (n, 2) show."""
    return (z[:, 0] > 0).long() + 2 * (z[:, 1] > 0).long()


class PlantedGenerator(Generator[ComponentConfig]):
    """The generator of the known problem: exact, invertible, differentiable, and with nothing to learn."""

    @property
    def latent_size(self) -> int:
        return 2

    def _fit(self, data: ImageSet, context: Context) -> None:
        return None

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return z.sigmoid().repeat_interleave(4, 1)[:, None, None, :].expand(-1, 1, 8, 8).contiguous()

    def _encode(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return codes_of(x)

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        return None

    def to(self, device: torch.device) -> None:
        return None


class PlantedConditionalGenerator(PlantedGenerator):
    """The same, told the class: the code says how far an image lies from the class boundaries, the class on which side.

    So the prior of a code, told any class, is the prior of the unconditional problem in that class's quadrant.
    """

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        if condition is None:
            raise ValueError("the class of each image is needed")
        return super()._decode(z.abs() * _SIGNS.to(z.device)[condition], None)

    def _encode(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return codes_of(x).abs()


class PlantedClassifier(nn.Module):
    """Logits (n, 4) of images: right by quadrant, and wrong exactly inside the balls.

    `closed` starts at 0; where training makes it negative, a ball is gone. Only images inside a ball have a gradient
    with respect to it: finetuning on the data alone cannot correct the failures.
    """

    def __init__(self, balls: Sequence[Ball] = BALLS) -> None:
        super().__init__()
        self.balls = tuple(balls)
        self.quadrants = nn.Parameter(_SLOPE * _SIGNS)
        self.closed = nn.Parameter(torch.zeros(len(self.balls)))

    def forward(self, x: Tensor) -> Tensor:
        z = codes_of(x)
        logits = z @ self.quadrants.T
        top, columns = logits.amax(1), list(logits.unbind(1))
        for ball, closed in zip(self.balls, self.closed, strict=True):
            distance = ball.distance(z)
            inside = (distance < 1.1 * ball.radius).float()
            wrong = top + _STEEPNESS * (ball.radius - distance) + _GAIN * inside * closed
            near = distance < 3 * ball.radius
            columns[ball.predicted] = torch.where(
                near, torch.maximum(columns[ball.predicted], wrong), columns[ball.predicted]
            )
        return torch.stack(columns, 1)


@dataclass(frozen=True, eq=False)
class KnownProblem:
    """Everything that a component can be tried on, and the answers.

    Attributes:
        spec: 1 x 8 x 8 pixels, four classes.
        balls: where the classifier fails; nowhere else.
        generator: decodes and encodes exactly.
        classifier: right on all of `splits`.
        splits: images from the prior, without those in or next to a ball.
        origins: training images near the balls, as codes, with their classes.
        prior_rate: the share of prior draws that fail.
    """

    spec: DataSpec
    balls: tuple[Ball, ...]
    generator: PlantedGenerator
    classifier: Classifier
    splits: Splits
    origins: Origins
    prior_rate: float

    def ball_of(self, z: Tensor) -> Tensor:
        """The ball (n,) int64 that each code lies in, -1 for none."""
        inside = torch.stack([ball.distance(z) < ball.radius for ball in self.balls], 1)
        return torch.where(inside.any(1), inside.int().argmax(1), -1)

    def problem(
        self,
        origins: Origins | None = None,
        guide: Classifier | None = None,
        targets: Sequence[Target] = (),
        sigma: float = 0.05,
    ) -> Problem:
        """A problem with a fresh copy of the classifier and an empty meter."""
        chosen = self.origins if origins is None else origins
        return Problem(
            self.generator,
            self.classifier.copy(),
            chosen,
            targets=targets,
            sigma=sigma,
            guide=guide,
            test=self.splits.test,
            batch_size=64,
        )

    def codes_in_balls(self, per_ball: int, rng: torch.Generator) -> Tensor:
        """Codes (balls * per_ball, 2), spread evenly over each ball, ball after ball."""
        parts = []
        for ball in self.balls:
            radius = 0.98 * ball.radius * torch.rand(per_ball, 1, generator=rng).sqrt()
            angle = 2 * torch.pi * torch.rand(per_ball, 1, generator=rng)
            parts.append(torch.tensor(ball.centre) + radius * torch.cat([angle.cos(), angle.sin()], 1))
        return torch.cat(parts)

    def failures(self, per_ball: int, seed: int = 0) -> Failures:
        """Failures from every ball, as the core judges them, ball after ball."""
        z = self.codes_in_balls(per_ball, rng_for(seed, "planted failures"))
        first = [int((self.origins.labels == ball.label).nonzero()[0]) for ball in self.balls]
        origin = torch.tensor(first).repeat_interleave(per_ball)
        return self.problem().judge(Candidates(z=z, origin=origin), step=0, searcher="the known problem")


@cache
def known_problem(*, conditional: bool = False) -> KnownProblem:
    """The known problem; made once, and not to be changed.

    Args:
        conditional: the generator is told the class of each image, and every origin has its class as condition.
    """
    generator = (PlantedConditionalGenerator if conditional else PlantedGenerator)(ComponentConfig(), SPEC)
    generator.name = "the planted generator"
    z = generator.sample(2000, rng_for(0, "known problem"))
    away = torch.stack([ball.distance(z) > _AROUND * ball.radius for ball in BALLS], 1).all(1)
    z = z[away & (z.abs() > _CLEAR).all(1)]
    images = generator.decode(z, truth(z))
    splits = split(images, truth(z), classes=SPEC.classes, rng=rng_for(0, "known split"))
    shown = codes_of(splits.train.images)
    near = [(ball.distance(shown) < 2 * ball.radius) & (splits.train.labels == ball.label) for ball in BALLS]
    index = torch.cat([rows.nonzero()[:12, 0] for rows in near]).sort().values
    x, labels = splits.train.batch(index)
    return KnownProblem(
        spec=SPEC,
        balls=BALLS,
        generator=generator,
        classifier=Classifier(PlantedClassifier().eval(), SPEC, name="the planted classifier", batch_size=64),
        splits=splits,
        origins=Origins(index, labels, generator.encode(x), labels if conditional else None),
        prior_rate=sum(_prior_mass(ball) for ball in BALLS),
    )


def known_guide() -> Classifier:
    """A guide for the known problem: right everywhere, also in the planted balls."""
    return Classifier(PlantedClassifier(balls=()).eval(), SPEC, name="the planted guide", batch_size=64)


def _prior_mass(ball: Ball, cells: int = 400) -> float:
    """The standard normal's mass in a ball, by the midpoint rule."""
    width = 2 * ball.radius / cells
    line = (torch.arange(cells, dtype=torch.float64) + 0.5) * width - ball.radius
    z = torch.cartesian_prod(line + ball.centre[0], line + ball.centre[1])
    density = torch.exp(-0.5 * z.square().sum(1)) / (2 * torch.pi)
    return float(density[ball.distance(z) < ball.radius].sum()) * width**2
