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
from . import tested
from .words import reliability

Results = Mapping[str, Any]

MEANINGS = {
    "genuine": "still itself: the classifier errs",
    "third_class": "a third class: the classifier errs",
    "drift": "now what was predicted: no error",
    "abstained": "the auditor cannot tell",
}
COLUMNS = {"before": "before", "after": "corrected", "control": "control", "failures_alone": "failures alone"}
NAMES = 5  # of regions that are told
CONTROLS = "control: lambda = 0; failures alone: on single failures, without clustering"


@dataclass(frozen=True)
class Summary:
    """What a person reads first.

    Attributes:
        headline: the outcome in a sentence or two.
        accuracies: a row for test and one for region accuracy, in the columns `COLUMNS`.
        failures: name, count, share and meaning of each kind of failure.
        facts: everything else, as label and text.
        confusions: headings and rows of the confusion matrix, where the test set was inspected.
    """

    headline: str
    accuracies: tuple[tuple[str, ...], ...]
    failures: tuple[tuple[str, str, str, str], ...]
    facts: tuple[tuple[str, str], ...]
    confusions: tuple[tuple[str, ...], list[tuple[str, ...]]] | None = None


def summarise(results: Results) -> Summary:
    """The results of a finished run, for people."""
    if (found := results["test_set"]) is not None:
        return Summary(
            tested.headline(found),
            _accuracies(results)[:1],
            _failures(results),
            _facts_of_test_set(results),
            tested.confusions(found),
        )
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
    for kind, name, meaning in _kinds(results):
        n = search[kind]
        rows.append((name, DASH if n is None else f"{n:,}", with_interval(search["shares"][kind]), meaning))
    if sampled(search):
        rows.append(("not asked", f"{search['failures'] - search['judged']:,}", DASH, "people judged a random sample"))
    return tuple(rows)


def _kinds(results: Results) -> list[tuple[str, str, str]]:
    """Each kind of failures as it is counted, its name, and what it means; of test images, it is the label that is
    wrong where a generated image would have drifted."""
    if results["test_set"] is None:
        return [(name, name.replace("_", " "), meaning) for name, meaning in MEANINGS.items()]
    return [(tested.JUDGED_AS[kind], name, tested.MEANINGS[kind]) for kind, name in tested.NAMES.items()]


def _facts_of_test_set(results: Results) -> tuple[tuple[str, str], ...]:
    """What there is to say of a run that inspected the test set: no generator or region has a part in it."""
    return (
        *tested.facts(results["test_set"]),
        *_auditors(results),
        ("correction", f"none: {results['correction_skipped']}"),
        ("preset", preset_named(results["preset"], results["budget"])),
        ("time", duration(results["seconds"]["total"])),
    )


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
            reliability(results["oracle_accuracy"], results["oracle_abstained"], exact=results["labels_exact"]),
        ),
        ("generator", _reconstruction(results)),
        ("regions", _regions(results)),
        *((("named", _named(results["region_names"])),) if results.get("region_names") else ()),
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


def _named(names: Sequence[str]) -> str:
    """The largest regions in words, where the clusterer has words for them."""
    rest = f"; and {len(names) - NAMES:,} more, in the report" if len(names) > NAMES else ""
    return "; ".join(names[:NAMES]) + rest


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
