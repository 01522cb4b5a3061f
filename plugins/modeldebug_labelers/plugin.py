"""The hooks and settings of the labelers, and of the ensemble that guides; nothing here imports torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modeldebug import ClassifierConfig, Component, ComponentConfig, hookimpl


class MembersConfig(ComponentConfig):
    """Settings of every ensemble: its networks, and how they are trained."""

    members: int = Field(5, ge=1, description="networks in the ensemble, each trained from a seed of its own")
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


class OracleConfig(MembersConfig):
    """An ensemble of classifiers that stands in for people; each member is an annotator with one vote."""

    confidence: float = Field(0.7, ge=0, lt=1, description="a member that is less sure says 'none of the above'")


class EnsembleConfig(MembersConfig, ClassifierConfig):
    """An ensemble of classifiers that answer as one."""

    members: int = Field(3, ge=1, description="networks in the ensemble, each trained from a seed of its own")
    epochs: int = Field(25, ge=1, description="passes over the training images")
    train: bool = Field(True, description="train it in the run")


@hookimpl
def modeldebug_classifiers() -> list[Component]:
    return [
        Component(
            "ensemble", "several augmented networks that answer as one, calibrated: made to guide a search",
            EnsembleConfig, "modeldebug_labelers.ensemble:Ensemble",
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_labelers() -> list[Component]:
    return [
        Component(
            "oracle", "an ensemble of augmented classifiers, which abstains where it is unsure", OracleConfig,
            "modeldebug_labelers.oracle:Oracle",
        ),
    ]  # fmt: skip
