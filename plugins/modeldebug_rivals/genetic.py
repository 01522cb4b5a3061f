"""A genetic algorithm in latent space: SINVAD (Kang, Feldt & Yoo 2020, at ICSE's workshops).

A population lives around the code of each training image. The fittest live on and are the parents of the others. A
child has the first numbers of one parent's code and the last of another's (single-point crossover), Gaussian noise
where it differs from the training image's code, and some numbers set back to that code's. Of codes whose prediction
flips, the fitter is the one nearer to the training image's by l1; or, whatever the label, the one whose prediction
varies more. A search that gets no fitter mutates less and less, and ends. Where the paper says something else, or
nothing:

- The numbers are those of the authors' code for images at the boundary. Their VAE has 400 latent dimensions.
- A parent that lives on is not asked about again: a classifier gives the same answer twice.
- A generation is fitter that gains more than `GAIN`; the authors' scripts differ in this (by anything, or as here).
- `variation` is the entropy of the prediction.
- Many training images are searched around at once; one that is done makes room for the next. What is found may be of an
  earlier step than its proposal, so that each proposal is asked about once more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from modeldebug import Candidates, Evaluation, Problem, Searcher, State, rng_for, spawn

from .around import Around, advanced, began, newcomers, share_done
from .settings import GeneticConfig

UNFIT = -1e6  # of a code whose prediction does not flip
GAIN = 1e-3  # of fitness, above which a generation counts as fitter


@dataclass(frozen=True, eq=False)
class Populations(Around):
    """The training images that are searched around, with the population of each.

    Attributes:
        z: (a, p, d) float32, the codes that live.
        fitness: (a, p) float32.
        failing: (a, p) bool, whether the prediction is wrong there.
        best: (a,) float32, the largest fitness of the generation before.
        mutation: (a,) float32, standard deviation of the noise for the next children.
        age: (a,) int64, generations so far.
    """

    z: Tensor
    fitness: Tensor
    failing: Tensor
    best: Tensor
    mutation: Tensor
    age: Tensor


class Genetic(Searcher[GeneticConfig]):
    """Each step is a generation of every population, and proposes the fittest failure of those that are done.

    >>> from modeldebug.testing import known_problem
    >>> problem = known_problem().problem()
    >>> search = Genetic(GeneticConfig(population=20, parents=8), known_problem().spec)
    >>> state, found = search.start(problem, rng_for(0)), 0
    >>> while not state["done"]:
    ...     state, fittest = search.step(problem, state)
    ...     found += len(problem.judge(fittest, step=0, searcher="genetic"))
    >>> 0 < found <= len(problem.origins)
    True
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        nobody = self._unborn(torch.empty(0, dtype=torch.int64), self.config.population, problem.latent_size)
        return began(spawn(rng), len(problem.origins), nobody)

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        config, codes = self.config, problem.origins.z
        assert codes is not None  # the component requires "encode"
        rng = rng_for(int(state["seed"]), int(state["step"]))
        parents = self._parents(Populations.of(state))
        lives = self._generation(problem, parents, self._children(parents, codes, rng))
        new = newcomers(state, config.block // config.population)
        noise = torch.randn(len(new), config.population, codes.shape[1], generator=rng)
        first = codes[new][:, None] + config.spread * noise
        lives = lives.joined(self._generation(problem, self._unborn(new, 0, codes.shape[1]), first))
        over = (lives.mutation < config.smallest) | (lives.age >= config.generations)
        return advanced(state, new, lives.subset(~over)), _fittest_failures(lives.subset(over))

    def _unborn(self, row: Tensor, p: int, d: int) -> Populations:
        """Before the first generation, with room for p codes each."""
        n = len(row)
        return Populations(
            row=row,
            z=torch.empty(n, p, d),
            fitness=torch.empty(n, p),
            failing=torch.empty(n, p, dtype=torch.bool),
            best=torch.full((n,), -torch.inf),
            mutation=torch.full((n,), self.config.mutation),
            age=torch.zeros(n, dtype=torch.int64),
        )

    def _parents(self, lives: Populations) -> Populations:
        """The fittest of each, the fittest first."""
        rows = lives.fitness.argsort(dim=1, descending=True, stable=True)[:, : self.config.parents]
        return replace(
            lives,
            z=lives.z.take_along_dim(rows[:, :, None], 1),
            fitness=lives.fitness.take_along_dim(rows, 1),
            failing=lives.failing.take_along_dim(rows, 1),
        )

    def _children(self, parents: Populations, codes: Tensor, rng: torch.Generator) -> Tensor:
        """Codes (a, c, d): two parents crossed, noise where that differs from the training image's code, and some
        numbers of that code."""
        config, n, d = self.config, self.config.population - self.config.parents, codes.shape[1]
        here, a = codes[parents.row][:, None], len(parents.row)
        two = torch.rand(a, n, config.parents, generator=rng).argsort(2)[:, :, :2]
        one, other = (parents.z.take_along_dim(rows[:, :, None], 1) for rows in two.unbind(2))
        cut = torch.randint(d, (a, n, 1), generator=rng)
        genes = torch.where(torch.arange(d) < cut, one, other)
        noise = parents.mutation[:, None, None] * torch.randn(a, n, d, generator=rng)
        genes = genes + noise * (genes != here)
        return torch.where(torch.rand(a, n, d, generator=rng) < config.back, here, genes)

    def _generation(self, problem: Problem, parents: Populations, z: Tensor) -> Populations:
        """Parents and the newborn codes z (a, c, d), which are asked about."""
        n, c, _ = z.shape
        origin = parents.row.repeat_interleave(c)
        answer = problem.evaluate(z.flatten(0, 1), origin=origin)
        fitness = torch.cat([parents.fitness, self._fitness(problem, z, origin, answer).view(n, c)], 1)
        best = fitness.amax(1)
        fitter = best > parents.best + GAIN
        return Populations(
            row=parents.row,
            z=torch.cat([parents.z, z], 1),
            fitness=fitness,
            failing=torch.cat([parents.failing, answer.failing.view(n, c)], 1),
            best=best,
            mutation=torch.where(fitter, self.config.mutation, self.config.shrink * parents.mutation),
            age=parents.age + 1,
        )

    def _fitness(self, problem: Problem, z: Tensor, origin: Tensor, answer: Evaluation) -> Tensor:
        """Of each code, (a * c,)."""
        if self.config.fitness == "variation":
            entropy: Tensor = torch.special.entr(answer.probs).sum(1)
            return entropy
        codes = problem.origins.z
        assert codes is not None
        distance = (z.flatten(0, 1) - codes[origin]).abs().sum(1)
        return torch.where(answer.failing, -distance, UNFIT)

    def progress(self, state: State) -> float:
        return share_done(state)


def _fittest_failures(lives: Populations) -> Candidates:
    """Of each population the fittest code that fails, where there is one."""
    fitness, which = torch.where(lives.failing, lives.fitness, -torch.inf).max(1)
    some = fitness.isfinite()
    return Candidates(z=lives.z[torch.arange(len(which)), which][some], origin=lives.row[some])
