"""Does the tool find what is there? Recall, precision and purity of every pipeline on the suite of planted bugs.

    OMP_NUM_THREADS=1 python benchmarks/planted_bugs.py --root DIR [--json FILE] [--only digits] [--keep DIR]

Every pipeline runs up to its labelled regions on every case of the suite: on the same images, with the same classifier.
A found region matches a bug if more than half of its failures are the bug's; recall is the share of the bugs that a
region matches, precision the share of the regions that match one, over all cases together. Regions of errors that the
classifier has of itself match none, and count against the precision; `natural` says how many there are, by the run's
auditor. `first hit` is the median over the bugs of the queries that were spent when one of its failures was found.

The pipelines of `DEFAULT` are presets as they are, but for the search, which starts where the classifier is right, and
on MNIST, of which the cases take a tenth, for the numbers of epochs. The figures are those of the one of them with the
largest harmonic mean of recall and precision; the others stand beside them.

`--root` is the folder of MNIST's files, which are downloaded without it. `--keep` names a folder for the runs: what is
finished there is not done again. `--quick` is the same code on one case of digits, in seconds, and means nothing.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from figures import publish, shown
from layers import Settings, assignment, merged

import modeldebug
from modeldebug.store import RunStore
from modeldebug.testing import planted


@dataclass(frozen=True)
class Pipeline:
    """A preset for each base, settings over it, and the pipeline whose stages it takes over where it comes so far."""

    digits: str
    mnist: str
    settings: Settings = field(default_factory=dict)
    like: str | None = None


PIPELINES = {
    "defuse-conditional": Pipeline("defuse-conditional", "defuse-conditional-mnist"),
    "defuse": Pipeline("defuse", "defuse-mnist"),
    "bayestrex": Pipeline("bayestrex", "bayestrex-mnist"),
    "defuse-conditional, within all": Pipeline(
        "defuse-conditional", "defuse-conditional-mnist", {"clusterer": {"within": "all"}}, "defuse-conditional"
    ),
    "defuse, within all": Pipeline("defuse", "defuse-mnist", {"clusterer": {"within": "all"}}, "defuse"),
    "bayestrex, within all": Pipeline(
        "bayestrex", "bayestrex-mnist", {"clusterer": {"within": "all"}}, "bayestrex"
    ),
    "conditional, beta-noise": Pipeline(
        "defuse-conditional", "defuse-conditional-mnist", {"searcher": {"use": "defuse:beta-noise", "scale": 16.0}},
        "defuse-conditional",
    ),
    "conditional, prior": Pipeline(
        "defuse-conditional", "defuse-conditional-mnist", {"searcher": {"use": "rivals:prior"}}, "defuse-conditional"
    ),
}  # fmt: skip
DEFAULT = ("defuse-conditional", "defuse", "bayestrex")
TENTH: Settings = {  # epochs on a tenth of MNIST
    "generator": {"epochs": 120}, "labeler": {"epochs": 8}, "auditor": {"epochs": 8}, "guide": {"epochs": 8},
}  # fmt: skip
QUICK: Settings = {
    "dataset": {"limit": 400},
    "classifier": {"epochs": 2},
    "generator": {"epochs": 8},
    "labeler": {"epochs": 2, "members": 1, "width": 8, "confidence": 0.0},
    "auditor": {"epochs": 2, "members": 1, "width": 8},
    "guide": {"epochs": 2, "members": 1, "width": 8},
    "search": {"start": "all", "origins": 40},  # a classifier that is hardly taught is hardly ever right
    "regions": {"samples": 8, "min_purity": 0.3, "rho": 0.05},
}


def settings_of(pipeline: Pipeline, case: planted.Case, args: argparse.Namespace) -> Settings:
    """Over the preset: the case's, the pipeline's, and what is asked for on the command line."""
    guided = "conditional" in pipeline.digits and "searcher" not in pipeline.settings
    scale = QUICK if args.quick else TENTH if case.base == "mnist" else {}
    fitting = {k: v for k, v in scale.items() if k != "guide" or guided}
    root = str(args.root) if args.root and case.base == "mnist" else None
    layers = [case.settings(root), fitting, pipeline.settings, {"run": {"seed": args.seed}}]
    return merged(*layers, *map(assignment, args.assignments))


def measured(name: str, case: planted.Case, folder: Path, args: argparse.Namespace) -> planted.Score:
    """The score of a pipeline on a case, run up to its regions if that is not done yet."""
    pipeline, out = PIPELINES[name], folder / case.name / folder_of(name)
    if not (out / "stages/regions.json").exists():
        shutil.rmtree(out, ignore_errors=True)  # of a call that was interrupted
        taken = [folder / case.name / folder_of(other) for other in (pipeline.like, *PIPELINES) if other]
        modeldebug.run(
            plugins="defuse,bayestrex,rivals",
            preset=pipeline.mnist if case.base == "mnist" else pipeline.digits,
            settings=settings_of(pipeline, case, args),
            out=out,
            reuse=next((path for path in taken if (path / "stages/regions.json").exists()), None),
            until="regions",
        )
    return planted.score(out, case)


def activities(case: planted.Case, run: Path, root: Path | None) -> dict[str, dict[str, float]]:
    """How active each bug of a case is in the classifier of a run, on about ten thousand images at most."""
    images = planted.base_images(case.base, str(root) if root and case.base == "mnist" else None)
    module = planted.network_of(case, images)
    module.load_state_dict(RunStore.open(run).load_stage("classifier").tensors)
    some = images.subset(torch.arange(0, len(images), 1 + len(images) // 10_000))
    active = planted.activity(case, module.eval(), some)
    for name, found in active.items():
        print(f"{case.name}, {name}: {found['inside']:.3f} of its images are right, {found['outside']:.3f} of no bug's")
    return active


def folder_of(name: str) -> str:
    """A pipeline's name as that of a run folder."""
    return name.replace(", ", "-").replace(" ", "-")


def best(rows: dict[str, dict[str, Any]]) -> str:
    """The default pipeline with the largest harmonic mean of recall and precision."""

    def mean(name: str) -> float:
        recall, precision = rows[name]["recall"] or 0.0, rows[name]["precision"] or 0.0
        return 2 * recall * precision / (recall + precision) if recall + precision else 0.0

    return max((name for name in DEFAULT if name in rows), key=mean, default=next(iter(rows)))


def print_case(name: str, score: planted.Score) -> None:
    """What a pipeline found of each bug of a case."""
    others = "" if score.natural is None else f" ({score.natural} natural errors)"
    print(f"{score.case}, {name}: {score.matched} of {score.regions} regions match{others}; {score.failures} failures")
    for bug in score.bugs:
        hit = "never hit" if bug.first_hit is None else f"first hit by {bug.first_hit:,} queries"
        found = f"{bug.regions} regions, purity {shown(bug.purity, '.2f')}" if bug.regions else "not found"
        print(f"    {bug.bug:28} {found:28} {bug.failures:6,} failures, {hit}", flush=True)


COLUMNS = ("recall", "precision", "purity", "found", "bugs", "matched", "regions", "natural", "first_hit", "queries")


def print_table(rows: dict[str, dict[str, Any]]) -> None:
    print(f"\n{'':<32}" + "".join(f"{column.replace('_', ' '):>11}" for column in COLUMNS))
    for name, row in rows.items():
        print(f"{name:<32}" + "".join(f"{shown(row[column]):>11}" for column in COLUMNS))
    print()


def chosen_cases(args: argparse.Namespace) -> Sequence[planted.Case]:
    cases = [case for case in planted.suite() if args.only in (None, case.base)]
    return [case for case in cases if case.base == "digits"][:1] if args.quick else cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="the folder of MNIST's files; downloaded if not given")
    parser.add_argument("--only", choices=("digits", "mnist"), help="the cases of this base")
    parser.add_argument("--pipeline", dest="pipelines", action="append", choices=PIPELINES, help="and no others")
    parser.add_argument("--seed", type=int, default=0, help="of the runs; the suite has its own")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    scores: dict[str, list[planted.Score]] = {name: [] for name in args.pipelines or PIPELINES}
    active: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        for case in chosen_cases(args):
            for name, found in scores.items():
                found.append(measured(name, case, folder, args))
                if case.name not in active:
                    active[case.name] = activities(case, folder / case.name / folder_of(name), args.root)
                print_case(name, found[-1])
    rows = {name: planted.totals(found) for name, found in scores.items()}
    print_table(rows)
    chosen = best(rows)
    print(f"best default pipeline: {chosen}")
    figures = {k: rows[chosen][k] for k in ("recall", "precision", "purity", "first_hit")}
    cases = {name: [as_json(one) for one in found] for name, found in scores.items()}
    publish(figures, args, best=chosen, suite=planted.SUITE_VERSION, rows=rows, cases=cases, active=active)


def as_json(score: planted.Score) -> dict[str, Any]:
    return {
        "case": score.case, "regions": score.regions, "matched": score.matched, "natural": score.natural,
        "bugs": [vars(bug) for bug in score.bugs],
    }  # fmt: skip


if __name__ == "__main__":
    main()
