"""What came out, for somebody with a minute: the verdict, what to beware of, and the key numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..words import (
    doubts,
    held_back,
    labelled_clusters,
    nothing_searched,
    poor_generator,
    rootless,
    sampled,
    weak_guide,
)
from .findings import Findings
from .wording import DASH, count, interval, interval_of, percent, points, strength, unbroken

UNUSED = ("labeler", "generator", "gate", "origins")  # stages that say nothing of the test images by themselves
CORRECTED = 0.9  # region accuracy from which a correction is called one without "partly"


@dataclass(frozen=True)
class Tile:
    """A key number."""

    name: str
    value: str
    note: str
    wide: bool = False  # it takes a row of its own on a narrow screen


@dataclass(frozen=True)
class Rate:
    """An accuracy with its 95 % interval."""

    value: str
    interval: str | None


@dataclass(frozen=True)
class Accuracies:
    """A row of the table of accuracies: one classifier."""

    name: str
    what: str
    strength: str
    test: Rate
    region: Rate


@dataclass(frozen=True)
class Outcome:
    """The first screen."""

    headline: str
    lead: tuple[str, ...]
    warnings: tuple[str, ...]
    tiles: tuple[Tile, ...]
    accuracies: tuple[Accuracies, ...]


def outcome(findings: Findings) -> Outcome:
    """The first screen of the page."""
    return Outcome(_headline(findings), _lead(findings), warnings(findings), _tiles(findings), accuracies(findings))


def corrected(findings: Findings) -> bool:
    return findings.results["correction_skipped"] is None


def _headline(findings: Findings) -> str:
    results, search = findings.results, findings.results["search"]
    if not search["failures"]:
        if held_back(search):
            return f"No failure was proposed; wrong answers on the way: {search['failing']:,}"
        return "No failure was found" if search["queries"] else "Nothing was searched"
    if not results["regions"]:
        failures, clusters = count(results["search"]["failures"], "failure"), count(results["clusters"], "cluster")
        return f"No region was kept: {failures} in {clusters}"
    found = f"{count(results['regions'], 'region')} found"
    if results["regions_disputed"]:
        found += f" ({results['regions_disputed']:,} disputed by the auditor)"
    if not corrected(findings):
        return found
    region, test = results["region_accuracy"], results["test_accuracy"]
    verdict = "correction did not help"
    if region["after"] > max(region["before"], region["control"]):
        verdict = "corrected" if region["after"] >= CORRECTED else "partly corrected"
    return (
        f"{found}; {verdict}: "
        f"region accuracy {percent(region['before'])} \u2192 {percent(region['after'])}, "
        f"test accuracy {percent(test['before'])} \u2192 {percent(test['after'])} (control {percent(test['control'])})"
    )


def _lead(findings: Findings) -> tuple[str, ...]:
    results, search = findings.results, findings.results["search"]
    guided = "" if search["guide_queries"] is None else f" and {search['guide_queries']:,} of the guide"
    asked = f"{count(search['queries'], 'query')} of the classifier{guided}, starting {_start(search)}"
    if nothing := nothing_searched(search):
        return (nothing,)
    if not search["failures"]:
        skipped = "There was nothing to cluster, and correction was skipped."
        if held := held_back(search):
            return (f"The search spent {asked}. {held}", skipped)
        good = "" if _is_doubtful(results) else " That is a good outcome."
        return (
            f"The search spent {asked}, and every answer was as expected.{good} It holds for this search, this "
            "generator and these settings; another search may still find something.",
            skipped,
        )
    sentences = [f"The search found {count(search['found'], 'failure')} in {asked}. {_prevailing(findings)}".strip()]
    if not results["regions"]:
        return (*sentences, _why_no_region(findings))
    sentences.append(
        "A region is a cluster of look-alike failures that share one label and that the classifier mostly gets wrong; "
        f"{results['regions']} of {unbroken(labelled_clusters(results))} are such."
    )
    sentences.extend(_doubts(findings))
    sentences.append(
        _price(findings) if corrected(findings) else f"Correction was skipped: {results['correction_skipped']}."
    )
    return tuple(sentences)


def _is_doubtful(results: Mapping[str, Any]) -> bool:
    """Whether a poor generator or a weak guide may be why nothing was found."""
    weak = weak_guide(results["guide_accuracy"], results["test_accuracy"]["before"])
    return poor_generator(results) or bool(weak)


def _start(search: Mapping[str, Any]) -> str:
    """What the search started from, as far as its failures show it."""
    drawn = (search["without_origin"] or 0) - (search["without_code"] or 0)
    if rootless(search):
        return "from the prior" if drawn == search["failures"] else "from no training image"
    return f"from {count(search['origins'], 'training image')}" + (" and from the prior" if drawn else "")


def _prevailing(findings: Findings) -> str:
    """What most of the failures are, where they were judged."""
    judged = findings.judged
    if judged is None:
        return "Nobody judged them one by one, since the run has no auditor."
    kind = max(judged, key=lambda k: judged[k])
    said = {
        "genuine": "are genuine: the image shows what it should, and the classifier is wrong",
        "third_class": "became a third class, which the classifier gets wrong too",
        "drift": "are drift: the generator changed the class, and the classifier is right",
        "abstained": "could not be judged, since the auditor abstained",
    }
    genuine = "" if kind == "genuine" else f"; {_share(findings, 'genuine')} are genuine"
    of = sampled(findings.results["search"]) or "these"
    return f"Of {of}, {_share(findings, kind)} {said[kind]}{genuine}."


def _share(findings: Findings, kind: str) -> str:
    """A share of the failures, with its interval."""
    found = findings.results["search"]["shares"][kind]
    return f"{percent(found['share'])} ({interval(found['low'], found['high'])})"


def _doubts(findings: Findings) -> list[str]:
    """Why some of the kept regions are less than they seem."""
    results, sentences = findings.results, []
    regions = count(results["regions"], "region")
    if results["regions_disputed"]:
        sentences.append(
            f"Disputed by the auditor: {results['regions_disputed']:,} of {regions}. There it calls more failures "
            "drift than genuine or third class, so it sides with the classifier more often than against it."
        )
    if results["regions_of_one_image"]:
        sentences.append(
            f"From one training image: {results['regions_of_one_image']:,} of {regions}. All failures there started "
            "from the same image, so they may show an oddity of that image rather than a common error."
        )
    return sentences


def _why_no_region(findings: Findings) -> str:
    """Why each cluster was set aside, and what that means."""
    if not findings.clusters:
        search = findings.results["search"]
        if search["without_code"] == search["failures"]:
            return f"Correction was skipped: {findings.results['correction_skipped']}."
        return "They formed no cluster that is large enough to be labelled, so correction was skipped."
    said = {
        "correct": "agree with their labels on the whole: the classifier is right there",
        "mixed": "hold samples of several classes",
        "split": "held samples of several classes and were split, and no part is one either",
        "unlabelled": "could not be labelled",
    }
    statuses = [r["status"] for r in findings.clusters]
    parts = [f"{n} {text}" for status, text in said.items() if (n := statuses.count(status))]
    return (
        f"None of the {unbroken(labelled_clusters(findings.results))} is a group of look-alike images that the "
        f"classifier gets wrong ({'; '.join(parts)}), so correction was skipped."
    )


def _price(findings: Findings) -> str:
    """What the correction cost or gained on the test images, against the control."""
    test = findings.results["test_accuracy"]
    n = findings.info("data")["images"]["test"]
    images = round(n * test["after"]) - round(n * test["control"])
    beside = "the control, the same finetuning without failures"
    if not images:
        return f"On the {n:,} test images the corrected classifier is as accurate as {beside}."
    return (
        f"On the {n:,} test images the corrected classifier gets {count(abs(images), 'image')} "
        f"({points(test['after'] - test['control'])}) {'more' if images > 0 else 'fewer'} right than {beside}."
    )


def warnings(findings: Findings) -> tuple[str, ...]:
    """The run's own warnings, and what makes its judges or its clusters doubtful."""
    told = zip(findings.results["warnings"], findings.results["warning_stages"], strict=True)
    of_test_images = findings.results["test_set"] is not None  # no generator has a part in these, and nothing is learnt
    found = [_sentence(warning) for warning, stage in told if not of_test_images or stage not in UNUSED]
    if findings.info("clusters")["converged"] is False:
        found.append(f"The clustering has not converged: {findings.info('clusters')['note']}.")
    test = findings.results["test_accuracy"]["before"]
    guide = findings.results["guide_accuracy"]
    if weak := weak_guide(guide, test):
        found.append(f"The guide of the search is right on {percent(guide)} of the real test images, {unbroken(weak)}.")
    for role, name in (
        ("labeler", "oracle that labelled the regions"),
        ("auditor", "auditor that judged the failures"),
    ):
        if of_test_images and role in UNUSED:
            continue
        if role not in findings.stages or not findings.is_program(role) or findings.is_exact(role):
            continue
        accuracy = findings.info(role)["accuracy"]
        if accuracy is None:
            found.append(f"The {name} abstained on every real test image: it tells nothing.")
        elif accuracy < test:
            found.append(
                f"The {name} is right on {percent(accuracy)} of the real test images that it answers, less often than "
                f"the classifier under test ({percent(test)}): its labels are doubtful."
            )
    return tuple(found)


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _tiles(findings: Findings) -> tuple[Tile, ...]:
    results, search, judged = findings.results, findings.results["search"], findings.judged
    kept = f"kept of {unbroken(labelled_clusters(results))}"
    doubtful = doubts(results)
    tiles = [
        Tile("Failures", f"{search['failures']:,}", f"in {count(search['queries'], 'query')}"),
        Tile("Regions", f"{results['regions']:,}", f"{kept}; {doubtful}" if doubtful else kept),
    ]
    if judged is not None and search["failures"]:
        found = search["shares"]["genuine"]
        of = f" of {search['judged']:,} that people judged" if sampled(search) else ", by the auditor"
        note = f"{interval(found['low'], found['high'])}; {count(judged['genuine'], 'failure')}{of}{_errs(findings)}"
        tiles.insert(1, Tile("Genuine", percent(found["share"]), note))
    if corrected(findings):
        for name, key in (("Region accuracy", "region_accuracy"), ("Test accuracy", "test_accuracy")):
            rates, by = results[key], _by_labeler(results) if key == "region_accuracy" else ""
            tiles.append(
                Tile(
                    name,
                    f"{percent(rates['before'])} \u2192 {percent(rates['after'])}",
                    f"control {percent(rates['control'])}{by}",
                    wide=True,
                )
            )
    else:
        tiles.append(Tile("Test accuracy", percent(results["test_accuracy"]["before"]), "of the classifier under test"))
    return tuple(tiles)


def _errs(findings: Findings) -> str:
    """How often the auditor is wrong, as far as it was measured."""
    error = findings.info("auditor")["error"]
    return "" if error is None else f" ({percent(error)} wrong on real images)"


def _by_labeler(results: Mapping[str, Any]) -> str:
    """Whose labels a number rests on, in few words."""
    if results["labels_exact"]:
        return "; labels by the generator"
    if results["oracle_abstained"] is None:
        return "; labels by people"
    if results["oracle_accuracy"] is None:
        return "; labels by the oracle"
    return f"; labels by the oracle ({percent(1 - results['oracle_accuracy'])} wrong on real images)"


def accuracies(findings: Findings) -> tuple[Accuracies, ...]:
    tested = findings.info("data")["images"]["test"]
    if not corrected(findings):
        test = _rate(findings.results["test_accuracy"]["before"], tested)
        return (Accuracies("Before", "the classifier under test", DASH, test, Rate(DASH, None)),)
    drawn = len(findings.kept) * findings.config["correction"]["draws"]
    info = findings.info("correction")

    def row(name: str, what: str, state: dict[str, Any], of_lambda: str) -> Accuracies:
        return Accuracies(name, what, of_lambda, _rate(state["test"], tested), _rate(state["region_test"], drawn))

    after, images = findings.chosen("regions"), f"{info['regions']['images']:,}"
    rows = (
        row("Before", "the classifier under test", info["before"], DASH),
        row("After", f"finetuned on {images} labelled samples of the regions", after, strength(after["strength"])),
        row("Control", "the same finetuning without any failures", findings.chosen("control"), "0"),
    )
    if not info["failures_alone"]["states"]:
        return rows
    alone, images = findings.chosen("failures_alone"), f"{info['failures_alone']['images']:,}"
    what = f"finetuned on {images} single failures, without clustering"
    return (*rows, row("Failures alone", what, alone, strength(alone["strength"])))


def _rate(share: float, n: int) -> Rate:
    return Rate(percent(share), interval_of(share, n))
