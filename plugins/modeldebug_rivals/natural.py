"""Natural adversarial examples (Zhao, Dua & Singh, ICLR 2018): noise grows around a code until the prediction flips.

Codes are drawn in a shell around a training image's code: directions evenly, lengths evenly between the shell's radii.
The search keeps the nearest flip. Where the paper says something else, or nothing:

- The paper learns a WGAN and an inverter, which gives the code to start from. Here the generator is any that encodes:
  its own encoder gives the code, for a GAN its inversion.
- The paper starts from images that are predicted right, and looks for another prediction. Here a flip is what the core
  counts as a failure, a prediction other than the label: with `search.start = "right"` that is the same.
- Distances are l2, as in the paper's experiments with images. `radius` and `extra` are those of the paper's code.
- Many training images are searched around at once; one that is done makes room for the next. What is found lies in
  another step than its proposal, so that each proposal is asked about once more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from modeldebug import Candidates, Problem, Searcher, State, rng_for, spawn

from .around import Around, advanced, began, newcomers, share_done
from .settings import NaturalConfig

TOUCHING = 1e-4  # no nearer shell is searched


@dataclass(frozen=True, eq=False)
class Shells(Around):
    """The training images that are searched around, with the shell of each.

    Attributes:
        low, high: (a,) float32, between which radii the next codes are drawn.
        best: (a,) float32, distance of the nearest flip; infinite before there is one.
        z: (a, d) float32, the code of that flip.
        misses: (a,) int64, draws in a row that brought nothing nearer.
        fine: (a,) bool, whether the shell is as narrow as it gets, right below the nearest flip.
    """

    low: Tensor
    high: Tensor
    best: Tensor
    z: Tensor
    misses: Tensor
    fine: Tensor


class Natural(Searcher[NaturalConfig]):
    """Each step draws N codes around each of the training images that are searched around, and proposes the nearest
    flip of those that are done.

    >>> from modeldebug.testing import known_problem
    >>> problem, search = known_problem().problem(), Natural(NaturalConfig(samples=30), known_problem().spec)
    >>> state, found = search.start(problem, rng_for(0)), 0
    >>> while not state["done"]:
    ...     state, flips = search.step(problem, state)
    ...     found += len(flips)
    >>> found == len(problem.origins)
    True
    """

    def _start(self, problem: Problem, rng: torch.Generator) -> State:
        nobody = self._shells(torch.empty(0, dtype=torch.int64), problem.latent_size)
        return began(spawn(rng), len(problem.origins), nobody)

    def _step(self, problem: Problem, state: State) -> tuple[State, Candidates]:
        n, codes = self.config.samples, problem.origins.z
        assert codes is not None  # the component requires "encode"
        new = newcomers(state, self.config.block // n)
        shells = Shells.of(state).joined(self._shells(new, problem.latent_size))
        z, length = _drawn(codes[shells.row], shells, n, rng_for(int(state["seed"]), int(state["step"])))
        answer = problem.evaluate(z.flatten(0, 1), origin=shells.row.repeat_interleave(n))
        nearest, which = torch.where(answer.failing.view_as(length), length, torch.inf).min(1)
        shells, over = self._next(shells, nearest, z[torch.arange(len(z)), which])
        found = shells.subset(over & shells.best.isfinite())
        return advanced(state, new, shells.subset(~over)), Candidates(z=found.z, origin=found.row)

    def _shells(self, row: Tensor, d: int) -> Shells:
        """The first shells around training images."""
        n, width = len(row), self.config.radius if self.config.search == "hybrid" else self.config.delta_r
        return Shells(
            row=row,
            low=torch.zeros(n),
            high=torch.full((n,), min(width, self.config.radius)),
            best=torch.full((n,), torch.inf),
            z=torch.zeros(n, d),
            misses=torch.zeros(n, dtype=torch.int64),
            fine=torch.zeros(n, dtype=torch.bool),
        )

    def _next(self, shells: Shells, nearest: Tensor, z: Tensor) -> tuple[Shells, Tensor]:
        """The shells of the next step, and which training images are done, (a,) bool.

        Args:
            nearest: (a,), distance of this step's nearest flip; infinite where there is none.
            z: (a, d), its code.
        """
        nearer = nearest < shells.best
        best, z = torch.where(nearer, nearest, shells.best), torch.where(nearer[:, None], z, shells.z)
        follow = self._shrunk if self.config.search == "hybrid" else self._grown
        return follow(replace(shells, best=best, z=z), nearest)

    def _grown(self, shells: Shells, nearest: Tensor) -> tuple[Shells, Tensor]:
        """Algorithm 1: the next shell outwards, until the first flip."""
        high = (shells.high + self.config.delta_r).clamp(max=self.config.radius)
        over = nearest.isfinite() | (shells.high >= self.config.radius)
        return replace(shells, low=shells.high, high=high), over

    def _shrunk(self, shells: Shells, nearest: Tensor) -> tuple[Shells, Tensor]:
        """Algorithm 2: the outer half of what brought no flip, or the outer half of the ball that the nearest flip
        lies on, until that is narrow; then inwards, shell by shell, until one brings none even after `extra` draws."""
        width, hit, fine = self.config.delta_r, nearest.isfinite(), shells.fine
        narrow = shells.high - shells.low < width
        low = torch.where(hit, shells.best / 2, (shells.low + shells.high) / 2)
        high = torch.where(hit, shells.best, shells.high)
        turning = ~fine & torch.where(hit, high - low < width, narrow)
        lost = turning & shells.best.isinf()
        below = torch.where(turning, shells.best, shells.low)  # the outer radius of the next narrow shell
        inner = (below - width).clamp_min(0)
        inwards = turning | (fine & hit)
        low = torch.where(inwards, inner, torch.where(fine, shells.low, low))
        high = torch.where(inwards, below, torch.where(fine, shells.high, high))
        misses = torch.where(fine & ~hit, shells.misses + 1, 0)
        over = lost | (misses >= self.config.extra) | ((fine | turning) & (high <= TOUCHING))
        return replace(shells, low=low, high=high, misses=misses, fine=fine | turning), over

    def progress(self, state: State) -> float:
        return share_done(state)


def _drawn(codes: Tensor, shells: Shells, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """n codes (a, n, d) around each of the given ones, and their distances (a, n)."""
    direction = torch.randn(len(codes), n, codes.shape[1], generator=rng)
    length = shells.low[:, None] + (shells.high - shells.low)[:, None] * torch.rand(len(codes), n, generator=rng)
    z: Tensor = codes[:, None] + direction * (length / direction.norm(dim=2).clamp_min(1e-12))[:, :, None]
    return z, length
