"""Domain adaptation (Bayes-TrEx section 4.8) over several seeds: is an adapted model right where it is sure?

    python benchmarks/domain_shift.py --root DIR [--pair mnist-digits] [--seeds 3] [--json FILE] [--keep DIR]

Each seed is a run of `examples/domain_shift/compare.py` in a process of its own: data divided anew, a LeNet, ADDA, an
auditor, a generator, and two inspections. `..._test` is the share of the target's test images that a model gets right,
`..._share_sure` that of those it is sure of (at least .85), `..._test_sure` how many of these it gets right,
`..._sure_wrong` the share about which it is sure and wrong, and `..._samples` how many of its confident samples it gets
right, the mean of the classes. `test_gain` and `samples_gain` are adapted less baseline, the latter in classes that
both are sure of. Figures are means over seeds, and the table has every seed.

`--keep` names a folder for what each seed has measured: what is there is not done again. Without `--root` the data are
downloaded. `--quick` is the same code on scikit-learn's digits, a fraction of everything.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from figures import publish, shown

SCRIPT = Path(__file__).parents[1] / "examples" / "domain_shift" / "compare.py"
MODELS = ("baseline", "adapted")
RATES = ("test", "share_sure", "test_sure", "sure_wrong", "samples")
GAINS = ("test_gain", "samples_gain")


def measured(args: argparse.Namespace, pair: str, seed: int, folder: Path) -> Mapping[str, Any]:
    """What the example has found with a seed, from its file or from a run."""
    shift = args.shift if pair.endswith("-shifted") else "none"
    file = folder / f"{pair}-{shift.replace(':', '-')}-{args.generator}-{seed}.json"
    if not file.exists():
        given = ("--pair", pair, "--seed", str(seed), "--generator", args.generator, "--json", str(file.absolute()))
        shifted = () if shift == "none" else ("--shift", shift)
        where = ("--root", str(args.root.absolute())) if args.root else ()
        quick = ("--quick",) if args.quick else ()
        subprocess.run([sys.executable, str(SCRIPT), *given, *shifted, *where, *quick], check=True)
    figures: Mapping[str, Any] = json.loads(file.read_text())["figures"]
    return figures


def mean(values: Sequence[float | None]) -> float | None:
    """Of what was measured.

    >>> mean([0.5, None, 1.0]), mean([None])
    (0.75, None)
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def table(found: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """A row for each rate and gain, a column for each seed; their means are the figures."""
    rows = {f"{model}_{rate}": [seed[model][rate] for seed in found] for rate in RATES for model in MODELS}
    rows |= {gain: [seed[gain] for seed in found] for gain in GAINS}
    rows["auditor_accuracy"] = [seed["auditor_accuracy"] for seed in found]
    for name, of in rows.items():
        print(f"  {name:22}{'  '.join(f'{_percent(rate):22}' for rate in of)}".rstrip())
    abstained = [seed["auditor_abstained"] for seed in found]
    return {name: mean([rate["share"] for rate in of]) for name, of in rows.items()} | {
        "auditor_abstained": mean(abstained)
    }


def _percent(rate: Mapping[str, float | None]) -> str:
    if rate["share"] is None:
        return shown(None)
    share, low, high = (100 * (rate[name] or 0.0) for name in ("share", "low", "high"))
    return f"{share:.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", default="mnist-digits", help="of domains, as the example takes it (%(default)s)")
    parser.add_argument("--shift", default="rotated:40", help="of a pair of one data set (%(default)s)")
    parser.add_argument("--generator", default="vae-fc", help="of the target domain (%(default)s; or dcgan)")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 (%(default)s)")
    parser.add_argument("--root", type=Path, help="the folder with the data sets' files")
    parser.add_argument("--json", type=Path, help="write figures and settings to this file")
    parser.add_argument("--keep", type=Path, help="a folder for what each seed has measured")
    parser.add_argument("--quick", action="store_true", help="a fraction of everything: its figures mean nothing")
    args = parser.parse_args()
    if args.quick:
        args.pair, args.seeds = "digits-shifted", 1
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = [measured(args, args.pair, seed, folder) for seed in range(args.seeds)]
    print(f"\n{args.pair}, percent, a column for each seed (intervals of 95 %)")
    figures = table(found)
    print()
    publish(figures, args, seeds=found)


if __name__ == "__main__":
    main()
