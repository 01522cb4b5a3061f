"""The tables of Bayes-TrEx on MNIST and Fashion-MNIST, beside what brute force says can be reached at all.

    python benchmarks/bayestrex_tables.py --dataset mnist --root DIR [--json FILE] [--keep DIR] [--parts ambiguous,...]

Every part is an inspection with the paper's VAE (`bayestrex:vae-fc`) and `bayestrex:smc`: all ambiguous pairs, high
confidence, class-excluded failures (a generator for each class left out), graded confidence, uniform ambiguity, novel
classes, and a classifier that is ambiguous on purpose (KL loss, equations 13 and 14). The part `gan`, which runs only
if `--parts` names it, is the matrix of ambiguous pairs and high confidence with a DCGAN (`gan:dcgan`) that is trained
for a limited time: the paper found that a GAN rarely yields ambiguous images.

The reference is importance sampling from the prior. Class-excluded failures are sampled at sigma 0.01; whether one is
within the generator's reach at all is decided at the paper's sigma, 0.05, at which more prior draws count, and the
smallest confidence is that of the classes within reach. `..._reached` counts the targets that the sampler reached, of
these classes or, for the other kinds, of all; classes out of reach are named. A figure that could not be measured, as
of a target without samples, is null in JSON and - in print.

`--keep` names a folder for inspections and reference: what is finished there is not done again. Without `--root` the
data are downloaded. `--quick` is the same code on a fraction of everything.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from figures import lowest, publish, shown
from layers import Settings, loaded, merged
from reference import COUNTED, models, prior_draws, weighted
from torch import Tensor, nn

import modeldebug
from modeldebug import Context, Diagnosis, rng_for
from modeldebug.targets import all_targets

PRESETS = {"mnist": "bayestrex-mnist", "fashion-mnist": "bayestrex-fashion"}
GRADED = {"mnist": (8, 9), "fashion-mnist": (0, 1)}  # the paper interpolates between these (figure 8)
KNOWN = {"mnist": (0, 1, 3, 6, 9), "fashion-mnist": (2, 3, 5, 6, 9)}  # classes of the classifier for novel classes
SIGMA, SMALL = 0.05, 0.01  # the paper's; and one for confidences closer to the target than its posterior has them
QUICK: Settings = {
    "dataset": {"limit": 1500, "validation": 150},
    "classifier": {"epochs": 1},
    "generator": {"epochs": 2},
    "searcher": {"populations": 2, "particles": 8, "pool": 128, "crowd": 8, "moves": 1, "stages": 2},
    "report": {"tsne": 0, "draws": 10, "images": 2, "maps": 0},
    "run": {"batch_size": 32},
}
GAN: Settings = {"searcher": {"populations": 2, "particles": 64, "pool": 16_384, "moves": 4}}  # its images take longer
LEARNING = {"batch_size": 64, "learning_rate": 5e-4}  # of a DCGAN of so few channels, so that digits can be read
QUICK_GAN: Settings = {"generator": {"inverter_steps": 10, "refine": 0}, "searcher": QUICK["searcher"]}


class Tables:
    """The parts, each an inspection in a folder of its own; later ones take over what earlier ones have trained."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.trunk: Path | None = None

    def inspect(
        self,
        name: str,
        targets: list[str],
        *,
        settings: Settings | None = None,
        reuse: Path | None = None,
        **given: Any,
    ) -> Any:
        """The inspection of a part, done or read back if it is finished."""
        out = self.folder / name
        if (out / "results.json").exists():
            found = modeldebug.open_inspection(out)
        else:
            args = self.args
            layers = [{"dataset": {"root": str(args.root)}} if args.root else {}, {"run": {"batch_size": 128}}]
            layers += [{"classifier": {"epochs": args.epochs}}] if "model" not in given else []
            layers += [_fitting(QUICK, given)] if args.quick else []
            given.setdefault("preset", PRESETS[args.dataset])
            given.setdefault("dataset", args.dataset)
            found = modeldebug.inspect(
                targets=targets,
                settings=merged(*layers, settings or {}),
                out=out,
                reuse=reuse or self.trunk or args.reuse,
                **given,
            )
        self.trunk = self.trunk or (out if not {"model", "plugins"} & set(given) else None)
        return found

    def draws(self, inspection: Any, n: int, *, stage: str = "generator") -> tuple[Tensor, Tensor]:
        """Prior draws of a generator and their predictions, from the folder or made and kept there."""
        file = self.folder / f"reference-{inspection.path.name}-{stage}-{n}.pt"
        if file.exists():
            z, probs = torch.load(file, weights_only=True)
        else:
            z, probs = prior_draws(*models(inspection.path, {}, stage=stage), n, seed=self.args.seed)
            torch.save((z, probs), file)
        return z, probs


def _fitting(quick: Settings, given: dict[str, Any]) -> Settings:
    return {k: v for k, v in quick.items() if not (k == "classifier" and "model" in given)}


def ambiguous(tables: Tables) -> dict[str, Any]:
    """All pairs, and those that the reference reaches."""
    began = time.monotonic()
    searcher = {"particles": tables.args.particles, "pool": tables.args.pool}
    settings = {"search": {"sigma": SIGMA}} | ({} if tables.args.quick else {"searcher": searcher})
    found = tables.inspect("ambiguous", ["ambiguous"], settings=settings)
    whole = time.monotonic() - began
    z, probs = tables.draws(found, tables.args.draws)
    rows = []
    for target, got in zip(all_targets("ambiguous", probs.shape[1]), found.targets, strict=True):
        reference = weighted(target, z, probs, SIGMA)
        rows.append((target, got, reference))
    print(f"\nambiguous pairs, sigma {SIGMA}: reference of {len(z):,} prior draws, counted from {COUNTED:g} draws on")
    width = max(len(name) for name, _ in _named(found))
    heading = f"{'pair':{width}} {'confidence':>13} {'error':>6} {'R-hat':>6} {'ESS':>6} {'reached':>8}"
    print(heading + "   reference: ESS, error")
    for (name, got), (_, _, reference) in zip(_named(found), rows, strict=True):
        mean = ", ".join(f"{p:.3f}" for p in got.confidence) or shown(None)
        numbers = f"{shown(got.error, '.3f'):>6} {shown(got.rhat, '.3f'):>6} {shown(got.ess, '.0f'):>6}"
        reached = "yes" if got.reached else "no"
        print(f"{name:{width}} {mean:>13} {numbers} {reached:>8}   {reference.size:8.0f}, {reference.error:.3f}")
    reachable = [got for _, got, reference in rows if reference.reaches(SIGMA)]
    near = sum(got.error is not None and got.error <= 2 * SIGMA for _, got, _ in rows)
    seconds = found.results["seconds"]
    return {
        "ambiguous_pairs": sum(got.reached for _, got, _ in rows),
        "ambiguous_near": near,  # by the mean error alone, however chains agree
        "ambiguous_reachable": len(reachable),
        "ambiguous_reached_of_reachable": sum(got.reached for got in reachable) / max(1, len(reachable)),
        "ambiguous_minutes": seconds["samples"] / 60,
        "ambiguous_command_minutes": max(whole, seconds["total"]) / 60,
        "ambiguous_samples_min": min(got.samples for _, got, _ in rows),
    }


def _named(found: Any) -> list[tuple[str, Diagnosis]]:
    """The targets of an inspection, with the names of their classes."""
    return list(zip((t["described"] for t in found.results["targets"]), found.targets, strict=True))


def _row(name: str, got: Diagnosis) -> str:
    parts = zip(got.confidence, got.spread, strict=True)
    means = ", ".join(f"{mean:.3f} +- {spread:.3f}" for mean, spread in parts) or shown(None)
    return f"  {name:26} {means:34} R-hat {shown(got.rhat, '.3f'):5}  {got.reason or 'reached'}"


def _table(title: str, found: Any) -> None:
    print(f"\n{title}")
    for name, got in _named(found):
        print(_row(name, got))


def _least(name: str, found: list[Diagnosis]) -> dict[str, Any]:
    """The smallest mean confidence of targets of one class each, and how many of these the sampler reached."""
    means = [got.confidence[0] if got.confidence else None for got in found]
    return {f"{name}_min": lowest(means), f"{name}_reached": sum(got.reached for got in found)}


def confident(tables: Tables) -> dict[str, Any]:
    """High confidence of every class."""
    found = tables.inspect("confident", ["high-confidence"], settings={"search": {"sigma": SMALL}})
    _table(f"high confidence, sigma {SMALL}", found)
    return _least("high_confidence", found.targets)


def excluded(tables: Tables) -> dict[str, Any]:
    """Confident failures: classes that the generator never saw."""
    found = tables.inspect("excluded", ["class-excluded"], settings={"search": {"sigma": SMALL}})
    n = tables.args.draws // 10
    print(f"\nclass-excluded failures, sampled at sigma {SMALL}; whether one is within reach is decided at the paper's")
    print(f"sigma, {SIGMA}: by how many of {n:,} prior draws count for it (at least {COUNTED:g}), and their confidence")
    within, beyond = [], []
    for c, (target, (name, got)) in enumerate(zip(all_targets("class-excluded", 10), _named(found), strict=True)):
        reference = weighted(target, *tables.draws(found, n, stage=f"generator-without-{c}"), SIGMA)
        reachable = reference.reaches(SIGMA)
        if reachable:
            within.append(got)
        else:
            beyond.append(name.partition(":")[2])
        verdict = "within reach" if reachable else "out of reach"
        print(_row(name, got))
        print(f"    {verdict}: {reference.size:.0f} prior draws, confidence {float(reference.confidence[0]):.3f}")
    print("  out of the generator's reach:", ", ".join(beyond) or "none")
    return {**_least("class_excluded", within), "class_excluded_reachable": len(within)}


def graded(tables: Tables) -> dict[str, Any]:
    """Interpolation between two classes, at the paper's sigma and a smaller one."""
    i, j = GRADED[tables.args.dataset]
    shares = [round(0.1 * step, 1) for step in range(11)]
    targets = [f"graded:{i}={share:g},{j}={1 - share:.1f}" for share in shares]
    errors = {}
    for sigma in (SIGMA, SMALL):
        found = tables.inspect(f"graded-{sigma:g}", targets, settings={"search": {"sigma": sigma}})
        _table(f"graded, sigma {sigma}", found)
        got = next(t for t in found.targets if t.target == f"graded:{i}=0.6,{j}=0.4")
        away = [abs(mean - aim) for mean, aim in zip(got.confidence, got.aim, strict=False)]
        errors[sigma] = max(away, default=None)
    return {"graded_error": errors[SMALL], "graded_error_at_paper_sigma": errors[SIGMA]}


def uniform(tables: Tables) -> dict[str, Any]:
    """Images that every class fits equally."""
    found = tables.inspect("uniform", ["uniform"], settings={"search": {"sigma": SMALL}})
    _table(f"uniform, sigma {SMALL} (largest and smallest probability)", found)
    means = found.targets[0].confidence
    return {"uniform_spread": means[0] - means[1] if means else None}


def novel(tables: Tables) -> dict[str, Any]:
    """A classifier that knows half of the classes, and a generator of the others."""
    known = KNOWN[tables.args.dataset]
    others = [c for c in range(10) if c not in known]
    settings: Settings = {
        "dataset": {"classes": list(known)},
        "generator_data": {"classes": others},
        "search": {"sigma": SMALL},
    }
    found = tables.inspect("novel", ["novel-class"], settings=settings)
    names = ", ".join(found.figures("data")["classes"])
    _table(f"novel classes: the classifier knows {names}; sigma {SMALL}", found)
    return _least("novel_class", found.targets)


def kl(tables: Tables) -> dict[str, Any]:
    """A classifier that was trained to be torn between each class and the next (equations 13 and 14)."""
    module = _torn(tables)
    targets = [f"ambiguous:{c},{(c + 1) % 10}" for c in range(10)]
    found = tables.inspect("kl", targets, settings={"search": {"sigma": SIGMA}}, model=module)
    _table(f"a classifier trained to be ambiguous, sigma {SIGMA}", found)
    return {"kl_pairs": sum(got.reached for got in found.targets)}


def gan(tables: Tables) -> dict[str, Any]:
    """All ambiguous pairs and high confidence with a DCGAN, trained for a limited time."""
    args = tables.args
    learning = {"use": "gan:dcgan", "epochs": args.gan_epochs, "channels": args.gan_channels, **LEARNING}
    limit = args.gan_images * 7 // 5  # of all images, of which 5 in 7 are for training
    common = merged(GAN, {"generator": learning, "generator_data": {"limit": limit}})
    common = merged(common, QUICK_GAN if args.quick else {})
    what = f"DCGAN of {args.gan_channels} channels, {args.gan_epochs} epochs on {args.gan_images:,} images"
    found, reuse = {}, None
    for kind, sigma in (("ambiguous", SIGMA), ("high-confidence", SMALL)):
        found[kind] = tables.inspect(
            f"gan-{kind}", [kind], settings=merged(common, {"search": {"sigma": sigma}}), reuse=reuse,
            plugins="bayestrex,gan",
        )  # fmt: skip
        reuse = found[kind].path
        _table(f"{what}: {kind}, sigma {sigma}", found[kind])
    for warning in found["ambiguous"].results["warnings"]:
        print("  warning:", warning)
    pairs = found["ambiguous"].targets
    return {
        "gan_pairs": sum(got.reached for got in pairs),
        "gan_pairs_near": sum(got.error is not None and got.error <= 2 * SIGMA for got in pairs),
        **_least("gan_high_confidence", found["high-confidence"].targets),
    }


def _torn(tables: Tables) -> nn.Module:
    """The classifier of the other parts, trained anew on half a unit for each class and half for the next one."""
    args = tables.args
    file = tables.folder / "torn.pt"
    dataset, source = _parts(args)
    network: nn.Module = source._make()
    if file.exists():
        network.load_state_dict(torch.load(file, weights_only=True))
        return network.eval()

    def loss(x: Tensor, y: Tensor, step: int) -> Tensor:
        found = network(x).log_softmax(1)
        return -0.5 * (found.gather(1, y[:, None]) + found.gather(1, (y[:, None] + 1) % 10)).mean()

    adam = torch.optim.Adam(network.parameters(), lr=1e-3)
    epochs = 1 if args.quick else args.kl_epochs
    modeldebug.train_network(
        network, loss, dataset.train, optimizer=adam, epochs=epochs, batch_size=128, what="torn classifier",
        context=Context(rng_for(args.seed, "torn")), cosine=True,
    )  # fmt: skip
    torch.save(network.state_dict(), file)
    return network.eval()


def _parts(args: argparse.Namespace) -> tuple[Any, Any]:
    """The data, and the source of the examples' network."""
    from modeldebug_classifiers.plugin import modeldebug_classifiers

    settings = ({"root": str(args.root)} if args.root else {}) | (QUICK["dataset"] if args.quick else {})
    data = loaded(args.dataset, args.seed, **settings)
    network = next(c for c in modeldebug_classifiers() if c.name == "examples-cnn")
    return data, network.make(network.config(), data.spec)


TABLES: dict[str, Callable[[Tables], dict[str, Any]]] = {
    "ambiguous": ambiguous, "confident": confident, "excluded": excluded, "graded": graded, "uniform": uniform,
    "novel": novel, "kl": kl, "gan": gan,
}  # fmt: skip
PARTS = tuple(part for part in TABLES if part != "gan")  # by default


def _chosen(text: str) -> tuple[str, ...]:
    """Parts by name; argparse prints the complaint."""
    parts = tuple(part.strip() for part in text.split(","))
    unknown = [part for part in parts if part not in TABLES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; there are {', '.join(TABLES)}")
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=PRESETS, default="mnist", help="%(default)s by default")
    parser.add_argument("--root", type=Path, help="the folder with the IDX files")
    parser.add_argument("--json", type=Path, help="write figures and settings to this file")
    parser.add_argument("--keep", type=Path, help="a folder for inspections and reference")
    parser.add_argument("--reuse", type=Path, help="a run or inspection whose trained parts are taken over")
    parser.add_argument("--parts", type=_chosen, default=PARTS, help="which tables: " + ", ".join(PARTS) + "; or gan")
    parser.add_argument("--draws", type=int, default=2_000_000, help="prior draws of the reference (%(default)s)")
    parser.add_argument("--epochs", type=int, default=14, help="of the classifier (%(default)s)")
    parser.add_argument("--kl-epochs", type=int, default=5, help="of the classifier with the KL loss (%(default)s)")
    parser.add_argument("--particles", type=int, default=128, help="of a population, for each pair (%(default)s)")
    parser.add_argument("--pool", type=int, default=524_288, help="prior draws of a population of pairs (%(default)s)")
    parser.add_argument("--gan-epochs", type=int, default=10, help="of the DCGAN (%(default)s)")
    parser.add_argument("--gan-channels", type=int, default=128, help="of the DCGAN (%(default)s; the paper: 512)")
    parser.add_argument("--gan-images", type=int, default=10_000, help="training images of the DCGAN (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a fraction of everything: its figures mean nothing")
    args = parser.parse_args()
    if args.quick:
        args.draws = min(args.draws, 2000)
        args.gan_epochs, args.gan_channels, args.gan_images = 1, 8, 500
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        tables = Tables(args, folder)
        for part in args.parts:
            figures |= TABLES[part](tables)
    print()
    publish(figures, args)


if __name__ == "__main__":
    main()
