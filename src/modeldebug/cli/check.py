"""`modeldebug check`: what the tool sees, before anything is spent."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..words import percent
from .options import Options, configure, run_options

if TYPE_CHECKING:
    from ..check import Findings

MOST_CLASSES = 20  # more are not listed one by one


@click.command()
@run_options
def check(**given: Any) -> None:
    """Show what a run would see: data, classifier, and whether they fit. Trains nothing.

    Takes the options of 'modeldebug run', and refuses what the run would refuse.
    """
    from ..check import check as find_out
    from ..store import RunStore

    options = Options.of(given)
    if options.out is not None:
        RunStore.refuse_taken(options.out)
    with redirect_stdout(sys.stderr):  # what a model or data set of one's own prints
        _, config = configure(options)
        findings = find_out(config, trust=options.trust)
    for warning in findings.warnings:
        click.echo(f"Warning: {warning}\n", err=True)
    if options.json:
        click.echo(json.dumps(asdict(findings), ensure_ascii=False, indent=1))
    elif not options.quiet:
        _show(findings)


def _show(findings: Findings) -> None:
    from .screen import draw, facts, table

    if len(findings.classes) <= MOST_CLASSES:
        counts = zip(*findings.per_class.values(), strict=True)
        rows = [(name, *(f"{n:,}" for n in row)) for name, row in zip(findings.classes, counts, strict=True)]
    else:
        rows = _extremes(findings)
    total = ("all", *(f"{sum(n):,}" for n in findings.per_class.values()))
    result = "nothing stands in the way of a run" if not findings.warnings else "a run is possible; see the warnings"
    draw(
        facts(_data(findings)),
        table(("class", *findings.per_class), [*rows, total], right=(1, 2, 3)),
        facts([*_model(findings), *(("note", note) for note in findings.notes)]),
        facts([*_others(findings), ("result", result)]),
    )


def _data(findings: Findings) -> Iterator[tuple[str, str]]:
    c, h, w = findings.shape
    yield "data", findings.dataset
    yield "images", f"{c} x {h} x {w} (channels x height x width), stored as {findings.dtype}"
    yield "range", f"{findings.low:.3g} to {findings.high:.3g}, as the classifier is given them"


def _others(findings: Findings) -> Iterator[tuple[str, str]]:
    if findings.generator_data is not None:
        yield "generator", f"learns from {findings.generator_data}"
    guide = findings.guide
    if guide is not None:
        yield "guide", f"{guide.component} ({guide.module}, {guide.parameters:,} parameters)"
        yield "", f"it answers {guide.output} ({'detected' if guide.detected else 'as set'})"
        right = f"{percent(guide.accuracy)} of the test images right"
        yield "", "its accuracy is known once the run has trained it" if guide.trained_in_run else right
    yield "others", ", ".join(findings.components)


def _extremes(findings: Findings) -> list[tuple[str, ...]]:
    """For many classes: only the rarest and the most frequent one."""
    counts = findings.per_class.values()
    return [
        (f"fewest of {len(findings.classes)} classes", *(f"{min(n):,}" for n in counts)),
        ("most", *(f"{max(n):,}" for n in counts)),
    ]


def _model(findings: Findings) -> Iterator[tuple[str, str]]:
    yield "classifier", findings.classifier
    yield "module", f"{findings.module}, {findings.parameters:,} parameters"
    yield "answers", f"{findings.output} ({'detected' if findings.detected else 'as set'})"
    if findings.trained_in_run:
        yield "accuracy", f"after training; guessing gives {percent(findings.guessing)}"
        return
    yield "accuracy", f"{percent(findings.accuracy)} of the test images right, through modeldebug's wrapper"
    yield "", f"{percent(findings.accuracy_raw)} with values in [0, 1], not normalised"
    if findings.accuracy_stored is not None:
        yield "", f"{percent(findings.accuracy_stored)} with values as stored, 0 to 255"
    yield "", f"{percent(findings.guessing)} by always answering the most frequent class"
