"""What a run tells observers: the console, `--json`, trackers. Plain data; nothing here imports torch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

log = logging.getLogger("modeldebug")

Kind = Literal["run_started", "stage_started", "progress", "stage_finished", "warning", "waiting", "run_finished"]


@dataclass(frozen=True)
class Event:
    """One thing that happened in a run.

    Attributes:
        kind: what happened. `waiting`: people are to answer; `data` says what they should `do`, and whether the run
            `goes_on` by itself once they have, with another `run_started`, or ends here.
        run: the run folder, as text.
        stage: the stage it happened in, if any.
        message: one line for people.
        done: for `progress`, the share of the stage that is done, in [0, 1].
        overall: the share of the whole run that is done, in [0, 1].
        eta: estimated seconds to the end of the run, or None while unknown.
        data: figures of that moment; JSON values only.
        time: seconds since the epoch.

    >>> Event("progress", "runs/first", stage="search", message="step 2 of 4", done=0.5).done
    0.5
    """

    kind: Kind
    run: str
    stage: str | None = None
    message: str = ""
    done: float | None = None
    overall: float | None = None
    eta: float | None = None
    data: dict[str, Any] = field(default_factory=dict)
    time: float = field(default_factory=time.time)


Listener = Callable[[Event], object]


class EventBus:
    """Hands each event to every listener. A listener that raises is logged and never stops a run."""

    def __init__(self, listeners: tuple[tuple[str, Listener], ...] = ()) -> None:
        self._listeners = listeners

    def emit(self, event: Event) -> None:
        for name, listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log.exception("the event listener of '%s' failed on %s; the run goes on", name, event.kind)
