"""A search in two workers is the search in one, to the last byte, wherever it is stopped."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from modeldebug_defuse.beta_noise import BetaNoise
from modeldebug_defuse.margin import Margin
from modeldebug_defuse.settings import BetaNoiseConfig, MarginConfig
from modeldebug_executors.local import Local
from modeldebug_executors.settings import LocalConfig
from modeldebug_rivals.prior import Prior
from modeldebug_rivals.reconstruct import Reconstruct
from modeldebug_rivals.settings import PriorConfig, ReconstructConfig
from safetensors.torch import save

from modeldebug import Context, Problem, Searcher
from modeldebug.context import Here, Workers
from modeldebug.sections import SearchSection
from modeldebug.session import Limited
from modeldebug.stages.search import search
from modeldebug.store import Saved
from modeldebug.testing import known_problem

SEARCHERS: dict[str, Callable[[Any], Searcher[Any]]] = {
    "beta-noise": lambda spec: BetaNoise(BetaNoiseConfig(draws=10, scale=4.0, block=4), spec),
    "margin": lambda spec: Margin(MarginConfig(step=0.2, keep=2, apart=0.2, restarts=1, block=1), spec),
    "prior": lambda spec: Prior(PriorConfig(draws=300, block=50), spec),
    "reconstruct": lambda spec: Reconstruct(ReconstructConfig(block=4), spec),
}


class Interrupted(Exception):  # noqa: N818  # as by a key
    pass


class Kept:
    """A checkpoint that keeps all that it is given."""

    def __init__(self) -> None:
        self.kept: Any = None

    def load(self) -> Any:
        return self.kept

    def save(self, make: Callable[[], Any], *, now: bool = False) -> None:
        self.kept = copy.deepcopy(make())  # as a file would


@pytest.fixture(scope="module")
def local() -> Iterator[Workers]:
    executor = Local(LocalConfig(workers=2))
    yield Limited(executor, 1)
    executor.close()


def found(name: str, workers: Workers, checkpoint: Kept | None = None, *, stop: int = 0, **settings: Any) -> Saved:
    """What a search finds; it is interrupted after the step `stop`."""
    known, told = known_problem(conditional=name == "prior"), list[str]()

    def progress(done: float, message: str) -> None:
        told.append(message)
        if len(told) == stop:
            raise Interrupted

    searcher = SEARCHERS[name](known.spec)
    context = replace(Context.quiet(0), executor=workers, progress=progress, checkpoint=checkpoint or Kept())
    return search(searcher, known.problem(), context, settings=SearchSection(**settings), seed=0)


def same(one: Saved, other: Saved) -> bool:
    return save(one.tensors) == save(other.tensors) and one.info == other.info


@pytest.mark.parametrize("name", SEARCHERS)
def test_two_workers_find_what_one_finds(name: str, local: Workers) -> None:
    one = found(name, Here())
    assert one.info["steps"] > 5, "there was little to share out"
    assert one.info["found"] > 0 or name == "reconstruct"
    assert same(one, found(name, local))


@pytest.mark.parametrize("name", ["margin"])  # who takes no more results ends workers, which take seconds to begin
def test_a_search_that_is_stopped_by_its_queries_stops_at_the_same_step(name: str, local: Workers) -> None:
    queries = found(name, Here()).info["queries"] // 2
    one = found(name, Here(), queries=queries)
    assert one.info["stopped"] == "queries"
    assert same(one, found(name, local, queries=queries))


@pytest.mark.parametrize("name", ["beta-noise"])
def test_a_search_that_was_interrupted_goes_on_with_more_workers_or_fewer(name: str, local: Workers) -> None:
    straight = found(name, Here())
    for first, second in ((local, Here()), (Here(), local)):
        checkpoint = Kept()
        with pytest.raises(Interrupted):
            found(name, first, checkpoint, stop=straight.info["steps"] // 2)
        assert same(straight, found(name, second, checkpoint))


class Noisy(torch.nn.Module):
    """A classifier that draws from the global generator whenever it is asked."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.inner(x + 0.2 * torch.randn_like(x))
        return answer


def test_a_classifier_that_draws_from_the_global_generator_answers_the_same_in_a_worker(local: Workers) -> None:
    def noisy(workers: Workers) -> bytes:
        known = known_problem()
        classifier = replace(known.classifier, module=Noisy(known.classifier.module).eval())
        problem = Problem(known.generator, classifier, known.origins, batch_size=64)
        context = replace(Context.quiet(seed=3), executor=workers)
        done = search(SEARCHERS["beta-noise"](known.spec), problem, context, settings=SearchSection(), seed=5)
        assert len(done.tensors["x"]) > 0
        return save({name: tensor.contiguous() for name, tensor in done.tensors.items()})

    assert noisy(Here()) == noisy(local)
