"""From names to working parts: components are made, the data loaded, classifier and guide asked once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .batches import batch_size_for
from .classifier import Classifier, detect_output, gradient, load_weights, model_hash
from .component import ClassifierConfig, DatasetConfig
from .config import Choice, RunConfig
from .contracts.base import blamed
from .contracts.classifier import ClassifierSource
from .data import check_debuggable, chosen
from .errors import ClassifierError, ConfigError, DataError, PluginError, not_enough_memory, ran_out_of_memory
from .importing import importing
from .rng import derive_seed, isolated_global_rng, rng_for
from .roles import Role
from .targets import Target
from .types import DataSpec, Splits

MOST_CLASSES = 12  # more are not named in a message
Aims = Callable[[RunConfig, DataSpec, Splits], tuple[Target, ...]]


def resolve_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one.

    Raises:
        ConfigError: CUDA was asked for, and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device is available", got="run.device=cuda", fix="--device cpu, or --device auto")
    return torch.device("cuda" if name == "auto" and torch.cuda.is_available() else name.replace("auto", "cpu"))


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 where that is faster: on GPUs that multiply it themselves, and on processors with AMX. Those
    with AVX-512 alone gain nothing, or lose.

    >>> resolve_precision("float32", torch.device("cpu"))
    torch.float32
    """
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        faster = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        faster = torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if faster else torch.float32


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
    """Turn what a component raises into an error that names it; the core's own errors pass. Where memory runs out, and
    not in a batch of answers, it is training that needs smaller batches."""
    registered = choice.registered
    source = f"{registered.source.distribution} {registered.source.version}"
    try:
        with blamed(f"{doing} the {choice.role}", registered.name, source=source):
            yield
    except Exception as error:
        size = getattr(choice.config, "batch_size", None) if doing == "running" else None
        if not ran_out_of_memory(error) or not isinstance(size, int) or size == 1:
            raise
        smaller = f"train with smaller batches (--set {choice.role}.batch_size={size // 2})"
        raise not_enough_memory(error, f"{smaller}, or --device cpu") from error


@dataclass(frozen=True, eq=False)
class Made:
    """A classifier that was made, given its weights, and asked once."""

    classifier: Classifier
    source: ClassifierSource[Any]
    arrived_training: bool  # whether the module came in train mode

    @property
    def settings(self) -> ClassifierConfig:
        settings: ClassifierConfig = self.source.config
        return settings


@dataclass(frozen=True, eq=False)
class Prepared:
    """Data and classifiers, as a run sees them, before anything is spent."""

    splits: Splits
    generator_data: Splits | None  # what the generator learns from, where it is not the classifier's data
    tested: Made
    guide: Made | None
    targets: tuple[Target, ...] = ()  # that the searcher pursues

    @property
    def classifier(self) -> Classifier:
        """The model under test."""
        return self.tested.classifier

    @property
    def legitimate(self) -> Splits:
        """The data that the generator learns from."""
        return self.splits if self.generator_data is None else self.generator_data


def prepare(config: RunConfig, *, aims: Aims, trust: bool = False) -> Prepared:
    """Load the data, make the classifier and the guide, and ask each once: every mismatch is found here.

    Args:
        aims: reads and checks what the searcher pursues, given the classifier's classes and the generator's data.

    Raises:
        DataError, ClassifierError, ConfigError: what does not fit, and what to do.
        PluginError: a component that cannot be imported, or made.
    """
    for choice in config.choices.values():  # the last stage's too: a package that it lacks is no news for the end
        with isolated_global_rng(0), blamed_on(choice, "importing"), importing():
            choice.registered.component.imported()
    splits, others = _load(config)
    if others is not None:
        _check_generator_data(config, splits.spec, others.spec)
    tested = _made(config, "classifier", splits, trust=trust)
    guide = _made(config, "guide", splits, trust=trust) if "guide" in config.choices else None
    if guide is not None:
        _check_guide(guide, tested)
    if "gradients" in config.choices["searcher"].registered.component.requires:
        for made in (tested, guide):
            if made is not None:
                _check_gradients(made.classifier, splits)
    return Prepared(splits, others, tested, guide, aims(config, splits.spec, others or splits))


def _made(config: RunConfig, role: Role, splits: Splits, *, trust: bool) -> Made:
    """The classifier of a role: its module with its weights, how it is asked, and what it returns."""
    core, device, choice = config.core, resolve_device(config.core.run.device), config.choices[role]
    settings = choice.config
    if not isinstance(settings, ClassifierConfig):
        raise ConfigError(
            f"{choice.registered.name} cannot serve as the {role}",
            got=f"a component whose settings are {type(settings).__name__}",
            expected="a classifier: its settings are a ClassifierConfig",
            plugin=choice.registered.name,
        )
    source = make(config, role, splits.spec)
    with isolated_global_rng(derive_seed(core.run.seed, role, "weights")), blamed_on(choice, "making"):
        module = source._make()
    if not isinstance(module, nn.Module):
        raise PluginError(
            "a classifier source made no torch module",
            got=type(module).__name__,
            expected="torch.nn.Module",
            plugin=choice.registered.name,
        )
    if settings.train:
        _check_trainable(module, choice)
    arrived_training = module.training
    if settings.weights is not None:
        head = source.head if settings.train else ""
        load_weights(module, Path(settings.weights), trust=trust, name=choice.registered.name, head=head)
    classifier = Classifier(
        module.to(device).eval(),
        splits.spec,
        mean=settings.mean,
        std=settings.std,
        name=choice.registered.name,
        batch_size=core.run.batch_size or batch_size_for(splits.spec.shape, device),
        device=device,
    )
    some = splits.validation.batch(slice(None, min(16, len(splits.validation))))[0]
    output = detect_output(classifier, some) if settings.output == "auto" else settings.output
    return Made(Classifier(**{**vars(classifier), "output": output}), source, arrived_training)


def _check_trainable(module: nn.Module, choice: Choice) -> None:
    """Refuse to train a network all of whose weights are frozen; one without torch weights may learn in its own way."""
    weights = list(module.parameters())
    if weights and not any(p.requires_grad for p in weights):
        raise ClassifierError(
            f"the {choice.role} is to be trained, and all its weights are frozen",
            got=f"{choice.role}.train=true, and {len(weights)} weights with requires_grad=False",
            expected="weights that can be trained, or a classifier that is trained already",
            fix=f"let its module come with requires_grad_(True), or --set {choice.role}.train=false",
            plugin=choice.registered.name,
        )


def _check_guide(guide: Made, tested: Made) -> None:
    """Refuse a guide that has the weights of the model under test. Those that the run trains will differ, and of those
    that have none nothing can be said."""
    if guide.settings.train or tested.settings.train:
        return
    ours, theirs = guide.classifier.module, tested.classifier.module
    if not ours.state_dict() or model_hash(ours) != model_hash(theirs):
        return
    raise ConfigError(
        "the guide is the model under test: both have the same weights",
        got=f"{guide.source.name} as the guide, {tested.source.name} as the classifier",
        expected="a classifier that was trained apart from the one under test",
        fix="give the guide weights of its own (--set guide.weights=FILE), or choose another classifier that the run "
        "trains (modeldebug plugins list): --guide NAME",
        plugin=guide.source.name,
    )


def _check_gradients(asked: Classifier, splits: Splits) -> None:
    """Refuse what a searcher that follows gradients could not ask, before a generator is trained for it."""
    x = splits.validation.batch(slice(None, 1))[0].to(asked.device).requires_grad_()
    gradient(asked.log_probs(x), x, asked)


def _load(config: RunConfig) -> tuple[Splits, Splits | None]:
    """The classifier's data, and the generator's where they are others. One data set is loaded and split once for both,
    so that no validation or test image of the classifier is a training image of the generator."""
    own, others = config.choices["dataset"], config.choices.get("generator_data")
    shared = others is not None and _share_images(own, others)
    whole, rng = _load_all(config, own)
    splits = check_debuggable(_chosen(whole, own, rng), name=own.registered.name)
    if others is None:
        return splits, None
    if not shared:
        whole, rng = _load_all(config, others)
    return splits, _chosen(whole, others, rng)


def _load_all(config: RunConfig, choice: Choice) -> tuple[Splits, torch.Generator]:
    """A whole data set, split, and the generator that split it."""
    seed = config.core.run.seed
    dataset, rng = make(config, choice.role), rng_for(seed, "data")
    with isolated_global_rng(derive_seed(seed, "data", "global")), blamed_on(choice, "loading"):
        return dataset.load_all(rng), rng


def _chosen(whole: Splits, choice: Choice, rng: torch.Generator) -> Splits:
    """The images that a role asks for. `rng` stays as it is: the other role's choice draws from the same state."""
    settings = choice.config
    assert isinstance(settings, DatasetConfig)  # else `load_all` refused it
    return chosen(whole, settings.classes, settings.limit, rng=rng.clone_state(), name=choice.registered.name)


def _share_images(own: Choice, others: Choice) -> bool:
    """Whether two choices are from one data set. Those of one component are, unless they read from different paths.

    Raises:
        ConfigError: they are, but another setting differs, by which the data could be split in another way.
    """
    if own.registered != others.registered:
        return False
    ours, theirs = own.to_dict(), others.to_dict()
    differing = [name for name in ours if name not in DatasetConfig.model_fields and ours[name] != theirs[name]]
    if any(_is_path(settings[name]) for name in differing for settings in (ours, theirs)):
        return False
    if differing:
        name = differing[0]
        raise ConfigError(
            "the generator's data are the classifier's, perhaps split in another way: it could learn from images that "
            "the classifier is validated or tested on",
            got=f"generator_data.{name}={theirs[name]}, dataset.{name}={ours[name]}",
            expected="the same settings but for classes and limit, or a path to other data",
            fix=f"give generator_data.{name} and dataset.{name} the same value, or choose another data set",
            plugin=own.registered.name,
        )
    return True


def _is_path(value: object) -> bool:
    """Paths in settings are absolute (`AbsolutePath`)."""
    return isinstance(value, str) and Path(value).is_absolute()


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
