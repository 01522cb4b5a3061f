"""The whole kit on one component, without pytest: what came of each rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..component import Component, Kind
from .runner import CHECKS, Check, CheckFailed, NotApplicable, Subject

Result = Literal["pass", "fails", "says nothing"]


@dataclass(frozen=True)
class Outcome:
    """What came of one rule.

    Attributes:
        check: its name.
        result: "says nothing", where the rule does not apply.
        rule, why, do: what is asked for, what goes wrong without it, and how to mend it.
        got: of a failure what was found, of "says nothing" the reason.
    """

    check: str
    result: Result
    rule: str
    got: str
    why: str
    do: str


def outcomes(kind: Kind, component: Component, settings: Mapping[str, Any] | None = None) -> Iterator[Outcome]:
    """Try every rule, one after the other; what the factory does not make is tried no further."""
    return tried(CHECKS[kind], Subject(kind, component, settings))


def tried(checks: Iterable[Check], subject: Any) -> Iterator[Outcome]:
    """What comes of checks, in order."""
    for check in checks:
        outcome = _tried(check, subject)
        yield outcome
        if outcome.result == "fails" and check.first:
            return


def _tried(check: Check, subject: Any) -> Outcome:
    result: Result = "pass"
    got = ""
    try:
        check.run(subject)
    except NotApplicable as reason:
        result, got = "says nothing", str(reason)
    except CheckFailed as failed:
        result, got = "fails", failed.got
    return Outcome(check.name, result, check.says, got, check.why, check.do)
