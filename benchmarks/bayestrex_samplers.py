"""How many effective samples a second: Pyro's NUTS, batched HMC and SMC on one posterior, and whether it is the same.

    python benchmarks/bayestrex_samplers.py --root DIR [--json FILE] [--keep DIR]

The posterior is that of the ambiguous pair 4, 9 on MNIST under the paper's VAE, sigma 0.05. Effective samples are
counted alike for chains and populations, from repeats: the posterior's variance over the variance of the means of the
repeats, the smallest over latent dimensions and the two confidences; over the seconds that a repeat takes, its start
and warm-up included. Variance and moments of the posterior are the reference's, for codes and confidences alike:
weighted prior draws. `moment_error` is the largest error of means and standard deviations of z, in prior standard
deviations; `confidence_error` the largest of those of the two confidences.

Repeats of NUTS and SMC are independent. The chains of HMC share step size and masses, which warm-up learns from all of
them, so its repeats are not wholly independent. NUTS is slow: by default a chain has 25 draws of warm-up and 25 that
are kept (the paper: 1,000 and 1,000), for which it is too short; `--nuts` raises both.

`--keep` names a folder for inspections and reference: what is finished there is not done again. Without `--root` the
data are downloaded. `--quick` is the same code on a fraction of everything.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from figures import known, publish, ratio, shown
from layers import Settings, merged
from reference import Reference, models, prior_draws, weighted
from torch import Tensor

import modeldebug
from modeldebug import Target

SIGMA = 0.05
TARGET = Target("ambiguous", (4, 9), (0.5, 0.5))
QUICK: Settings = {
    "dataset": {"limit": 1500, "validation": 150},
    "classifier": {"epochs": 1},
    "generator": {"epochs": 3},
    "report": {"tsne": 0, "draws": 10, "images": 2, "maps": 0},
}


@dataclass(frozen=True)
class Row:
    """A sampler with repeats: how many, and what it is set to."""

    name: str
    settings: Settings
    repeats: int


def rows(args: argparse.Namespace) -> list[Row]:
    few = args.quick
    nuts = {"use": "bayestrex:nuts", "chains": args.repeats, "warmup": args.nuts, "samples": args.nuts}
    hmc = {"use": "bayestrex:hmc", "chains": args.repeats, "warmup": 5 if few else 100, "samples": 5 if few else 100}
    smc: dict[str, Any] = {"use": "bayestrex:smc", "populations": args.repeats, "particles": args.particles}
    return [
        Row("nuts", {"searcher": {**nuts, **({"depth": 3} if few else {})}}, args.repeats),
        Row("hmc", {"searcher": hmc}, args.repeats),
        Row(
            "smc",
            {"searcher": {**smc, **({"pool": 512, "crowd": 16, "moves": 1, "stages": 4} if few else {})}},
            args.repeats,
        ),
    ]


def measure(row: Row, inspection: Any, reference: Reference) -> dict[str, float | None]:
    """The figures of a sampler; None where there is none, as without samples."""
    samples, got = inspection.samples(TARGET.name), inspection.targets[0]
    values = torch.cat([samples.z, TARGET.confidences(samples.probs)], 1)
    wanted = torch.cat([reference.mean, reference.confidence])
    spread = torch.cat([reference.spread, reference.confidence_spread])
    means = torch.stack([values[samples.chain == chain].mean(0) for chain in range(row.repeats)])
    effective = known(float((spread**2 / means.var(0)).min()))
    errors = torch.maximum((values.mean(0) - wanted).abs(), (values.std(0, correction=0) - spread).abs())
    d = samples.z.shape[1]
    seconds = inspection.results["seconds"]["samples"] / row.repeats
    settings = json.loads((inspection.path / "manifest.json").read_text())["config"]["searcher"]
    return {
        "effective": effective,
        "seconds": seconds,
        "ess_per_second": ratio(effective, seconds),
        "rank_rhat": got.rhat,
        "moment_error": known(float(errors[:d].max())),
        "confidence_error": known(float(errors[d:].max())),
        "confidence": sum(got.confidence) / 2 if got.confidence else None,
        "queries": inspection.results["queries"] / row.repeats,
        "samples": got.samples / row.repeats,
        "warmup": settings.get("warmup"),
    }


def inspections(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One inspection a row, with the same classifier and generator."""
    found: dict[str, Any] = {}
    reuse = args.reuse
    for row in rows(args):
        out = folder / row.name
        if (out / "results.json").exists():
            found[row.name] = modeldebug.open_inspection(out)
        else:
            common: Settings = {
                "run": {"batch_size": 128, "seed": args.seed},
                "classifier": {"epochs": args.epochs},
                "search": {"sigma": SIGMA},
            }
            layers = [common, {"dataset": {"root": str(args.root)}} if args.root else {}, QUICK if args.quick else {}]
            found[row.name] = modeldebug.inspect(
                plugins="bayestrex", preset="bayestrex-mnist", targets=TARGET.name,
                settings=merged(*layers, row.settings), out=out, reuse=reuse,
            )  # fmt: skip
        reuse = out
    return found


def draws(args: argparse.Namespace, folder: Path, inspection: Any) -> tuple[Tensor, Tensor]:
    """The reference's prior draws and their predictions, from the folder or made and kept there."""
    file = folder / f"reference-{args.draws}.pt"
    if file.exists():
        z, probs = torch.load(file, weights_only=True)
        return z, probs
    z, probs = prior_draws(*models(inspection.path, {}), args.draws, seed=args.seed)
    torch.save((z, probs), file)
    return z, probs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="the folder with MNIST's IDX files")
    parser.add_argument("--json", type=Path, help="write figures and settings to this file")
    parser.add_argument("--keep", type=Path, help="a folder for inspections and reference")
    parser.add_argument("--reuse", type=Path, help="a run or inspection whose trained parts are taken over")
    parser.add_argument("--repeats", type=int, default=8, help="repeats of each sampler (%(default)s)")
    parser.add_argument("--particles", type=int, default=256, help="of a population of smc (%(default)s)")
    parser.add_argument(
        "--nuts",
        metavar="N",
        type=int,
        default=25,
        help="warm-up draws of a chain of NUTS, and as many that are kept (%(default)s; the paper: 1000); with --keep, "
        "name another folder for another number",
    )
    parser.add_argument("--draws", type=int, default=2_000_000, help="prior draws of the reference (%(default)s)")
    parser.add_argument("--epochs", type=int, default=14, help="of the classifier (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a fraction of everything: its figures mean nothing")
    args = parser.parse_args()
    if args.quick:
        args.repeats, args.particles, args.nuts, args.draws = 4, 16, 3, 4000
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        found = inspections(args, folder)
        z, probs = draws(args, folder, found["smc"])
        reference = weighted(TARGET, z, probs, SIGMA)
        measured = {row.name: measure(row, found[row.name], reference) for row in rows(args)}
    print(f"{TARGET.name}, sigma {SIGMA}; reference: {reference.size:.0f} effective of {args.draws:,} prior draws")
    smc, nuts, hmc = (measured[name] for name in ("smc", "nuts", "hmc"))
    print(f"{'':16}" + "".join(f"{name:>12}" for name in measured))
    for name in smc:
        print(f"{name:16}" + "".join(f"{shown(figures[name]):>12}" for figures in measured.values()))
    nuts_draws = f"{nuts['warmup']} + {nuts['samples']:.0f} (the paper: 1,000 + 1,000)"
    print(f"samples and warmup: draws of a repeat; of NUTS {nuts_draws}")
    print("hmc: its chains share step size and masses, so its repeats are not wholly independent\n")
    figures = {
        "ess_per_second_ratio": ratio(smc["ess_per_second"], nuts["ess_per_second"]),
        "rank_rhat": smc["rank_rhat"],
        "moment_error": smc["moment_error"],
        "confidence_error": smc["confidence_error"],
        "hmc_ess_per_second_ratio": ratio(hmc["ess_per_second"], nuts["ess_per_second"]),
    }
    publish(figures, args, samplers=measured)


if __name__ == "__main__":
    main()
