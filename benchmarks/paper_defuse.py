"""Defuse on a complete data set of the paper: its table (AAAI sections 4.2 to 4.5) beside ours.

    python benchmarks/paper_defuse.py --dataset mnist --root DIR [--budget laptop] [--json FILE]

Runs three pipelines with the same classifier, oracle and auditor: `centred`, the faithful preset with its own noise;
`literal`, the same with the paper's literal noise; and `conditional`, the preset with a generator that is told the
class and a guided search. `--pipeline` names some of them. Prints clusters, regions, accuracies, controls, agreement
and the lambda curve. Members of the oracle's ensemble stand in for annotators; `seconds` is the time of all stages,
those that a run takes over from the first included. Without `--root` the data are downloaded. The run folders are
temporary unless `--keep` names a folder for them; `--quick` is the same code on a fraction of the images.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from layers import assignment, merged

import modeldebug

PRESETS = {
    "mnist": {"faithful": "defuse-mnist", "conditional": "defuse-conditional-mnist"},
    "fashion-mnist": {"faithful": "defuse-fashion", "conditional": "defuse-conditional-fashion"},
}
PIPELINES: dict[str, tuple[str, dict[str, Any]]] = {  # the preset, and settings of its searcher
    "centred": ("faithful", {}),
    "literal": ("faithful", {"center": False, "scale": 1.0}),
    "conditional": ("conditional", {}),
}
QUICK = {  # settings for which a run takes seconds, and its figures mean nothing
    "dataset": {"limit": 2000},
    "classifier": {"epochs": 2},
    "generator": {"epochs": 20, "batch_size": 32, "annealing": 50},
    "clusterer": {"components": 8},
    "labeler": {"epochs": 4, "members": 1, "batch_size": 32},
    "auditor": {"epochs": 4, "members": 1, "batch_size": 32},
    "regions": {"samples": 16, "rho": 0.2, "min_purity": 0.5},
    "corrector": {"lambdas": [1.0], "epochs": 1},
    "correction": {"draws": 16},
    "report": {"tsne": 50},
}

# The paper's figures, in the order of ours: AAAI section 4, figures 4, 5 and 7; it has none for Fashion-MNIST.
PAPER = {
    "mnist": {
        "clusters": "44", "regions": "19", "region_purity": "-", "region_accuracy_before": "29.1 %",
        "region_accuracy_after": "96.4 %", "region_accuracy_control": "-", "region_accuracy_failures_alone": "58.3 %",
        "test_accuracy_before": "98.3 %", "test_accuracy_after": "99.1 %", "test_accuracy_control": "-",
        "test_accuracy_failures_alone": "99.1 %", "agreement_regions": "78.9 ± 5.4 %",
        "agreement_outside": "87.2 ± 3.2 %", "agreement_all": "85.2 ± 0.1 %",
    }
}  # fmt: skip
QUICK_SEARCH = {"faithful": {"draws": 4}, "conditional": {"pursue": 1.0, "past": 0.5, "sure": 0.5}}
COUNTS = ("clusters", "regions", "regions_disputed", "failures", "queries", "guide_queries", "seconds")


def figures(run: modeldebug.Run) -> dict[str, Any]:
    """The table's figures; None for what was not measured."""
    r = run.results
    region, test, search = r["region_accuracy"], r["test_accuracy"], r["search"]
    failures = search["failures"]
    rows: dict[str, Any] = {
        "clusters": r["clusters"],
        "regions": r["regions"],
        "regions_disputed": r["regions_disputed"],
        "region_purity": r["region_purity"],
    }
    rows |= {f"region_accuracy_{k}": region[k] for k in ("before", "after", "control", "failures_alone")}
    rows |= {f"test_accuracy_{k}": test[k] for k in ("before", "after", "control", "failures_alone")}
    rows |= {f"agreement_{part}": r["agreement"][part]["mean"] for part in ("regions", "outside", "all")}
    rows |= {"reconstruction_oracle": r["reconstruction_accuracy"]["oracle"], "failures": failures}
    for kind in ("genuine", "third_class", "drift", "abstained"):
        rows[f"{kind}_share"] = search[kind] / failures if failures else None
    rows |= {"queries": search["queries"], "guide_queries": search["guide_queries"]}
    return rows | {"seconds": r["seconds"]["total"]}


def cell(name: str, value: Any, agreement: dict[str, Any]) -> str:
    if value is None:
        return "-"
    if name.startswith("agreement_"):
        return f"{100 * value:.1f} ± {100 * agreement[name.removeprefix('agreement_')]['standard_error']:.1f} %"
    return f"{value:,.0f}" if name in COUNTS else f"{100 * value:.1f} %"


def print_table(dataset: str, rows: dict[str, dict[str, Any]], runs: dict[str, modeldebug.Run]) -> None:
    paper = PAPER.get(dataset, {})
    print(f"\n{'':<32}{'paper':>16}" + "".join(f"{name:>16}" for name in rows))
    for figure in next(iter(rows.values())):
        cells = (cell(figure, row[figure], runs[name].results["agreement"]) for name, row in rows.items())
        print(f"{figure.replace('_', ' '):<32}{paper.get(figure, '-'):>16}" + "".join(f"{c:>16}" for c in cells))
    print("\nagreement: of the oracle's members, in place of annotators; mean and standard error over images")


def print_curve(name: str, run: modeldebug.Run) -> None:
    """Every lambda of the sweep on the regions, and on single failures."""
    correction = run.figures("correction")
    print(f"\n{name}: the lambda curve")
    if correction["skipped"]:
        print(f"nothing was corrected: {correction['skipped']}")
        return
    columns = {"validation": "validation", "test": "test", "region_test": "region test"}
    print(f"{'':>10}{'finetuned on regions':>36}{'on failures alone':>36}")
    print(f"{'lambda':>10}" + 2 * "".join(f"{column:>12}" for column in columns.values()))
    curves = (correction[group]["states"] for group in ("regions", "failures_alone"))
    for both in zip(*curves, strict=True):
        scores = [f"{100 * state[column]:.2f} %" for state in both for column in columns]
        print(f"{both[0]['strength']:>10g}" + "".join(f"{score:>12}" for score in scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=PRESETS, default="mnist")
    parser.add_argument("--root", type=Path, help="the folder of the IDX files; downloaded if not given")
    parser.add_argument("--budget", default="laptop")
    parser.add_argument("--pipeline", choices=PIPELINES, action="append", help="may be given again; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--reuse", type=Path, help="a run with the same seed, to take stages over from")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    runs: dict[str, modeldebug.Run] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in args.pipeline or PIPELINES:
            kind, searcher = PIPELINES[name]
            settings = merged(
                QUICK if args.quick else {},
                {"run": {"seed": args.seed}},
                {"dataset": {"root": str(args.root)}} if args.root else {},
                {"searcher": (QUICK_SEARCH[kind] if args.quick else {}) | searcher},
                *(assignment(text) for text in args.assignments),
            )
            runs[name] = run = modeldebug.run(
                preset=PRESETS[args.dataset][kind],
                budget=args.budget,
                settings=settings,
                out=(args.keep or Path(folder)) / f"{args.dataset}-{name}",
                reuse=next(iter(runs.values())).path if runs else args.reuse,
            )
            rows[name] = figures(run)
            print(f"{name}: {rows[name]['seconds']:.0f} s, {run.report()}", flush=True)
        print_table(args.dataset, rows, runs)
        for name, run in runs.items():
            print_curve(name, run)
    if args.json:
        about = {
            "dataset": args.dataset,
            "presets": {name: run.results["preset"] for name, run in runs.items()},
            "budget": args.budget,
            "seed": args.seed,
            "quick": args.quick,
        }
        first = next(iter(rows.values()))
        args.json.write_text(json.dumps({"figures": first, "settings": about, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
