"""Purity of regions: clusters over all failures or within each expected class, and what splitting the mixed ones does.

    OMP_NUM_THREADS=1 python benchmarks/purity.py [--dataset mnist --root DIR] [--quick] [--json FILE]

Every row clusters and labels the failures of the same search, with the preset's oracle. `labelled` counts clusters and
parts that were shown to it; `purity` is the median over those that were not split and have a label, by the oracle;
`in kept` is the share of all failures that are in kept regions. `fresh` is the median purity of the kept regions on
samples drawn anew, by the auditor, which labelled nothing: of the samples that it answers, the share that it gives the
region's label. The oracle's own samples decided what was kept, so only `fresh` says how pure the regions are.

Without `--dataset` the data are digits of scikit-learn; without `--root` others are downloaded. Run folders are
temporary unless `--keep` names a new folder for them. `--reuse` names a run or what an earlier call kept: stages that
would be the same are taken over from there. `--quick` is the preset `tiny`: the same code in seconds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from figures import publish, shown
from layers import Settings, assignment, merged

import modeldebug
from modeldebug import Labeler, Region, rng_for
from modeldebug.aims import run_targets
from modeldebug.folders import restore_config
from modeldebug.prepare import make, prepare
from modeldebug.stages.judges import ask
from modeldebug.stages.regions import load_clustering, load_divisions, load_regions
from modeldebug.stages.sampler import Division, Sampler
from modeldebug.store import RunStore

PRESETS = {"digits": "defuse", "mnist": "defuse-mnist", "fashion-mnist": "defuse-fashion"}
ROWS = {
    "within=all, split none": ("all", "none"),
    "within=all, split expected": ("all", "expected"),
    "within=all, split inside": ("all", "inside"),
    "within=expected, split none": ("expected", "none"),
    "within=expected, split expected": ("expected", "expected"),
}
FRESH = 256  # samples drawn anew of each kept region
QUICK: Settings = {  # over the preset `tiny`: coarse clusters, wide samples and a rash oracle, so that some are mixed
    "clusterer": {"components": 2}, "labeler": {"confidence": 0.0}, "regions": {"tau": 0.5, "rho": 0.05},
}  # fmt: skip


def labelled(name: str, folder: Path, trunk: Path | None, args: argparse.Namespace) -> modeldebug.Run:
    """A row's run up to its labelled regions, with the stages that it has in common with the trunk taken over."""
    within, split = ROWS[name]
    own: Settings = {"clusterer": {"within": within}, "regions": {"split": split}, "run": {"seed": args.seed}}
    dataset = "digits" if args.quick else args.dataset  # which has no files
    root: Settings = {"dataset": {"root": str(args.root)}} if args.root and dataset != "digits" else {}
    layers = [QUICK if args.quick else {}, root, own]
    return modeldebug.run(
        preset="tiny" if args.quick else PRESETS[dataset],
        budget=args.budget,
        settings=merged(*layers, *map(assignment, args.assignments)),
        out=folder / folder_of(name),
        reuse=trunk,
        until="regions",
    )


def folder_of(name: str) -> str:
    """A row's name as that of a run folder."""
    return name.replace(", ", "-").replace(" ", "-").replace("=", "-")


def figures_of(run: modeldebug.Run) -> dict[str, Any]:
    """What a row's clusters became."""
    stage = RunStore.open(run.path).load_stage("regions")
    every = load_regions(stage)
    leaves = [region for region in every if region.status != "split"]
    kept = [region for region in every if region.status == "kept"]
    failures = len(run.failures)
    fresh = fresh_purities(run, kept)
    return {
        "failures": failures,
        "clusters": sum(region.parent is None for region in every),
        "labelled": len(every),
        "split": len(every) - len(leaves),
        **{status: sum(r.status == status for r in leaves) for status in ("kept", "mixed", "correct", "unlabelled")},
        "purity": median([region.purity for region in leaves]),
        "in_kept": sum(region.size for region in kept) / failures if failures else None,
        "purity_kept": median([region.purity for region in kept]),
        "purity_fresh": median(fresh),
        "pure_fresh": sum(purity is not None and purity >= 0.8 for purity in fresh),
        "rounds": stage.info["rounds"],
    }


def median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def fresh_purities(run: modeldebug.Run, regions: list[Region]) -> list[float | None]:
    """Of each region the share of new samples with its label, of those that the auditor answers at its threshold."""
    sampler, auditor, threshold = read(run)
    found: list[float | None] = []
    for region in regions:
        _, x = sampler.draw(region.cluster, FRESH, rng_for(0, "fresh", *sampler.path(region.cluster)))
        labels = ask(auditor, "fresh", x, sampler.model.spec, 0.5, threshold)
        answered = labels[labels >= 0]
        found.append(float((answered == region.label).double().mean()) if len(answered) else None)
    return found


def read(run: modeldebug.Run) -> tuple[Sampler, Labeler[Any], float | None]:
    """The regions of a run, to be drawn from, and its auditor with the threshold below which it abstains."""
    store = RunStore.open(run.path)
    _, config = restore_config(store)
    prepared = prepare(config, aims=run_targets)
    clusterer, model, auditor = (
        make(config, role, prepared.splits.spec) for role in ("clusterer", "generator", "auditor")
    )
    fitted = store.load_stage("auditor")
    model.load_state_dict(store.load_stage("generator").tensors)
    auditor.load_state_dict(fitted.tensors)
    clustering = load_clustering(store.load_stage("clusters"))
    first = () if clustering is None else (Division.of_all(clustering),)
    sampler = Sampler(
        clusterer,
        (*first, *load_divisions(store.load_stage("regions"))),
        model,
        config.core.regions.tau,
        prepared.classifier.batch_size,
        torch.device("cpu"),
        run.failures.condition,
    )
    return sampler, auditor, fitted.info["threshold"]


COLUMNS = {
    "clusters": "clusters", "labelled": "labelled", "split": "split", "kept": "kept", "mixed": "mixed",
    "purity": "purity", "in_kept": "in kept", "purity_fresh": "fresh", "pure_fresh": "pure",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=PRESETS, default="digits")
    parser.add_argument("--root", type=Path, help="the folder of the IDX files, if any; downloaded if not given")
    parser.add_argument("--budget", help="of the preset; its first one if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--reuse", type=Path, help="a run, or what an earlier call kept")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    print(f"{'':<34}" + "".join(f"{title:>10}" for title in COLUMNS.values()))
    with tempfile.TemporaryDirectory() as temporary:
        trunk = earlier(args.reuse)
        for name in ROWS:
            run = labelled(name, args.keep or Path(temporary), trunk, args)
            trunk, rows[name] = run.path, figures_of(run)
            cells = (shown(rows[name][column]) for column in COLUMNS)
            print(f"{name:<34}" + "".join(f"{cell:>10}" for cell in cells), flush=True)
    print()
    publish(summary(rows), args, rows=rows)


def earlier(folder: Path | None) -> Path | None:
    """The run to take stages over from: the folder itself, or the first row that an earlier call kept in it."""
    if folder is None or (folder / "manifest.json").exists():
        return folder
    return folder / folder_of(next(iter(ROWS)))


def summary(rows: dict[str, dict[str, Any]]) -> dict[str, float | None]:
    """The figures that say what splitting is good for, with the row's name in short."""
    short = {name: name.replace("within=", "").replace(", split ", "_") for name in ROWS}
    return {
        f"{column}_{short[name]}": row[column]
        for name, row in rows.items()
        for column in ("kept", "mixed", "purity", "in_kept", "purity_fresh")
    }


if __name__ == "__main__":
    main()
