"""Two networks trained against each other, with an eye on what can go wrong, and a third that inverts the first.

The losses of a GAN do not fall when it learns. So what is told of each epoch is how sure the discriminator is, D(x) of
real images and D(G(z)) of the decoder's, and their diversity: how far the decoder's images lie from each other, as a
share of what real images do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from modeldebug import Context, ImageSet, epochs_left, require_finite

from .networks import Decoder, Encoder
from .settings import DcganConfig

BETAS = (0.5, 0.999)  # of Adam (Radford et al. 2016)
INVERTER_RATE = 1e-3  # of Adam
COMPARED = 256  # images whose distances are measured
ROUND = 100  # steps of the inverter between two checkpoints

bce = nn.functional.binary_cross_entropy_with_logits


class Diary:
    """What was seen in training; saved and restored with the networks."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self.inverter: list[float] = []  # mean squared error of the codes in each round; 1 where nothing was learnt

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": [dict(epoch) for epoch in self.epochs], "inverter": list(self.inverter)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.epochs = [dict(epoch) for epoch in state["epochs"]]
        self.inverter = list(state["inverter"])


class Training:
    """The networks, each with its optimiser, and the data that the decoder is to imitate."""

    def __init__(
        self, decoder: Decoder, discriminator: Encoder, inverter: Encoder, data: ImageSet, config: DcganConfig
    ) -> None:
        self.decoder, self.discriminator, self.inverter = decoder, discriminator, inverter
        self.data, self.config = data, config
        rate = config.learning_rate
        self.adam = {
            "decoder": torch.optim.Adam(decoder.parameters(), lr=rate, betas=BETAS, fused=True),
            "discriminator": torch.optim.Adam(discriminator.parameters(), lr=rate, betas=BETAS, fused=True),
            "inverter": torch.optim.Adam(inverter.parameters(), lr=INVERTER_RATE, fused=True),
        }

    def run(self, context: Context) -> Diary:
        """All epochs of decoder and discriminator, and then the inverter's rounds.

        Raises:
            PluginError: a loss is NaN or infinite.
        """
        diary, epochs = Diary(), self.config.epochs
        steps = self.config.inverter_steps
        rounds = [min(ROUND, steps - first) for first in range(0, steps, ROUND)]
        codes = torch.randn(COMPARED, self.config.latent, generator=context.rng).to(context.device)
        shown = torch.randperm(len(self.data), generator=context.rng)[:COMPARED]
        real = distance(self.data.batch(shown)[0])
        networks = {"decoder": self.decoder, "discriminator": self.discriminator, "inverter": self.inverter}
        parts: dict[str, Any] = {f"Adam of {name}": adam for name, adam in self.adam.items()}
        parts |= networks | {"diary": diary}
        for i in epochs_left(epochs + len(rounds), parts, context):
            if i < epochs:
                seen = self._epoch(context)
                require_finite(seen["discriminator_loss"] + seen["generator_loss"], "the GAN", i)
                seen["diversity"] = self._distance(codes) / real if real else 1.0
                diary.epochs.append(seen)
                words = f"GAN epoch {i + 1}/{epochs}: {described(seen)}"
            else:
                diary.inverter.append(self._invert(rounds[i - epochs], context))
                words = f"inverter round {i + 1 - epochs}/{len(rounds)}: error {diary.inverter[-1]:.2f}"
            context.progress((i + 1) / (epochs + len(rounds)), words)
        for network in networks.values():
            network.eval()
        return diary

    def _epoch(self, context: Context) -> dict[str, float]:
        """Each image once: a step of the discriminator, and one of the decoder with the non-saturating loss."""
        self.decoder.train()
        self.discriminator.train()
        batches = -(-len(self.data) // self.config.batch_size)  # of nearly equal size
        total = torch.zeros(4, device=context.device)
        for rows in torch.randperm(len(self.data), generator=context.rng).tensor_split(batches):
            x = self.data.batch(rows)[0].to(context.device)
            made = self.decoder(self._codes(len(x), context))
            real, fake = self.discriminator(x), self.discriminator(made.detach())
            loss = bce(real, torch.full_like(real, 1 - self.config.smoothing)) + bce(fake, torch.zeros_like(fake))
            self._step("discriminator", loss)
            taken = self.discriminator(made)
            missed = bce(taken, torch.ones_like(taken))
            self._step("decoder", missed)
            total += torch.stack([loss, missed, real.sigmoid().mean(), fake.sigmoid().mean()]).detach()
        names = ("discriminator_loss", "generator_loss", "real", "fake")
        return dict(zip(names, (total / batches).tolist(), strict=True))

    def _invert(self, steps: int, context: Context) -> float:
        """Steps of the inverter on images whose codes are known; the mean squared error of its codes."""
        self.decoder.eval()
        self.inverter.train()
        total = torch.zeros((), device=context.device)
        for _ in range(steps):
            z = self._codes(self.config.batch_size, context)
            with torch.no_grad():
                x = self.decoder(z)
            error = (self.inverter(x) - z).square().mean()
            self._step("inverter", error)
            total += error.detach()
        return float(total) / steps

    def _codes(self, n: int, context: Context) -> Tensor:
        return torch.randn(n, self.config.latent, generator=context.rng).to(context.device)

    def _step(self, name: str, loss: Tensor) -> None:
        self.adam[name].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        self.adam[name].step()

    def _distance(self, codes: Tensor) -> float:
        self.decoder.eval()
        with torch.no_grad():
            return distance(self.decoder(codes))


def distance(x: Tensor) -> float:
    """Mean distance between two of the images (n, c, h, w); 0 where there is but one.

    >>> distance(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1))
    1.0
    """
    return float(torch.pdist(x.flatten(1)).mean()) if len(x) > 1 else 0.0


def described(seen: Mapping[str, float]) -> str:
    """An epoch in words.

    >>> described({"discriminator_loss": 1.2, "generator_loss": 1, "real": 0.6, "fake": 0.4, "diversity": 0.97})
    'losses D 1.20, G 1.00; D(x) 0.60, D(G(z)) 0.40; diversity 0.97'
    """
    return (
        f"losses D {seen['discriminator_loss']:.2f}, G {seen['generator_loss']:.2f}; "
        f"D(x) {seen['real']:.2f}, D(G(z)) {seen['fake']:.2f}; diversity {seen['diversity']:.2f}"
    )
