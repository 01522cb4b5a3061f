"""A run whose one cluster holds two classes, with people who answer request by request and remember what was asked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from modeldebug import Answers, LabelRequest, Pending, Run
from modeldebug.store import RunStore, Saved

from . import planted, test_conditional
from .planted import Rule, RuleConfig

LUMP: dict[str, dict[str, Any]] = {
    # told the class, so that codes say how far an image lies from the class boundaries: both balls are in one place
    "generator": {"use": f"{test_conditional.__name__}:told"},
    "searcher": {"draws": 20},
    "clusterer": {"components": 1, "within": "all"},
}


class Asked(RuleConfig):
    answered: Path


class RoundByRound(Rule):
    """Answers the requests whose files are there, and keeps the hash of the images that each request came with."""

    Config = Asked
    is_program = False

    def _label(self, request: LabelRequest) -> Answers | Pending:
        digest = hashlib.sha256(request.x.numpy().tobytes()).hexdigest()
        with (self.config.answered / "asked").open("a") as file:
            file.write(f"{request.id} {digest}\n")
        if not (self.config.answered / request.id).exists():
            return Pending(len(request.x), f"answer {request.id}")
        return super()._label(request)


def debug(out: Path, *, listeners: Any = (), **changed: dict[str, Any]) -> Run:
    """The planted run with one cluster over both balls."""
    settings = {section: {**LUMP.get(section, {}), **changed.get(section, {})} for section in {*LUMP, *changed}}
    return planted.debug(out, listeners=listeners, **settings)


def stage(run: Run, name: str) -> Saved:
    return RunStore.open(run.path).load_stage(name)
