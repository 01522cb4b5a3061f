"""The page of an inspection: all that the template needs, in frozen values, so that no logic stands in the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...store import RunStore
from ..frame import Frame, frame
from ..test_set import TestSet, test_set
from ..wording import count, percent
from . import evidence
from .evidence import Boundary, Compared, Prior, Quality, Stopping
from .found import Aim, Found
from .galleries import Gallery, Row, galleries, rows
from .pairs import Pairs, pairs
from .strips import Strip, strips
from .words import headline, number

FEW = 8  # targets that are not reached, and rows of the table of all, that need no fold


@dataclass(frozen=True)
class Outcome:
    """The first screen."""

    headline: str
    lead: tuple[str, ...]
    missed: tuple[tuple[str, str], ...]  # target, reason
    warnings: tuple[str, ...]
    tiles: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Page(Frame):
    """The report of an inspection."""

    outcome: Outcome
    rows: tuple[Row, ...]
    few: int
    pairs: Pairs | None
    strips: tuple[Strip, ...]
    galleries: tuple[Gallery, ...]
    folded: tuple[Gallery, ...]
    left_out: int
    tile: int
    boundaries: tuple[Boundary, ...]
    unexplained: str | None  # why there are no SmoothGrad maps
    stopping: Stopping | None
    test: TestSet | None
    compared: tuple[Compared, ...]
    priors: tuple[Prior, ...]
    quality: Quality
    sigma: str


def build(store: RunStore) -> Page:
    """The page of a finished inspection."""
    found = Found.of(store)
    findings = found.findings
    shown, folded = galleries(found)
    widest = max((s.picture.width for g in (*shown, *folded) for s in g.shots), default=0)
    longest = max((len(word) for name in found.classes for word in name.split()), default=1)
    return Page(
        **frame(findings),
        outcome=_outcome(found),
        rows=rows(found, (*shown, *folded)),
        few=FEW,
        pairs=pairs(found),
        strips=strips(found),
        galleries=shown,
        folded=folded,
        left_out=len(found.aims) - len(shown) - len(folded),
        tile=max(64 if longest <= 4 else 104, widest + 8),
        boundaries=evidence.boundaries(found),
        unexplained=found.evidence["saliency"]["reason"],
        stopping=evidence.stopping_curve(found),
        test=test_set(findings),
        compared=evidence.compared(found),
        priors=evidence.priors(found),
        quality=evidence.quality(found),
        sigma=f"{findings.config['search']['sigma']:g}",
    )


def _outcome(found: Found) -> Outcome:
    results, aims = found.findings.results, found.aims
    missed = [aim for aim in aims if not aim.reached]
    return Outcome(
        headline=_headline(found),
        lead=_lead(found, missed),
        missed=tuple((headline(aim.target, found.classes), aim.diagnosis["reason"]) for aim in missed),
        warnings=tuple(results["warnings"]),
        tiles=_tiles(found),
    )


def _headline(found: Found) -> str:
    aims = found.aims
    reached = sum(aim.reached for aim in aims)
    if len(aims) == 1:
        aim = aims[0]
        means = " / ".join(map(number, aim.diagnosis["confidence"]))
        what = f"{headline(aim.target, found.classes)}: {'reached' if reached else 'not reached'}"
        return f"{what}, {means} on average" if means else what
    return f"{reached} of {len(aims)} targets reached"


def _lead(found: Found, missed: Sequence[Aim]) -> tuple[str, ...]:
    results = found.findings.results
    samples = sum(len(aim.samples) for aim in found.aims)
    sampler, generator = (found.findings.component(role) for role in ("searcher", "generator"))
    sentences = [
        f"{sampler} drew {count(samples, 'sample')} from {generator} in {count(results['queries'], 'query')}, for "
        f"images that the classifier answers as the targets say, up to a standard deviation of {results['sigma']:g}."
    ]
    if not missed:
        sentences.append(
            "Every target was reached: chains agree (rank R-hat below 1.05), and on average predictions are at most "
            "two standard deviations away."
            if len(found.aims) > 1
            else "Chains agree (rank R-hat below 1.05), and on average predictions are at most two standard "
            "deviations away."
        )
    return tuple(sentences)


def _tiles(found: Found) -> tuple[tuple[str, str, str], ...]:
    results, aims = found.findings.results, found.aims
    reached = sum(aim.reached for aim in aims)
    sizes = [aim.diagnosis["ess"] for aim in aims if aim.diagnosis["ess"] is not None]
    smallest = number(min(sizes), 0) if sizes else number(None)
    test = found.evidence["test_set"]
    return (
        ("Targets reached", f"{reached} of {len(aims)}", "by R-hat and error"),
        ("Samples", f"{sum(len(aim.samples) for aim in aims):,}", f"{smallest} effective, at the least"),
        ("Queries", f"{results['queries']:,}", "a forward pass is 1, a backward pass 2"),
        ("Test accuracy", percent(results["test_accuracy"]), f"{count(test['images'], 'test image')}"),
    )
