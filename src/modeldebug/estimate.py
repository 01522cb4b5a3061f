"""How far a run has come, and how long the rest will take: from what its stages have taken so far."""

from __future__ import annotations

import math
from collections.abc import Mapping

# How long each stage of a run takes, relative to the others: measured on digits. What a run measures itself comes over
# it.
WEIGHTS: dict[str, float] = {
    "data": 1, "classifier": 5, "guide": 10, "labeler": 15, "auditor": 15, "auditor_2": 15, "auditor_3": 15,
    "generator": 20, "gate": 1, "origins": 1, "search": 10, "audit": 2, "clusters": 8, "regions": 1,
    "correction": 20, "evidence": 6,
}  # fmt: skip


class Estimate:
    """How far a run is, and the time left. The stage at work is extrapolated from its own pace; those to come from
    their weights, at the mean pace of those measured so far. `weights` are of the stages there are, in their order.

    >>> estimate = Estimate(WEIGHTS)
    >>> estimate.overall("data", 0.0), estimate.overall("evidence", 1.0)
    (0.0, 1.0)
    >>> estimate.finished("classifier", 50.0)
    >>> estimate.started("evidence")
    >>> round(estimate.left(0.5, now=1.0))  # its own pace is not known yet: 6 units of 10 s, half of them done
    30
    >>> estimate.left(0.75, now=2.0)  # a quarter took a second
    1.0
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self._order = list(weights)
        self._seconds: dict[str, float] = {}
        self._stage = ""
        self._first: tuple[float, float] | None = None

    def overall(self, stage: str, done: float) -> float:
        """The share of the whole run that is done when this share of a stage is."""
        before = sum(self._weights[name] for name in self._order[: self._order.index(stage)])
        return (before + self._weights[stage] * done) / sum(self._weights.values())

    def finished(self, stage: str, seconds: float) -> None:
        """A stage has taken so long, in this process or an earlier one."""
        self._seconds[stage] = seconds

    def started(self, stage: str) -> None:
        """A stage begins."""
        self._stage, self._first = stage, None

    def left(self, done: float, now: float) -> float | None:
        """Seconds to the end of the run, or None where too little is known yet.

        A stage that is resumed from a checkpoint does not begin at 0: so its pace is taken from its first report on.
        """
        if self._first is None:
            self._first = now, done
        since, at = self._first
        stage = (now - since) / (done - at) if done > at else None
        measured = self._seconds if stage is None else {**self._seconds, self._stage: stage}
        if not measured:
            return None
        pace = self._pace(measured)
        rest = sum(self._weights[name] for name in self._order[self._order.index(self._stage) + 1 :])
        own = pace * self._weights[self._stage] if stage is None else stage
        return own * (1 - done) + pace * rest

    def _pace(self, measured: Mapping[str, float]) -> float:
        """Seconds for a unit of weight: a geometric mean, so that one stage that is far off does not decide alone."""
        of = {name: self._weights[name] for name in measured}
        logs = [of[name] * math.log(max(seconds, 1e-3) / of[name]) for name, seconds in measured.items()]
        return math.exp(sum(logs) / sum(of.values()))
