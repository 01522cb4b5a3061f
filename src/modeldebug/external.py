"""Components that come from no plugin: a user's `module:attribute`, or objects given from Python."""

from __future__ import annotations

import copy
import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from .classifier import Classifier, detect_output
from .component import ClassifierConfig, Component, ComponentConfig, Kind
from .context import Context
from .contracts.classifier import ClassifierSource
from .contracts.clusterer import Clusterer
from .contracts.corrector import Corrector
from .contracts.dataset import DatasetSource
from .contracts.generator import Generator
from .contracts.labeler import Labeler
from .contracts.searcher import Searcher
from .data import split
from .errors import ClassifierError, ConfigError, DataError, nearest
from .registry import Registered, Registry, Source
from .rng import isolated_global_rng
from .tensors import describe
from .training import train_network
from .types import DataSpec, ImageSet, Splits

CHANNELS = (1, 3, 4)
MOST_CLASSES = 100_000  # more than any data set has: a larger label is a mistake

_CONTRACTS: dict[Kind, type] = {
    "dataset": DatasetSource,
    "classifier": ClassifierSource,
    "generator": Generator,
    "searcher": Searcher,
    "clusterer": Clusterer,
    "labeler": Labeler,
    "corrector": Corrector,
}


class ExternalClassifierConfig(ClassifierConfig):
    """Settings of a classifier of one's own."""

    epochs: int = Field(10, ge=1, description="with train=true: epochs")
    batch_size: int = Field(64, ge=1, description="with train=true: images in a batch")
    learning_rate: float = Field(1e-3, gt=0, description="with train=true: Adam's learning rate")


class ExternalDatasetConfig(ComponentConfig):
    """Settings of a data set of one's own."""

    classes: tuple[str, ...] | None = Field(None, description="class names; the labels' numbers if unset")


def component_from(registry: Registry, kind: Kind, text: str) -> Registered:
    """The component behind "module:attribute": a Component, a class of the contract, or, for data sets and
    classifiers, whatever can be read as one.

    Raises:
        ConfigError: it cannot be imported, or is nothing that this stage can use.
    """
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
    value = getattr(module, attribute)
    source = Source(module_name, "module", _source_hash(module))
    component = replace(_as_component(kind, attribute, value, text), name=attribute)  # a resumed run finds it by that
    return registry.add(kind, component, source)


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
    contract = _CONTRACTS[kind]
    if isinstance(value, type) and issubclass(value, contract):
        return Component(
            name, (value.__doc__ or "").strip().partition("\n")[0], getattr(value, "Config", ComponentConfig), value
        )
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
        asked = Classifier(module, data.spec, mean=config.mean, std=config.std, name=self.name, device=context.device)
        some = data.validation.batch(slice(None, 16))[0]
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

    def _load(self, rng: torch.Generator) -> Splits:
        value = self._value
        if isinstance(value, Splits):
            return value
        if isinstance(value, type) or (callable(value) and not hasattr(value, "__getitem__")):
            value = value()
        if isinstance(value, Splits):
            return value
        if isinstance(value, Mapping):
            return self._from_parts(value)
        images, labels = read_images(value, name=self.name)
        return split(images, labels, classes=self._classes(labels), rng=rng)

    def _from_parts(self, parts: Mapping[str, object]) -> Splits:
        names = ("train", "validation", "test")
        if set(parts) != set(names):
            raise DataError(
                "a mapping of data sets needs three parts",
                got=", ".join(map(str, parts)),
                expected=", ".join(names),
                plugin=self.name,
            )
        sets = {name: ImageSet(*read_images(parts[name], name=self.name)) for name in names}
        labels = torch.cat([s.labels for s in sets.values()])
        shape = tuple(sets["train"].images.shape[1:])
        assert len(shape) == 3
        return Splits(DataSpec(shape, self._classes(labels)), **sets)

    def _classes(self, labels: Tensor) -> tuple[str, ...]:
        if self.config.classes is not None:
            return self.config.classes
        return tuple(map(str, range(int(labels.max()) + 1))) if len(labels) else ()


def read_images(value: Any, *, name: str) -> tuple[Tensor, Tensor]:
    """Images (n, c, h, w) uint8 or float32 and labels (n,) int64 of anything that holds pairs: a torch Dataset, a
    sequence of (image, label), or a pair of arrays.

    Raises:
        DataError: it holds no pairs, images of different shapes, or what `as_images` and `as_labels` refuse.

    >>> images, labels = read_images([(torch.zeros(1, 8, 8), 0), (torch.ones(1, 8, 8), 1)], name="mine")
    >>> images.shape, labels
    (torch.Size([2, 1, 8, 8]), tensor([0, 1]))
    """
    if isinstance(value, tuple) and len(value) == 2 and all(hasattr(v, "shape") for v in value):
        return as_images(value[0], name=name), as_labels(value[1], name=name)
    if not (hasattr(value, "__getitem__") and hasattr(value, "__len__")):
        raise DataError(
            "this cannot be read as a data set",
            got=describe(value),
            expected="a torch Dataset of (image, label), a pair of arrays, or a mapping of train, validation and test",
            plugin=name,
        )
    images, labels = [], []
    for row in range(len(value)):
        pair = value[row]
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise DataError(
                "an item of the data set is no pair",
                got=f"item {row}: {describe(pair)}",
                expected="(image, label)",
                plugin=name,
            )
        images.append(as_image(pair[0], name=f"item {row} of {name}"))
        labels.append(_label(pair[1], row, name))
    shapes = {tuple(i.shape) for i in images}
    if len(shapes) > 1:
        raise DataError(
            "the images have different shapes",
            got=", ".join(map(str, sorted(shapes)[:3])),
            fix="resize them first",
            plugin=name,
        )
    stacked = torch.stack(images) if images else torch.empty(0, 1, 1, 1)
    return as_images(stacked, name=name), as_labels(torch.tensor(labels, dtype=torch.int64), name=name)


def _label(value: Any, row: int, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, RuntimeError):
        number = -1
    if number < 0 or number != value:
        raise DataError(
            "a label is no class number", got=f"item {row}: {value!r}", expected="an integer from 0", plugin=name
        )
    return number


def as_image(value: Any, *, name: str) -> Tensor:
    """One image as (c, h, w): a tensor as it is; an array or picture (h, w) or (h, w, c) turned round.

    Raises:
        DataError: another number of dimensions.

    >>> as_image(np.zeros((6, 8, 3)), name="mine").shape
    torch.Size([3, 6, 8])
    """
    if isinstance(value, Tensor):
        return value if value.dim() == 3 else value[None]
    array = np.asarray(value)
    if array.ndim not in (2, 3):
        raise DataError("an image has the wrong shape", got=array.shape, expected="(h, w), (h, w, c)", plugin=name)
    if array.ndim == 2:
        array = array[None]
    elif array.shape[2] in CHANNELS or array.shape[0] not in CHANNELS:  # else it is (c, h, w) already
        array = np.moveaxis(array, 2, 0)
    return torch.from_numpy(array.copy())


def as_images(value: Any, *, name: str) -> Tensor:
    """Images as uint8 or float32 (n, c, h, w); other numbers are refused rather than guessed at.

    Raises:
        DataError: another shape or type, or channels that come last.

    >>> as_images(np.zeros((5, 8, 8), dtype=np.uint8), name="mine").shape
    torch.Size([5, 1, 8, 8])
    """
    tensor = _numbers(value, "images", expected="(n, c, h, w)", name=name)
    if tensor.dim() == 3:
        tensor = tensor[:, None]
    if tensor.dim() != 4:
        raise DataError("images have the wrong shape", got=describe(tensor), expected="(n, c, h, w)", plugin=name)
    if tensor.shape[1] not in CHANNELS and tensor.shape[3] in CHANNELS:
        raise DataError(
            "the channels of the images come last",
            got=tuple(tensor.shape),
            expected="(n, c, h, w)",
            fix="images.transpose(0, 3, 1, 2)",
            plugin=name,
        )
    if tensor.dtype == torch.float64:
        tensor = tensor.float()
    if tensor.dtype not in (torch.uint8, torch.float32):
        raise DataError(
            "images have the wrong type", got=describe(tensor), expected="uint8, or float32 in [0, 1]", plugin=name
        )
    return tensor.contiguous()


def as_labels(value: Any, *, name: str) -> Tensor:
    """Labels as int64 (n,) from 0.

    Raises:
        DataError: another shape, no integers, or a negative label.

    >>> as_labels(np.array([0, 2], dtype=np.uint8), name="mine")
    tensor([0, 2])
    """
    tensor = _numbers(value, "labels", expected="integers (n,)", name=name)
    if tensor.dim() != 1 or tensor.dtype.is_floating_point or tensor.dtype == torch.bool:
        raise DataError(
            "labels have the wrong type or shape", got=describe(tensor), expected="integers (n,)", plugin=name
        )
    tensor = tensor.to(torch.int64)
    for extreme in (int(tensor.min()), int(tensor.max())) if len(tensor) else ():
        if not 0 <= extreme < MOST_CLASSES:
            expected = f"integers from 0 to {MOST_CLASSES - 1:,}"
            raise DataError("a label is out of range", got=extreme, expected=expected, plugin=name)
    return tensor


def _numbers(value: Any, what: str, *, expected: str, name: str) -> Tensor:
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":  # text and objects
        raise DataError(
            f"the {what} are no numbers", got=f"{array.dtype} {array.shape}", expected=expected, plugin=name
        )
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
