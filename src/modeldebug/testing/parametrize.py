"""pytest: one test for each check of each component. The only module of the kit that needs pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..component import Component
from ..errors import ConfigError
from .kinds import kind_of
from .runner import CHECKS, Check, NotApplicable, Subject

if TYPE_CHECKING:
    import pytest

Item = Component | tuple[Component, Mapping[str, Any]]


def parametrize_with_checks(components: Iterable[Item]) -> pytest.MarkDecorator:
    """Decorate a test that takes `check` and calls it: it becomes one test for each rule of each component.

    Example::

        @parametrize_with_checks([MY_SEARCHER, (MY_GENERATOR, {"epochs": 5})])
        def test_components_keep_their_contracts(check):
            check()

    Args:
        components: components, or pairs of a component and settings (so that training is short).

    Raises:
        ConfigError: pytest is not installed, or a component keeps no contract.
    """
    try:
        import pytest
    except ImportError as error:
        raise ConfigError(
            "parametrize_with_checks makes tests for pytest, which is not installed",
            fix="pip install 'modeldebug[testing]'; check_searcher and the like need no pytest",
        ) from error

    cases = []
    for item in components:
        component, settings = item if isinstance(item, tuple) else (item, {})
        kind = kind_of(component, settings)
        subject = Subject(kind, component, settings)
        cases += [
            pytest.param(partial(_run, check, subject, pytest.skip), id=f"{component.name}-{check.name}")
            for check in CHECKS[kind]
        ]
    return pytest.mark.parametrize("check", cases)


def _run(check: Check, subject: Subject, skip: Callable[[str], object]) -> None:
    try:
        check.run(subject)
    except NotApplicable as reason:
        skip(str(reason))
