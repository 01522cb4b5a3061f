"""The generator of scenes: nothing in it is learnt, and the truth about each of its images is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from modeldebug import ConfigError, Context, DataSpec, Generator, ImageSet

from .dataset import question_of, scenes_of
from .objects import LATENT, Question
from .render import mitsuba, render
from .scenes import Scenes, summed_up
from .settings import RendererConfig
from .words import occurs


class Renderer(Generator[RendererConfig]):
    """Renders codes (n, 80) as images (n, 3, size, size); the prior and the steps are those of `Scenes` (Bayes-TrEx,
    section 4.2).

    A class of which the images that it is fitted on show none is left out, as the paper does it for class-excluded
    targets: without scenes of 1 cube there are no cubes at all; without scenes of 0 cubes there is one in each scene.

    Raises:
        ConfigError: images of another shape, classes that answer another question, or Mitsuba is not installed.

    >>> spec = DataSpec((3, 64, 64), ("0 cubes", "1 cube", "2 or more cubes"))
    >>> renderer = Renderer(RendererConfig(top=2), spec)
    >>> z = renderer.sample(4, torch.Generator().manual_seed(0))
    >>> z.shape, renderer.truth(z), renderer.decode(z).shape
    (torch.Size([4, 80]), tensor([2, 0, 2, 1]), torch.Size([4, 3, 64, 64]))
    """

    def __init__(self, config: RendererConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.question = question_of(config)
        _refuse_other_data(config, spec, self.question)
        mitsuba()  # or say at once that it is not there
        self.left_out: tuple[int, ...] = ()

    @property
    def latent_size(self) -> int:
        return LATENT

    @property
    def scenes(self) -> Scenes:
        """The scenes that may occur, but for a number of objects that is left out."""
        scenes = scenes_of(self.config)
        if any(answer > 0 for answer in self.left_out):
            return replace(scenes, never=(*scenes.never, self.question.pattern))
        return scenes

    def _fit(self, data: ImageSet, context: Context) -> None:
        counts = data.labels.bincount(minlength=self.spec.num_classes)
        self.left_out = tuple((counts == 0).nonzero()[:, 0].tolist())
        never = [pattern.wanted for pattern in self.scenes.never]
        wanted = self.question.pattern.wanted if 0 in self.left_out else ()
        if not occurs(self.config.shapes, never, wanted):
            raise ConfigError(
                "no scene is left without the classes of which there are no images",
                got=f"images of {', '.join(self.spec.classes[i] for i in counts.nonzero()[:, 0]) or 'none'} alone",
                expected="images of some class that other objects can be in",
                fix="give more images, or let scenes hold other shapes too: generator.shapes",
                plugin=self.name,
            )

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return render(z, size=self.config.size, samples=self.config.samples)

    def _sample(self, n: int, rng: torch.Generator) -> Tensor:
        scenes, found = self.scenes, [torch.empty(0, LATENT)]
        while (missing := n - sum(map(len, found))) > 0:
            z = scenes.sample(missing, rng)
            found.append(z[self._valid(z)])
        return torch.cat(found)

    def _log_prior(self, z: Tensor) -> Tensor:
        return self.scenes.log_prior(z)

    def _propose(self, z: Tensor, rng: torch.Generator, scale: Tensor) -> tuple[Tensor, Tensor]:
        return self.scenes.propose(z, rng, scale, one=self.config.moves == "one")

    def _valid(self, z: Tensor) -> Tensor:
        valid = self.scenes.valid(z)
        return valid & (self.question.answers(z) > 0) if 0 in self.left_out else valid

    def _truth(self, z: Tensor) -> Tensor:
        return self.question.answers(z)

    def _summary(self, z: Tensor) -> Tensor:
        return summed_up(z)

    def state_dict(self) -> dict[str, Tensor]:
        left_out = torch.zeros(self.spec.num_classes, dtype=torch.int64)
        left_out[list(self.left_out)] = 1
        return {"left_out": left_out}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.left_out = tuple(state["left_out"].nonzero()[:, 0].tolist())

    def to(self, device: torch.device) -> None:
        """Scenes are rendered on the processor."""


def _refuse_other_data(config: RendererConfig, spec: DataSpec, question: Question) -> None:
    shape = (3, config.size, config.size)
    if spec.shape != shape:
        raise ConfigError(
            "the renderer makes images of another shape than the data have",
            got=f"images {spec.shape}",
            expected=f"{shape}, by generator.size={config.size}",
            fix="--dataset clevr:scenes, with the same size: dataset.size and generator.size",
            plugin="clevr:renderer",
        )
    if spec.num_classes != question.top + 1:
        raise ConfigError(
            "the classes of the data do not answer the renderer's question",
            got=f"{spec.num_classes} classes: {', '.join(spec.classes)}",
            expected=f"{question.top + 1} classes: {', '.join(question.classes)}",
            fix="ask the same of both: count and top of dataset and generator",
            plugin="clevr:renderer",
        )
