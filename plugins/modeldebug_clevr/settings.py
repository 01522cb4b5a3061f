"""All numbers of scenes on one page: each setting with its meaning and default. Nothing here imports torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from modeldebug_classifiers.plugin import TrainedConfig
from pydantic import AfterValidator, Field, model_validator

from modeldebug import ComponentConfig, DatasetConfig

from .words import MOST, SHAPES, Shape, attributes, occurs


def _named(words: str) -> str:
    attributes(words)
    return words


Words = Annotated[str, AfterValidator(_named)]
"""Objects in words, such as "blue cylinders"."""


class ScenesSection(ComponentConfig):
    """What scenes hold, what is asked about them, and how they are rendered: the generator and the data set have the
    same."""

    count: Words = Field("cubes", description="what is counted, in words: cubes, blue spheres, small metal things")
    top: int = Field(6, ge=1, le=MOST, description="the last class is so many of them, or more")
    shapes: tuple[Shape, ...] = Field(
        SHAPES[:3], min_length=1, description="that objects have: cube, sphere, cylinder, cone"
    )
    objects: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(le=MOST)]] = Field(
        (3, MOST), description="in a scene, at least and at most"
    )
    never: tuple[Words, ...] = Field((), description='that no scene holds, in words, such as ["blue cylinders"]')
    size: int = Field(64, ge=8, le=512, description="of a picture: size x size pixels")
    samples: Literal[4, 16, 64] = Field(
        4, description="rays through a pixel; more look smoother, and take as much longer"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        least, most = self.objects
        if least > most:
            raise ValueError(f"objects: at least {least} and at most {most} is no number")
        if self.top > most:
            raise ValueError(f"top: no scene holds {self.top} objects of a kind, since objects are {most} at most")
        if not occurs(self.shapes, [attributes(words) for words in self.never]):
            left = f"shapes are {', '.join(self.shapes)}, and never {', '.join(self.never)}"
            raise ValueError(f"never: no object is left that may be in a scene ({left})")
        return self


class ScenesConfig(DatasetConfig, ScenesSection):
    """Scenes drawn from their prior, and rendered once."""

    train: int = Field(12_000, ge=1, description="scenes for training")
    validation: int = Field(2_000, ge=1, description="scenes for validation")
    test: int = Field(2_000, ge=1, description="scenes of the test set")
    seed: int = Field(0, ge=0, description="which scenes are drawn, whatever the seed of the run")


class RendererConfig(ScenesSection):
    """Scenes as codes, rendered."""

    moves: Literal["one", "all"] = Field(
        "one",
        description="what a step of a random walk changes: one object, moved or drawn anew; or all, moved (the paper)",
    )


class CounterConfig(TrainedConfig):
    """A convolutional network that counts."""

    channels: tuple[int, ...] = Field(
        (32, 64, 96, 128), min_length=1, description="of the convolutions, each of stride 2"
    )
    hidden: int = Field(128, ge=1, description="units of the fully connected layer")
    flip: bool = Field(True, description="train on mirror images too: they hold as many objects")
    epochs: int = Field(30, ge=1, description="passes over the training images")
    batch_size: int = Field(64, ge=2, description="images in a batch")
    learning_rate: float = Field(2e-3, gt=0, description="of Adam; it falls to zero along a cosine")


class PatternsConfig(ComponentConfig):
    """Clusters of failing scenes by patterns of attributes."""

    max_patterns: int = Field(20, ge=0, description="patterns at most; what they do not explain is other scenes")
    attributes: int = Field(2, ge=1, le=4, description="attributes of a pattern at most: blue cylinders has two")
    least: int = Field(10, ge=1, description="failures of a pattern, and of a cluster, at least")
    components: int = Field(10, ge=1, description="K, upper bound on the clusters by place of a pattern and an answer")
