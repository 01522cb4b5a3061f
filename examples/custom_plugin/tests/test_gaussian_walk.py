"""The conformance kit is the whole test: one test for each rule of a searcher."""

from collections.abc import Callable

from modeldebug_random_walk.plugin import modeldebug_searchers

from modeldebug.testing import parametrize_with_checks


@parametrize_with_checks(modeldebug_searchers())
def test_gaussian_walk_keeps_its_contract(check: Callable[[], None]) -> None:
    check()
