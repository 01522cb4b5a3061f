"""What variational autoencoders share: an encoder and a decoder, trained together (Kingma and Welling 2014)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..context import Context
from ..training import train_network
from ..types import ImageSet
from .base import ConfigT
from .generator import Generator


class EncoderDecoder(nn.Module):
    """The network of a `VaeGenerator`; `y` (n,) int64 are classes, for networks that are told them."""

    @abstractmethod
    def encode(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the posterior, (n, d) each, of images (n, c, h, w)."""

    @abstractmethod
    def decode(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Logits of the pixels, (n, c, h, w), of codes (n, d)."""


class CodeLinear(nn.Linear):
    """A full layer that gives codes or takes them: in float32, also where the others multiply in bfloat16
    (`Context.autocast`). A number of eight binary digits is about as coarse as the spread of a posterior: with codes
    rounded so, a VAE learns less.

    >>> with torch.autocast("cpu"):
    ...     CodeLinear(2, 3)(torch.zeros(1, 2, dtype=torch.bfloat16)).dtype
    torch.float32
    """

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


class VaeGenerator(Generator[ConfigT]):
    """A generator that is a VAE: a subclass makes the `network`, and its `_fit` calls `train` with its settings.

    Attributes:
        network: of normally distributed codes, whose prior is standard normal.
    """

    network: EncoderDecoder

    def train(
        self,
        data: ImageSet,
        context: Context,
        *,
        beta: float,
        annealing: int,
        epochs: int,
        batch_size: int,
        learning_rate: float,
    ) -> None:
        """Minimise the binary cross entropy and `beta` times the KL divergence by Adam; the rate falls along a cosine.

        The network multiplies in `context.precision`; the loss and the weights are float32, and so are the layers next
        to the code where they are a `CodeLinear`.

        Args:
            annealing: optimisation steps over which beta grows from 0.

        Raises:
            PluginError: training diverged.
        """
        network = self.network
        # bfloat16 convolutions are fastest with channels last; in float32 the layout stays, and so do all bits
        layout = torch.contiguous_format if context.precision == torch.float32 else torch.channels_last

        def loss(x: Tensor, y: Tensor, step: int) -> Tensor:
            with context.autocast():
                mean, log_variance = (t.float() for t in network.encode(x.contiguous(memory_format=layout), y))
                noise = torch.randn(mean.shape, generator=context.rng).to(x.device)
                logits = network.decode(mean + (0.5 * log_variance).exp() * noise, y).float()
            error = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
            divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / len(x)
            anneal = min(1.0, step / annealing) if annealing else 1.0
            return error + anneal * beta * divergence  # nats per image

        train_network(
            _laid_out(network, layout),
            loss,
            data,
            optimizer=torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True),
            epochs=epochs,
            batch_size=batch_size,
            context=context,
            what="VAE",
            cosine=True,
        )
        _laid_out(network, torch.contiguous_format)  # as when its weights are read back: another layout rounds apart

    def _encode(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return self.network.encode(x, condition)[0]

    def _spread(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return (0.5 * self.network.encode(x, condition)[1]).exp()

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return self.network.decode(z, condition).sigmoid()

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.network.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.network.load_state_dict(dict(state))
        self.network.eval()

    def to(self, device: torch.device) -> None:
        self.network.to(device)


def _laid_out(network: nn.Module, layout: torch.memory_format) -> nn.Module:
    """The network, once its convolutions have their weights in this order in memory."""
    laid_out: nn.Module = network.to(memory_format=layout)  # type: ignore[call-overload]  # torch does not annotate it
    return laid_out
