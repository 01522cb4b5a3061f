"""From an inspection's `results.json` to the tables at its end. Pure functions: results in, rows of text out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..words import DASH, count, duration, percent, preset_named, rhat_said

Results = Mapping[str, Any]
Target = Mapping[str, Any]

MIXED = 1.05  # as in `diagnostics`, which would import torch
MOST = 15  # targets that have a row each; of more, those alone that were not reached are named
NARROW = 3  # letters of a class name that can head a column of marks
COLUMNS = ("target", "wanted", "answered", "R-hat", "ESS", "accepted", "reached")
KINDS = ("kind", "targets", "reached", "largest error", "largest R-hat", "smallest ESS")
MARKS = {True: "+", False: "x", None: " "}


def headline(results: Results) -> str:
    """How many targets were reached."""
    wanted, reached = len(results["targets"]), results["reached"]
    if wanted == 1:
        return "The target was reached." if reached else "The target was not reached."
    return f"{reached} of {wanted} targets {'was' if reached == 1 else 'were'} reached."


def rows(targets: Sequence[Target]) -> list[tuple[str, ...]]:
    """A row for each target, in the columns `COLUMNS`."""
    return [
        (
            target["described"],
            "\n".join(f"{aim:.2g}" for aim in target["aim"]),
            "\n".join(f"{mean:.3f} ± {sd:.3f}" for mean, sd in zip(target["confidence"], target["spread"], strict=True))
            or DASH,
            rhat_said(target["rhat"]),
            _number(target["ess"], ",.0f"),
            percent(target["acceptance"]),
            "yes" if target["reached"] else "no",
        )
        for target in targets
    ]


def by_kind(targets: Sequence[Target]) -> list[tuple[str, ...]]:
    """A row for each kind of target, in the columns `KINDS`."""
    found: list[tuple[str, ...]] = []
    for kind in dict.fromkeys(_kind(target) for target in targets):
        own = [target for target in targets if _kind(target) == kind]
        found.append(
            (
                kind,
                str(len(own)),
                str(sum(target["reached"] for target in own)),
                _number(_extreme(own, "error", max), ".3f"),
                rhat_said(_extreme(own, "rhat", max)),
                _number(_extreme(own, "ess", min), ",.0f"),
            )
        )
    return found


def missed(targets: Sequence[Target]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and a row for each target that was not reached: why, and of many in numbers alone."""
    found = [target for target in targets if not target["reached"]]
    if len(targets) <= MOST:
        return ("not reached", "why"), [(target["described"], target["reason"]) for target in found]
    figures = [(t["described"], _number(t["error"], ".3f"), rhat_said(t["rhat"])) for t in found]
    return ("not reached", "error", "R-hat"), list(figures)


def rule(results: Results) -> str:
    """When a target is reached."""
    return (
        f"reached: mean predictions at most two sigma ({2 * results['sigma']:g}) away, and chains that agree "
        f"(rank R-hat below {MIXED})"
    )


def triangle(targets: Sequence[Target], classes: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]] | None:
    """Headings and rows of the pairs of classes that were asked for, each reached or not; None where there are few."""
    pairs = {_classes(target): target["reached"] for target in targets if _kind(target) == "ambiguous"}
    if len(pairs) <= MOST:
        return None
    numbers = sorted({number for pair in pairs for number in pair})
    narrow = all(len(classes[i]) <= NARROW for i in numbers)  # else columns have numbers, and rows say of which class
    body = [
        (classes[j] if narrow else f"{j} {classes[j]}", *(MARKS[pairs.get((i, j))] for i in numbers[:-1]))
        for j in (numbers[1:] if narrow else numbers)
    ]
    return ("", *(classes[i] if narrow else str(i) for i in numbers[:-1])), body


def facts_of(results: Results, folder: Path) -> list[tuple[str, str]]:
    """Everything else, as label and text."""
    stopped = {target["stopped"] for target in results["targets"]} - {None}
    early = {"queries": "the budget was spent", "seconds": "the time was up", "mixing": "every target had mixed enough"}
    ended = f"; stopped early: {' and '.join(early[why] for why in sorted(stopped))}" if stopped else ""
    learnt = results["generator_data"]
    return [
        ("sampler", f"{results['sampler']}, sigma {results['sigma']:g}; {count(results['queries'], 'query')}{ended}"),
        ("classifier", f"{percent(results['test_accuracy'])} of the test images right"),
        *([("generator", f"trained on {learnt['dataset']}: {', '.join(learnt['classes'])}")] if learnt else []),
        *(("warning", warning) for warning in results["warnings"]),
        ("preset", preset_named(results["preset"], results["budget"])),
        ("time", duration(results["seconds"]["total"])),
        ("report", str(folder / "report.html")),
        ("next", f'open the report; in Python: modeldebug.open_inspection("{folder}").images({_example(results)})'),
    ]


def _example(results: Results) -> str:
    """A target as a string of Python."""
    return json.dumps(results["targets"][0]["described"], ensure_ascii=False)


def _kind(target: Target) -> str:
    kind: str = target["target"].partition(":")[0]
    return kind


def _classes(target: Target) -> tuple[int, ...]:
    return tuple(int(number) for number in target["target"].partition(":")[2].split(","))


def _number(value: float | None, form: str) -> str:
    return DASH if value is None else format(value, form)


def _extreme(targets: Sequence[Target], key: str, of: Callable[[list[float]], float]) -> float | None:
    values = [target[key] for target in targets if target[key] is not None]
    return of(values) if values else None
