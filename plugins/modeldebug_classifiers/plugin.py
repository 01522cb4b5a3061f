"""The hooks and settings of the classifiers; nothing here imports torch."""

from __future__ import annotations

from pydantic import Field

from modeldebug import ClassifierConfig, Component, hookimpl


class CnnConfig(ClassifierConfig):
    """A small convolutional network."""

    train: bool = Field(True, description="train it in the run, before it is debugged")
    channels: tuple[int, int] = Field((16, 32), description="of the two convolutions")
    hidden: int = Field(64, ge=1, description="units of the fully connected layer")
    dropout: float = Field(0.4, ge=0, lt=1, description="after the convolutions")
    epochs: int = Field(40, ge=1, description="passes over the training images")
    batch_size: int = Field(64, ge=2, description="images in a batch")
    learning_rate: float = Field(4e-3, gt=0, description="of Adam; it falls to zero along a cosine")


@hookimpl
def modeldebug_classifiers() -> list[Component]:
    return [
        Component(
            "cnn", "a small convolutional network, trained in the run", CnnConfig,
            "modeldebug_classifiers.cnn:Cnn",
        ),
    ]  # fmt: skip
