"""Kept regions as galleries, the other clusters as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ..judging import JUDGEMENTS
from .findings import Findings
from .images import THUMB, TILE, Picture, picture
from .wording import DASH, count, interval, percent

BUDGET = 2_500_000  # characters of galleries in a page: with all else it stays under 5 MB
MOST_PICTURES = 1600
THUMBS = 400  # of all clusters that were not kept, together

MEANINGS = {
    "genuine": "The judge gives the image the expected label: the classifier is wrong",
    "third_class": "The judge gives it neither the expected nor the predicted label: the generator changed the class, "
    "and the classifier is wrong about the new one as well",
    "drift": "The judge gives it the predicted label: the generator changed the class, and the classifier is right",
    "abstained": "No label: the image is not valid, or the judge is unsure",
}
WHY_NOT = {
    "correct": "The classifier agrees with the labels",
    "mixed": "The samples do not share one label",
    "split": "Split: the samples did not share one label",
    "unlabelled": "No label could be given",
}


@dataclass(frozen=True)
class Sample:
    """An image with what the classifier says and what it is."""

    picture: Picture
    label: str | None
    predicted: str

    @property
    def verdict(self) -> Literal["right", "wrong", "unlabelled"]:
        if self.label is None:
            return "unlabelled"
        return "right" if self.label == self.predicted else "wrong"

    @property
    def alt(self) -> str:
        is_ = f"labelled {self.label}" if self.label is not None else "without a label"
        return f"an image {is_}, predicted {self.predicted}"


@dataclass(frozen=True)
class Share:
    """One kind of judged failures."""

    kind: str
    name: str
    meaning: str
    count: str
    percent: str
    interval: str | None  # 95 %
    width: float  # share of the bar, in percent


@dataclass(frozen=True)
class Nearest:
    """The misclassified training image that is most like a region's first sample."""

    sample: Sample
    distance: str


@dataclass(frozen=True)
class Gallery:
    """A kept region."""

    anchor: str
    name: str | None  # what its failures have in common, where the clusterer says it
    part_of: int | None  # the cluster that it is a part of
    label: str
    predicted: str | None  # what it is most often taken for; None where no wrong class prevails
    weight: str
    size: str
    origins: str
    origins_note: str
    disputed: str | None  # why the auditor disputes it; None where it does not, or there is none
    purity: str
    purity_interval: str
    wrong: str
    abstained: str | None
    before: str | None
    after: str | None
    shares: tuple[Share, ...]
    samples: tuple[Sample, ...]
    nearest: Nearest | None


@dataclass(frozen=True)
class Row:
    """A cluster in a table."""

    cluster: int
    name: str | None
    part_of: int | None
    thumbs: tuple[Sample, ...]
    label: str
    predicted: str
    weight: str
    origins: str
    disputed: bool
    wrong: str
    purity: str
    genuine: str
    labelled: str


@dataclass(frozen=True)
class Group:
    """Clusters that were set aside for the same reason."""

    title: str
    why: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class RoundRow:
    """A round of labelling: how many clusters, or parts of what the round before split, were labelled, and what they
    are."""

    name: str
    labelled: str
    kept: str
    correct: str
    mixed: str
    split: str
    unlabelled: str
    purity: str


def rounds(findings: Findings) -> tuple[RoundRow, ...]:
    """The rounds of labelling, where there was more than one."""
    found = findings.info("regions")["rounds"]
    statuses = ("labelled", "kept", "correct", "mixed", "split", "unlabelled")
    rows = (
        RoundRow(
            "1, clusters" if number == 1 else f"{number}, parts",
            **{status: f"{row[status]:,}" for status in statuses},
            purity=percent(row["purity"]),
        )
        for number, row in enumerate(found, 1)
    )
    return tuple(rows) if len(found) > 1 else ()


def shares_of(
    counts: Mapping[str, int | None], intervals: Mapping[str, Mapping[str, float]] | None = None
) -> tuple[Share, ...]:
    """The four kinds of judged failures; none where nobody judged, or there is nothing to judge."""
    known = {kind: n for kind in JUDGEMENTS if (n := counts[kind]) is not None}
    total = sum(known.values())
    if not total:
        return ()
    between = {} if intervals is None else {k: interval(v["low"], v["high"]) for k, v in intervals.items()}
    return tuple(
        Share(
            kind=kind,
            name=kind.replace("_", " "),
            meaning=MEANINGS[kind],
            count=f"{n:,}",
            percent=percent(n / total),
            interval=between.get(kind),
            width=round(100 * n / total, 3),
        )
        for kind, n in known.items()
    )


def galleries(findings: Findings) -> tuple[Gallery, ...]:
    """The largest regions, each with as many samples as the settings ask for and the page has room for."""
    settings = findings.config["report"]
    kept = findings.kept[: settings["regions"]]
    columns = max(1, min(settings["samples"], MOST_PICTURES // max(1, len(kept))))
    drawn = [_samples(findings, region, columns) for region in kept]
    while columns > 1 and sum(len(s.picture.uri) for row in drawn for s in row[:columns]) > BUDGET:
        columns -= 1
    rates = {}
    if findings.info("correction")["skipped"] is None:
        rates = {
            r["cluster"]: (percent(r["before"]), percent(r["after"])) for r in findings.info("correction")["per_region"]
        }
    return tuple(
        _gallery(findings, region, row[:columns], rates.get(region["cluster"], (None, None)))
        for region, row in zip(kept, drawn, strict=True)
    )


def _gallery(
    findings: Findings, region: dict[str, Any], samples: tuple[Sample, ...], rates: tuple[str | None, str | None]
) -> Gallery:
    return Gallery(
        anchor=f"region-{region['cluster']}",
        name=region.get("name"),
        part_of=region["parent"],
        label=findings.classes[region["label"]],
        predicted=findings.classes[region["predicted"]] if region["predicted"] != region["label"] else None,
        weight=percent(region["weight"]),
        size=count(region["size"], "failure"),
        origins=_origins(region),
        origins_note={
            0: "none of its failures started from one",
            1: "all its failures started from it",
        }.get(region["origins"], "its failures started from"),
        disputed=_disputed(region),
        purity=percent(region["purity"]),
        purity_interval=interval(region["purity_low"], region["purity_high"]),
        wrong=percent(region["disagree"]),
        abstained=f"{region['abstained']} of {region['samples']}" if region["abstained"] else None,
        before=rates[0],
        after=rates[1],
        shares=shares_of(region["failures"]),
        samples=samples,
        nearest=_nearest(findings, region["cluster"]),
    )


def _origins(region: dict[str, Any]) -> str:
    """How many training images the failures come from; a dash where they were not made from any."""
    return f"{region['origins']:,}" if region["origins"] else DASH


def _disputed(region: dict[str, Any]) -> str | None:
    if not region["disputed"]:
        return None
    found = region["failures"]
    judged, failures = sum(found.values()), count(region["size"], "failure")
    of = failures if judged == region["size"] else f"{failures}, of which it was asked about {judged:,},"
    return (
        f"of its {of} it calls {found['drift']:,} drift and "
        f"{found['genuine'] + found['third_class']:,} genuine or third class, and abstains on {found['abstained']:,}: "
        "it sides with the classifier more often than against it."
    )


def _samples(findings: Findings, region: dict[str, Any], most: int, size: int = TILE) -> tuple[Sample, ...]:
    """The first samples of a cluster: they were drawn at random, so the first are as good as any."""
    saved, n = findings.stages["regions"].tensors, region["samples"]
    rows = slice(region["cluster"] * n, region["cluster"] * n + min(n, most))
    columns = (saved[name][rows] for name in ("x", "labels", "predicted"))
    return tuple(sample_of(findings, x, y, p, size) for x, y, p in zip(*columns, strict=True))


def sample_of(findings: Findings, x: Tensor, label: Tensor | int, predicted: Tensor | int, size: int = TILE) -> Sample:
    """An image with the names of its classes."""
    known = findings.classes[int(label)] if int(label) >= 0 else None
    return Sample(picture(x, size), known, findings.classes[int(predicted)])


def _nearest(findings: Findings, cluster: int) -> Nearest | None:
    images, facts = findings.tensor("evidence", "novelty/x"), findings.info("evidence")["novelty"]
    if images is None or not facts:
        return None
    fact = facts[cluster]
    return Nearest(sample_of(findings, images[cluster], fact["label"], fact["predicted"]), f"{fact['distance']:.2f}")


def groups(findings: Findings) -> tuple[Group, ...]:
    """The clusters without a gallery: those that were not kept, and regions beyond the number that is shown."""
    beyond = findings.kept[findings.config["report"]["regions"] :]
    aside = sorted((r for r in findings.clusters if r["status"] != "kept"), key=lambda r: -r["weight"])
    thumbs = min(4, THUMBS // max(1, len(aside) + len(beyond)))
    rho, purity, labelled = (findings.config["regions"][k] for k in ("rho", "min_purity", "min_labelled"))
    why = {
        "correct": f"At most {percent(rho)} of the labelled samples are misclassified (setting regions.rho)",
        "mixed": f"Less than {percent(purity)} of the labelled samples have the most frequent label "
        "(setting regions.min_purity)",
        "split": f"Less than {percent(purity)} of the labelled samples have the most frequent label, so the failures "
        "were clustered anew and the parts labelled (setting regions.split)",
        "unlabelled": f"A label for less than {percent(labelled)} of the samples (setting "
        "regions.min_labelled), or a tie",
    }
    every = [
        Group(WHY_NOT[status], why[status], tuple(_row(findings, r, thumbs) for r in aside if r["status"] == status))
        for status in WHY_NOT
    ]
    most = findings.config["report"]["regions"]
    rest = Group(
        "Further regions",
        f"Kept, but smaller than the {most} that are shown as galleries (setting report.regions)",
        tuple(_row(findings, r, thumbs) for r in beyond),
    )
    return tuple(group for group in (rest, *every) if group.rows)


def _row(findings: Findings, region: dict[str, Any], thumbs: int) -> Row:
    genuine = region["failures"]["genuine"]
    judged = 0 if genuine is None else sum(region["failures"].values())
    return Row(
        cluster=region["cluster"],
        name=region.get("name"),
        part_of=region["parent"],
        thumbs=_samples(findings, region, thumbs, THUMB),
        label=percent(None) if region["label"] is None else findings.classes[region["label"]],
        predicted=findings.classes[region["predicted"]],
        weight=percent(region["weight"]),
        origins=_origins(region),
        disputed=region["status"] == "kept" and bool(region["disputed"]),
        wrong=percent(region["disagree"]),
        purity=percent(region["purity"]),
        genuine=percent(genuine / judged if genuine is not None and judged else None),
        labelled=f"{region['samples'] - region['abstained']} of {region['samples']}",
    )
