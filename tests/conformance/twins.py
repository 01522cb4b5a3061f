"""What the tests of broken twins share: one test that a reference passes, one that each check catches its twin."""

import pytest
from pydantic import ConfigDict

from modeldebug import Component, ComponentConfig
from modeldebug.testing import CHECKS, CheckFailed


class LenientConfig(ComponentConfig):
    model_config = ConfigDict(extra="ignore")


def component(factory, *provides: str, config: type[ComponentConfig] = ComponentConfig) -> Component:
    return Component("twin", "a component for tests", config, factory, provides=frozenset(provides))


def assert_caught(check_kind, name: str, broken: Component, words: str) -> None:
    """The check of that name fails on the twin, for the reason given by some words of its message."""
    with pytest.raises(CheckFailed) as caught:
        check_kind(broken, only=[name])
    message = str(caught.value)
    assert caught.value.check == name
    assert words in message.partition("got:")[2].partition("why:")[0], message
    assert all(label in message for label in ("rule:", "got:", "why:", "do:"))


IN_COMMON = {"factory_makes_its_kind", "plugin_is_listed_without_torch"}  # their twins are in test_broken_in_common.py


def assert_every_check_has_a_twin(kind, twins) -> None:
    assert {check.name for check in CHECKS[kind]} == set(twins) | IN_COMMON
