"""What a searcher must do."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..classifier import Classifier
from ..contracts.searcher import Searcher, State
from ..diagnostics import Samples, diagnose
from ..problem import Problem
from ..rng import isolated_global_rng, rng_for
from ..targets import Target
from ..types import Candidates, Failures, Origins
from .problems import SPEC, KnownProblem, PlantedClassifier, codes_of
from .quadrature import known_moments
from .runner import NotApplicable, Subject, globals_watched, require, rule, same
from .watched import WatchedProblem

MOST_STEPS = 1000
BETTER = 1.5  # how much more often than a prior draw a candidate must fail
SAMPLED = (Target("ambiguous", (0, 1), (0.5, 0.5)), Target("high-confidence", (2,), (1.0,)))
WIDE = 0.3  # sigma at which short chains mix
FAR = 5.0
LEAST = 4.0  # effective size below which nothing can be told


@dataclass(frozen=True, eq=False)
class _Search:
    states: list[State]  # one more than there are steps
    proposed: list[Candidates]
    failures: list[Failures]


def _run(searcher: Searcher[Any], problem: Problem, seed: int = 0) -> _Search:
    """A whole search, as the core does it."""
    state = searcher.start(problem, rng_for(seed, "search"))
    search = _Search([state], [], [])
    while not state["done"]:
        require(len(search.proposed) < MOST_STEPS, f"no end after {MOST_STEPS} steps")
        state, candidates = searcher.step(problem, state)
        share = searcher.progress(state)
        require(0 <= share <= 1, f"progress {share}")
        search.failures.append(problem.judge(candidates, step=len(search.proposed), searcher=searcher.name))
        search.proposed.append(candidates)
        search.states.append(state)
    return search


def _straight(subject: Subject) -> _Search:
    """The search on the known problem, run through; once for all checks that only look at it."""
    search: _Search = subject.once("straight", lambda: _run(subject.make(), subject.problem()))
    return search


def _saved(state: State) -> State:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    loaded: State = torch.load(buffer, weights_only=True)
    return loaded


def _some(known: KnownProblem, n: int) -> Origins:
    return Origins(**{k: v[:n] for k, v in vars(known.origins).items() if v is not None})


@rule(
    "searcher",
    says="a search ends: after some step, `done` is true; its candidates can be judged; progress lies in [0, 1]",
    why="a run would never end, or stop at the first step",
    do="count steps in the state; give evaluation ids only with the very codes that were evaluated in that step",
)
def search_ends_and_can_be_judged(subject: Subject) -> None:
    _straight(subject)


@rule(
    "searcher",
    says="every classifier query goes through problem.evaluate, value_and_grad, misfit or residuals, and is counted",
    why="searchers are compared at equal cost; a query that is not counted makes the comparison worthless",
    do="call the problem's public methods only, and leave problem.meter alone",
)
def every_query_is_metered(subject: Subject) -> None:
    problem = WatchedProblem(subject.known, subject.guide(), subject.targets)
    _run(subject.make(), problem)
    require(problem.around == 0, f"{problem.around} uses of a network that went around the problem")
    require(
        problem.meter.queries == problem.counted, f"a meter at {problem.meter.queries} after {problem.counted} queries"
    )


@rule(
    "searcher",
    says="every guide query goes through the problem, and is counted apart from the classifier's",
    why="what a guide costs is no query to the model under test: a report says both, and budgets are of the latter",
    do="ask problem.ask_guide, misfit or residuals, and neither call the guide itself nor write into problem.meter",
)
def guide_queries_are_metered_apart(subject: Subject) -> None:
    guide = subject.guide()
    if guide is None:
        raise NotApplicable("it neither requires a guide nor can use one")
    problem = WatchedProblem(subject.known, guide, subject.targets)
    _run(subject.make(), problem)
    require(problem.around_guide == 0, f"{problem.around_guide} uses of the guide that went around the problem")
    told = problem.meter.guide_queries
    require(told == problem.counted_guide, f"a meter at {told} after {problem.counted_guide} guide queries")


@rule(
    "searcher",
    says="the state after each step is loaded back by torch.load(..., weights_only=True), and is the same",
    why="the run folder is read without running code that might be in it: else no killed run could be resumed",
    do="keep tensors, int, float, str and bool in the state: of numpy's numbers float(x), of generators a seed",
)
def state_can_be_saved(subject: Subject) -> None:
    for step, state in enumerate(_straight(subject).states):
        try:
            loaded = _saved(state)
        except Exception as error:
            require(False, f"before step {step}, {type(error).__name__}: {' '.join(str(error).split())}")
        require(same(loaded, state), f"another state before step {step}")


@rule(
    "searcher",
    says="a search that is stopped, saved and resumed after every step proposes the same bits as a straight one",
    why="a run that was killed must end with the same results as one that was not",
    do="keep all that the search knows in its state, as tensors, int, float, str and bool; nothing on self",
)
def resumed_search_equals_straight_run(subject: Subject) -> None:
    straight = _straight(subject).proposed
    problem = subject.problem()
    state = _saved(subject.make().start(problem, rng_for(0, "search")))
    for step, expected in enumerate(straight):
        require(not state["done"], f"the resumed search ended after {step} of {len(straight)} steps")
        problem = subject.problem()
        state, candidates = subject.make().step(problem, _saved(state))
        require(same(candidates, expected), f"other candidates in step {step}")
    require(state["done"], f"the resumed search goes on after {len(straight)} steps")


@rule(
    "searcher",
    says="steps that a search knows ahead lead to each other: a step from each gives what the straight search gives",
    why="several workers do them at once, and the result must be that of one after the other",
    do="return from `ahead` the states of the steps that are left, this one's first, only where no step needs what "
    "another one finds; ask nothing",
)
def steps_ahead_lead_to_each_other(subject: Subject) -> None:
    straight, problem, searcher = _straight(subject), subject.problem(), subject.make()
    steps = len(straight.proposed)
    known = [i for i in range(steps) if searcher.ahead(problem, _saved(straight.states[i]))]
    require(problem.meter.queries == problem.meter.guide_queries == 0, "a meter that is not at 0")
    if not known:
        raise NotApplicable("it knows no steps ahead")
    for first in {known[0], known[len(known) // 2]}:
        ahead = searcher.ahead(problem, _saved(straight.states[first]))
        require(len(ahead) <= steps - first, f"{len(ahead)} steps ahead where there are {steps - first}")
        for i, state in enumerate(ahead, start=first):
            after, candidates = subject.make().step(subject.problem(), _saved(state))
            require(same(candidates, straight.proposed[i]), f"other candidates in step {i}, known ahead in {first}")
            require(same(after, straight.states[i + 1]), f"another state after step {i}, known ahead in {first}")


@rule(
    "searcher",
    says="the same seed gives the same search, whatever the global generators are",
    why="the same seed must give the same run",
    do="keep a seed, spawn(rng), in the state, and draw from rng_for(seed, step)",
)
def search_repeats(subject: Subject) -> None:
    found = []
    for seed in (1, 2):
        with isolated_global_rng(seed):
            found.append(_run(subject.make(), subject.problem()).proposed)
    require(same(*found), "other candidates for the same seed")


@rule(
    "searcher",
    says="another seed gives another search",
    why="intervals over seeds would be far too narrow",
    do="draw from the generator that _start is given, not from one with a seed of your own",
)
def seeds_differ(subject: Subject) -> None:
    other = _run(subject.make(), subject.problem(), seed=1).proposed
    require(not same(_straight(subject).proposed, other), "the same candidates for seeds 0 and 1")


@rule(
    "searcher",
    says="a step leaves the state and the origins that it is given as they were",
    why="a step may be done again after a crash, from the state that was saved before it",
    do="clone a tensor of the state before writing into it",
)
def inputs_are_left_alone(subject: Subject) -> None:
    problem, searcher = subject.problem(), subject.make()
    origins = {k: v.clone() for k, v in vars(problem.origins).items() if isinstance(v, Tensor)}
    state = searcher.start(problem, rng_for(0, "search"))
    while not state["done"]:
        before = _saved(state)
        after, candidates = searcher.step(problem, state)
        require(same(before, state), "a changed state")
        problem.judge(candidates, step=0, searcher=searcher.name)
        state = after
    now = {k: v for k, v in vars(problem.origins).items() if isinstance(v, Tensor)}
    require(same(origins, now), "changed origins")


@rule(
    "searcher",
    says="a search changes no global state",
    why="global generators are no part of its state: a resumed search would differ from a straight one",
    do="draw from rng_for(state['seed'], step); use `with torch.no_grad():`, not set_grad_enabled; set no threads",
)
def globals_are_left_alone(subject: Subject) -> None:
    searcher, problem = subject.make(), subject.problem()
    with globals_watched():
        _run(searcher, problem)


@rule(
    "searcher",
    says="no origins, one origin, and a classifier that is never wrong are no errors",
    why="zero failures is a good outcome, which a run reports",
    do="try empty tensors: `x[mask]` and `argsort` can take them, `x[0]` and `max()` cannot",
)
def nothing_to_find_is_no_error(subject: Subject) -> None:
    known, guide = subject.known, subject.guide()
    needs_none = (Target("class-excluded", (0,), (1.0,)),) if subject.samples else ()
    for n in (0, 1):
        _run(subject.make(), known.problem(_some(known, n), guide=guide, targets=needs_none))
    never_wrong = Classifier(PlantedClassifier(balls=()).eval(), SPEC, batch_size=64)
    problem = Problem(
        known.generator,
        never_wrong,
        known.origins,
        guide=guide,
        targets=subject.targets,
        test=known.splits.test,
        batch_size=64,
    )
    _run(subject.make(), problem)


@rule(
    "searcher",
    says=f"candidates fail by the planted fault more than {BETTER:g} times as often as draws from the prior",
    why="a search that does no better than chance costs queries and finds nothing",
    do="try it on known_problem() step by step: origins stand around the two planted balls, and nothing else fails",
)
def finds_planted_failures(subject: Subject) -> None:
    search = _straight(subject)
    candidates = sum(map(len, search.proposed))
    shown = codes_of(torch.cat([f.x for f in search.failures]))
    planted = int((subject.known.ball_of(shown) >= 0).sum())
    rate = planted / max(1, candidates)
    require(
        rate > BETTER * subject.known.prior_rate,
        f"{planted} planted failures among {candidates} candidates ({rate:.1%}; prior {subject.known.prior_rate:.1%})",
    )


@rule(
    "searcher",
    says="a sampler says of each sample which target it is for, which chain it is from, and which evaluation it is; "
    "and of each target how its moves were accepted",
    why="the core judges from these whether a target was reached; one without samples would seem not to exist",
    do="give Candidates target, chain and evaluation; from moves(state) return acceptance (t,), and divergences (t,)",
)
def samples_can_be_diagnosed(subject: Subject) -> None:
    if not subject.samples:
        raise NotApplicable("it does not pursue targets")
    problem, sampler = subject.problem(), subject.make()
    samples, moves = _sample(sampler, problem)
    counts = samples.target.bincount(minlength=len(problem.targets)).tolist()
    require(min(counts) > 0, f"{counts} samples of the targets")
    require("acceptance" in moves and moves.keys() <= {"acceptance", "divergences"}, f"moves of {sorted(moves)}")
    for name, values in moves.items():
        require(values.shape == (len(problem.targets),), f"{name} of shape {tuple(values.shape)}")
    acceptance, divergences = moves["acceptance"], moves.get("divergences", torch.zeros(1, dtype=torch.int64))
    require(((acceptance > 0) & (acceptance <= 1)).all(), f"acceptance {acceptance.tolist()}")
    require(divergences.dtype == torch.int64 and (divergences >= 0).all(), f"divergences {divergences.tolist()}")


@rule(
    "searcher",
    says=f"the mean of a sampler's codes is that of the posterior, within {FAR:g} standard errors",
    why="samples of another distribution do not show what the classifier takes for the target",
    do="draw from exp(log prior - misfit / sigma^2); try it on known_problem(), whose posterior known_moments gives",
)
def samples_follow_the_posterior(subject: Subject) -> None:
    if not subject.samples:
        raise NotApplicable("it does not pursue targets")
    problem = subject.known.problem(targets=SAMPLED, sigma=WIDE)
    samples, moves = _sample(subject.make(), problem)
    for target, found in zip(SAMPLED, diagnose(samples, SAMPLED, sigma=WIDE, moves=moves), strict=True):
        worth = found.ess or 0.0
        require(worth > LEAST, f"{found.samples} samples of {target.name}, worth {worth:.1f}: too few to tell")
        mean, deviation = known_moments(target, WIDE)
        off = (samples.subset(samples.target == SAMPLED.index(target)).z.mean(0) - mean).abs() / deviation
        error = float(off.max()) * worth**0.5
        require(error < FAR, f"{error:.1f} standard errors for {target.name}, by an effective size of {worth:.0f}")


def _sample(sampler: Searcher[Any], problem: Problem) -> tuple[Samples, dict[str, Tensor]]:
    """All samples of a sampler, and what it says of its moves in the end."""
    state, parts = sampler.start(problem, rng_for(0, "search")), [_no_samples(problem)]
    while not state["done"]:
        state, found = sampler.step(problem, state)
        if len(found):
            given = found.z, found.target, found.chain, found.evaluation
            require(all(v is not None for v in given), "Candidates without codes, targets, chains or evaluations")
            parts.append(Samples(found.z, problem.answers(found), found.target, found.chain))  # type: ignore[arg-type]
        problem.judge(found, step=0, searcher=sampler.name)
    return Samples.concatenate(parts), sampler.moves(state)


def _no_samples(problem: Problem) -> Samples:
    none = torch.empty(0, dtype=torch.int64)
    return Samples(torch.empty(0, problem.latent_size), torch.empty(0, problem.num_classes), none, none)
