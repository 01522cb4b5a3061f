"""What a search yields: which share of its failures is the classifier's fault, and how many for a thousand queries.

    python benchmarks/search_yield.py --dataset mnist --root DIR [--json FILE] [--grid FILE.webp]

Runs every row up to the audit, with the same classifier, the same auditor and the same origins: of the same training
images those that the classifier gets right as they are and reconstructed by the row's generator (`reconstruct` starts
from all of them, `prior` from none). `vae` rows are the faithful preset's, `cvae` rows the conditional preset's; `best`
is the conditional preset as it is, and once more for a classifier that is poor on purpose. A backward pass counts as
two queries; guide queries are counted apart; those that choose the origins, at most two each, are counted in none.
Without `--root` the data are downloaded. Run folders are temporary unless `--keep` names a new folder for them.
`--reuse` names a run, or a folder that an earlier call kept: stages that would be the same are taken over from there.
`--grid` draws some of what each row calls genuine; `--quick` is the same code on a fraction of the images.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from layers import Settings, assignment, merged

import modeldebug

PRESETS = {
    "mnist": ("defuse-mnist", "defuse-conditional-mnist"),
    "fashion-mnist": ("defuse-fashion", "defuse-conditional-fashion"),
}
NOISE = {"use": "defuse:beta-noise", "draws": 10, "keep": 10}
CLIMB = {"use": "defuse:margin", "pursue": 1.0, "step": 0.4, "steps": 10, "keep": 1, "restarts": 0}
PAPER, BEST, WEAK = "vae, literal noise (the paper)", "cvae, best", "cvae, best, weak classifier"


@dataclass(frozen=True)
class Row:
    """One search: its name, whether its generator is told the class, and settings over its preset's."""

    name: str
    conditional: bool
    settings: Settings = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Its name as that of a run folder."""
        return self.name.replace(", ", "-").replace(" ", "-").replace("(", "").replace(")", "")


def rows() -> list[Row]:
    def noise(**settings: Any) -> Settings:
        return {"searcher": {**NOISE, "a": 50.0, "b": 50.0, **settings}}

    def climb(**settings: Any) -> Settings:
        return {"searcher": {**CLIMB, **settings}}

    reconstruct = {"searcher": {"use": "rivals:reconstruct"}, "search": {"start": "all"}}
    evolution = {"searcher": {"use": "defuse:margin-evolution"}}
    weak = {"use": "classifiers:cnn", "channels": [4, 8], "hidden": 16, "epochs": 1, "learning_rate": 1e-3}
    return [
        Row("vae, reconstruct", False, reconstruct),
        Row(PAPER, False, noise(center=False, scale=1.0)),
        Row("vae, centred, scale 4", False, noise(scale=4.0)),
        Row("vae, centred, scale 8", False, noise(scale=8.0)),
        Row("cvae, reconstruct", True, reconstruct),
        Row("cvae, prior", True, {"searcher": {"use": "rivals:prior"}}),
        Row("cvae, centred, scale 8", True, noise(scale=8.0)),
        Row("cvae, centred, scale 16", True, noise(scale=16.0)),
        Row("cvae, margin", True, {**climb(past=0.0), "guide": {"use": "none"}}),
        Row("cvae, margin, guided", True, climb(past=0.0, weight=1.0, sure=0.7)),
        Row("cvae, margin, guided strictly", True, climb(past=1.0, weight=2.0, sure=0.9)),
        Row(BEST, True),
        Row("cvae, best, black box", True, evolution),
        Row(WEAK, True, {"classifier": {**weak, "batch_size": 128}}),
    ]


QUICK: Settings = {  # settings for which a row takes seconds, and its figures mean nothing
    "dataset": {"limit": 2000},
    "generator": {"epochs": 12, "batch_size": 32, "annealing": 50},
    "labeler": {"epochs": 2, "members": 1, "batch_size": 32},
    "auditor": {"epochs": 3, "members": 1, "batch_size": 32},
    "guide": {"epochs": 3, "members": 1, "batch_size": 32},
}


@dataclass(frozen=True)
class Measured:
    """A row's figures, and its run."""

    row: Row
    run: modeldebug.Run
    figures: dict[str, Any]


def guided(row: Row) -> bool:
    """Whether its searcher asks the preset's guide."""
    searcher = row.settings.get("searcher", {"use": "defuse:margin"})["use"]
    return row.conditional and searcher.startswith("defuse:margin") and "guide" not in row.settings


def measure(row: Row, folder: Path, trunk: Path | None, args: argparse.Namespace) -> Measured:
    """Run a row up to the audit, with the stages that it has in common with the trunk taken over from there."""
    faithful, conditional = PRESETS[args.dataset]
    common: Settings = {"search": {"start": "right", "origins": args.origins}, "run": {"seed": args.seed}}
    layers = [common, {"dataset": {"root": str(args.root)}} if args.root else {}, row.settings]
    if args.quick:
        quick = {k: v for k, v in QUICK.items() if k != "guide" or guided(row)}
        layers.insert(1, quick | ({} if "classifier" in row.settings else {"classifier": {"epochs": 2}}))
    layers += [assignment(text) for text in args.assignments]
    run = modeldebug.run(
        plugins="defuse,rivals",
        preset=conditional if row.conditional else faithful,
        budget=args.budget,
        settings=merged(*layers),
        out=folder / row.folder,
        reuse=trunk,
        until="audit",
    )
    return Measured(row, run, figures(run))


def takes_over_from(row: Row, measured: list[Measured], earlier: Path | None) -> Path | None:
    """The run whose stages a row takes over: the same row of an earlier call, else a row with the same generator, else
    any run there is."""
    if earlier is not None and (earlier / row.folder).exists():
        return earlier / row.folder
    same = [m.run.path for m in measured if m.row.conditional == row.conditional]
    others = [earlier] if earlier is not None and (earlier / "manifest.json").exists() else []
    return next(iter([*same, *others, *(m.run.path for m in measured)]), None)


def figures(run: modeldebug.Run) -> dict[str, Any]:
    """What a row found; shares are None where it found nothing. Each draw from the prior counts as an origin."""
    search, audit, failures = run.figures("search"), run.figures("audit"), run.failures
    genuine = [i for i, kind in enumerate(run.judged) if kind == "genuine"]
    expected, predicted = failures.expected[genuine].tolist(), failures.predicted[genuine].tolist()
    distinct = audit["genuine_origins"] if bool((failures.origin >= 0).any()) else len(genuine)
    return {
        "classifier": run.figures("classifier")["accuracy"]["test"],
        "origins": search["origins"],
        "failures": search["found"],
        "queries": search["queries"],
        "guide_queries": search["guide_queries"],
        "shares": audit["shares"],
        "distinct": distinct,
        "distinct_per_1k": 1000 * distinct / search["queries"] if search["queries"] else None,
        "classes": len(set(expected)),
        "pairs": len(set(zip(expected, predicted, strict=True))),
    }


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def print_table(measured: list[Measured]) -> None:
    heads = ("failures", "genuine (95 %)", "drift", "abst.", "per 1k", "classes", "pairs", "queries", "guide's")
    widths = (9, 22, 8, 8, 8, 9, 7, 10, 10)
    print(f"\n{'':<32}" + "".join(f"{head:>{w}}" for head, w in zip(heads, widths, strict=True)))
    for m in measured:
        f, shares = m.figures, m.figures["shares"]
        genuine = "-"
        if shares["genuine"]["share"] is not None:
            genuine = "{share:.3f} ({low:.3f}-{high:.3f})".format(**shares["genuine"])
        others = ("-" if (s := shares[kind]["share"]) is None else f"{s:.3f}" for kind in ("drift", "abstained"))
        guide = "-" if f["guide_queries"] is None else f"{f['guide_queries']:,}"
        cells = (
            f"{f['failures']:,}", genuine, *others, number(f["distinct_per_1k"]), str(f["classes"]), str(f["pairs"]),
            f"{f['queries']:,}", guide,
        )  # fmt: skip
        print(f"{m.row.name:<32}" + "".join(f"{cell:>{w}}" for cell, w in zip(cells, widths, strict=True)))
    print(
        "\nper 1k: distinct training images (of the prior: draws) with a genuine failure, for 1,000 queries to the\n"
        "classifier; classes and pairs: expected labels, and expected with predicted ones, among the genuine failures"
    )


def draw_grid(measured: list[Measured], file: Path, classes: tuple[str, ...], count: int = 16) -> None:
    """Failures that the auditor calls genuine, some of each row: the expected label, and what the classifier says."""
    import matplotlib.pyplot as plt

    shown = []
    for m in measured:
        genuine = [i for i, kind in enumerate(m.run.judged) if kind == "genuine"]
        chosen = random.Random(0).sample(genuine, min(count, len(genuine)))
        some = m.run.failures.subset(torch.tensor(chosen, dtype=torch.int64))
        shown.append((m.row.name, some.x, some.expected, some.predicted))
    figure, axes = plt.subplots(len(shown), count, figsize=(0.62 * count + 2.2, 0.82 * len(shown)), squeeze=False)
    for line, (name, x, expected, predicted) in zip(axes, shown, strict=True):
        for axis in line:
            axis.axis("off")
        line[0].text(-0.25, 0.5, name.replace(", ", "\n"), transform=line[0].transAxes, ha="right", va="center", size=8)
        for axis, image, e, p in zip(line, x, expected.tolist(), predicted.tolist(), strict=False):
            axis.imshow(image.permute(1, 2, 0).squeeze(), cmap="gray", vmin=0, vmax=1)
            axis.set_title(f"{classes[e][:7]}→{classes[p][:7]}", fontsize=5.5, pad=1.5)
    figure.subplots_adjust(left=0.16, right=0.995, top=0.985, bottom=0.01, wspace=0.06, hspace=0.28)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90)


def summary(measured: list[Measured]) -> dict[str, float | None]:
    """The figures that say whether the search is worth its queries."""
    by_name = {m.row.name: m.figures for m in measured}
    paper, best, weak = by_name[PAPER], by_name[BEST], by_name[WEAK]
    return {
        "genuine_share_paper": paper["shares"]["genuine"]["share"],
        "genuine_share_best": best["shares"]["genuine"]["share"],
        "drift_share_best": best["shares"]["drift"]["share"],
        "distinct_per_1k_paper": paper["distinct_per_1k"],
        "distinct_per_1k_best": best["distinct_per_1k"],
        "yield_ratio": best["distinct_per_1k"] / paper["distinct_per_1k"]
        if paper["distinct"] and best["queries"]
        else None,
        "genuine_share_best_weak": weak["shares"]["genuine"]["share"],
    }


def needed(asked: list[str] | None) -> list[Row]:
    """The rows that are asked for, and those that the figures take; all if none is asked for."""
    return [row for row in rows() if asked is None or row.name in (*asked, PAPER, BEST, WEAK)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=PRESETS, default="mnist")
    parser.add_argument("--root", type=Path, help="the folder of the IDX files; downloaded if not given")
    parser.add_argument("--budget", default="laptop")
    parser.add_argument("--origins", type=int, default=10_000, help="training images that the origins are chosen from")
    parser.add_argument("--seed", type=int, default=0)
    names = [row.name for row in rows()]
    parser.add_argument("--row", dest="rows", action="append", choices=names, help="and no others but those needed")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--reuse", type=Path, help="a run, or what an earlier call kept")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--grid", type=Path)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for row in needed(args.rows):
            measured.append(measure(row, folder, takes_over_from(row, measured, args.reuse), args))
            found = measured[-1].figures
            print(f"{row.name}: {found['failures']} failures in {found['queries']:,} queries", flush=True)
        print_table(measured)
        figures_of = summary(measured)
        print("\n" + "\n".join(f"{name:<28}{value:.3f}" for name, value in figures_of.items() if value is not None))
        if args.grid:
            classes = tuple(measured[0].run.figures("data")["classes"])
            draw_grid(measured, args.grid, classes)
    if args.json:
        about = {k: v for k, v in vars(args).items() if not isinstance(v, Path)}
        table = [{"name": m.row.name, **m.figures} for m in measured]
        args.json.write_text(json.dumps({"figures": figures_of, "rows": table, "settings": about}, indent=1))


if __name__ == "__main__":
    main()
