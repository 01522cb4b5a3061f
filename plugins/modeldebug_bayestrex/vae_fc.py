"""The VAE of Bayes-TrEx: fully connected, with one hidden layer on either side (Bayes-TrEx table 6, left)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from modeldebug import CodeLinear, Context, DataSpec, EncoderDecoder, ImageSet, VaeGenerator

from .settings import VaeFcConfig


class FullyConnectedVae(VaeGenerator[VaeFcConfig]):
    """Encodes images (n, c, h, w) of any size into means (n, d), and decodes codes; the prior is standard normal.

    Raises:
        PluginError: training diverged.

    >>> import torch
    >>> vae = FullyConnectedVae(VaeFcConfig(), DataSpec((1, 28, 28), ("a", "b")))
    >>> vae.encode(torch.zeros(3, 1, 28, 28)).shape, vae.decode(torch.zeros(3, 5)).shape
    (torch.Size([3, 5]), torch.Size([3, 1, 28, 28]))
    """

    def __init__(self, config: VaeFcConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.network = _Network(config, spec)

    @property
    def latent_size(self) -> int:
        return self.config.latent

    def _fit(self, data: ImageSet, context: Context) -> None:
        config = self.config
        self.train(
            data,
            context,
            beta=config.beta,
            annealing=0,
            epochs=config.epochs,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
        )


class _Network(EncoderDecoder):
    def __init__(self, config: VaeFcConfig, spec: DataSpec) -> None:
        super().__init__()
        pixels, hidden, latent = math.prod(spec.shape), config.hidden, config.latent
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU(), CodeLinear(hidden, 2 * latent))
        self.decoder = nn.Sequential(
            CodeLinear(latent, hidden), nn.ReLU(), nn.Linear(hidden, pixels), nn.Unflatten(1, spec.shape)
        )

    def encode(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, 1)
        return mean, log_variance

    def decode(self, z: Tensor, y: Tensor | None) -> Tensor:
        logits: Tensor = self.decoder(z)
        return logits
