"""All numbers of the GAN on one page. Nothing here imports torch."""

from __future__ import annotations

from pydantic import Field

from modeldebug import ComponentConfig


class DcganConfig(ComponentConfig):
    """A DCGAN whose depth follows the image size."""

    latent: int = Field(5, ge=1, description="d, latent dimensions (the paper: 5)")
    channels: int = Field(
        512, ge=8, description="of the generator at 4 x 4 pixels, halved at each doubling (the paper: 512)"
    )
    epochs: int = Field(25, ge=1, description="passes over the training images")
    batch_size: int = Field(128, ge=2, description="images in a batch (Radford et al.: 128)")
    learning_rate: float = Field(2e-4, gt=0, description="of Adam with betas .5 and .999 (Radford et al.: 2e-4)")
    smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="real images count as real with 1 minus this: one-sided label smoothing"
    )
    inverter_steps: int = Field(
        1000, ge=1, description="steps in which the inverter learns to tell codes from images of the generator"
    )
    refine: int = Field(
        20, ge=0, description="steps of optimisation by which each code of an image is bettered; slow in large networks"
    )
