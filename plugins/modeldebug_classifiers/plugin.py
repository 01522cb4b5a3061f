"""The hooks and settings of the classifiers; nothing here imports torch."""

from __future__ import annotations

from pydantic import Field

from modeldebug import AbsolutePath, ClassifierConfig, Component, hookimpl


class TrainedConfig(ClassifierConfig):
    """Settings of a classifier that the run trains."""

    train: bool = Field(True, description="train it in the run, before it is debugged")
    epochs: int = Field(10, ge=1, description="passes over the training images")
    batch_size: int = Field(64, ge=2, description="images in a batch")
    learning_rate: float = Field(1e-3, gt=0, description="at the start; it falls to zero along a cosine")


class CnnConfig(TrainedConfig):
    """A small convolutional network."""

    channels: tuple[int, int] = Field((16, 32), description="of the two convolutions")
    hidden: int = Field(64, ge=1, description="units of the fully connected layer")
    dropout: float = Field(0.4, ge=0, lt=1, description="after the convolutions")
    epochs: int = Field(40, ge=1, description="passes over the training images")
    batch_size: int = Field(64, ge=2, description="images in a batch")
    learning_rate: float = Field(4e-3, gt=0, description="of Adam; it falls to zero along a cosine")


class ExamplesCnnConfig(TrainedConfig):
    """The convolutional network of the PyTorch examples."""

    epochs: int = Field(5, ge=1, description="passes over the training images (the paper: 5)")
    batch_size: int = Field(64, ge=2, description="images in a batch (the paper: 64)")
    learning_rate: float = Field(1.0, gt=0, description="of Adadelta (the paper: 1); it falls to zero along a cosine")


class ResNet18Config(TrainedConfig):
    """A residual network of 18 layers."""

    weights: AbsolutePath | None = Field(
        None,
        description="file with weights to load: .safetensors, or a state dict (.pt); with train=true also those of a "
        "ResNet18 for other classes, such as torchvision's for ImageNet: the last layer starts from random weights",
    )
    epochs: int = Field(20, ge=1, description="passes over the training images (the paper: German signs 20; SVHN 10)")
    batch_size: int = Field(256, ge=2, description="images in a batch (the paper: German signs 256; SVHN 2048)")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam (the paper: 1e-3); it falls to zero along a cosine")


@hookimpl
def modeldebug_classifiers() -> list[Component]:
    return [
        Component(
            "cnn", "a small convolutional network, trained in the run", CnnConfig,
            "modeldebug_classifiers.cnn:Cnn",
        ),
        Component(
            "examples-cnn", "the convolutional network of the PyTorch examples, trained in the run", ExamplesCnnConfig,
            "modeldebug_classifiers.examples_cnn:ExamplesCnn",
        ),
        Component(
            "resnet18", "a residual network of 18 layers, trained or finetuned in the run", ResNet18Config,
            "modeldebug_classifiers.resnet18:ResNet18",
        ),
    ]  # fmt: skip
