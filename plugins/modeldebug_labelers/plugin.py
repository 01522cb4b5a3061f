"""The hooks and settings of the labelers; nothing here imports torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modeldebug import Component, ComponentConfig, hookimpl


class OracleConfig(ComponentConfig):
    """An ensemble of classifiers that stands in for people."""

    members: int = Field(5, ge=1, description="networks in the ensemble; each is an annotator with one vote")
    architecture: Literal["convolutional", "residual"] = Field("convolutional", description="of every member")
    width: int = Field(32, ge=4, description="channels of the first layer")
    stem: int = Field(
        0,
        ge=0,
        description="convolutions of stride 2 before the blocks, each in place of a block that halves the image: the "
        "rest is four times cheaper (1 suits 28 and 32 pixels, 3 suits 128)",
    )
    epochs: int = Field(40, ge=1, description="passes over the training images")
    batch_size: int = Field(64, ge=2, description="images in a batch")
    learning_rate: float = Field(2e-3, gt=0, description="of Adam; it falls to zero along a cosine")
    rotation: float = Field(15.0, ge=0, description="augmentation: at most so many degrees")
    shift: float = Field(0.1, ge=0, description="augmentation: at most this share of the image's side")
    zoom: float = Field(0.15, ge=0, lt=1, description="augmentation: larger or smaller by at most this share")
    shear: float = Field(0.2, ge=0, description="augmentation: at most so much horizontal shear")
    noise: float = Field(0.05, ge=0, description="augmentation: standard deviation of pixel noise")
    confidence: float = Field(0.7, ge=0, lt=1, description="a member that is less sure says 'none of the above'")


@hookimpl
def modeldebug_labelers() -> list[Component]:
    return [
        Component(
            "oracle", "an ensemble of augmented classifiers, which abstains where it is unsure", OracleConfig,
            "modeldebug_labelers.oracle:Oracle",
        ),
    ]  # fmt: skip
