"""The hooks and settings of the labelers, and of the ensemble that guides; nothing here imports torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

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


def _named(text: str) -> str:
    """The name of a classifier of one's own, its weights file made absolute."""
    name, at, weights = text.partition("@")
    if not all(name.partition(":")) or bool(at) != bool(weights):
        raise ValueError(f"expected 'module:attribute' or 'module:attribute@WEIGHTS', not '{text}'")
    return f"{name}@{Path(weights).expanduser().absolute()}" if at else name


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, none of them twice: one model has one vote."""
    if twice := next((name for i, name in enumerate(names) if name in names[:i]), None):
        raise ValueError(f"'{twice}' is named twice")
    return names


class TruthConfig(ComponentConfig):
    """What the generator knows."""


class OracleConfig(MembersConfig):
    """An ensemble of classifiers that stands in for people; each member is an annotator with one vote."""

    models: Annotated[tuple[Annotated[str, AfterValidator(_named)], ...], AfterValidator(_distinct)] = Field(
        (),
        description="classifiers of your own as members, each 'module:attribute' or 'module:attribute@WEIGHTS', in "
        "place of networks that the run trains: then the settings of these do nothing",
    )
    confidence: float = Field(0.7, ge=0, lt=1, description="a member that is less sure says 'none of the above'")


class SimulatedConfig(OracleConfig):
    """Simulated annotators of images whose truth is an oracle's answer."""

    annotators: int = Field(5, ge=1, description="how many there are")
    accuracy: float = Field(0.9, ge=0, le=1, description="how often each is right, on the mean of all of them")
    spread: float = Field(0.05, ge=0, le=1, description="the best is right so much more often, the last so much less")
    confusion: Literal["uniform", "runner-up"] = Field(
        "uniform", description="a wrong answer is any other one, or the class that the oracle holds second"
    )
    none: float = Field(0.0, ge=0, le=1, description="share of images that each calls none of the above, for no reason")
    fatigue: float = Field(0.0, ge=0, le=1, description="accuracy that is lost for every 100 images of a request")


class PeopleConfig(ComponentConfig):
    """Settings of every labeler that asks people."""

    votes: int = Field(5, ge=1, description="votes that an image needs, or as many as there are annotators")


class HumanConfig(PeopleConfig):
    """People who label in a browser."""


class TerminalConfig(PeopleConfig):
    """One person on the terminal that the run was started from."""

    annotator: str | None = Field(None, min_length=1, description="who labels; the login name if unset")


class FileConfig(PeopleConfig):
    """People who label elsewhere, with files that go out and come back."""

    format: Literal["csv", "label-studio"] = Field(
        "csv", description="images with a table to fill in, or the files of Label Studio"
    )
    annotators: tuple[str, ...] = Field(
        ("answer",), min_length=1, description="columns of the table, each an annotator's; of no use to Label Studio"
    )
    enlarge: int = Field(
        256, ge=0, description="images smaller than so many pixels are enlarged to about that, pixels staying squares"
    )


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
        Component(
            "truth", "no oracle: what the generator knows of its images, such as a renderer's", TruthConfig,
            "modeldebug_labelers.truth:Truth", requires=frozenset({"truth"}),
        ),
        Component(
            "simulated", "annotators that err as they are told to, about what an oracle sees: for tests and planning",
            SimulatedConfig, "modeldebug_labelers.simulated:Simulated",
        ),
        Component(
            "human", "people, each in a browser of their own: the run waits for their votes", HumanConfig,
            "modeldebug_labelers.human:Human",
        ),
        Component(
            "terminal", "one person, on the terminal that the run was started from", TerminalConfig,
            "modeldebug_labelers.terminal:Terminal",
        ),
        Component(
            "file", "people elsewhere: a table and images, or tasks for Label Studio, go out and come back filled in",
            FileConfig, "modeldebug_labelers.files:FileLabeler",
        ),
    ]  # fmt: skip
