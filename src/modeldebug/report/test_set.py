"""What a test set shows by itself: confident errors with what an auditor calls them, ambiguous images, confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..judging import NOT_ASKED
from ..stages.test_set import KINDS
from .details import Matrix, matrix
from .findings import Findings
from .images import Shot
from .outcome import Outcome, Tile, accuracies, warnings
from .regions import Share
from .wording import count, percent

SHOWN = 24  # ambiguous images
TITLES = {
    "genuine": "Genuine errors",
    "label_error": "Likely label errors",
    "third_class": "A third class",
    "abstained": "The auditor cannot tell",
}
NAMES = {
    "genuine": "genuine",
    "label_error": "likely label error",
    "third_class": "third class",
    "abstained": "abstained",
}
MEANINGS = {
    "genuine": "The auditor gives the image its label: the classifier is wrong",
    "label_error": "The auditor disagrees with the label and agrees with the prediction: the label is likely wrong",
    "third_class": "The auditor gives it neither its label nor what was predicted",
    "abstained": "The auditor gives no label",
}
SAME_ERRORS = "An auditor that learnt from training labels with the same errors makes them, too."


@dataclass(frozen=True)
class Group:
    """Wrong test images of one kind."""

    title: str
    said: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class TestSet:
    """What the test set shows."""

    matrix: Matrix
    errors_said: str
    auditor_said: str | None  # None where nobody judged
    groups: tuple[Group, ...]
    ambiguous_said: str
    ambiguous: tuple[Shot, ...]


def test_set(findings: Findings) -> TestSet | None:
    """What the test set of a run or an inspection shows; None where it was not looked at."""
    info = findings.results["test_set"]
    if info is None:
        return None
    low, high = info["ambiguous_between"]
    between = len(info["ambiguous_pairs"])
    return TestSet(
        matrix=matrix("Confusion matrix", info["confusion"], findings.classes),
        errors_said=_errors_said(info),
        auditor_said=_auditor_said(info),
        groups=_groups(findings, info),
        ambiguous_said=f"{of_test_images(info['ambiguous'], info['images'])} have two classes between {low:g} and "
        f"{high:g}" + (f": {count(between, 'pair')} of classes in all." if between else "."),
        ambiguous=_ambiguous(findings),
    )


def of_test_image(share: Share) -> Share:
    """A share of judged failures as one of wrong test images."""
    kind = {"drift": "label_error"}.get(share.kind, share.kind)
    return replace(share, name=NAMES[kind], meaning=MEANINGS[kind])


def of_test_images(n: int, images: int) -> str:
    """A number of test images, and their share.

    >>> of_test_images(3, 200).replace("\\u00a0", " ")
    '3 test images of 200 (1.5 %)'
    """
    return f"{count(n, 'test image')} of {images:,} ({percent(n / images if images else None)})"


def outcome(findings: Findings) -> Outcome:
    """The first screen of a run that inspected the test set."""
    info = findings.results["test_set"]
    judged = info["judged"]
    said = f"{info['wrong']:,} of {count(info['images'], 'test image')} wrong, {info['confident_errors']:,} confidently"
    lead = [_errors_said(info)]
    tiles = [
        Tile("Wrong", f"{info['wrong']:,}", f"of {count(info['images'], 'test image')}"),
        Tile("Confident errors", f"{info['confident_errors']:,}", f"confidence of at least {info['confident']:g}"),
    ]
    if judged is None:
        lead.append("Whether their labels are right was not judged, since the run has no auditor.")
    else:
        every, sure = judged["wrong"]["label_error"], judged["confident_errors"]["label_error"]
        said += f"; {count(every, 'likely label error')}"
        tiles.append(Tile("Likely label errors", f"{every:,}", f"{sure:,} of them confident errors{_errs(info)}"))
    pairs = f"{count(len(info['ambiguous_pairs']), 'pair')} of classes"
    tiles += [
        Tile("Ambiguous", f"{info['ambiguous']:,}", pairs),
        Tile("Test accuracy", percent(findings.results["test_accuracy"]["before"]), "of the classifier under test"),
    ]
    lead.append(f"Correction was skipped: {findings.results['correction_skipped']}.")
    return Outcome(said, tuple(lead), warnings(findings), tuple(tiles), accuracies(findings))


def _errors_said(info: Mapping[str, Any]) -> str:
    """How many errors are confident, and what an auditor calls them."""
    n, sure = info["confident_errors"], info["confident"]
    said = f"{of_test_images(n, info['images'])} are wrong with a confidence of at least {sure:g}"
    if not n or info["judged"] is None:
        return f"{said}."
    kinds = info["judged"]["confident_errors"]
    found = [f"{kinds['genuine']:,} genuine", count(kinds["label_error"], "likely label error")]
    found += [f"{kinds['third_class']:,} a third class"] if kinds["third_class"] else []
    judged = sum(kinds.values())
    asked = "" if judged == n else f", asked about {judged:,} of them"
    untold = f"; it cannot tell for {kinds['abstained']:,}" if kinds["abstained"] else ""
    return f"{said}: the auditor{asked} calls {', '.join(found)}{untold}."


def _auditor_said(info: Mapping[str, Any]) -> str | None:
    """How far the auditor's word goes."""
    auditor = info["auditor"]
    if info["judged"] is None or auditor is None:
        return None
    if not auditor["program"]:
        return "The auditor is people, who are believed as they answer."
    error, abstained = percent(auditor["error"]), percent(auditor["abstained"])
    if auditor["error"] is None:
        return "The auditor abstains on all test images: it tells nothing."
    against = round(auditor["error"] * (1 - auditor["abstained"]) * info["images"])
    return (
        f"The auditor, {auditor['component']}, abstains on {abstained} of all test images, and contradicts the labels "
        f"of {error} of the others ({count(against, 'image')}): what it marks may be errors of its own. {SAME_ERRORS}"
    )


def _errs(info: Mapping[str, Any]) -> str:
    """How often the auditor is wrong, as far as it was measured."""
    error = info["auditor"] and info["auditor"]["error"]
    return "" if error is None else f"; auditor wrong on {percent(error)}"


def _groups(findings: Findings, info: Mapping[str, Any]) -> tuple[Group, ...]:
    """The errors that are shown, by what the auditor calls them; those that nobody judged last."""
    tensors = findings.stages["evidence"].part("test/errors")
    judged = tensors.get("judged", torch.full((len(tensors["labels"]),), NOT_ASKED))
    groups = []
    for kind, code in KINDS.items():
        if info["judged"] is None or not info["judged"]["wrong"][kind]:
            continue
        every, sure = (info["judged"][of][kind] for of in ("wrong", "confident_errors"))
        among = f"{count(every, 'wrong test image')}, {sure:,} of them confident errors"
        shots = _errors(tensors, judged == code, findings.classes)
        groups.append(Group(TITLES[kind], f"{MEANINGS[kind]}. {among}{_part(shots, kind, every, sure)}.", shots))
    unjudged = _errors(tensors, judged == NOT_ASKED, findings.classes)
    look = "Before they are called errors of the classifier, look whether their labels are right."
    title = "Not judged" if groups else ""
    return (*groups, Group(title, look, unjudged)) if unjudged else tuple(groups)


def _part(shots: Sequence[Shot], kind: str, every: int, sure: int) -> str:
    """Which of the errors of a kind are shown, where not all are."""
    there = every if kind == "label_error" else sure
    return f"; shown are the {len(shots)} surest" if 0 < len(shots) < there else ""


def _errors(tensors: Mapping[str, Tensor], rows: Tensor, classes: Sequence[str]) -> tuple[Shot, ...]:
    chosen = rows.nonzero()[:, 0].tolist()
    return tuple(_error(tensors, i, classes) for i in chosen)


def _error(tensors: Mapping[str, Tensor], i: int, classes: Sequence[str]) -> Shot:
    predicted = int(tensors["probs"][i].argmax())
    lines = [
        (f"labelled {classes[int(tensors['labels'][i])]}", ""),
        (classes[predicted], f"{float(tensors['probs'][i, predicted]):.2f}"),
    ]
    if "said" in tensors and int(tensors["judged"][i]) == KINDS["third_class"]:
        lines.append((f"auditor: {classes[int(tensors['said'][i])]}", ""))
    return Shot.of(tensors["x"][i].float() / 255, lines, "test image")


def _ambiguous(findings: Findings) -> tuple[Shot, ...]:
    """Some images of each pair, with both probabilities."""
    tensors, classes = findings.stages["evidence"].part("test/torn"), findings.classes
    shots = []
    for x, label, row in zip(tensors["x"], tensors["labels"].tolist(), tensors["probs"], strict=True):
        both = [(classes[c], f"{float(row[c]):.2f}") for c in row.topk(2).indices.tolist()]
        shots.append(Shot.of(x.float() / 255, [(f"labelled {classes[label]}", ""), *both], "test image"))
    return tuple(shots[:SHOWN])
