"""The sections behind the first screen: correction, map, confusion, settings, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from markupsafe import Markup
from torch import Tensor

from ..batches import batch_size_for
from ..judging import JUDGEMENTS, NOT_ASKED
from ..roles import ROLES
from .figures import Curve, Mark, latent_map, trade_off
from .findings import Findings
from .images import heat_map
from .outcome import corrected
from .wording import DASH, count, duration, percent, strength

FULL_TABLE = 20  # classes; a larger confusion matrix is a picture
STAGE_NAMES = {
    "data": "load the data",
    "classifier": "train or load the classifier",
    "guide": "train or load the guide of the search",
    "labeler": "train the labeler of regions",
    "auditor": "train the auditor",
    "auditor_2": "train the second auditor",
    "auditor_3": "train the third auditor",
    "generator": "train the generator",
    "gate": "check the generator",
    "origins": "encode the training images",
    "search": "search for failures",
    "samples": "sample the targets",
    "audit": "judge the failures",
    "clusters": "cluster the failures",
    "regions": "draw and label samples of the clusters",
    "correction": "correct the classifier, with controls",
    "evidence": "gather what the report shows besides",
}


@dataclass(frozen=True)
class SweepRow:
    """One corrected classifier."""

    strength: str
    validation: str
    test: str
    region: str
    chosen: bool
    by: str  # which rule chose it


@dataclass(frozen=True)
class Correction:
    """The sweep over lambdas."""

    figure: Markup  # SVG, made of numbers and fixed words only
    rule: str
    papers: str | None  # what the paper's rule would have chosen; None where it is the rule
    rows: tuple[SweepRow, ...]


@dataclass(frozen=True)
class MapView:
    """The map of the latent space."""

    uri: str
    names: tuple[tuple[str, float, float], ...]  # class, per cent from the left, per cent from the top
    legend: tuple[tuple[str, str], ...]  # kind, words
    codes: str


@dataclass(frozen=True)
class Cell:
    """A count of a confusion matrix; `heat` is the share of colour in its background, in per cent."""

    count: int
    heat: int
    look: Literal["hit", "miss", "none"]


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix, as a table (`rows`) or as a picture (`uri`) with its most frequent confusions."""

    title: str
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    uri: str | None
    frequent: tuple[tuple[str, str, int], ...]
    wrong: str


@dataclass(frozen=True)
class Setting:
    name: str
    value: str
    source: str


@dataclass(frozen=True)
class Chosen:
    """The component of a role; `main` are its settings that are no defaults, in words."""

    role: str
    name: str
    main: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class Bar:
    """How long a stage took; `width` in per cent of the longest."""

    name: str
    value: str
    width: float


def correction(findings: Findings) -> Correction | None:
    """The sweep, or None where nothing was corrected."""
    if not corrected(findings):
        return None
    info = findings.info("correction")
    states, chosen = info["regions"]["states"], info["regions"]["chosen"]
    best = states[chosen]
    alone = findings.chosen("failures_alone") if info["failures_alone"]["states"] else None
    curve = Curve(
        strengths=tuple(s["strength"] for s in states),
        sweep=tuple(_mark(s, f"chosen: \u03bb = {strength(best['strength'])}") for s in states),
        chosen=chosen,
        before=_mark(info["before"], "before"),
        control=_mark(findings.chosen("control"), "control: \u03bb = 0"),
        alone=None if alone is None else _mark(alone, f"failures alone: \u03bb = {strength(alone['strength'])}"),
    )
    tolerance = 100 * findings.config["correction"]["tolerance"]
    rule = (
        "the highest validation accuracy, as in the paper"
        if info["rule"] == "validation"
        else f"among those that lose at most {tolerance:g} points of validation accuracy (unless the control loses "
        f"them too), and come within {tolerance:g} points of the best region accuracy on a draw of its own, the one "
        "with the highest validation accuracy, then the smallest λ"
    )
    paper = max(range(len(states)), key=lambda i: (states[i]["validation"], -states[i]["strength"]))
    said = {paper: "by the paper's rule", chosen: "chosen"}
    rows = tuple(
        SweepRow(
            strength(s["strength"]),
            percent(s["validation"]),
            percent(s["test"]),
            percent(s["region_test"]),
            i == chosen,
            said.get(i, ""),
        )
        for i, s in enumerate(states)
    )
    papers = None if info["rule"] == "validation" else _papers(states[paper], same=paper == chosen)
    return Correction(Markup(trade_off(curve)), rule, papers, rows)


def _papers(state: Mapping[str, Any], *, same: bool) -> str:
    """What the paper's rule makes of the same sweep; of equals it takes the weakest correction, as the engine does."""
    rule = "The paper's rule, the highest validation accuracy alone,"
    if same:
        return f"{rule} chooses the same \u03bb."
    return (
        f"{rule} would have chosen \u03bb = {strength(state['strength'])}, with a region accuracy of "
        f"{percent(state['region_test'])} and a test accuracy of {percent(state['test'])}."
    )


def _mark(state: Mapping[str, Any], label: str) -> Mark:
    return Mark(label, state["region_test"], state["test"])


def map_view(findings: Findings) -> MapView | None:
    """The t-SNE map, or None where the run has none."""
    xy, labels, rows = (findings.tensor("evidence", f"map/{name}") for name in ("xy", "labels", "failures"))
    if xy is None or labels is None or rows is None:
        return None
    codes, bad = xy[: len(labels)], xy[len(labels) :]
    kinds = _grouped(bad, rows, findings.tensor("audit", "judged"))
    drawn = latent_map(codes, labels, kinds)
    names = drawn.places if len(findings.classes) <= FULL_TABLE else ()
    return MapView(
        drawn.uri,
        tuple((findings.classes[label], round(100 * x, 2), round(100 * y, 2)) for label, x, y in names),
        tuple((kind, f"{kind.replace('_', ' ')} ({len(at):,})") for kind, at in reversed(kinds)),
        count(len(labels), "training image"),
    )


def _grouped(xy: Tensor, rows: Tensor, judged: Tensor | None) -> list[tuple[str, Tensor]]:
    """Failures by kind, those that matter most last, so that they are drawn on top."""
    if judged is None:
        return [("failures", xy)]
    kinds = (*enumerate(JUDGEMENTS), (NOT_ASKED, "not_asked"))
    groups = [(kind, xy[judged[rows] == code]) for code, kind in kinds]
    return [(kind, at) for kind, at in reversed(groups) if len(at)]


def matrices(findings: Findings) -> tuple[Matrix, ...]:
    """The confusion matrix on the test images before, and after where there was a correction."""
    tables = findings.info("evidence")["confusion"]
    titles = {"before": "Before", "after": "After the correction"}
    return tuple(matrix(titles[k], tables[k], findings.classes) for k in titles if tables[k] is not None)


def matrix(title: str, table: list[list[int]], classes: list[str]) -> Matrix:
    """A confusion matrix for the page."""
    k = len(classes)
    wrong = [(n, i, j) for i, row in enumerate(table) for j, n in enumerate(row) if n and i != j]
    worst = sorted(wrong, key=lambda item: (-item[0], item[1], item[2]))[:12]
    summary = f"{sum(n for n, _, _ in wrong):,} of {count(sum(map(sum, table)), 'image')} wrong"
    frequent = tuple((classes[i], classes[j], n) for n, i, j in worst)
    if k > FULL_TABLE:
        return Matrix(title, (), heat_map(table), frequent, summary)
    largest = {True: max(row[i] for i, row in enumerate(table)), False: worst[0][0] if worst else 0}
    rows = tuple(
        (classes[i], tuple(_cell(n, largest[i == j], i == j) for j, n in enumerate(row))) for i, row in enumerate(table)
    )
    return Matrix(title, rows, None, frequent, summary)


def _cell(n: int, most: int, right: bool) -> Cell:
    if not n:
        return Cell(0, 0, "none")
    return Cell(n, round(25 + 35 * n / most), "hit" if right else "miss")


def components(findings: Findings) -> tuple[Chosen, ...]:
    """Each role's component."""
    chosen = []
    for role in (role for role in ROLES if role in findings.config):
        every = settings(findings, role)
        main = ", ".join(f"{s.name} {s.value}" for s in every if s.source != "default")
        chosen.append(Chosen(role, findings.component(role), main, every))
    return tuple(chosen)


def core_settings(findings: Findings) -> tuple[Setting, ...]:
    """The settings of the engine itself, with their sections; of the batch size, what the run came to."""
    found = [
        Setting(f"{section}.{s.name}", s.value, s.source)
        for section in findings.config
        if section not in ROLES
        for s in settings(findings, section)
    ]
    return tuple(replace(s, value=_batch_size(findings)) if s.name == "run.batch_size" else s for s in found)


def _batch_size(findings: Findings) -> str:
    """The number of images in a batch of answers, and whether memory ran out with more."""
    used = findings.manifest["batch_size"]
    asked = findings.config["run"]["batch_size"] or batch_size_for(findings.info("data")["shape"])
    return str(used) if used >= asked else f"{used}, since memory ran out with more"


def settings(findings: Findings, section: str) -> tuple[Setting, ...]:
    """The settings of a section, and where each came from."""
    sources = findings.manifest["sources"]
    return tuple(
        Setting(name, plain(value), sources.get(f"{section}.{name}", "default"))
        for name, value in findings.config[section].items()
        if name != "use"
    )


def plain(value: object) -> str:
    """A setting's value, as a table has it."""
    if value is None:
        return DASH
    if isinstance(value, list) and len(value) > 6:
        return f"{plain(value[0])}, {plain(value[1])}, \u2026, {plain(value[-1])} ({len(value)} values)"
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def timing(findings: Findings) -> tuple[Bar, ...]:
    """How long each stage took."""
    seconds = {name: s for name, s in findings.results["seconds"].items() if name != "total"}
    longest = max(seconds.values()) or 1.0
    return tuple(
        Bar(_stage(name, findings.classes), duration(s), round(100 * s / longest, 2)) for name, s in seconds.items()
    )


def _stage(name: str, classes: Sequence[str]) -> str:
    """What a stage does; those of a generator that has not learnt a class say which."""
    stage, apart, number = name.partition("-without-")
    return STAGE_NAMES[stage] + (f" without class {classes[int(number)]}" if apart else "")
