"""Going on by itself once people have answered."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep

from .contracts.base import blamed
from .errors import DataError, WaitingForPeople

LOOK = 1.0  # seconds between two looks whether people are done
RETRY = 10.0  # seconds before work is tried again, where nobody can tell


def until_answered(work: Callable[[], None], tell: Callable[[WaitingForPeople], object]) -> None:
    """Do work that may have to wait for people, again and again until it need not.

    Between two tries nothing is held: whoever is waited for, and other processes, may do with the folder as they like.

    Args:
        work: raises WaitingForPeople where it can go no further.
        tell: called with each new wait, not again with the same one that was tried in vain; and where answers cannot be
            taken in, with what is wrong with them: that is waited for, too.

    Raises:
        PluginError: the labeler fails when it is asked whether people are done.

    >>> until_answered(lambda: print("done"), print)
    done
    """
    told = ""
    while True:
        try:
            return work()
        except WaitingForPeople as wait:
            waiting = wait
        if str(waiting) != told:
            tell(waiting)
        told = str(waiting)
        if waiting.ready is None:
            sleep(RETRY)
            continue
        sleep(LOOK)
        with blamed("asking whether people have answered", waiting.plugin or ""):
            _until_ready(waiting.ready, waiting.plugin, tell)
        told = ""


def _until_ready(ready: Callable[[], bool], plugin: str | None, tell: Callable[[WaitingForPeople], object]) -> None:
    """Look until people are done; each mistake of theirs is told once."""
    told = ""
    while True:
        try:
            if ready():
                return
        except DataError as error:
            if str(error) != told:
                tell(WaitingForPeople(f"{error.what}: {error.got}", fix="correct that; the run goes on", plugin=plugin))
            told = str(error)
        sleep(LOOK)
