"""Components that come from no plugin: a user's `module:attribute`, or objects given from Python."""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from .classifier import Classifier, detect_output, load_weights
from .component import ClassifierConfig, Component, ComponentConfig, DatasetConfig, Kind
from .context import Context
from .contracts.classifier import ClassifierSource
from .contracts.clusterer import Clusterer
from .contracts.corrector import Corrector
from .contracts.dataset import DatasetSource
from .contracts.executor import Executor
from .contracts.generator import Generator
from .contracts.labeler import Labeler
from .contracts.searcher import Searcher
from .data import hold_out, split
from .errors import ClassifierError, ConfigError, DataError, nearest
from .reading import Columns, class_names, read_images
from .registry import Registered, Registry, Source
from .rng import isolated_global_rng
from .tensors import describe
from .training import train_network
from .types import DataSpec, ImageSet, Splits

HELD_OUT = 0.1  # of the training images, where a data set comes with no validation part
PARTS = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}  # as data sets name them

CONTRACTS: dict[Kind, type] = {
    "dataset": DatasetSource,
    "classifier": ClassifierSource,
    "generator": Generator,
    "searcher": Searcher,
    "clusterer": Clusterer,
    "labeler": Labeler,
    "corrector": Corrector,
    "executor": Executor,
}

_SETTINGS: dict[Kind, type[ComponentConfig]] = {"dataset": DatasetConfig, "classifier": ClassifierConfig}


class ExternalClassifierConfig(ClassifierConfig):
    """Settings of a classifier of one's own."""

    epochs: int = Field(10, ge=1, description="with train=true: epochs")
    batch_size: int = Field(64, ge=1, description="with train=true: images in a batch")
    learning_rate: float = Field(1e-3, gt=0, description="with train=true: Adam's learning rate")


class ExternalDatasetConfig(DatasetConfig):
    """Settings of a data set of one's own."""

    names: tuple[str, ...] | None = Field(
        None, description="class names; those that the data set knows, else the labels' numbers, if unset"
    )
    image: str | None = Field(None, description="where items are mappings: the column of the image; found if unset")
    label: str | None = Field(None, description="where items are mappings: the column of the label; found if unset")
    size: int | None = Field(None, ge=4, le=4096, description="pictures are resized to size x size pixels")
    channels: Literal[1, 3] | None = Field(None, description="pictures are made grey (1) or coloured (3)")


def component_from(registry: Registry, kind: Kind, text: str) -> Registered:
    """The component behind "module:attribute": a Component, a class of the contract, or, for data sets and
    classifiers, whatever can be read as one.

    Raises:
        ConfigError: it cannot be imported, or is nothing that this stage can use.
    """
    module, attribute, value = imported(text)
    source = Source(module.__name__, "module", _source_hash(module))
    component = replace(_as_component(kind, attribute, value, text), name=attribute)  # a resumed run finds it by that
    return registry.add(kind, component, source)


def classifier_from(text: str, spec: DataSpec, *, weights: str | Path | None = None) -> Classifier:
    """A classifier of somebody's own, behind "module:attribute", for a component that needs some: a torch module, a
    class or function that makes one, or a class of the contract with its defaults. Say with `detect_output` what it
    returns, unless its settings do; logits are taken for granted.

    Args:
        weights: a file to load, in safetensors or as a plain state dict.

    Raises:
        ConfigError: it cannot be imported.
        ClassifierError: it is no classifier, or the weights do not fit.

    >>> spec = DataSpec((1, 8, 8), ("a", "b", "c", "d"))
    >>> classifier = classifier_from("modeldebug.testing.problems:PlantedClassifier", spec)
    >>> classifier.probs(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 4])
    """
    _, attribute, value = imported(text)
    component = _as_component("classifier", attribute, value, text)
    with isolated_global_rng(0):
        source = component.make(component.config(), spec)
        source.name = text
        module = source._make()
    if weights is not None:
        load_weights(module, Path(weights), trust=False, name=text)
    settings: ClassifierConfig = source.config
    output = "logits" if settings.output == "auto" else settings.output
    return Classifier(module.eval(), spec, output, settings.mean, settings.std, name=text)


def imported(text: str) -> tuple[ModuleType, str, Any]:
    """The module, the attribute's name and the value behind "module:attribute"."""
    module_name, _, attribute = text.rpartition(":")
    try:
        with isolated_global_rng(0):  # a module that makes its network at import makes the same one each time
            module = import_module(module_name)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"'{module_name}' cannot be imported: {type(error).__name__}: {error}",
            got=text,
            expected="plugin:component, or module:attribute",
            fix="run from the folder that holds the module, or install its package",
        ) from error
    if not hasattr(module, attribute):
        raise ConfigError(
            f"the module '{module_name}' has no '{attribute}'",
            expected=nearest(attribute, [n for n in vars(module) if not n.startswith("_")]),
        )
    return module, attribute, getattr(module, attribute)


def component_of(registry: Registry, kind: Kind, value: object) -> Registered:
    """A component made of an object that was given from Python.

    Raises:
        ConfigError: it is nothing that this stage can use.
    """
    name = type(value).__name__
    return registry.add(
        kind, _as_component(kind, name, value, f"a {name} given from Python"), Source("python", "object", "0")
    )


def _as_component(kind: Kind, name: str, value: Any, text: str) -> Component:
    if isinstance(value, Component):
        return value
    contract = CONTRACTS[kind]
    if isinstance(value, type) and issubclass(value, contract):
        settings = getattr(value, "Config", _SETTINGS.get(kind, ComponentConfig))
        return Component(name, (value.__doc__ or "").strip().partition("\n")[0], settings, value)
    if kind == "classifier":
        return Component(
            name,
            f"the classifier {text}",
            ExternalClassifierConfig,
            lambda config, spec: _OwnClassifier(config, spec, value),
        )
    if kind == "dataset":
        return Component(name, f"the data set {text}", ExternalDatasetConfig, lambda config: _OwnDataset(config, value))
    raise ConfigError(
        f"'{text}' cannot serve as a {kind}",
        got=describe(value),
        expected=f"a modeldebug.Component, or a subclass of {contract.__name__}",
    )


def code_of(registered: Registered) -> str:
    """Stands for the code of another distribution's component, whose author changes it without a new version: what the
    files of its package's folder hold, or its module's. Empty for the components that come with modeldebug."""
    if registered.source.distribution in ("modeldebug", "module", "object"):  # a module's hash is its version
        return ""
    try:
        module = inspect.getmodule(registered.component.imported())
        file = Path(inspect.getsourcefile(module) or "")  # type: ignore[arg-type]  # None is refused, as is what follows
    except (ImportError, AttributeError, TypeError):  # what cannot be imported is refused where it is used
        return ""
    files = sorted(file.parent.rglob("*.py")) if module is not None and module.__package__ else [file]
    digest = hashlib.sha256()
    for one in files:
        digest.update(one.read_bytes() if one.is_file() else b"")
    return digest.hexdigest()[:16]


def _source_hash(module: object) -> str:
    """Stands for a version: what the module's file holds."""
    try:
        return hashlib.sha256(inspect.getsource(module).encode()).hexdigest()[:16]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return "0"


class _OwnClassifier(ClassifierSource[ExternalClassifierConfig]):
    def __init__(self, config: ExternalClassifierConfig, spec: DataSpec, value: object) -> None:
        super().__init__(config, spec)
        self._value = value

    def _make(self) -> nn.Module:
        made = self._value
        if not isinstance(made, nn.Module) and callable(made):
            try:
                made = made()
            except Exception as error:
                raise ClassifierError(
                    f"making the classifier raised {type(error).__name__}: {error}",
                    expected="a module, or a class or function that gives one without arguments",
                    plugin=self.name,
                ) from error
        if not isinstance(made, nn.Module):
            raise ClassifierError(
                "the classifier is no torch module",
                got=type(made).__name__,
                expected="torch.nn.Module",
                plugin=self.name,
            )
        return copy.deepcopy(made)  # the user's own stays as it is: weights, mode and device

    def _train(self, module: nn.Module, data: Splits, context: Context) -> None:
        config = self.config
        optimizer = torch.optim.Adam(module.parameters(), lr=config.learning_rate)
        some = data.validation.batch(slice(None, 16))[0]
        asked = Classifier(
            module,
            data.spec,
            mean=config.mean,
            std=config.std,
            name=self.name,
            batch_size=len(some),
            device=context.device,
        )
        output = detect_output(asked, some) if config.output == "auto" else config.output

        def loss(x: Tensor, y: Tensor, step: int) -> Tensor:
            answer = module(asked.normalised(x))
            if output == "probabilities":
                return nn.functional.nll_loss(answer.clamp_min(1e-12).log(), y)
            return nn.functional.cross_entropy(answer, y)

        train_network(
            module,
            loss,
            data.train,
            optimizer=optimizer,
            epochs=config.epochs,
            batch_size=config.batch_size,
            context=context,
            what="classifier",
        )


class _OwnDataset(DatasetSource[ExternalDatasetConfig]):
    def __init__(self, config: ExternalDatasetConfig, value: object) -> None:
        super().__init__(config)
        self._value = value
        self._columns = Columns(config.image, config.label, config.size, config.channels)

    def _load(self, rng: torch.Generator) -> Splits:
        value = self._value
        if isinstance(value, Splits):
            return value
        if isinstance(value, type) or (callable(value) and not hasattr(value, "__getitem__")):
            value = value()
        if isinstance(value, Splits):
            return value
        if isinstance(value, Mapping):
            return self._from_parts(value, rng)
        images, labels = read_images(value, name=self.name, columns=self._columns)
        return split(images, labels, classes=self._names([value], labels), rng=rng)

    def _from_parts(self, parts: Mapping[str, object], rng: torch.Generator) -> Splits:
        given = {part: next((parts[name] for name in names if name in parts), None) for part, names in PARTS.items()}
        if given["train"] is None or given["test"] is None:
            raise DataError(
                "a mapping of data sets lacks a part",
                got=", ".join(map(str, parts)),
                expected="train, test, and where there is one validation",
                plugin=self.name,
            )
        sets = {
            part: ImageSet(*read_images(value, name=f"{self.name}, {part}", columns=self._columns))
            for part, value in given.items()
            if value is not None
        }
        names = self._names(list(given.values()), torch.cat([s.labels for s in sets.values()]))
        if "validation" not in sets:
            held_out = max(1, round(HELD_OUT * len(sets["train"])))
            sets["train"], sets["validation"] = hold_out(sets["train"], held_out, rng=rng)
        c, h, w = sets["train"].shape
        return Splits(DataSpec((c, h, w), names), **sets)

    def _names(self, values: Sequence[object], labels: Tensor) -> tuple[str, ...]:
        if self.config.names is not None:
            return self.config.names
        known = next(filter(None, (class_names(value, self._columns) for value in values)), None)
        if known is not None:
            return known
        return tuple(map(str, range(int(labels.max()) + 1))) if len(labels) else ()
