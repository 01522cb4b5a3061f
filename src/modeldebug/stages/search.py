"""Identification: a search is run to its end, and the core judges what it proposes."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

import torch

from ..context import Context, Here, Workers, in_order
from ..contracts.searcher import Searcher, State
from ..contracts.untouched import prints, refuse_touched
from ..diagnostics import Samples, diagnose, enough
from ..errors import PluginError
from ..problem import Problem
from ..queries import Meter
from ..rng import derive_seed, isolated_global_rng, rng_for
from ..sections import SearchSection
from ..store import Saved, prefixed, tensors_of
from ..types import Candidates, Failures
from ..words import count, queries
from .kept import Kept

SAMPLES = "samples"  # before the names of their tensors
TRACE = "trace"  # the tensor's name

ROOTLESS = (
    "not pursued, since there is no training image of the class to start from: {}. Search from more training images "
    "(search.origins, search.start), or train classifier and generator longer."
)


def search(
    searcher: Searcher[Any],
    problem: Problem,
    context: Context,
    *,
    settings: SearchSection,
    seed: int,
    rootless: Sequence[str] = (),
) -> Saved:
    """Run a search to its end, or until it may stop; keep what the core judges to be failures, at most `max_failures`
    drawn at random, and of a search that pursues targets every sample, with a diagnosis of each target.

    Each failure gets a random number from its step's own generator; those with the smallest are kept. So the draw
    is uniform, needs no second pass, and is the same however often the search was interrupted.

    The tensor `trace` (steps, 3) int64 says what was asked and found until the end of each step: queries to the
    classifier, queries to the guide, failures.

    Args:
        seed: of the draw.
        rootless: targets that are not pursued, for want of a training image to start from.
    """
    state: State
    saved, began = context.checkpoint.load(), time.monotonic()
    if saved is None:
        nothing = bool(rootless) and not problem.targets
        state, step, found = {"done": True} if nothing else searcher.start(problem, context.rng), 0, 0
        kept, samples = Kept(settings.max_failures, _no_failures(problem), torch.empty(0)), _no_samples(problem)
        trace: list[tuple[int, int, int]] = []
    else:
        state, step, found = saved["state"], saved["step"], saved["found"]  # type: ignore[assignment]
        kept = Kept(settings.max_failures, Failures(**saved["kept"]), saved["priority"])  # type: ignore[arg-type]
        samples = Samples(**saved["samples"])  # type: ignore[arg-type]
        problem.meter = Meter(saved["queries"], saved["guide_queries"], saved["failing"])  # type: ignore[arg-type]
        trace, began = saved["trace"], began - float(saved["seconds"])  # type: ignore[arg-type,assignment]
    stopped = "" if saved is None else str(saved["stopped"])
    before = prints({"origins": problem.origins, "test": problem.test})
    steps = _steps(searcher, problem, context.executor, state, step, seed)
    while not state["done"] and not stopped:
        taken = next(steps)
        state, failures = taken.state, taken.failures
        if taken.samples is not None:
            samples = Samples.concatenate([samples, taken.samples])
        drawn = torch.rand(len(failures), generator=rng_for(seed, "keep", step))
        found += len(failures)
        kept.add(failures, drawn)
        step += 1
        problem.meter = problem.meter.plus(taken.spent)
        trace.append((problem.meter.queries, problem.meter.guide_queries, found))
        seconds = time.monotonic() - began
        stopped = _may_stop(problem, None if taken.empty else samples, settings, seconds)
        asked = queries(problem.meter.queries, problem.meter.guide_queries if problem.guided else None)
        got = count(len(samples), "sample") if problem.targets else count(found, "failure")
        context.progress(searcher.progress(state), f"{got} in {asked}")
        progress = {"state": state, "step": step, "found": found, "stopped": stopped, **vars(problem.meter)}
        progress |= {"trace": trace, "seconds": seconds}
        context.checkpoint.save(partial(_search_so_far, progress, kept, samples))
    steps.close()
    refuse_touched(searcher.name, before, prints({"origins": problem.origins, "test": problem.test}))
    failures, _ = kept.all()
    without_origin = int((failures.origin < 0).sum())
    info: dict[str, Any] = {
        "queries": problem.meter.queries,
        "guide_queries": problem.meter.guide_queries if problem.guided else None,
        "steps": step,
        "stopped": stopped or None,
        "origins": len(problem.origins),
        "failing": problem.meter.failing,
        "found": found,
        "failures": len(failures),
        "distinct_origins": len(set(failures.origin[failures.origin >= 0].tolist())),
        "without_origin": without_origin,
        "without_code": without_origin if failures.z is None else 0,
        "targets": None,
        "warning": ROOTLESS.format(", ".join(rootless)) if rootless else None,
    }
    tensors = tensors_of(failures) | {TRACE: torch.tensor(trace, dtype=torch.int64).reshape(-1, 3)}
    if not problem.targets:
        return Saved(tensors, info)
    moves, summary = searcher.moves(state), problem.summary
    found_out = diagnose(samples, problem.targets, sigma=problem.sigma, moves=moves, summary=summary)
    info["targets"] = [asdict(diagnosis) for diagnosis in found_out]
    return Saved(tensors | prefixed(SAMPLES, tensors_of(samples)), info)


@dataclass(frozen=True, eq=False)
class Taken:
    """What a step came to.

    Attributes:
        state: after it.
        failures: what it proposed, where the core judges it to be failures.
        samples: of a search that pursues targets, all that it proposed.
        empty: whether it proposed nothing.
        spent: in it.
    """

    state: State
    failures: Failures
    samples: Samples | None
    empty: bool
    spent: Meter


def _steps(
    searcher: Searcher[Any], problem: Problem, workers: Workers, state: State, step: int, seed: int
) -> Generator[Taken, None, None]:
    """Each step in its order; those that the search knows ahead are done side by side where there are workers."""
    while not state["done"]:
        ahead = searcher.ahead(problem, state) if workers.width > 1 else ()
        tasks = list(enumerate(ahead or (state,), start=step))
        able = workers if ahead else Here()
        for taken in in_order(able.each(_taken, tasks, (searcher, problem, seed))):
            state, step = taken.state, step + 1
            yield taken


def _taken(search: tuple[Searcher[Any], Problem, int], task: tuple[int, State]) -> Taken:
    """Make a step, and judge what it proposes; here, or in a worker. The meter is left as it was. Networks that draw
    from global generators find them in the same state wherever that is."""
    (searcher, problem, seed), (step, state) = search, task
    before, problem.meter = problem.meter, replace(problem.meter)
    with isolated_global_rng(derive_seed(seed, "step", step)):
        after, candidates = searcher.step(problem, state)
        samples = _samples(problem, candidates, searcher.name) if problem.targets and len(candidates) else None
        failures = problem.judge(candidates, step=step, searcher=searcher.name)
    after_it, problem.meter = problem.meter, before
    return Taken(after, failures, samples, not len(candidates), after_it.less(before))


def _search_so_far(progress: dict[str, object], kept: Kept, samples: Samples) -> dict[str, object]:
    failures, drawn = kept.all()
    return {**progress, "kept": tensors_of(failures), "priority": drawn, "samples": tensors_of(samples)}


def load_failures(saved: Saved) -> Failures:
    own = {field.name for field in fields(Failures)}
    return Failures(**{name: value for name, value in saved.tensors.items() if name in own})


def load_samples(saved: Saved) -> Samples:
    """Every sample of a search that pursued targets."""
    return Samples(**saved.part(SAMPLES))


def _samples(problem: Problem, candidates: Candidates, searcher: str) -> Samples:
    """A step's candidates as samples, with the classifier's answers."""
    if (
        candidates.target is None
        or candidates.chain is None
        or candidates.z is None
        or (candidates.condition is None and problem.origins.condition is not None)
    ):
        raise PluginError(
            "a sampler's candidates do not say what they are",
            got="Candidates without target, chain, z, or the condition that a conditional generator was told",
            expected="all of them",
            plugin=searcher,
        )
    answers = problem.answers(candidates)
    return Samples(candidates.z, answers, candidates.target, candidates.chain, candidates.condition)


def _may_stop(problem: Problem, samples: Samples | None, settings: SearchSection, seconds: float) -> str:
    """Why the search may stop before its end; empty where it may not. Without new samples, mixing is as it was."""
    if settings.queries is not None and problem.meter.queries >= settings.queries:
        return "queries"
    if settings.seconds is not None and seconds >= settings.seconds:
        return "seconds"
    if samples is None or (settings.ess is None and settings.rhat is None):
        return ""
    found = diagnose(samples, problem.targets, sigma=problem.sigma, summary=problem.summary)
    return "mixing" if found and enough(found, ess=settings.ess, rhat=settings.rhat) else ""


def _no_samples(problem: Problem) -> Samples:
    whole = torch.empty(0, dtype=torch.int64)
    told = None if problem.origins.condition is None else whole
    return Samples(torch.empty(0, problem.latent_size), torch.empty(0, problem.num_classes), whole, whole, told)


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
