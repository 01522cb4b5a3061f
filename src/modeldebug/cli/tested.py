"""From the results of a run that inspected the test set to what stands at its end. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..words import count

TestSet = Mapping[str, Any]

MEANINGS = {
    "genuine": "the auditor gives the label: the classifier errs",
    "label_error": "the auditor gives what was predicted: the label is likely wrong",
    "third_class": "the auditor gives neither",
    "abstained": "the auditor cannot tell",
}
NAMES = {"genuine": "genuine", "label_error": "label error", "third_class": "third class", "abstained": "abstained"}
JUDGED_AS = {**{name: name for name in NAMES}, "label_error": "drift"}
"""As what the errors of each kind are counted among the failures of a search."""
WIDEST = 12  # classes whose confusions fit in a line
FREQUENT = 6  # confusions that are named where they do not
SAME_ERRORS = "an auditor that learnt from training labels with the same errors makes them, too"


def headline(found: TestSet) -> str:
    """How many test images are wrong, and how many of them their labels may be to blame for."""
    said = (
        f"{found['wrong']:,} of {count(found['images'], 'test image')} "
        f"{'is' if found['wrong'] == 1 else 'are'} wrong, {found['confident_errors']:,} with a confidence of at least "
        f"{found['confident']:g}."
    )
    if found["judged"] is None:
        return f"{said} Whether their labels are right was not judged."
    every, sure = (found["judged"][of]["label_error"] for of in ("wrong", "confident_errors"))
    return f"{said} Likely label errors: {every:,}" + (f", {sure:,} of them with such confidence." if every else ".")


def facts(found: TestSet) -> tuple[tuple[str, str], ...]:
    """Confident errors by what the auditor calls them, ambiguous images, and confusions."""
    low, high = found["ambiguous_between"]
    pairs = count(len(found["ambiguous_pairs"]), "pair")
    torn = f"{count(found['ambiguous'], 'image')} with two classes between {low:g} and {high:g}, of {pairs} of classes"
    rows = [("confident", _confident(found)), ("ambiguous", torn)]
    if found["judged"] is not None:
        rows.append(("labels", SAME_ERRORS))
    if len(found["classes"]) > WIDEST:
        rows.append(("confused", _frequent(found)))
    return tuple(rows)


def confusions(found: TestSet) -> tuple[tuple[str, ...], list[tuple[str, ...]]] | None:
    """Headings and rows of the confusion matrix; None where there are too many classes for a line."""
    classes = found["classes"]
    if len(classes) > WIDEST:
        return None
    narrow = all(len(name) <= 4 for name in classes)
    heads = classes if narrow else [str(c) for c in range(len(classes))]
    rows = [
        (name if narrow else f"{c} {name}", *(f"{n:,}" if n else "." for n in found["confusion"][c]))
        for c, name in enumerate(classes)
    ]
    return ("is, taken for", *heads), rows


def _confident(found: TestSet) -> str:
    n = count(found["confident_errors"], "error")
    if found["judged"] is None:
        return n
    kinds = found["judged"]["confident_errors"]
    return f"{n}: " + ", ".join(f"{kinds[kind]:,} {name}" for kind, name in NAMES.items())


def _frequent(found: TestSet) -> str:
    """The confusions that are most frequent.

    >>> _frequent({"classes": ["cat", "dog"], "confusion": [[5, 2], [3, 4]]})
    'dog as cat (3), cat as dog (2)'
    """
    classes = found["classes"]
    wrong = [(n, i, j) for i, row in enumerate(found["confusion"]) for j, n in enumerate(row) if n and i != j]
    most = sorted(wrong, key=lambda item: (-item[0], item[1], item[2]))[:FREQUENT]
    return ", ".join(f"{classes[i]} as {classes[j]} ({n:,})" for n, i, j in most)
