"""What a plugin offers: descriptors, which do no work until the core asks for a component. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

API_VERSION = 1

Kind = Literal["dataset", "classifier", "generator", "searcher", "clusterer", "labeler", "corrector", "executor"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Settings = Mapping[str, Mapping[str, Any]]
"""Settings by section, as in a run's TOML file: `{"searcher": {"use": "beta-noise", "draws": 500}}`."""

AbsolutePath = Annotated[str, AfterValidator(lambda path: str(Path(path).expanduser().absolute()))]
"""A path in a component's settings: made absolute, so that a run is resumed from any folder."""


class ComponentConfig(BaseModel):
    """Base of every component's settings: frozen, and unknown names are refused.

    Raises:
        pydantic.ValidationError: unknown names, or values of another type or range.

    >>> class Settings(ComponentConfig):
    ...     draws: int = Field(100, ge=1, description="draws around each code")
    >>> Settings(draws=5).draws
    5
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DatasetConfig(ComponentConfig):
    """Settings that every data set has; a component's own settings extend them. The core applies them to whatever the
    data set loads.

    >>> DatasetConfig(classes=["cat", 3], limit=500).classes
    ('cat', 3)
    """

    classes: tuple[str | int, ...] | None = Field(
        None, description="use these classes alone, by name or number, and number them anew in this order"
    )
    limit: int | None = Field(
        None, ge=1, description="use so many images in all, drawn at random from each split and class in proportion"
    )


class ClassifierConfig(ComponentConfig):
    """Settings that every classifier has; a component's own settings extend them.

    >>> ClassifierConfig(weights="w.safetensors", mean=[0.5]).mean
    (0.5,)
    """

    weights: AbsolutePath | None = Field(
        None, description="file with weights to load: .safetensors, or a state dict (.pt)"
    )
    train: bool = Field(False, description="train it in the run, before it is debugged")
    output: Literal["auto", "logits", "probabilities"] = Field(
        "auto", description="what the module returns; log-probabilities count as logits"
    )
    mean: tuple[float, ...] | None = Field(None, description="subtracted from each channel before the module")
    std: tuple[float, ...] | None = Field(None, description="each channel is divided by it, after the mean")


@dataclass(frozen=True)
class Component:
    """One thing that a run can use in a stage.

    Attributes:
        name: lower case with hyphens; `plugin:name` is its full name.
        summary: one line for `plugins list`.
        config: the settings, a subclass of ComponentConfig.
        factory: makes the component: a callable, or "module:attribute", imported when it is first used. Called as
            `factory(config, spec)`, for data sets and executors as `factory(config)`.
        requires: what must be provided by the rest of the run, such as "encode" or "gradients".
        provides: what this component adds to that.
        optional: what it uses where the run has it: "guide", for a searcher that can be guided.
        api: the version of the contracts that it was written for.

    >>> Component("vae", "a small VAE", ComponentConfig, "my_plugin.vae:VAE", provides=frozenset({"encode"})).api
    1
    """

    name: str
    summary: str
    config: type[ComponentConfig]
    factory: Callable[..., Any] | str
    requires: frozenset[str] = frozenset()
    provides: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    api: int = API_VERSION

    def imported(self) -> Callable[..., Any]:
        """The factory, imported where it is named as text.

        Raises:
            ImportError: there is no such module.
            AttributeError: the module has no such name.
        """
        if not isinstance(self.factory, str):
            return self.factory
        module, _, attribute = self.factory.partition(":")
        found: Callable[..., Any] = getattr(import_module(module), attribute)
        return found

    def make(self, *args: object) -> Any:
        """What the factory gives, once it is imported.

        Raises:
            ImportError: there is no such module.
            AttributeError: the module has no such name.
        """
        return self.imported()(*args)


@dataclass(frozen=True)
class Preset:
    """A named choice of one component for each stage, with settings.

    Attributes:
        name: lower case with hyphens.
        summary: one line for `plugins list`.
        settings: as in a run's TOML file: `{"searcher": {"use": "beta-noise", "draws": 500}}`.
        budgets: named scales of the preset, the first being the default: settings that come over `settings`.
        advice: when to take it, and what to take instead: shown by `plugins info` and with every result.

    >>> draws = {"laptop": {"searcher": {"draws": 20}}, "paper": {"searcher": {"draws": 500}}}
    >>> list(Preset("wide", "a wide search", {"searcher": {"use": "beta-noise"}}, budgets=draws).budgets)
    ['laptop', 'paper']
    """

    name: str
    summary: str
    settings: Settings = field(default_factory=lambda: MappingProxyType({}))
    budgets: Mapping[str, Settings] = field(default_factory=lambda: MappingProxyType({}))
    advice: str = ""
