"""What a run tells observers: the console, `--json`, trackers. Plain data; nothing here imports torch."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

log = logging.getLogger("modeldebug")

Kind = Literal[
    "run_started", "stage_started", "progress", "stage_finished", "warning", "waiting", "run_stopped", "run_finished"
]  # fmt: skip


@dataclass(frozen=True)
class Event:
    """One thing that happened in a run.

    Attributes:
        kind: what happened. `waiting`: people are to answer; `data` says what they should `do`, and whether the run
            `goes_on` by itself once they have, with another `run_started`, or ends here. `run_stopped`: it ended
            without results; `data` has the `status` that its folder has now: failed, interrupted, stopped or waiting.
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
    """Hands each event to every listener, with data of its own. A listener that raises is logged, and told of once to
    the others; it never stops a run.

    >>> heard = []
    >>> def broken(event):
    ...     raise ValueError("no network")
    >>> log.disabled = True
    >>> EventBus((("mine", broken), ("yours", heard.append))).emit(Event("run_started", "runs/first"))
    >>> log.disabled = False
    >>> [event.kind for event in heard], heard[0].message
    (['warning', 'run_started'], "'mine' does not follow the run: ValueError: no network (the traceback is in log.txt)")
    """

    def __init__(self, listeners: tuple[tuple[str, Listener], ...] = ()) -> None:
        self._listeners = listeners
        self._failed: set[str] = set()

    def emit(self, event: Event) -> None:
        for name, listener in self._listeners:
            try:
                listener(replace(event, data=copy.deepcopy(event.data)))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # an observer that gives up, by whatever it raises, gives up alone
                log.exception("the event listener of '%s' failed on %s; the run goes on", name, event.kind)
                if name not in self._failed:
                    self._failed.add(name)
                    why = f"{type(error).__name__}: {error}"
                    message = f"'{name}' does not follow the run: {why} (the traceback is in log.txt)"
                    self.emit(Event("warning", event.run, message=" ".join(message.split())))
