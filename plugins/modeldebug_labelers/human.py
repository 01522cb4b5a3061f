"""People who label in a browser, each by a private link."""

from __future__ import annotations

from .ballots import Ballots
from .people import People
from .plugin import HumanConfig


class Human(People[HumanConfig]):
    """Waits for the votes that come in through `modeldebug label`."""

    def _how(self, run: str) -> str:
        return f"modeldebug label {run}{'' if self._known() else ' --annotators NAME,NAME'}"

    def _known(self) -> bool:
        """Whether annotators need not be named, since there are some."""
        if self.folder is None:
            return False
        with Ballots(self.folder) as ballots:
            return bool(ballots.invited())
