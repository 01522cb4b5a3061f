"""The GAN of Bayes-TrEx: a DCGAN (Radford et al. 2016; Bayes-TrEx table 6, right) with codes of 5 dimensions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from modeldebug import Context, DataSpec, Generator, Health, ImageSet

from .health import health_of
from .inversion import refined
from .networks import Decoder, Encoder
from .settings import DcganConfig
from .training import Training


class Dcgan(Generator[DcganConfig]):
    """Decodes codes (n, d) into images (n, c, h, w); the prior is standard normal.

    A GAN has no encoder: the code of an image is what an inverter guesses, bettered by some steps of optimisation. What
    the decoder cannot make, no code brings back. On digits (64 channels, 100 epochs in batches of 32, a learning rate
    of 5e-4) the mean squared error of validation images is .045 by the guess alone, .028 after 5 steps, .024 after 20
    and .022 after 50; the mean image has .074. That of the codes of its own images, which vary by 1, falls from .08 to
    .02.

    Raises:
        PluginError: training diverged.

    >>> gan = Dcgan(DcganConfig(channels=8), DataSpec((1, 8, 8), ("a", "b")))
    >>> gan.decode(torch.zeros(3, 5)).shape, gan.encode(torch.zeros(3, 1, 8, 8)).shape
    (torch.Size([3, 1, 8, 8]), torch.Size([3, 5]))
    """

    def __init__(self, config: DcganConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.decoder = Decoder(config, spec)
        self.inverter = Encoder(config, spec, outputs=config.latent)
        self._networks = nn.ModuleDict({"decoder": self.decoder, "inverter": self.inverter}).eval()
        self._health: Health | None = None

    @property
    def latent_size(self) -> int:
        return self.config.latent

    def _fit(self, data: ImageSet, context: Context) -> None:
        discriminator = Encoder(self.config, self.spec, outputs=1)
        self.to(context.device)
        training = Training(self.decoder, discriminator.to(context.device), self.inverter, data, self.config)
        self._health = health_of(training.run(context), self.config.smoothing)

    def health(self) -> Health | None:
        return self._health

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        x: Tensor = self.decoder(z)
        return x

    def _encode(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return refined(self.decoder, x, self.inverter(x), steps=self.config.refine)

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self._networks.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._networks.load_state_dict(dict(state))
        self._networks.eval()

    def to(self, device: torch.device) -> None:
        self._networks.to(device)
