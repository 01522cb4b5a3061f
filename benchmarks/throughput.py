"""What work costs beside the plainest way to do it. Each part gives ratios that are taken in one process.

    python benchmarks/throughput.py --root DIR [--part search] [--threads 2] [--json FILE]
    python benchmarks/throughput.py --root DIR --set dataset.limit=12000 --set generator.epochs=4
    python benchmarks/throughput.py --root DIR --repeats 1

`vae` trains the preset's VAE in turn by the loop that is kept here (`plainly`: a DataLoader over float32 images, every
step in float32, the loss read after each) and by the generator's own `fit` with `run.precision` as `--precision` says:
the same network from the same weights, the same images, epochs and batch size, another seed in each repeat. It reports
images trained on per second of each, and the loss of both on validation images: the negative evidence lower bound with
the preset's beta, in float32, with the same noise. So a faster training that learns less is seen. Fewer images and
epochs than the preset's, as in the second command, give the same speeds, but no losses to compare: at first the loss
stays on a plateau, where no image is told from another by its code, and chance decides for how many hundred steps.
Seconds of the processor stand beside those of the clock: other work on the machine disturbs them less.

`search` runs the search stage of the preset on models that were hardly taught, or on those of `--run`, and beside it a
bare loop of decoding and classifying with the same models, at several batch sizes: `search_over_raw` is the ratio to
the fastest of these.
`workers` runs the same stage alone and with two worker processes, one thread each: `two_workers_speedup`. That both
find the same bytes is asserted.

`--quick` is the same code on a few hundred images. Without `--root` the data are downloaded.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from figures import publish
from layers import Settings, assignment, loaded, merged
from searching import SHORT, Models, beside_bare_models, beside_two_workers
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from modeldebug import Context, ImageSet, Splits, VaeGenerator, rng_for
from modeldebug.config import Layer, RunConfig, resolve
from modeldebug.prepare import make, resolve_precision
from modeldebug.registry import Registry
from modeldebug.rng import isolated_global_rng

PRESETS = ("defuse-mnist", "defuse-conditional-mnist", "defuse-fashion", "defuse-conditional-fashion")
CPU = torch.device("cpu")
QUICK: Settings = {"dataset": {"limit": 300, "validation": 60}, "generator": {"epochs": 2}}
Train = Callable[[VaeGenerator[Any], ImageSet, int], None]


@dataclass(frozen=True)
class Part:
    """What a part found: its figures, and the rows that they are from."""

    figures: dict[str, float | None]
    rows: list[dict[str, Any]]


def configured(args: argparse.Namespace, seed: int) -> RunConfig:
    """The preset with the settings of the arguments and the seed of a repeat."""
    settings = merged(
        {"dataset": {"root": str(args.root)}} if args.root else {},
        QUICK if args.quick else {},
        *(assignment(text) for text in args.assignments),
        {"run": {"seed": seed}},
    )
    return resolve(Registry.load(["defuse"]), ["defuse"], [Layer("arguments", settings)], preset=args.preset)


def data_of(config: RunConfig) -> Splits:
    choice = config.choices["dataset"]
    return loaded(choice.registered.component.name, 0, **choice.config.model_dump(exclude_unset=True))


def plainly(model: VaeGenerator[Any], data: ImageSet, seed: int) -> None:
    """The loop that most people write: the same loss, optimiser and schedule as the generator's own."""
    config, network = model.config, model.network.train()
    images, labels = data.batch(slice(None))
    rng = torch.Generator().manual_seed(seed)
    loader = DataLoader(TensorDataset(images, labels), batch_size=config.batch_size, shuffle=True, generator=rng)
    adam = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, config.epochs * len(loader))
    step = 0
    for _ in range(config.epochs):
        total = 0.0
        for x, y in loader:
            anneal = min(1.0, step / config.annealing) if config.annealing else 1.0
            loss = objective(network, x, y, beta=anneal * config.beta)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
            adam.step()
            schedule.step()
            total += loss.item()
            step += 1
    network.eval()


def objective(network: Any, x: Tensor, y: Tensor, *, beta: float, rng: torch.Generator | None = None) -> Tensor:
    """The negative evidence lower bound with a weight of the divergence, nats an image."""
    mean, log_variance = network.encode(x, y)
    z = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=rng)
    logits = network.decode(z, y)
    error = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
    return (error + beta * divergence) / len(x)


def held_out(model: VaeGenerator[Any], data: ImageSet) -> float:
    """The loss on images that it was not trained on."""
    rng, total = rng_for(0, "held out"), 0.0
    with torch.no_grad():
        for rows in torch.arange(len(data)).split(512):
            x, y = data.batch(rows)
            total += len(rows) * float(objective(model.network, x, y, beta=model.config.beta, rng=rng))
    return total / len(data)


def trained(way: str, train: Train, config: RunConfig, data: Splits, seed: int) -> dict[str, Any]:
    """Train a network from the seed's first weights, and measure it."""
    model = make(config, "generator", data.spec)
    with isolated_global_rng(seed):
        began, before = time.perf_counter(), time.process_time()
        train(model, data.train, seed)
        seconds, processor = time.perf_counter() - began, time.process_time() - before
    images = len(data.train) * model.config.epochs
    return {
        "way": way,
        "seed": seed,
        "images_per_second": images / seconds,
        "seconds": seconds,
        "processor_seconds": processor,
        "loss": held_out(model, data.validation),
    }


def vae(args: argparse.Namespace) -> Part:
    """The preset's VAE, trained plainly and by its own `fit`."""
    precision = resolve_precision(args.precision, CPU)

    def ours(model: VaeGenerator[Any], data: ImageSet, seed: int) -> None:
        model.fit(data, replace(Context.quiet(seed), precision=precision))

    ways: dict[str, Train] = {"plain": plainly, "ours": ours}
    data = data_of(configured(args, args.seed))
    few = replace(data, train=data.train.subset(torch.arange(min(len(data.train), 256))))
    rows = []
    print(f"{len(data.train):,} images, {precision}, {torch.get_num_threads()} threads")
    print(f"{'':8}{'seed':>6}{'images/s':>10}{'seconds':>10}{'processor':>10}{'loss':>10}")
    for seed in range(args.seed, args.seed + args.repeats):
        config = configured(args, seed)
        for way, train in ways.items():
            if seed == args.seed:  # once uncounted: the library chooses its kernels
                trained(way, train, config, few, seed)
            row = trained(way, train, config, data, seed)
            rows.append(row)
            speed, seconds, processor = row["images_per_second"], row["seconds"], row["processor_seconds"]
            print(f"{way:8}{seed:6}{speed:10.0f}{seconds:10.1f}{processor:10.1f}{row['loss']:10.3f}", flush=True)

    def median(way: str, name: str) -> float:
        return statistics.median(row[name] for row in rows if row["way"] == way)

    figures: dict[str, float | None] = {
        "vae_speedup": median("ours", "images_per_second") / median("plain", "images_per_second"),
        "vae_speedup_processor": median("plain", "processor_seconds") / median("ours", "processor_seconds"),
        "vae_images_per_second": median("ours", "images_per_second"),
        "vae_images_per_second_plain": median("plain", "images_per_second"),
        "vae_loss": median("ours", "loss"),
        "vae_loss_plain": median("plain", "loss"),
    }
    return Part(figures, rows)


def models(args: argparse.Namespace, folder: str) -> Models:
    """The models of a search: of a run that is there, or of a new one."""
    if args.run is not None:
        return Models.of(args.run)
    data = {"dataset": {"root": str(args.root)}} if args.root else {}
    asked = [assignment(text) for text in args.assignments]
    return Models.made(args.preset, merged(SHORT, QUICK if args.quick else {}, data, *asked), Path(folder) / "run")


def searching(args: argparse.Namespace) -> Part:
    """The preset's search stage beside its models alone."""
    with tempfile.TemporaryDirectory() as folder:
        return Part(*beside_bare_models(models(args, folder), args.repeats))


def workers(args: argparse.Namespace) -> Part:
    """The preset's search stage beside itself with two workers."""
    with tempfile.TemporaryDirectory() as folder:
        return Part(*beside_two_workers(models(args, folder), args.repeats))


PARTS: dict[str, Callable[[argparse.Namespace], Part]] = {"vae": vae, "search": searching, "workers": workers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", dest="parts", action="append", choices=PARTS, help="and no others; all if not given")
    parser.add_argument("--preset", choices=PRESETS, default="defuse-mnist")
    parser.add_argument("--root", type=Path, help="the folder of the IDX files; downloaded if not given")
    parser.add_argument("--run", type=Path, help="a run whose models search, instead of some that are hardly taught")
    parser.add_argument("--precision", choices=("auto", "bfloat16", "float32"), default="auto")
    parser.add_argument("--repeats", type=int, help="3 if not given; with --quick 1")
    parser.add_argument("--seed", type=int, default=0, help="of the first repeat")
    parser.add_argument("--threads", type=int, help="torch's own choice if not given")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    args.repeats = args.repeats or (1 if args.quick else 3)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    measured = {name: PARTS[name](args) for name in args.parts or PARTS}
    print()
    figures = {name: value for part in measured.values() for name, value in part.figures.items()}
    publish(figures, args, rows={name: part.rows for name, part in measured.items()})


if __name__ == "__main__":
    main()
