"""What stands beside the samples: class boundaries, the test set, the generators, and the number of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ...targets import Target
from ...words import rhat_said
from ..images import Shot
from ..wording import count, percent
from .figures import Course, boundary, stopping
from .found import Found
from .words import headline, number, short


@dataclass(frozen=True)
class Boundary:
    """A map of prior draws and samples between two classes."""

    uri: str
    title: str
    legend: tuple[tuple[str, str], ...]  # look, words
    alt: str


@dataclass(frozen=True)
class Compared:
    """A target beside what the test set shows of it."""

    title: str
    found: str
    test: str


@dataclass(frozen=True)
class Prior:
    """Draws from a generator's prior, with what they are predicted as."""

    title: str
    note: str
    shots: tuple[Shot, ...]
    shares: str


@dataclass(frozen=True)
class Quality:
    """FID and KID."""

    reason: str | None
    words: str
    rows: tuple[tuple[str, str, str, str], ...]  # what, images, FID, KID


@dataclass(frozen=True)
class Stopping:
    """The figures against the number of samples; as a drawing and as a table."""

    figure: Markup
    rows: tuple[tuple[str, str, str, str, str], ...]  # target, samples, confidence, R-hat, effective samples


def boundaries(found: Found) -> tuple[Boundary, ...]:
    """The maps that were made."""
    return tuple(_boundary(found, n, drawn) for n, drawn in enumerate(found.evidence["maps"]))


def _boundary(found: Found, n: int, drawn: Mapping[str, int]) -> Boundary:
    target = _target(found, drawn)
    predicted = found.tensor(f"{drawn['group']}/draws.probs")[: drawn["draws"]].argmax(1)
    one, other = (found.classes[c] for c in target.classes)
    counts = [int((predicted == c).sum()) for c in target.classes]
    legend = (
        ("samples", f"torn between them ({drawn['samples']:,})"),
        ("one", f"prior draws predicted as {one} ({counts[0]:,})"),
        ("other", f"prior draws predicted as {other} ({counts[1]:,})"),
        ("rest", f"other prior draws ({drawn['draws'] - sum(counts):,})"),
    )
    return Boundary(
        uri=boundary(found.tensor(f"map{n}/xy"), predicted, target.classes, drawn["draws"]),
        title=f"{one} and {other}",
        legend=legend,
        alt=f"t-SNE map of codes: samples torn between {one} and {other} among draws from the prior.",
    )


def _target(found: Found, place: Mapping[str, int]) -> Target:
    return next(a.target for a in found.aims if a.place == (place["group"], place["target"]))


def compared(found: Found) -> tuple[Compared, ...]:
    """Each target of which a test set can have images, beside what it has."""
    return tuple(row for aim in found.aims if (row := _compared(found, aim.target, aim.reached, len(aim.samples))))


def _compared(found: Found, target: Target, reached: bool, samples: int) -> Compared | None:
    """Targets of which a test set can have images; graded ones are left out, since it has next to none of them."""
    info = found.evidence["test_set"]
    if target.kind == "ambiguous":
        n = next((n for i, j, n in info["ambiguous_pairs"] if (i, j) == target.classes), 0)
        test = count(n, "image")
    elif target.kind in ("class-excluded", "novel-class"):
        test = count(info["confident_errors_as"][target.classes[0]], "confident error")
    else:
        return None
    got = count(samples, "sample") if reached else "not reached"
    return Compared(headline(target, found.classes), got, test)


def priors(found: Found) -> tuple[Prior, ...]:
    """The prior of each generator."""
    return tuple(_prior(found, g, group["stage"]) for g, group in enumerate(found.evidence["groups"]))


def _prior(found: Found, g: int, stage: str) -> Prior:
    images, probs = found.pictures(f"{g}/draws.x"), found.tensor(f"{g}/draws.probs")
    said = probs.argmax(1)
    counts = said.bincount(minlength=len(found.classes))
    order = counts.argsort(descending=True, stable=True).tolist()
    shares = [f"{found.classes[c]} {percent(float(counts[c]) / max(1, len(said)))}" for c in order if counts[c]]
    shots = []
    for x, row in zip(images, probs, strict=False):
        c = int(row.argmax())
        shots.append(Shot.of(x, [(found.classes[c], number(float(row[c]), 2))], "prior draw"))
    more = len(shares) - 12
    return Prior(
        title=generator_named(stage.replace("samples", "generator"), found),
        note=found.generators[stage.replace("samples", "generator")].get("health") or "",
        shots=tuple(shots),
        shares=f"{count(len(probs), 'prior draw')} are predicted as: {', '.join(shares[:12])}"
        + (f", and {more} more classes" if more > 0 else ""),
    )


def generator_named(stage: str, found: Found) -> str:
    """A generator, by its stage."""
    _, apart, number_ = stage.partition("-without-")
    return f"The generator that never learnt {found.classes[int(number_)]}" if apart else "The generator"


def quality(found: Found) -> Quality:
    """FID and KID, or why there are none."""
    info, fid, kid = found.evidence["quality"], found.evidence["fid"], found.evidence["kid"]
    if fid is None or kid is None:
        return Quality(info["reason"], "", ())
    deviation, images = info["kid_deviation"], info["images"]
    rows = tuple(
        (
            _compared_as(stage, found),
            f"{images[stage]:,}",
            _distance(fid[stage]),
            f"{_distance(kid[stage])} \u00b1 {_distance(deviation[stage])}",
        )
        for stage in fid
    )
    words = (
        f"Distances to {count(info['test_images'], 'test image')} in local features: {info['features']} of the "
        "classifier under test, not of an Inception network. They can be compared with each other, and with nothing "
        "else."
    )
    return Quality(None, words, rows)


def _distance(value: float) -> str:
    """Three figures, without an exponent for large ones."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _compared_as(stage: str, found: Found) -> str:
    if stage == "data":
        return "Training images, for comparison"
    generator = generator_named(stage.replace("samples", "generator"), found)
    return f"{generator}: {'samples' if stage.startswith('samples') else 'prior draws'}"


def stopping_curve(found: Found) -> Stopping | None:
    """The curves, and their points as a table; None where there is no sample."""
    courses, rows = [], []
    for curve in found.evidence["curves"]:
        target, points = _target(found, curve), curve["points"]
        if not points:
            continue
        name = headline(target, found.classes)
        courses.append(
            Course(
                short(target.described(found.classes), 28),
                tuple(p["samples"] for p in points),
                tuple(p["confidence"][0] for p in points),
                tuple(p["rhat"] for p in points),
            )
        )
        rows += [(name, *_point(p)) for p in points]
    return Stopping(stopping(courses), tuple(rows)) if courses else None


def _point(point: Mapping[str, Any]) -> tuple[str, str, str, str]:
    confidence = " / ".join(map(number, point["confidence"]))
    return f"{point['samples']:,}", confidence, rhat_said(point["rhat"]), number(point["ess"], 0)
