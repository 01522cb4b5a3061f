"""People who label in a browser, each by a private link."""

from __future__ import annotations

from .people import People
from .plugin import HumanConfig


class Human(People[HumanConfig]):
    """Waits for the votes that come in through `modeldebug label`."""

    def _how(self, run: str) -> str:
        return f"modeldebug label {run}"
