"""An oracle that is honest about being one: an ensemble that knows nothing of the model under test.

Each member is trained from its own seed on augmented training images, and is one annotator: it votes for its class,
or for "none of the above" where its calibrated confidence is too low. The core counts the votes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from modeldebug import (
    Answers,
    Context,
    DataSpec,
    ImageSet,
    Labeler,
    LabelRequest,
    Splits,
    batch_size_for,
    in_batches,
    in_parts,
    train_network,
)

from .augment import augmented
from .plugin import OracleConfig

SMALL = 16 * 16  # pixels; on larger images convolutions are a quarter faster with channels last


class Oracle(Labeler[OracleConfig]):
    """`members` networks, calibrated on the validation images by temperature (Guo et al. 2017).

    Raises:
        PluginError: training diverged.

    >>> oracle = Oracle(OracleConfig(members=2), DataSpec((1, 8, 8), ("a", "b")))  # not trained yet
    >>> oracle.label(LabelRequest("r", torch.zeros(3, 1, 8, 8), oracle.spec, torch.zeros(3).long())).votes.shape
    torch.Size([3, 2])
    """

    is_program = True

    def __init__(self, config: OracleConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self._members = nn.ModuleList([_network(config, spec) for _ in range(config.members)])
        self._temperature = torch.ones(config.members)
        self._device = torch.device("cpu")

    def _fit(self, data: Splits, context: Context) -> None:
        for i in range(len(self._members)):
            part = context.part(i, len(self._members), f"member {i + 1}/{len(self._members)}")
            torch.manual_seed(torch.randint(2**31, (), generator=part.rng).item())
            self._members[i] = member = _network(self.config, self.spec)
            self._train(member, data, part)
            self._temperature[i] = self._calibrated(member, data.validation)

    def _train(self, member: nn.Module, data: Splits, context: Context) -> None:
        config = self.config

        def loss(x: Tensor, y: Tensor, step: int) -> Tensor:
            return nn.functional.cross_entropy(member(augmented(x, config, context.rng)), y, label_smoothing=0.05)

        train_network(
            member,
            loss,
            data.train,
            optimizer=torch.optim.Adam(member.parameters(), lr=config.learning_rate, fused=True),
            epochs=config.epochs,
            batch_size=config.batch_size,
            context=context,
            what="oracle",
            cosine=True,
        )

    def _logits(self, member: nn.Module, x: Tensor) -> Tensor:
        return in_batches(member.eval(), batch_size_for(self.spec.shape), self._device, x)

    def _calibrated(self, member: nn.Module, images: ImageSet) -> Tensor:
        parts = [self._logits(member, images.batch(rows)[0]) for rows in in_parts(len(images), images.shape)]
        return _calibrate(torch.cat(parts), images.labels)

    def _label(self, request: LabelRequest) -> Answers:
        votes = []
        for member, temperature in zip(self._members, self._temperature, strict=True):
            confidence, vote = (self._logits(member, request.x) / temperature).softmax(1).max(1)
            votes.append(torch.where(confidence >= self.config.confidence, vote, -1))
        return Answers(torch.stack(votes, 1))

    def state_dict(self) -> dict[str, Tensor]:
        return {**self._members.state_dict(prefix="members."), "temperature": self._temperature}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        members: dict[str, Any] = {k.removeprefix("members."): v for k, v in state.items() if k.startswith("members.")}
        self._members.load_state_dict(members)
        self._members.eval()
        self._temperature = state["temperature"].clone()

    def to(self, device: torch.device) -> None:
        self._members.to(device)
        self._device = device


def _calibrate(logits: Tensor, labels: Tensor) -> Tensor:
    """The temperature with the smallest cross-entropy on held-out images, searched on a grid of 5 % steps."""
    grid = 1.05 ** torch.arange(-30, 60)  # 0.23 to 17.8
    losses = torch.stack([nn.functional.cross_entropy(logits / t, labels) for t in grid])
    return grid[losses.argmin()]


def _network(config: OracleConfig, spec: DataSpec) -> nn.Module:
    c, h, w = spec.shape
    halvings = max(1, min(h, w).bit_length() - 3)  # down to 4 to 7 pixels: 1 at 8 px, 2 at 28, 3 at 32, 5 at 128
    stem = min(config.stem, halvings)
    make = _residual if config.architecture == "residual" else _convolutional
    layers: list[nn.Module] = []
    channels = config.width
    for i in range(halvings):
        layers += _strided(c, channels) if i < stem else [*make(c, channels), nn.MaxPool2d(2)]
        c, channels = channels, min(2 * channels, 256)
    if stem:
        layers += make(c, channels)
        c = channels
    network = nn.Sequential(
        *layers, nn.Flatten(), nn.Dropout(0.2), nn.Linear(c * (h >> halvings) * (w >> halvings), 128), nn.ReLU(),
        nn.Linear(128, spec.num_classes),
    )  # fmt: skip
    if h * w > SMALL:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not annotate it
    return network


def _strided(c: int, channels: int) -> list[nn.Module]:
    return [nn.Conv2d(c, channels, 4, stride=2, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]


def _convolutional(c: int, channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(c, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
    ]  # fmt: skip


def _residual(c: int, channels: int) -> list[nn.Module]:
    return [nn.Conv2d(c, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.SiLU(), _Residual(channels)]


class _Residual(nn.Module):
    """x + f(x), with f two convolutions of 3 x 3 (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.f = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.silu(x + self.f(x))
