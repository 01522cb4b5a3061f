"""A problem of discrete codes whose answer is known: the posterior of any target is a sum over 224 scenes.

A scene is one lit pixel among 8 x 8: its column, its row, and which of four levels it is as bright as. A wall in the
middle hides eight places, so their codes have no image. The prior is uneven, and a step leads to the right more often
than to the left: whoever leaves out the prior, the log ratio of a step, or the wall, draws from another distribution.
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
from ..problem import Problem
from ..targets import Target
from ..types import ImageSet, Origins
from .problems import SPEC

SIDE, LEVELS = 8, 4
_COLUMNS = torch.tensor([1.0, 2, 3, 4, 4, 3, 2, 1])  # in proportion to the prior of each column
_ROWS = torch.tensor([3.0, 3, 2, 2, 1, 1, 1, 1])
_BRIGHTNESS = torch.tensor([4.0, 3, 2, 1])
_STEPS = torch.tensor([0.3, 0.2, 0.5])  # one to the left or up, none, one to the right or down: around the edges
_REDRAWN = 0.2  # how often a step draws the brightness anew, from its prior
_SIGNS = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
_GAIN = 3.0  # logits of the brightest pixel at the edge


class SceneGenerator(Generator[ComponentConfig]):
    """Renders scenes: codes (n, 3) are column, row and level, whole numbers as float32."""

    @property
    def latent_size(self) -> int:
        return 3

    def _fit(self, data: ImageSet, context: Context) -> None:
        return None

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        if not bool(self._valid(z).all()):
            raise ValueError("there is no image of a scene that the wall hides")
        column, row, level = z.long().unbind(1)
        x = torch.zeros(len(z), 1, SIDE, SIDE)
        x[torch.arange(len(z)), 0, row, column] = (level + 1) / LEVELS
        return x

    def _sample(self, n: int, rng: torch.Generator) -> Tensor:
        states = scenes()
        return states[torch.multinomial(self._log_prior(states).exp(), n, replacement=True, generator=rng)]

    def _log_prior(self, z: Tensor) -> Tensor:
        column, row, level = z.long().unbind(1)
        weight = _COLUMNS[column] * _ROWS[row] * _BRIGHTNESS[level]
        return (weight / _total()).log()

    def _valid(self, z: Tensor) -> Tensor:
        most = torch.tensor([SIDE, SIDE, LEVELS])
        whole = (z == z.round()).all(1) & (z >= 0).all(1) & (z < most).all(1)
        return whole & ~_walled(z)

    def _propose(self, z: Tensor, rng: torch.Generator, scale: Tensor) -> tuple[Tensor, Tensor]:
        n = len(z)
        step = torch.multinomial(_STEPS, 2 * n, replacement=True, generator=rng).reshape(n, 2)
        place = (z[:, :2] + step - 1) % SIDE
        back = (_STEPS[2 - step] / _STEPS[step]).log().sum(1)
        redrawn = torch.rand(n, generator=rng) < _REDRAWN
        level = torch.multinomial(_BRIGHTNESS, n, replacement=True, generator=rng)
        level = torch.where(redrawn, level, z[:, 2].long())
        back = back + (_BRIGHTNESS[z[:, 2].long()] / _BRIGHTNESS[level]).log()
        return torch.cat([place, level[:, None].float()], 1), back

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        return None

    def to(self, device: torch.device) -> None:
        return None


class SceneClassifier(nn.Module):
    """Logits (n, 4) of images: in which quadrant the pixel is, the surer the brighter it is and the nearer the edge."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(_GAIN))

    def forward(self, x: Tensor) -> Tensor:
        line = torch.linspace(-1, 1, SIDE, device=x.device)
        across, down = (x.sum((1, 2)) * line).sum(1), (x.sum((1, 3)) * line).sum(1)
        return self.gain * torch.stack([across, down], 1) @ _SIGNS.to(x.device).T


@dataclass(frozen=True, eq=False)
class KnownScenes:
    """The discrete problem, and the answers.

    Attributes:
        generator: proposes steps that are not as likely as the way back, some of them to codes without an image.
        classifier: exact.
        origins: four scenes, one of each class.
        states: (m, 3) float32, all codes that have an image.
    """

    generator: SceneGenerator
    classifier: Classifier
    origins: Origins
    states: Tensor

    def problem(self, targets: Sequence[Target] = (), sigma: float = 0.05) -> Problem:
        """A problem with a fresh copy of the classifier and an empty meter."""
        return Problem(
            self.generator, self.classifier.copy(), self.origins, targets=targets, sigma=sigma, batch_size=256
        )

    def posterior(self, target: Target, sigma: float) -> Tensor:
        """The probability (m,) float64 of each of `states`, by Bayes' rule."""
        misfit = target.misfit(self.classifier.probs(self.generator.decode(self.states))).double()
        return (self.generator.log_prior(self.states).double() - misfit / sigma**2).softmax(0)

    def row_of(self, z: Tensor) -> Tensor:
        """Which of `states` codes (n, 3) are, (n,) int64."""
        place = torch.full((SIDE, SIDE, LEVELS), -1)
        place[tuple(self.states.long().unbind(1))] = torch.arange(len(self.states))
        return place[tuple(z.long().unbind(1))]


@cache
def known_scenes() -> KnownScenes:
    """The discrete problem; made once, and not to be changed.

    >>> from modeldebug import Target
    >>> known = known_scenes()
    >>> likely = known.posterior(Target("high-confidence", (1,), (1.0,)), sigma=0.05).argmax()
    >>> known.states[likely].tolist()  # on the right, near the top
    [6.0, 0.0, 2.0]
    """
    generator = SceneGenerator(ComponentConfig(), SPEC)
    generator.name = "the scene generator"
    z = torch.tensor([[1.0, 1, 3], [6, 1, 3], [1, 6, 3], [6, 6, 3]])
    return KnownScenes(
        generator=generator,
        classifier=Classifier(SceneClassifier().eval(), SPEC, name="the scene classifier", batch_size=256),
        origins=Origins(torch.arange(4), torch.arange(4), z),
        states=scenes(),
    )


@cache
def scenes() -> Tensor:
    """All codes (m, 3) that have an image."""
    states = torch.cartesian_prod(*(torch.arange(n, dtype=torch.float32) for n in (SIDE, SIDE, LEVELS)))
    return states[~_walled(states)]


@cache
def _total() -> Tensor:
    column, row, level = scenes().long().unbind(1)
    return (_COLUMNS[column] * _ROWS[row] * _BRIGHTNESS[level]).sum()


def _walled(z: Tensor) -> Tensor:
    """Whether the wall hides the pixel: the two columns in the middle, from the third row to the sixth."""
    column, row = z[:, 0], z[:, 1]
    return (column >= 3) & (column <= 4) & (row >= 2) & (row <= 5)
