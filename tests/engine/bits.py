"""What of two runs has to be the same, and ways to stop a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from modeldebug.events import Event, Kind


def bits(folder: Path) -> dict[str, Any]:
    """Every file of a finished run that its seed decides: stages, weights, and results without the seconds."""
    paths = [*folder.glob("stages/*"), *folder.glob("*.safetensors")]
    files = {str(p.relative_to(folder)): p.read_bytes() for p in paths}
    results = json.loads((folder / "results.json").read_text())
    del results["seconds"]
    return files | {"results.json": results}


def status(folder: Path) -> str:
    manifest = json.loads((folder / "manifest.json").read_text())
    return str(manifest["status"])


def kept(folder: Path) -> list[str]:
    """The stages that are finished, by the manifest."""
    return list(json.loads((folder / "manifest.json").read_text())["stages"])


class Watch:
    """A listener that remembers events, and interrupts the run at the `at`-th event of a kind in a stage."""

    __name__ = "watch"

    def __init__(self, kind: Kind | None = None, stage: str | None = None, at: int = 1) -> None:
        self.events: list[Event] = []
        self._where, self._at = (kind, stage), at

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if len(self.of(*self._where)) == self._at and (event.kind, event.stage) == self._where:
            raise KeyboardInterrupt

    def of(self, kind: Kind | None, stage: str | None = None) -> list[Event]:
        return [e for e in self.events if e.kind == kind and stage in (None, e.stage)]

    @property
    def started(self) -> list[str | None]:
        return [e.stage for e in self.of("stage_started")]
