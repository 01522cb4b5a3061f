"""A preset on scikit-learn's digits, over several seeds: what it finds, and what correcting it costs.

    python benchmarks/digits.py [--preset defuse-conditional] [--seeds 5] [--first 0] [--workers 2] [--json FILE]

Prints a row for each seed, and means with 95 % intervals (Student's t over seeds). The run folders are temporary
unless `--keep` names a folder for them. `seconds` is the whole run, workers' start included. `--quick` runs one seed
of the preset `tiny`: the same code in seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import modeldebug

COLUMNS = {
    "test_before": "test before",
    "test_after": "test after",
    "test_control": "control",
    "region_before": "region before",
    "region_after": "region after",
    "region_alone": "failures alone",
    "regions": "regions",
    "pure_regions": "of purity .8",
    "one_image": "of one image",
    "disputed": "disputed",
    "region_purity": "purity",
    "genuine_share": "genuine",
    "drift_share": "drift",
    "seconds": "seconds",
}
# two-sided 95 % quantiles of Student's t for 1 to 9 degrees of freedom
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def row(seed: int, preset: str, out: Path, workers: int | None) -> dict[str, Any]:
    """One run's figures; None for what was not measured."""
    began = time.monotonic()
    run = modeldebug.run(preset=preset, settings={"run": {"seed": seed}}, out=out, workers=workers)
    seconds = time.monotonic() - began
    r: dict[str, Any] = run.results
    failures = r["search"]["failures"]
    return {
        "test_before": r["test_accuracy"]["before"],
        "test_after": r["test_accuracy"]["after"],
        "test_control": r["test_accuracy"]["control"],
        "region_before": r["region_accuracy"]["before"],
        "region_after": r["region_accuracy"]["after"],
        "region_alone": r["region_accuracy"]["failures_alone"],
        "regions": r["regions"],
        "pure_regions": sum(region.purity is not None and region.purity >= 0.8 for region in run.regions),
        "one_image": r["regions_of_one_image"],
        "disputed": r["regions_disputed"],
        "region_purity": r["region_purity"],
        "genuine_share": r["search"]["genuine"] / failures if failures else None,
        "drift_share": r["search"]["drift"] / failures if failures else None,
        "seconds": seconds,
    }


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half width of its 95 % interval over seeds; the half width of a single value is unknown: NaN."""
    n, mean = len(values), sum(values) / len(values)
    if n < 2:
        return mean, math.nan
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    return mean, T95[min(n - 2, len(T95) - 1)] * deviation / math.sqrt(n)


def summarise(title: str, values: list[Any]) -> float | None:
    """Print a figure's mean, interval and range over the seeds that have it; give the mean."""
    known = [v for v in values if v is not None]
    if not known:
        return None
    mean, half = interval(known)
    print(f"{title:<15}{mean:9.4f} ± {half:.4f}   {min(known):.4f} to {max(known):.4f}   n = {len(known)}")
    return mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("defuse", "defuse-conditional"), default="defuse")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, help="processes that do side by side what can be")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    seeds, preset = (1, "tiny") if args.quick else (args.seeds, args.preset)
    print("seed  " + "  ".join(COLUMNS.values()))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(args.first, args.first + seeds):
            rows.append(row(seed, preset, (args.keep or Path(folder)) / f"seed-{seed}", args.workers))
            cells = ("-" if v is None else f"{v:.4g}" for v in rows[-1].values())
            aligned = (f"{cell:>{len(title)}}" for cell, title in zip(cells, COLUMNS.values(), strict=True))
            print(f"{seed:>4}  " + "  ".join(aligned), flush=True)
    print()
    figures = {name: summarise(title, [r[name] for r in rows]) for name, title in COLUMNS.items()}
    losses = [None if r["test_after"] is None else r["test_control"] - r["test_after"] for r in rows]
    figures["test_loss_against_control"] = summarise("control - after", losses)
    if args.json:
        settings = {"preset": preset, "first_seed": args.first, "seeds": seeds}
        args.json.write_text(json.dumps({"figures": figures, "settings": settings, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
