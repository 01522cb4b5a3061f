"""The terminal is one: who talks with a person there has it alone, and progress displays give way meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

Aside = Callable[[], AbstractContextManager[object]]
_displays: list[Aside] = []


@contextmanager
def foreground() -> Iterator[None]:
    """Hold the terminal for a dialogue, as a labeler does that asks on it: whatever else draws there stands aside
    inside, and goes on afterwards.

    >>> with foreground():
    ...     print("which digit is this?")
    which digit is this?
    """
    with ExitStack() as stack:
        for aside in _displays:
            stack.enter_context(aside())
        yield


@contextmanager
def gives_way(aside: Aside) -> Iterator[None]:
    """Inside, a display enters `aside()` whenever somebody wants the terminal."""
    _displays.append(aside)
    try:
        yield
    finally:
        _displays.remove(aside)
