"""From names to working parts: components are made, the data loaded, the classifier asked once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .batches import batch_size_for
from .classifier import Classifier, detect_output, load_weights
from .component import ClassifierConfig
from .config import Choice, Role, RunConfig
from .contracts.base import blamed
from .errors import ConfigError, DataError, PluginError
from .rng import derive_seed, isolated_global_rng, rng_for
from .types import DataSpec, Splits

MOST_CLASSES = 12  # more are not named in a message


def resolve_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one.

    Raises:
        ConfigError: CUDA was asked for, and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device is available", got="run.device=cuda", fix="--device cpu, or --device auto")
    return torch.device("cuda" if name == "auto" and torch.cuda.is_available() else name.replace("auto", "cpu"))


def make(config: RunConfig, role: Role, *args: object) -> Any:
    """The component of a role, with its name for messages. Networks that it makes start from the run's seed.

    Raises:
        ModelDebugError: making it failed, naming the plugin.
    """
    choice = config.choices[role]
    with isolated_global_rng(derive_seed(config.core.run.seed, role, "make")), blamed_on(choice, "making"):
        component = choice.registered.component.make(choice.config, *args)
    component.name = choice.registered.name
    return component


@contextmanager
def blamed_on(choice: Choice, doing: str) -> Iterator[None]:
    """Turn what a component raises into an error that names it; the core's own errors pass."""
    registered = choice.registered
    source = f"{registered.source.distribution} {registered.source.version}"
    with blamed(f"{doing} the {choice.role}", registered.name, source=source):
        yield


@dataclass(frozen=True, eq=False)
class Prepared:
    """Data and classifier, as a run sees them, before anything is spent."""

    splits: Splits
    generator_data: Splits | None  # what the generator learns from, where it is not the classifier's data
    classifier: Classifier
    source: Any
    output: str
    arrived_training: bool  # whether the module came in train mode

    @property
    def legitimate(self) -> Splits:
        """The data that the generator learns from."""
        return self.splits if self.generator_data is None else self.generator_data


def prepare(config: RunConfig, *, trust: bool = False) -> Prepared:
    """Load the data, make the classifier, and ask it once: every mismatch is found here.

    Raises:
        DataError, ClassifierError: what does not fit, and what to do.
    """
    core, device = config.core, resolve_device(config.core.run.device)
    splits = _load(config, "dataset")
    others = _load(config, "generator_data") if "generator_data" in config.choices else None
    if others is not None:
        _check_generator_data(config, splits.spec, others.spec)
    choice = config.choices["classifier"]
    source = make(config, "classifier", splits.spec)
    settings = choice.config
    assert isinstance(settings, ClassifierConfig)
    with isolated_global_rng(derive_seed(core.run.seed, "classifier", "weights")), blamed_on(choice, "making"):
        module = source._make()
    if not isinstance(module, nn.Module):
        raise PluginError(
            "a classifier source made no torch module",
            got=type(module).__name__,
            expected="torch.nn.Module",
            plugin=choice.registered.name,
        )
    arrived_training = module.training
    if settings.weights is not None:
        load_weights(module, Path(settings.weights), trust=trust, name=choice.registered.name)
    classifier = Classifier(
        module.to(device).eval(),
        splits.spec,
        mean=settings.mean,
        std=settings.std,
        name=choice.registered.name,
        batch_size=core.run.batch_size or batch_size_for(splits.spec.shape),
        device=device,
    )
    some = splits.validation.batch(slice(None, min(16, len(splits.validation))))[0]
    output = detect_output(classifier, some) if settings.output == "auto" else settings.output
    classifier = Classifier(**{**vars(classifier), "output": output})
    return Prepared(splits, others, classifier, source, output, arrived_training)


def _load(config: RunConfig, role: Role) -> Splits:
    """The data set of a role. Both roles draw alike: other classes of the same data set are split in the same way, so
    that no validation or test image of the classifier is a training image of the generator."""
    seed = config.core.run.seed
    dataset = make(config, role)
    with isolated_global_rng(derive_seed(seed, "data", "global")), blamed_on(config.choices[role], "loading"):
        splits: Splits = dataset.load(rng_for(seed, "data"))
    return splits


def _check_generator_data(config: RunConfig, spec: DataSpec, other: DataSpec) -> None:
    """Refuse data whose images the classifier could not be given, or whose classes a conditional generator would
    confuse with the classifier's."""
    names = {role: config.choices[role].registered.name for role in ("dataset", "generator_data", "generator")}
    if other.shape != spec.shape:
        raise DataError(
            "the generator's data have images of another shape than the classifier's",
            got=f"{_shape(other)} ({names['generator_data']})",
            expected=f"{_shape(spec)} ({names['dataset']})",
            fix="choose data of the same channels, height and width, or leave generator_data out",
            plugin=names["generator_data"],
        )
    if "conditional" in config.choices["generator"].registered.component.provides and other.classes != spec.classes:
        raise ConfigError(
            f"{names['generator']} is told the class of each image, so its data need the classifier's classes",
            got=f"{_listed(other)} ({names['generator_data']})",
            expected=f"{_listed(spec)} ({names['dataset']})",
            fix="choose data with the same classes in the same order, or a generator that is not conditional",
            plugin=names["generator"],
        )


def _shape(spec: DataSpec) -> str:
    return "{} x {} x {} (channels x height x width)".format(*spec.shape)


def _listed(spec: DataSpec) -> str:
    return ", ".join(spec.classes[:MOST_CLASSES]) + (", ..." if spec.num_classes > MOST_CLASSES else "")
