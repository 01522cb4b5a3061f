"""The figures of a comparison in words: what each is called, how it is written, and what it means. No torch.

Every figure that a comparison has of an entrant has a name here; the page and the console take their words from this
module alone. Shares are of 1; *genuine* failures are those that the auditor gives the expected label, so that the
classifier is wrong.

What searchers and generators are compared by:

- `distinct`: training images with a genuine failure, of a run on average, within as many queries as all entrants spent
  (`counted_at`); entrants are held against the baseline by it. A failure that comes from no training image counts as an
  image of its own.
- `distinct_per_1k`: the same, per 1,000 of these queries.
- `genuine_per_1k`, `failures_per_1k`: genuine failures, and all, judged or not, per 1,000 queries.
- `genuine_per_second`: genuine failures per second of the search.
- `genuine_share`, `third_class_share`, `drift_share`, `abstained_share`: shares of the judged failures, by judgement.
- `typical_share`: share of the genuine failures whose codes are as likely as all but the least likely 1 % of prior
  draws.
- `near_share`: share of the genuine failures as near to a training image as all but the farthest 1 % of test images.
- `classes`, `pairs`: expected classes, and pairs of expected and predicted class, among the genuine failures.
- `regions`, `regions_alone`: clusters of everybody's genuine failures with at least two of this entrant's; and those of
  them that nobody else reached.
- `queries`, `guide_queries`, `failures`, `seconds`, `memory_mb`: what a search spent and proposed.

What generators have besides: `classifier_on_reconstructions`, `oracle_on_reconstructions`, `generator_seconds`. What
clusterers and labelers have: `covered`, `purity`, `clusters`, `kept`, `mixed`, `undisputed`, `cluster_seconds`,
`abstained_samples`, `label_accuracy`, `labeler_seconds`. What correctors have: `region_accuracy_before`,
`region_accuracy_after`, `test_accuracy_before`, `test_accuracy_after`, `corrected`,
`regions`, `correction_seconds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...words import duration

Results = Mapping[str, Any]
Number = Mapping[str, float | None]  # mean, low, high
Written = Literal["share", "number", "seconds", "megabytes"]

DASH, MINUS = "\u2013", "\u2212"
A_MINUTE = 59.5  # seconds, rounded


@dataclass(frozen=True)
class Metric:
    """A figure of an entrant.

    Attributes:
        key: its name in `comparison.json`.
        title: what it is called.
        short: the same as the heading of a narrow column.
        meaning: one sentence.
        written: how its numbers are.
    """

    key: str
    title: str
    short: str
    meaning: str
    written: Written = "number"


@dataclass(frozen=True)
class Family:
    """Figures that are read together."""

    title: str
    metrics: tuple[Metric, ...]


METRICS: Mapping[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            "distinct_per_1k", "distinct failures per 1,000 queries", "distinct/1k",
            "Distinct failures per 1,000 of the queries at which they are counted, which are the same for all. The "
            "rate falls as a search goes on and comes back to the same images.",
        ),
        Metric(
            "genuine_share", "genuine", "genuine",
            "Share of the judged failures that the auditor gives the expected label: the classifier is wrong.", "share",
        ),
        Metric(
            "third_class_share", "third class", "third class",
            "Share of the judged failures to which the auditor gives neither the expected nor the predicted label.",
            "share",
        ),
        Metric(
            "drift_share", "drift", "drift",
            "Share of the judged failures to which the auditor gives the predicted label: the image changed its class, "
            "and the classifier is right.", "share",
        ),
        Metric(
            "abstained_share", "abstained", "abstained",
            "Share of the judged failures to which the auditor gives no label: invalid images, or unsure.", "share",
        ),
        Metric(
            "genuine_per_1k", "genuine failures per 1,000 queries", "genuine/1k",
            "Genuine failures per 1,000 queries, several of one training image included.",
        ),
        Metric(
            "failures_per_1k", "failures per 1,000 queries", "failures/1k",
            "Wrong answers that were proposed per 1,000 queries, whatever the auditor makes of them.",
        ),
        Metric(
            "genuine_per_second", "genuine failures per second", "genuine/s",
            "Genuine failures per second of the search, on the machine that it ran on.",
        ),
        Metric(
            "typical_share", "typical by the prior", "typical",
            "Share of the genuine failures whose codes are as likely under the generator's prior as all but the least "
            "likely 1 % of its draws.", "share",
        ),
        Metric(
            "near_share", "near to training images", "near",
            "Share of the genuine failures that lie as near to a training image as all but the farthest 1 % of the "
            "test images.", "share",
        ),
        Metric(
            "distinct", "distinct failures", "distinct",
            "Training images with a genuine failure, on average over the runs, counted at the queries that all "
            "entrants spent; where the budget was a time, at what each of them spent in it.",
        ),
        Metric("classes", "classes", "classes", "Expected classes among the genuine failures."),
        Metric("pairs", "pairs of classes", "pairs", "Pairs of expected and predicted class among genuine failures."),
        Metric(
            "regions", "regions", "regions",
            "Regions reached: clusters of everybody's genuine failures in which the entrant has two or more.",
        ),
        Metric("regions_alone", "regions alone", "alone", "Regions that no other entrant reached."),
        Metric("failures", "failures proposed", "failures", "Wrong answers that were proposed, judged or not."),
        Metric("queries", "queries spent", "queries", "Images that the classifier was asked about."),
        Metric("guide_queries", "queries of the guide", "guide", "Images that the guide was asked about."),
        Metric("seconds", "time of the search", "time", "How long the search took.", "seconds"),
        Metric(
            "memory_mb", "memory", "memory",
            "By how much the process grew in the time given here, at its largest, beyond what it held before.",
            "megabytes",
        ),
        Metric(
            "classifier_on_reconstructions", "classifier on reconstructions", "classifier",
            "Share of the generator's unperturbed reconstructions that the classifier gets right.", "share",
        ),
        Metric(
            "oracle_on_reconstructions", "oracle on reconstructions", "oracle",
            "Share of the generator's unperturbed reconstructions that keep their class for the labeler.", "share",
        ),
        Metric("generator_seconds", "time of training", "training", "How long the generator took to train.", "seconds"),
        Metric(
            "covered", "failures covered", "covered",
            "Share of the failures whose cluster was kept as a region: one kind of mistake with one label.", "share",
        ),
        Metric(
            "purity", "purity", "purity",
            "Share of a region's labelled samples that have the region's label, on average over the regions.", "share",
        ),
        Metric("clusters", "clusters", "clusters", "Clusters of the failures."),
        Metric("kept", "regions kept", "kept", "Clusters, or parts of them, that were kept as regions."),
        Metric("mixed", "mixed clusters", "mixed", "Clusters whose samples do not share one label."),
        Metric(
            "undisputed", "undisputed regions", "undisputed",
            "Share of the regions whose label the auditor shares, of those that it judged.", "share",
        ),
        Metric("cluster_seconds", "time of clustering", "time", "How long the clustering took.", "seconds"),
        Metric(
            "abstained_samples", "samples without a label", "no label",
            "Share of the clusters' samples to which the labeler gives no label.", "share",
        ),
        Metric(
            "label_accuracy", "accuracy of the labels", "accuracy",
            "Share of the labeler's answers on real test images that are right.", "share",
        ),
        Metric("labeler_seconds", "time of the labeler", "time", "How long it took to train the labeler.", "seconds"),
        Metric(
            "region_accuracy_after", "region accuracy, corrected", "regions after",
            "Accuracy of the corrected classifier on samples of the regions that it did not learn from.", "share",
        ),
        Metric(
            "region_accuracy_before", "region accuracy before", "regions before",
            "Accuracy of the classifier on the same samples before it was corrected.", "share",
        ),
        Metric(
            "test_accuracy_after", "test accuracy, corrected", "test after",
            "Accuracy of the corrected classifier on the test images.", "share",
        ),
        Metric(
            "test_accuracy_before", "test accuracy before", "test before",
            "Accuracy of the classifier on the test images before it was corrected.", "share",
        ),
        Metric(
            "corrected", "runs with a correction", "runs", "Share of the runs in which something was corrected.",
            "share",
        ),
        Metric("correction_seconds", "time of the correction", "time", "How long the correction took.", "seconds"),
    )
}  # fmt: skip

_SEARCH = (
    ("Yield", ("genuine_per_1k", "failures_per_1k", "genuine_per_second")),
    ("What the failures are", ("third_class_share", "drift_share", "abstained_share", "typical_share", "near_share")),
    ("How far they reach", ("classes", "pairs", "regions", "regions_alone")),
    ("What it took", ("queries", "guide_queries", "failures", "seconds", "memory_mb")),
)
_DISTILLED = ("clusters", "kept", "mixed", "undisputed")
_FAMILIES: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "searcher": _SEARCH,
    "generator": (
        *_SEARCH,
        ("The generator", ("classifier_on_reconstructions", "oracle_on_reconstructions", "generator_seconds")),
    ),
    "clusterer": (("Clusters", _DISTILLED), ("What it took", ("cluster_seconds", "memory_mb"))),
    "labeler": (
        ("Clusters", _DISTILLED),
        ("Labels", ("label_accuracy", "abstained_samples")),
        ("What it took", ("labeler_seconds", "memory_mb")),
    ),
    "corrector": (
        ("Before", ("region_accuracy_before", "test_accuracy_before", "regions", "corrected")),
        ("What it took", ("correction_seconds", "memory_mb")),
    ),
}
_REGIONS_OF_A_RUN = Metric("regions", "regions", "regions", "Regions that the classifier was corrected on.")


def metric(results: Results, key: str) -> Metric:
    """A figure by its name; one that is unknown here is called by its name alone."""
    if key == "regions" and results["role"] == "corrector":
        return _REGIONS_OF_A_RUN
    plain = key.replace("_", " ")
    return METRICS.get(key, Metric(key, plain, plain, ""))


def searches(results: Results) -> bool:
    """Whether entrants differ in what they find, so that failures tell them apart."""
    return results["role"] in ("searcher", "generator")


def foremost(results: Results) -> tuple[Metric, ...]:
    """The figures of the first table, the first one first."""
    return tuple(metric(results, key) for key in results["headline"])


def families(results: Results) -> tuple[Family, ...]:
    """The figures by which entrants of this role are told apart, besides the foremost; those that nobody has are
    left out, and those that this module does not know stand at the end."""
    named = _FAMILIES[results["role"]]
    found = [Family(title, tuple(metric(results, key) for key in keys if known(results, key))) for title, keys in named]
    all_known = {*METRICS, *results["headline"]}
    others = [key for key, value in next(iter(results["rows"]), {}).items() if isinstance(value, Mapping)]
    rest = tuple(metric(results, key) for key in others if key not in all_known and known(results, key))
    return tuple(family for family in (*found, Family("Further", rest)) if family.metrics)


def known(results: Results, key: str) -> bool:
    """Whether any entrant has this figure."""
    return any(row.get(key) is not None and row[key]["mean"] is not None for row in results["rows"])


def number(value: float | None, written: Written, places: int | None = None) -> str:
    """A figure.

    Args:
        places: decimals; as many as the figure needs if None.

    >>> number(0.2437, "share"), number(3.61328, "number"), number(5120.0, "number"), number(9.5, "number")
    ('24.4 %', '3.61', '5,120', '9.5')
    >>> number(0.07, "seconds"), number(6.36, "megabytes"), number(None, "share") == DASH
    ('0.07 s', '6.36 MB', True)
    """
    if value is None:
        return DASH
    if written == "share":
        return f"{100 * value:.1f} %"
    if written == "seconds" and value >= A_MINUTE:
        return duration(value)
    unit = {"seconds": " s", "megabytes": " MB"}.get(written, "")
    return f"{value:,.{_places(value) if places is None else places}f}{unit}"


def _places(*values: float) -> int:
    """Decimals with which numbers can be read side by side: none for whole ones, three digits for others."""
    if all(value == round(value) for value in values):
        return 0
    size = max(map(abs, values))
    most = 0 if size >= 1000 else 1 if size >= 10 else 2
    return next(n for n in range(most + 1) if n == most or all(round(value, n) == value for value in values))


def together(figure: Number, written: Written) -> tuple[str, str]:
    """A figure and its 95 % interval, which is empty where it is unknown.

    >>> [text.replace(DASH, "-") for text in together({"mean": 0.2437, "low": 0.134, "high": 0.3569}, "share")]
    ['24.4 %', '13.4-35.7']
    >>> [text.replace(DASH, "-") for text in together({"mean": 18.5, "low": 15.0, "high": 22.0}, "number")]
    ['18.5', '15.0-22.0']
    >>> together({"mean": 7.0, "low": None, "high": None}, "number")
    ('7', '')
    """
    mean, low, high = figure["mean"], figure["low"], figure["high"]
    if mean is None or low is None or high is None:
        return number(mean, written), ""
    places = _places(mean, low, high)
    said, *bounds = (number(value, written, places) for value in (mean, low, high))
    if high < A_MINUTE or written != "seconds":
        bounds = [bound.removesuffix(" %").removesuffix(" MB").removesuffix(" s") for bound in bounds]
    return said, DASH.join(bounds)


def difference(figure: Number, written: Written) -> tuple[str, str]:
    """A difference with its sign, and its 95 % interval, which is empty where it is unknown; of shares, in points of a
    hundred.

    >>> difference({"mean": 0.0627, "low": -0.05, "high": 0.16}, "share")[1].replace(MINUS, "-")
    '-5.0 to +16.0'
    >>> difference({"mean": -13.55, "low": None, "high": None}, "number")[0].replace(MINUS, "-")
    '-13.6'
    """
    times = 100 if written == "share" else 1
    values = [times * value for value in (figure["mean"], figure["low"], figure["high"]) if value is not None]
    if not values:
        return DASH, ""
    places = 1 if written == "share" else _places(*values)
    said, *bounds = (_signed(value, places) for value in values)
    return said, " to ".join(bounds)


def _signed(value: float, places: int) -> str:
    text = f"{abs(value):,.{places}f}"
    sign = "+" if value > 0 else MINUS
    return text if float(text.replace(",", "")) == 0 else sign + text
