"""Distillation: `dp-gmm` against scikit-learn's mixture on the same codes, to the same tolerance.

    OMP_NUM_THREADS=1 python benchmarks/distill.py [--run DIR] [--quick] [--json FILE]

Both fit the same model, with the same prior, truncation, tolerance and most iterations, each from its own start. One
function computes the evidence lower bound of both on all codes. `bound_gain` is dp-gmm's less scikit-learn's, in nats a
code. `dpgmm_speedup` is scikit-learn's time until it has converged over dp-gmm's time until its bound is at least the
same; 0 where it never is. `dpgmm_speedup_converged` counts dp-gmm's time until it has converged.

The codes are 50,000 of 10 dimensions, from 40 elongated, overlapping Gaussians of unequal weight and a tenth of broad
noise; with `--run`, those of the failures in a run folder, at most as many. `--quick` takes 10,000 codes and K = 60
instead of 100: the same code in seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from modeldebug_defuse.dp_gmm import fit
from modeldebug_defuse.dp_gmm_sklearn import DpGmmSklearn
from modeldebug_defuse.settings import DpGmmConfig
from modeldebug_defuse.variational import Prior, evidence_lower_bound
from safetensors.torch import load_file
from torch import Tensor

from modeldebug import DataSpec, rng_for

GAUSSIANS, LATENT, NOISE = 40, 10, 0.1


def synthetic(n: int, seed: int) -> Tensor:
    """Codes (n, d) float64 with the precision of float32, as a generator's are."""
    rng = rng_for(seed, "distill")
    weights = torch.randn(GAUSSIANS, generator=rng).exp()
    means = torch.randn(GAUSSIANS, LATENT, generator=rng)
    axes = torch.linalg.qr(torch.randn(GAUSSIANS, LATENT, LATENT, generator=rng))[0]
    deviations = 0.8 * torch.exp(2.3 * torch.rand(GAUSSIANS, LATENT, generator=rng) - 2.3)  # from .08 to .8
    group = torch.multinomial(weights, n, replacement=True, generator=rng)
    noise = torch.randn(n, LATENT, generator=rng)
    codes = means[group] + ((noise * deviations[group])[:, None, :] @ axes[group])[:, 0]
    broad = torch.rand(n, generator=rng) < NOISE
    codes[broad] = 1.5 * torch.randn(int(broad.sum()), LATENT, generator=rng)
    return codes.double()


def failures_of(folder: Path) -> Tensor:
    """The codes (n, d) of the failures in a run folder."""
    codes: Tensor = load_file(folder / "stages" / "search.safetensors")["z"]
    return codes.double()


class Watch:
    """When the bound of a fit first was what, in seconds since the start."""

    def __init__(self) -> None:
        self.began, self.seen = time.perf_counter(), [(0.0, -math.inf)]

    def __call__(self, bound: float) -> None:
        self.seen.append((time.perf_counter() - self.began, bound))

    def until(self, bound: float) -> float | None:
        return next((seconds for seconds, value in self.seen if value >= bound), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, metavar="DIR", help="take the failures' codes of this run folder")
    parser.add_argument("--seed", type=int, default=0, help="of the codes and of both starts")
    parser.add_argument("--tolerance", type=float, default=DpGmmConfig().tolerance, help="nats a code")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    n, components = (10_000, 60) if args.quick else (50_000, 100)
    codes = failures_of(args.run)[:n] if args.run else synthetic(n, args.seed)
    config = DpGmmConfig(components=components, tolerance=args.tolerance)
    prior = Prior.of(codes, min(components, len(codes)), config.regularisation)
    print(
        f"{len(codes):,} codes of {codes.shape[1]} dimensions, K = {components}; tolerance {config.tolerance:g}, ",
        end="",
    )
    print(f"at most {config.max_iter} iterations; {torch.get_num_threads()} threads")
    print(f"\n{'':<16}{'seconds':>9}{'iterations':>12}{'converged':>11}{'of weight > .01':>17}{'bound a code':>14}")
    rows: dict[str, dict[str, float]] = {}
    watch = Watch()
    limits = (config.max_iter, config.tolerance, config.regularisation)
    for name in ("dp-gmm", "dp-gmm-sklearn"):
        began = time.perf_counter()
        if name == "dp-gmm":
            fitted = fit(codes, components, *limits, args.seed, watch)
        else:
            fitted = DpGmmSklearn(config, DataSpec((1, 1, 1), ("a", "b"))).fit_mixture(codes, args.seed)
        seconds = time.perf_counter() - began
        bound = evidence_lower_bound(codes, fitted.posterior, prior) / len(codes)
        kept = int((fitted.posterior.weights > config.min_weight).sum())
        print(
            f"{name:<16}{seconds:>9.2f}{fitted.iterations:>12}{fitted.converged!s:>11}{kept:>17}{bound:>14.5f}",
            flush=True,
        )
        rows[name] = {
            "seconds": seconds,
            "iterations": fitted.iterations,
            "converged": fitted.converged,
            "bound": bound,
        }
    ours, theirs = rows["dp-gmm"], rows["dp-gmm-sklearn"]
    gain, same = ours["bound"] - theirs["bound"], watch.until(theirs["bound"])
    figures = {
        "dpgmm_speedup": theirs["seconds"] / same if same else 0.0,
        "dpgmm_speedup_converged": theirs["seconds"] / ours["seconds"],
        "bound_gain": gain,
    }
    print(
        f"\ndp-gmm had scikit-learn's bound after {same:.2f} s" if same else "\ndp-gmm never had scikit-learn's bound"
    )
    print(f"speedup {figures['dpgmm_speedup']:.1f} for the same bound, ", end="")
    print(f"{figures['dpgmm_speedup_converged']:.1f} until converged; gain of the bound {gain:+.5f} nats a code")
    if args.json:
        settings = {
            "codes": len(codes), "dimensions": codes.shape[1], "components": components, "tolerance": args.tolerance,
            "max_iter": config.max_iter, "seed": args.seed, "run": args.run and str(args.run),
            "threads": torch.get_num_threads(),
        }  # fmt: skip
        args.json.write_text(json.dumps({"figures": figures, "settings": settings, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
