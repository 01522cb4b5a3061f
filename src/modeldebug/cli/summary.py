"""From `results.json` to the table at the end of a run. Pure functions: results in, rows of text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..words import (
    DASH,
    agreement_said,
    came_from,
    count,
    doubts,
    duration,
    error_of,
    held_back,
    labelled_by,
    labelled_clusters,
    not_reached,
    nothing_searched,
    percent,
    poor_generator,
    preset_named,
    queries,
    resampled,
    sampled,
    splitting,
    weak_guide,
    with_interval,
)
from .words import reliability

Results = Mapping[str, Any]

MEANINGS = {
    "genuine": "still itself: the classifier errs",
    "third_class": "a third class: the classifier errs",
    "drift": "now what was predicted: no error",
    "abstained": "the auditor cannot tell",
}
COLUMNS = {"before": "before", "after": "corrected", "control": "control", "failures_alone": "failures alone"}
CONTROLS = "control: lambda = 0; failures alone: on single failures, without clustering"


@dataclass(frozen=True)
class Summary:
    """What a person reads first.

    Attributes:
        headline: the outcome in a sentence or two.
        accuracies: a row for test and one for region accuracy, in the columns `COLUMNS`.
        failures: name, count, share and meaning of each kind of failure.
        facts: everything else, as label and text.
    """

    headline: str
    accuracies: tuple[tuple[str, ...], ...]
    failures: tuple[tuple[str, str, str, str], ...]
    facts: tuple[tuple[str, str], ...]


def summarise(results: Results) -> Summary:
    """The results of a finished run, for people."""
    return Summary(_headline(results), _accuracies(results), _failures(results), _facts(results))


def intervals(results: Results) -> str | None:
    """What the shares and their intervals rest on; None where there are none."""
    if results["search"]["shares"]["genuine"]["low"] is None:
        return None
    error, sample = results["auditors"][0]["error"], sampled(results["search"])
    judge = "" if error is None else f"; the auditor is wrong on {percent(error)} of its answers on test images"
    of = f"shares: of {sample}; " if sample else ""
    return f"{of}95 %: interval by bootstrap over {resampled(results['search'])}{judge}"


def controls(results: Results) -> str | None:
    """What stands in the table of accuracies, and whose labels it rests on; None where nothing was corrected."""
    if results["correction_skipped"] is not None:
        return None
    return f"{CONTROLS}; regions: labelled by {labelled_by(results)}"


def next_steps(results: Results, run: Path) -> tuple[tuple[str, str], ...]:
    """Where things lie, and what to do with them."""
    steps = [("report", str(run / "report.html"))]
    if results["correction_skipped"] is None:
        steps.append(("weights", f"{run / 'corrected.safetensors'} (the corrected classifier)"))
    look = "open the report, and look whether you agree with it"
    if results["correction_skipped"] is None:
        look += '; in Python: modeldebug.open_run("RUN").corrected_model()'.replace("RUN", str(run))
    return (*steps, ("next", look))


def _headline(results: Results) -> str:
    failures, regions = results["search"]["failures"], results["regions"]
    if regions:
        return (
            f"{count(regions, 'region')} of look-alike images that the classifier gets wrong "
            f"{'was' if regions == 1 else 'were'} found." + _corrected(results)
        )
    if not failures:
        asked = f"No failures were found in {count(results['search']['queries'], 'query')}."
        found = nothing_searched(results["search"]) or asked
    else:
        found = f"No region was found: none was kept of {labelled_clusters(results)}."
    return " ".join(text for text in (found, _worth(results), "Nothing was corrected.") if text)


def _worth(results: Results) -> str:
    """Whether it is good that nothing was found, or only what the search, the generator, its guide or the oracle made
    of it."""
    search, held = results["search"], held_back(results["search"])
    if poor_generator(results):
        verdict = "That may be the generator's fault: see the warning."
    elif (results["oracle_abstained"] or 0) > 0.5:
        verdict = "But the oracle abstains on most images, so this says little."
    elif _weak_guide(results) and not search["failures"]:
        verdict = "But the guide errs more often than the classifier, so this says little."
    else:
        verdict = "" if held or not search["queries"] else "That is a good outcome."
    return " ".join(text for text in (held, verdict) if text)


def _corrected(results: Results) -> str:
    if results["correction_skipped"] is not None:
        return f" Nothing was corrected: {results['correction_skipped']}."
    before, after = results["region_accuracy"]["before"], results["region_accuracy"]["after"]
    return f" Corrected, it gets {percent(after)} of new images from there right; before, {percent(before)}."


def _accuracies(results: Results) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (label, *(percent(results[key][column]) for column in COLUMNS))
        for label, key in (("test images", "test_accuracy"), ("regions", "region_accuracy"))
    )


def _failures(results: Results) -> tuple[tuple[str, str, str, str], ...]:
    search = results["search"]
    rows = []
    for name, meaning in MEANINGS.items():
        n = search[name]
        share = with_interval(search["shares"][name])
        rows.append((name.replace("_", " "), DASH if n is None else f"{n:,}", share, meaning))
    if sampled(search):
        rows.append(("not asked", f"{search['failures'] - search['judged']:,}", DASH, "people judged a random sample"))
    return tuple(rows)


def _facts(results: Results) -> tuple[tuple[str, str], ...]:
    search = results["search"]
    found = f"{count(search['found'], 'failure')} in {queries(search['queries'], search['guide_queries'])}"
    if search["failures"] < search["found"]:
        found += f"; {search['failures']:,} kept"
    return (
        ("found", f"{found}, {came_from(search)}"),
        *_targets(search["targets"]),
        *(() if results["guide"] is None else (("guide", _guide(results)),)),
        *_auditors(results),
        (
            "labeler" if results["oracle_abstained"] is None else "oracle",
            reliability(results["oracle_accuracy"], results["oracle_abstained"]),
        ),
        ("generator", _reconstruction(results)),
        ("regions", _regions(results)),
        *((("splits", said),) if (said := splitting(results)) else ()),
        ("lambda", _strength(results)),
        ("preset", preset_named(results["preset"], results["budget"])),
        *((("", results["advice"]),) if results["advice"] else ()),
        ("time", duration(results["seconds"]["total"])),
    )


def _targets(targets: Sequence[Mapping[str, Any]] | None) -> tuple[tuple[str, str], ...]:
    """How many of the targets of a search were reached, and which were not; nothing without targets."""
    if targets is None:
        return ()
    reached = f"{sum(target['reached'] for target in targets)} of {count(len(targets), 'target')} reached"
    missed = ", ".join(not_reached(target) for target in targets if not target["reached"])
    return (("targets", f"{reached}; not {missed}" if missed else reached),)


def _guide(results: Results) -> str:
    said = f"{results['guide']}: {percent(results['guide_accuracy'])} of the test images right"
    return f"{said}, {weak}" if (weak := _weak_guide(results)) else said


def _weak_guide(results: Results) -> str:
    return weak_guide(results["guide_accuracy"], results["test_accuracy"]["before"])


def _auditors(results: Results) -> tuple[tuple[str, str], ...]:
    if not results["auditors"]:
        return (("auditor", f"{DASH} (no auditor was chosen, so failures are not judged)"),)
    pairs = [pair for pair in results["auditor_agreement"] if pair["judgement"] is not None]
    return (
        *((auditor["role"], error_of(auditor)) for auditor in results["auditors"]),
        *((("agreement", "; ".join(map(agreement_said, pairs))),) if pairs else ()),
    )


def _reconstruction(results: Results) -> str:
    accuracy = results["reconstruction_accuracy"]
    if accuracy["classifier"] is None:
        return f"{DASH} (it cannot encode images)"
    oracle = f", the oracle {percent(accuracy['oracle'])}" if accuracy["oracle"] is not None else ""
    return f"of its reconstructions the classifier gets {percent(accuracy['classifier'])} right{oracle}"


def _regions(results: Results) -> str:
    kept = f"{results['regions']} kept of {labelled_clusters(results)}"
    if results["region_purity"] is not None:
        kept += f", mean purity {results['region_purity']:.2f} by the labels of {labelled_by(results)}"
    doubtful = doubts(results)
    return f"{kept}; {doubtful}" if doubtful else kept


def _strength(results: Results) -> str:
    if results["lambda"] is None:
        return f"{DASH} (correction was skipped: {results['correction_skipped']})"
    return f"{results['lambda']:g}"
