"""Models for which memory runs out: above a number of images in a batch, for a while, or always."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor

from modeldebug import Answers, Component, ComponentConfig, LabelRequest, batch_size_for, in_batches
from modeldebug.testing.problems import ABILITIES, PlantedClassifier, PlantedGenerator

from .planted import Rule, RuleConfig

MOST = 64  # images in a batch that there is memory for
GPU = "CUDA out of memory. Tried to allocate 2.00 GiB"
CPU = "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"


def own(attribute: str) -> dict[str, str]:
    return {"use": f"{__name__}:{attribute}"}


class Narrow(PlantedClassifier):
    """Has memory for a few images; notices whether what a failed attempt held is gone at the next one."""

    asked: list[int] = []  # noqa: RUF012  # the class is the only thing that a test and a run share
    held: list[weakref.ref[Tensor]] = []  # noqa: RUF012

    def forward(self, x: Tensor) -> Tensor:
        assert not any(tensor() is not None for tensor in self.held)
        if not self.training:
            self.asked.append(len(x))
        if len(x) > MOST and not self.training:
            self.held.append(weakref.ref(x))
            raise torch.OutOfMemoryError(GPU)
        return super().forward(x)


class NoMemory(PlantedClassifier):
    def forward(self, x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError(GPU)


class _DecodesFew(PlantedGenerator):
    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        if len(z) > MOST:
            raise RuntimeError(CPU)
        return super()._decode(z, condition)


class _Crowded(PlantedGenerator):
    """Decodes well until some batches of the search have been decoded; then, once, something else has the memory."""

    left: list[int] = []  # noqa: RUF012  # batches until then

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        if self.left:
            self.left[0] -= 1
            if not self.left[0]:
                self.left.clear()
                raise RuntimeError(CPU)
        return super()._decode(z, condition)


class _CannotFit(PlantedGenerator):
    def _fit(self, data: Any, context: Any) -> None:
        raise torch.OutOfMemoryError(GPU)


class GeneratorConfig(ComponentConfig):
    batch_size: int = 32


class OfOwnSize(Rule):
    """Asks a network that takes as many images as it likes, whatever the run does."""

    Config = RuleConfig

    def _label(self, request: LabelRequest) -> Answers:
        in_batches(_none, batch_size_for(self.spec.shape), torch.device("cpu"), request.x)
        return super()._label(request)


class OfGivenSize(Rule):
    """Asks a network about as many images at a time as the core says."""

    Config = RuleConfig

    def _label(self, request: LabelRequest) -> Answers:
        in_batches(_few, self.batch_size or batch_size_for(self.spec.shape), torch.device("cpu"), request.x)
        return super()._label(request)


def _none(x: Tensor) -> Tensor:
    raise torch.OutOfMemoryError(GPU)


def _few(x: Tensor) -> Tensor:
    return _none(x) if len(x) > MOST else x


decodes_few = Component("few", "has little memory", ComponentConfig, _DecodesFew, provides=ABILITIES)
crowded = Component("crowded", "runs out of memory once", ComponentConfig, _Crowded, provides=ABILITIES)
cannot_fit = Component("unfit", "has none for training", GeneratorConfig, _CannotFit, provides=ABILITIES)
