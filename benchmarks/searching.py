"""How fast a search stage is, beside the bare models and beside itself with two workers: parts of `throughput.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from layers import Settings
from torch import Tensor

import modeldebug
from modeldebug import Classifier, Context, Generator, Origins, Problem, rng_for
from modeldebug.aims import run_targets
from modeldebug.config import RunConfig
from modeldebug.context import Here, Workers
from modeldebug.folders import restore_config
from modeldebug.prepare import make, prepare
from modeldebug.sections import SearchSection
from modeldebug.session import Limited, workers
from modeldebug.stages.encode import load_origins
from modeldebug.stages.search import search
from modeldebug.store import RunStore, Saved

MOST = 8192  # training images that are searched from
BATCHES = (32, 64, 128, 256, 512)
SHORT: Settings = {  # models that were hardly taught are as fast as others, and fail far more often
    "dataset": {"limit": 16_000},
    "classifier": {"epochs": 1},
    "generator": {"epochs": 2},
    "labeler": {"epochs": 1, "members": 1},
    "auditor": {"epochs": 1, "members": 1},
}


@dataclass(frozen=True, eq=False)
class Models:
    """What a search needs, from a short run."""

    config: RunConfig
    generator: Generator[Any]
    classifier: Classifier
    origins: Origins

    @staticmethod
    def made(preset: str, settings: Settings, folder: Path) -> Models:
        """Those of a new run, until the images are encoded."""
        return Models.of(modeldebug.run(preset=preset, settings=settings, out=folder, until="origins").path)

    @staticmethod
    def of(run: Path) -> Models:
        """Those of a run that has come so far, with two workers as the executor."""
        store = RunStore.open(run)
        _, config = restore_config(store, workers=2)
        prepared = prepare(config, aims=run_targets)
        classifier = prepared.classifier.copy(store.load_stage("classifier").tensors)
        generator = make(config, "generator", prepared.splits.spec)
        generator.load_state_dict(store.load_stage("generator").tensors)
        classifier.module.eval()
        origins = load_origins(store.load_stage("origins"))
        few = {k: v[:MOST] for k, v in vars(origins).items() if isinstance(v, Tensor)}
        return Models(config, generator, classifier, replace(origins, **few))

    def searched(self, executor: Workers) -> tuple[float, Saved]:
        """Images judged in a second by a search stage, and what it found."""
        searcher = make(self.config, "searcher", self.classifier.spec)
        problem = Problem(self.generator, self.classifier, self.origins, batch_size=self.classifier.batch_size)
        began = time.perf_counter()
        found = search(searcher, problem, Context(rng_for(0), executor=executor), settings=SearchSection(), seed=0)
        return found.info["queries"] / (time.perf_counter() - began), found

    def bare(self, batch: int, images: int = 8192) -> float:
        """Images in a second by a loop of decoding and classifying, and nothing else."""
        codes = torch.randn(batch, self.generator.latent_size)
        normalised, module = self.classifier.normalised, self.classifier.module
        decode: Callable[[Tensor, None], Tensor] = self.generator._decode
        with torch.no_grad():
            began = time.perf_counter()
            for _ in range(images // batch):
                module(normalised(decode(codes, None))).softmax(1)
            return images // batch * batch / (time.perf_counter() - began)


def beside_bare_models(models: Models, repeats: int) -> tuple[dict[str, float | None], list[dict[str, Any]]]:
    """`search_over_raw`: the search stage over the bare loop at its best batch size, the median of the repeats."""
    rows = []
    for _ in range(repeats):
        bare = {batch: models.bare(batch) for batch in BATCHES}
        speed, found = models.searched(Here())
        rows.append({"search": speed, "bare": bare, "ratio": speed / max(bare.values()), **_found(found)})
        shown = ", ".join(f"{batch}: {value:,.0f}" for batch, value in bare.items())
        print(
            f"search {speed:,.0f} images/s in batches of {models.classifier.batch_size}; bare loop {shown}", flush=True
        )
    return {"search_over_raw": _median([row["ratio"] for row in rows])}, rows


def beside_two_workers(models: Models, repeats: int) -> tuple[dict[str, float | None], list[dict[str, Any]]]:
    """`two_workers_speedup`: one thread each, and the same bytes; the workers' start is not counted."""
    rows, before = [], torch.get_num_threads()
    torch.set_num_threads(1)
    choice = models.config.choices["executor"]
    with workers(choice) as executor:
        two = Limited(executor, 1)
        list(two.each(pow, range(4), 2))  # they start
        for _ in range(repeats):
            (alone, one), (together, other) = models.searched(Here()), models.searched(two)
            same = all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
            assert same, "two workers found something else than one"
            rows.append({"one": alone, "two": together, "ratio": together / alone, "same": same, **_found(one)})
            print(f"one {alone:,.0f} images/s, two workers {together:,.0f}, same bytes", flush=True)
    torch.set_num_threads(before)
    return {"two_workers_speedup": _median([row["ratio"] for row in rows])}, rows


def _found(saved: Saved) -> dict[str, Any]:
    return {name: saved.info[name] for name in ("queries", "failures", "steps")}


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
