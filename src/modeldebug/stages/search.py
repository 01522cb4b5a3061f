"""Identification: a search is run to its end, and the core judges what it proposes."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..context import Context
from ..contracts.searcher import Searcher, State
from ..problem import Problem
from ..queries import Meter
from ..rng import rng_for
from ..sections import SearchSection
from ..store import Saved, tensors_of
from ..types import Failures
from ..words import count, queries


def search(searcher: Searcher[Any], problem: Problem, context: Context, *, settings: SearchSection, seed: int) -> Saved:
    """Run a search to its end; keep what the core judges to be failures, at most `max_failures` drawn at random.

    Each failure gets a random number from its step's own generator; those with the smallest are kept. So the draw
    is uniform, needs no second pass, and is the same however often the search was interrupted.
    """
    state: State
    saved = context.checkpoint.load()
    if saved is None:
        state, step, found = searcher.start(problem, context.rng), 0, 0
        kept, priority = _no_failures(problem), torch.empty(0)
    else:
        state, step, found = saved["state"], saved["step"], saved["found"]  # type: ignore[assignment]
        kept, priority = Failures(**saved["kept"]), saved["priority"]  # type: ignore[arg-type,assignment]
        problem.meter = Meter(saved["queries"], saved["guide_queries"], saved["failing"])  # type: ignore[arg-type]
    while not state["done"]:
        state, candidates = searcher.step(problem, state)
        failures = problem.judge(candidates, step=step, searcher=searcher.name)
        drawn = torch.rand(len(failures), generator=rng_for(seed, "keep", step))
        found += len(failures)
        if len(failures):
            kept, priority = _keep(kept, priority, failures, drawn, settings.max_failures)
        step += 1
        asked = queries(problem.meter.queries, problem.meter.guide_queries if problem.guided else None)
        context.progress(searcher.progress(state), f"{count(found, 'failure')} in {asked}")
        progress = {"state": state, "step": step, "found": found, **vars(problem.meter)}
        context.checkpoint.save(partial(_search_so_far, progress, kept, priority))
    without_origin = int((kept.origin < 0).sum())
    info = {
        "queries": problem.meter.queries,
        "guide_queries": problem.meter.guide_queries if problem.guided else None,
        "steps": step,
        "origins": len(problem.origins),
        "failing": problem.meter.failing,
        "found": found,
        "failures": len(kept),
        "distinct_origins": len(set(kept.origin[kept.origin >= 0].tolist())),
        "without_origin": without_origin,
        "without_code": without_origin if kept.z is None else 0,
    }
    return Saved(tensors_of(kept), info)


def _search_so_far(progress: dict[str, object], kept: Failures, priority: Tensor) -> dict[str, object]:
    return {**progress, "kept": tensors_of(kept), "priority": priority}


def load_failures(saved: Saved) -> Failures:
    return Failures(**saved.tensors)


def _no_failures(problem: Problem) -> Failures:
    empty, whole = torch.empty(0), torch.empty(0, dtype=torch.int64)
    k = problem.num_classes
    return Failures(
        x=torch.empty(0, *problem.image_shape),
        probs=torch.empty(0, k),
        allowed=torch.empty(0, k, dtype=torch.bool),
        expected=whole,
        origin=whole,
        log_prior=empty,
        distance=empty,
        step=whole,
        z=torch.empty(0, problem.latent_size),
        condition=None if problem.origins.condition is None else whole,
    )


def _keep(kept: Failures, priority: Tensor, new: Failures, drawn: Tensor, most: int) -> tuple[Failures, Tensor]:
    together = Failures.concatenate([kept, new]) if len(kept) else new
    order = torch.cat([priority, drawn]) if len(kept) else drawn
    if len(order) <= most:
        return together, order
    rows = order.argsort(stable=True)[:most].sort().values
    return together.subset(rows), order[rows]
