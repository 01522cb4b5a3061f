"""One target after the other: its samples, its confidences, and whether the sampler may be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ...words import rhat_said
from ..images import Picture, Shot, picture
from ..wording import percent
from .figures import Violin, violins
from .found import Aim, Found
from .words import headline, listed, number

FOLDED, FOLDED_IMAGES = 48, 12  # galleries behind a fold, at most, and their images
ALL_CLASSES = 10  # at most; with more classes only those that a target names have violins, and the largest other


@dataclass(frozen=True)
class Map:
    """A SmoothGrad map beside its image."""

    image: Shot
    map: Picture
    of: str


@dataclass(frozen=True)
class Gallery:
    """A target with its samples."""

    anchor: str
    title: str
    name: str
    reached: bool
    reason: str
    facts: tuple[tuple[str, str, str], ...]  # what, figure, small print
    shots: tuple[Shot, ...]
    total: int
    violins: Markup
    confidences: str  # the same in words
    mistaken: str  # what else the images could be, where they are failures
    maps: tuple[Map, ...]


@dataclass(frozen=True)
class Row:
    """A target in the table of all."""

    title: str
    name: str
    anchor: str | None  # of its gallery
    reached: bool
    reason: str
    wanted: str
    confidence: str
    error: str
    rhat: str
    ess: str
    acceptance: str
    divergences: str
    samples: str


def galleries(found: Found) -> tuple[tuple[Gallery, ...], tuple[Gallery, ...]]:
    """Those that are open, and those behind a fold, which show fewer images."""
    foremost = {tuple(place) for place in found.evidence["foremost"]}
    first = [aim for aim in found.aims if aim.place in foremost]
    rest = [aim for aim in found.aims if aim.place not in foremost][:FOLDED]
    images = found.findings.config["report"]["images"]
    return (
        tuple(_gallery(found, aim, images) for aim in first),
        tuple(_gallery(found, aim, min(images, FOLDED_IMAGES)) for aim in rest),
    )


def rows(found: Found, shown: Sequence[Gallery]) -> tuple[Row, ...]:
    """All targets, with the place of their gallery where there is one."""
    anchors = {gallery.anchor for gallery in shown}
    return tuple(_row(found, aim, anchors) for aim in found.aims)


def anchor(aim: Aim) -> str:
    """The id of a target's gallery."""
    return "target-{}-{}".format(*aim.place)


def shot(aim: Aim, i: int, classes: Sequence[str]) -> Shot:
    """The i-th of the images of a target that are shown, with the probabilities that it is about."""
    probs = aim.probs[i]
    named = list(aim.target.classes)
    if aim.target.kind in ("uniform", "misclassified"):
        named = [int(probs.argmax())]
    return Shot.of(aim.images[i], [(classes[c], number(float(probs[c]), 2)) for c in named], "sample")


def confidence_violins(aim: Aim, classes: Sequence[str]) -> tuple[Violin, ...]:
    """The probabilities of every class or, where there are many, of those that the target names and the largest
    other."""
    target, probs = aim.target, aim.samples.probs
    wanted: dict[int, float] = dict(zip(target.classes, target.wanted, strict=False))
    if target.kind == "uniform":
        wanted = dict.fromkeys(range(len(classes)), 1 / len(classes))
    if target.kind == "misclassified":
        wanted = {target.classes[0]: 0.0}
    if len(classes) <= ALL_CLASSES:
        return tuple(Violin(name, probs[:, c], wanted.get(c)) for c, name in enumerate(classes))
    named = list(target.classes) or list(range(ALL_CLASSES))
    others = [c for c in range(len(classes)) if c not in named]
    every = [Violin(classes[c], probs[:, c], wanted.get(c)) for c in named]
    return (*every, Violin("others", probs[:, others].amax(1), None)) if others else tuple(every)


def _gallery(found: Found, aim: Aim, images: int) -> Gallery:
    classes, diagnosis = found.classes, aim.diagnosis
    shown = min(images, len(aim.images))
    return Gallery(
        anchor=anchor(aim),
        title=headline(aim.target, classes),
        name=aim.target.described(classes),
        reached=aim.reached,
        reason=diagnosis["reason"],
        facts=_facts(aim),
        shots=tuple(shot(aim, i, classes) for i in range(shown)),
        total=diagnosis["samples"],
        violins=violins(confidence_violins(aim, classes)),
        confidences=_in_words(found, aim),
        mistaken=_mistaken(aim, classes),
        maps=_maps(found, aim),
    )


def _facts(aim: Aim) -> tuple[tuple[str, str, str], ...]:
    d = aim.diagnosis
    facts = [
        ("samples", f"{d['samples']:,}", f"in {d['chains']} chains or populations" if d["chains"] else ""),
        ("error", number(d["error"]), "mean distance from what is wanted"),
        ("R-hat", rhat_said(d["rhat"]), "rank, the largest"),
        ("effective samples", number(d["ess"], 0), ""),
    ]
    if d["acceptance"] is not None:
        facts.append(("accepted", percent(d["acceptance"]), "of the moves"))
    if d["divergences"] is not None:
        facts.append(("divergences", f"{d['divergences']:,}", ""))
    return tuple(facts)


def _row(found: Found, aim: Aim, anchors: set[str]) -> Row:
    d, classes = aim.diagnosis, found.classes
    return Row(
        title=headline(aim.target, classes),
        name=aim.target.described(classes),
        anchor=anchor(aim) if anchor(aim) in anchors else None,
        reached=aim.reached,
        reason=d["reason"],
        wanted=" / ".join(f"{value:g}" for value in d["aim"]),
        confidence=" / ".join(map(number, d["confidence"])) or number(None),
        error=number(d["error"]),
        rhat=rhat_said(d["rhat"]),
        ess=number(d["ess"], 0),
        acceptance=percent(d["acceptance"]),
        divergences=number(d["divergences"], 0),
        samples=f"{d['samples']:,}",
    )


def _in_words(found: Found, aim: Aim) -> str:
    """Mean and deviation of each probability that the target is about, and what was wanted."""
    d, kind = aim.diagnosis, aim.target.kind
    names = {"uniform": ["the largest", "the smallest"], "misclassified": ["another class"]}.get(
        kind, [found.classes[c] for c in aim.target.classes]
    )
    means = zip(names, d["confidence"], d["spread"], d["aim"], strict=False)
    return "; ".join(f"{name} {number(m)} \u00b1 {number(s)}, wanted {w:.3g}" for name, m, s, w in means)


def _mistaken(aim: Aim, classes: Sequence[str]) -> str:
    """Which answers come second, where the first is wrong by construction: a hint at what the images are."""
    if not aim.target.fails or not len(aim.samples):
        return ""
    probs = aim.samples.probs.clone()
    if aim.target.kind == "misclassified":
        probs[:, aim.target.classes[0]] = -1
        what = f"{classes[aim.target.classes[0]]} is taken for"
        second = probs.argmax(1)
    else:
        probs.scatter_(1, probs.argmax(1, keepdim=True), -1)
        what, second = "The second most probable class is", probs.argmax(1)
    counts = second.bincount(minlength=len(classes))
    most = counts.argsort(descending=True, stable=True)[:3].tolist()
    shares = [f"{classes[c]} ({percent(float(counts[c]) / len(second))})" for c in most if counts[c]]
    return f"{what} {listed(shares)}."


def _maps(found: Found, aim: Aim) -> tuple[Map, ...]:
    explained = found.evidence["saliency"]["of"]
    chosen = [(n, words) for n, words in enumerate(explained) if (words["group"], words["target"]) == aim.place]
    if not chosen:
        return ()
    drawn = found.pictures("saliency/x")
    first = chosen[0][1]["image"]
    return tuple(
        Map(shot(aim, words["image"] - first, found.classes), picture(drawn[n]), found.classes[words["class"]])
        for n, words in chosen
    )
