"""From names to working parts: components are made, the data loaded, the classifier asked once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .classifier import Classifier, detect_output, load_weights
from .component import ClassifierConfig
from .config import Choice, Role, RunConfig
from .contracts.base import blamed
from .errors import ConfigError, PluginError
from .rng import derive_seed, isolated_global_rng, rng_for
from .types import Splits


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
    classifier: Classifier
    source: Any
    output: str
    arrived_training: bool  # whether the module came in train mode


def prepare(config: RunConfig, *, trust: bool = False) -> Prepared:
    """Load the data, make the classifier, and ask it once: every mismatch is found here.

    Raises:
        DataError, ClassifierError: what does not fit, and what to do.
    """
    core, device = config.core, resolve_device(config.core.run.device)
    dataset = make(config, "dataset")
    with (
        isolated_global_rng(derive_seed(core.run.seed, "data", "global")),
        blamed_on(config.choices["dataset"], "loading"),
    ):
        splits: Splits = dataset.load(rng_for(core.run.seed, "data"))
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
        batch_size=core.run.batch_size,
        device=device,
    )
    some = splits.validation.batch(slice(None, min(16, len(splits.validation))))[0]
    output = detect_output(classifier, some) if settings.output == "auto" else settings.output
    return Prepared(splits, Classifier(**{**vars(classifier), "output": output}), source, output, arrived_training)
