"""Which contract a component keeps, and what the kit can try of what is no plugin's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..component import Component, Kind, Preset
from ..errors import ConfigError
from ..external import CONTRACTS, component_from, imported
from ..registry import Registry
from ..tensors import describe
from .problems import SPEC


def kind_of(component: Component, settings: Mapping[str, Any] | None = None) -> Kind:
    """Which contract a component keeps: that of the class that its factory is, else of what the factory makes.

    Raises:
        ConfigError: none, or its factory cannot be imported.
    """
    try:
        factory = component.imported()
    except Exception as error:
        raise ConfigError(
            f"the factory of the component {component.name} cannot be imported: {type(error).__name__}: {error}",
            got=component.factory,
            expected="module:attribute",
        ) from error
    if isinstance(factory, type):
        made = factory
    else:
        config = component.config.model_validate(dict(settings or {}))
        try:
            made = type(factory(config, SPEC))
        except TypeError:  # data sets and executors are made without a description of the data
            made = type(factory(config))
    found = contract_of(made)
    if found is None:
        raise ConfigError(
            f"the component {component.name} keeps no contract",
            got=made.__name__,
            expected="a subclass of " + ", ".join(contract.__name__ for contract in CONTRACTS.values()),
        )
    return found


def contract_of(made: type) -> Kind | None:
    """The kind of component that a class is, if it is any."""
    return next((kind for kind, contract in CONTRACTS.items() if issubclass(made, contract)), None)


def found_at(text: str) -> tuple[str, Component | Preset]:
    """What is behind "module:attribute", where the kit can try it, after its kind: a component, or a preset.

    Raises:
        ConfigError: it cannot be imported, or is none of these.
    """
    _, _, value = imported(text)
    if isinstance(value, Preset):
        return "preset", value
    kind = contract_of(value) if isinstance(value, type) else None
    if isinstance(value, Component):
        kind = kind_of(value)
    if kind is None:
        raise ConfigError(
            f"'{text}' is nothing that the conformance kit can try",
            got=describe(value),
            expected="a modeldebug.Component, a class of one of the contracts, or a modeldebug.Preset",
        )
    return kind, component_from(Registry(), kind, text).component
