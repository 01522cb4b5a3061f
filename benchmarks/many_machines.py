"""What a search of many images on many machines would cost: a simulation on paper, from what is measured here.

    OMP_NUM_THREADS=1 python benchmarks/many_machines.py --run RUN [--images 10000000] [--workers 100] [--json FILE]

Measured, with the models of a run (without `--run`, of one that was hardly taught, and fails far too often): the
seconds of a block (one step of the search, as a worker does it), the bytes of a task and of its result, the seconds
that the run itself spends on a block (reading the result, and keeping failures when as many are kept as may be), and
the bytes that every worker is sent once. From Dask's documentation: a scheduler spends about a millisecond on a task.
The network is taken to carry `--network` megabytes a second.

Everything else follows by multiplication: workers, run, scheduler and network work side by side, so that the slowest of
the four decides. Nothing is said of the stages before the search, which one machine does.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cloudpickle
import torch
from figures import publish
from searching import Models
from throughput import models

from modeldebug import Problem, rng_for
from modeldebug.prepare import make
from modeldebug.stages.kept import Kept
from modeldebug.stages.search import Taken, _taken

SCHEDULER = 1e-3  # seconds a task (Dask's documentation, "Limitations")
MOST = 50_000  # failures that are kept, by default
BLOCKS = 12


def measured(found: Models) -> dict[str, float]:
    """Seconds and bytes of a block."""
    searcher = make(found.config, "searcher", found.classifier.spec)
    problem = Problem(found.generator, found.classifier, found.origins, batch_size=found.classifier.batch_size)
    ahead = searcher.ahead(problem, searcher.start(problem, rng_for(0)))[: BLOCKS + 1]
    if len(ahead) < 2:
        raise SystemExit("this searcher does not know its steps ahead from the beginning: nothing is done side by side")
    seconds, results = [], []
    for task in enumerate(ahead):
        began = time.perf_counter()
        taken = _taken((searcher, problem, 0), task)
        seconds.append(time.perf_counter() - began)
        results.append(pickle.dumps(taken))
    own = [len(found.origins.z[0]) * 4 + 16 if found.origins.z is not None else 16]
    return {
        "origins_in_a_block": float(searcher.config.block),
        "queries_in_a_block": statistics.median(pickle.loads(r).spent.queries for r in results[1:]),
        "block_seconds": statistics.median(seconds[1:]),
        "task_bytes": float(len(pickle.dumps((0, ahead[0])))),
        "result_bytes": statistics.mean(map(len, results[1:])),
        "run_seconds": _kept_seconds(results),
        "models_bytes": float(len(cloudpickle.dumps((found.generator, found.classifier)))),
        "origin_bytes": float(own[0]),
    }


def _kept_seconds(results: list[bytes]) -> float:
    """What the run does with a block when it has all the failures that it keeps."""
    first: Taken = pickle.loads(results[0])
    few = first.failures
    rows = torch.arange(MOST) % len(few)
    kept = Kept(MOST, few.subset(rows), torch.rand(MOST, generator=rng_for(0)) * 1e-3)  # later ones hardly come in
    began = time.perf_counter()
    for i, result in enumerate(results):
        failures = pickle.loads(result).failures
        kept.add(failures, torch.rand(len(failures), generator=rng_for(1, i)))
    return (time.perf_counter() - began) / len(results)


def simulated(block: dict[str, float], images: int, workers: int, network: float) -> dict[str, float]:
    """Seconds of each that works side by side, and what is sent."""
    blocks = images / block["origins_in_a_block"]
    shared = block["models_bytes"] + images * block["origin_bytes"]
    sent = blocks * (block["task_bytes"] + block["result_bytes"])
    found: dict[str, float] = {
        "workers": blocks * block["block_seconds"] / workers,
        "the run itself": blocks * block["run_seconds"],
        "scheduler": blocks * SCHEDULER,
        "network": (sent + shared) / network,
    }
    return found | {"megabytes to each worker": shared / 1e6, "megabytes of results": sent / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="the folder of MNIST's files; downloaded if not given")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--preset", default="defuse-mnist")
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--network", type=float, default=100.0, help="megabytes a second")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        block = measured(models(args, folder))
    for name, value in block.items():
        print(f"{name:24} {value:,.6g}")
    rows: dict[str, Any] = {}
    for images, workers in ((54_000, 1), (54_000, 2), (args.images, args.workers), (args.images, 10 * args.workers)):
        found = simulated(block, images, workers, args.network * 1e6)
        rows[f"{images:,} images, {workers} workers"] = found
        print(f"\n{images:,} images, {workers:,} workers")
        for name, value in found.items():
            print(f"  {name:26} {value:12,.1f}" + ("" if name.startswith("megabytes") else " s"))
    publish(block, args, rows=rows)


if __name__ == "__main__":
    main()
