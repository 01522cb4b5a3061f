"""The generator of Defuse: a convolutional beta-VAE (Higgins et al. 2017; AAAI appendix B).

At 32 px it is the paper's network: an encoder of three convolutions 4 x 4 with stride 2 and two layers of 256, a
decoder of three layers of 256 and four transposed convolutions. For other sizes the depth follows: images are padded to
the next power of two, the encoder halves them to 4 px (at most four times) and the decoder doubles from 2 px (at most
five times), as the paper does at 128 px.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modeldebug import CodeLinear, Context, DataSpec, EncoderDecoder, ImageSet, VaeGenerator

from .settings import VaeConfig
from .upsampling import Upsampling


class BetaVae(VaeGenerator[VaeConfig]):
    """Encodes images (n, c, h, w) into means (n, d), and decodes codes; the prior is standard normal (AAAI appendix B).

    Raises:
        PluginError: training diverged.

    >>> vae = BetaVae(VaeConfig(latent=5), DataSpec((1, 8, 8), ("a", "b")))
    >>> vae.encode(torch.zeros(3, 1, 8, 8)).shape, vae.decode(torch.zeros(3, 5)).shape
    (torch.Size([3, 5]), torch.Size([3, 1, 8, 8]))
    """

    def __init__(self, config: VaeConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.network = _Network(config, spec, told=self.told(spec))

    @staticmethod
    def told(spec: DataSpec) -> int:
        """How many classes encoder and decoder are told apart: none."""
        return 0

    @property
    def latent_size(self) -> int:
        return self.config.latent

    def _fit(self, data: ImageSet, context: Context) -> None:
        config = self.config
        self.train(
            data,
            context,
            beta=config.beta,
            annealing=config.annealing,
            epochs=config.epochs,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
        )


class _Network(EncoderDecoder):
    """Encoder and decoder; where `told` is above 0, both get the class, one-hot, before their first full layer."""

    def __init__(self, config: VaeConfig, spec: DataSpec, *, told: int) -> None:
        super().__init__()
        self.told = told
        c, self.height, self.width = spec.shape
        side = 1 << max(3, (max(self.height, self.width) - 1).bit_length())  # the next power of two, at least 8
        self.pad = _padding(self.height, self.width, side)
        halvings = min(4, side.bit_length() - 3)  # 1 at 8 px, 3 at 32, 4 at 128
        doublings = min(5, side.bit_length() - 2)  # 2 at 8 px, 4 at 32, 5 at 128
        n, hidden, start = config.channels, config.hidden, side >> doublings
        encoder: list[nn.Module] = []
        for i in range(halvings):
            encoder += [nn.Conv2d(c if i == 0 else n, n, 4, stride=2, padding=1), nn.ReLU()]
        self.seen = nn.Sequential(*encoder, nn.Flatten())
        self.encoder = nn.Sequential(
            nn.Linear(n * (side >> halvings) ** 2 + told, hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(), CodeLinear(hidden, 2 * config.latent),
        )  # fmt: skip
        decoder: list[nn.Module] = []
        for i in range(doublings):
            last = i == doublings - 1
            decoder += [Upsampling(n, c if last else n)] + ([] if last else [nn.ReLU()])
        self.decoder = nn.Sequential(
            CodeLinear(config.latent + told, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, n * start**2), nn.ReLU(), nn.Unflatten(1, (n, start, start)), *decoder,
        )  # fmt: skip

    def encode(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        seen = self.seen(nn.functional.pad(x, self.pad))
        mean, log_variance = self.encoder(self._with_class(seen, y)).chunk(2, 1)
        return mean, log_variance

    def decode(self, z: Tensor, y: Tensor | None) -> Tensor:
        left, _, top, _ = self.pad
        logits: Tensor = self.decoder(self._with_class(z, y))
        return logits[:, :, top : top + self.height, left : left + self.width]

    def _with_class(self, rows: Tensor, y: Tensor | None) -> Tensor:
        if not self.told:
            return rows
        assert y is not None  # `cvae` refuses it with a message
        return torch.cat([rows, nn.functional.one_hot(y, self.told).to(rows.dtype)], 1)


def _padding(height: int, width: int, side: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom: so that the image stands in the middle of a square."""
    across, down = side - width, side - height
    return across // 2, across - across // 2, down // 2, down - down // 2
