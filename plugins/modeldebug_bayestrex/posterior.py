"""The distribution that samplers draw from: p(z | u = u*), the prior of codes times the likelihood of the targets
(Bayes-TrEx, equation 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from modeldebug import Candidates, PluginError, Problem, State, Target

from .mixture_prior import MixturePrior

TRIES = 1000  # draws, until one is of the class that a target expects
NARROW = 0.1  # of the standard deviation of all codes: the prior around a training image's code that has no posterior


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes on their way, and what each is for.

    Attributes:
        z: (n, d) float32.
        target: (n,) int64, the row of the problem's targets.
        condition: (n,) int64, the class told to a conditional decoder, or None.

    >>> len(Codes(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)).at(torch.tensor([0, 0])))
    2
    """

    z: Tensor
    target: Tensor
    condition: Tensor | None = None

    def __len__(self) -> int:
        return len(self.z)

    def at(self, rows: Tensor) -> Codes:
        """The given rows, (m,) int64 or a mask (n,) bool."""
        return Codes(*(None if value is None else value[rows] for value in vars(self).values()))  # type: ignore[arg-type]

    def put(self, rows: Tensor, others: Codes) -> Codes:
        """The same with other codes (m,) in the given rows."""
        return self.moved(self.z.index_copy(0, rows, others.z))

    @staticmethod
    def joined(parts: Sequence[Codes]) -> Codes:
        """One after the other."""
        return Codes(**{name: torch.cat([getattr(part, name) for part in parts]) for name in parts[0].state()})

    def moved(self, z: Tensor) -> Codes:
        """The same at other codes."""
        return replace(self, z=z)

    def state(self) -> dict[str, Tensor]:
        """As tensors by name, for a searcher's state."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @staticmethod
    def of(state: State) -> Codes:
        """The codes whose tensors stand in a searcher's state by these names."""
        return Codes(**{name: value for name, value in tensors_in(state).items() if name in Codes.__dataclass_fields__})


@dataclass(frozen=True, eq=False)
class Density:
    """The two parts of the log density at codes: log prior, and -misfit / sigma^2.

    Attributes:
        log_prior: (n,) nats.
        misfit: (n,).
        prior_slope, misfit_slope: (n, d), the gradients; empty where they were not asked for.
        probs: (n, k), the classifier's predictions.
    """

    log_prior: Tensor
    misfit: Tensor
    prior_slope: Tensor
    misfit_slope: Tensor
    probs: Tensor

    def log(self, sigma: Tensor | float) -> Tensor:
        """The log density (n,), but for a constant, where the likelihood has the standard deviation sigma."""
        return self.log_prior - self.misfit / sigma**2

    def slope(self, sigma: Tensor | float) -> Tensor:
        """Its gradient (n, d)."""
        scale = sigma**2 if isinstance(sigma, float) else sigma[:, None] ** 2
        return self.prior_slope - self.misfit_slope / scale

    def where(self, chosen: Tensor, other: Density) -> Density:
        """This in the chosen rows (n,) bool, and the other elsewhere."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Density(*(torch.where(chosen if a.dim() == 1 else chosen[:, None], a, b) for a, b in pairs))


def tensors_in(state: State) -> dict[str, Tensor]:
    """The tensors among what a searcher's state holds, by name.

    >>> list(tensors_in({"seed": 7, "scale": torch.ones(2), "done": False}))
    ['scale']
    """
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


@dataclass(frozen=True, eq=False)
class Fit:
    """The same with the residuals one by one, which say in which directions the likelihood is narrow.

    Attributes:
        log_prior: (n,) nats.
        prior_slope: (n, d), its gradient.
        residual: (n, m); half the sum of their squares is the misfit.
        slope: (n, m, d), their gradients.
    """

    log_prior: Tensor
    prior_slope: Tensor
    residual: Tensor
    slope: Tensor

    @property
    def misfit(self) -> Tensor:
        """(n,)."""
        return 0.5 * self.residual.square().sum(1)

    def log(self, sigma: Tensor) -> Tensor:
        """The log density (n,), but for a constant."""
        return self.log_prior - self.misfit / sigma**2

    def log_slope(self, sigma: Tensor) -> Tensor:
        """Its gradient (n, d)."""
        return self.prior_slope - (self.residual[:, None] @ self.slope)[:, 0] / sigma[:, None] ** 2

    def at(self, rows: Tensor) -> Fit:
        """The given rows."""
        return Fit(*(value[rows] for value in vars(self).values()))

    def put(self, rows: Tensor, others: Fit) -> Fit:
        """The same with others (m,) in the given rows."""
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return Fit(*(value.index_copy(0, rows, other) for value, other in pairs))

    def where(self, chosen: Tensor, other: Fit) -> Fit:
        """This in the chosen rows (n,) bool, and the other elsewhere."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Fit(*(torch.where(chosen.view(-1, *(1,) * (a.dim() - 1)), a, b) for a, b in pairs))


class Posterior:
    """Where codes for each target come from, and how probable they are.

    The prior is the generator's. A target that expects a label needs images of that class: a conditional generator is
    told it; of one that knows what its images show, the prior is that of codes which show it; of others, the prior is
    the mixture of the posteriors of that class's training images. A conditional generator is told a random class for
    any other target; of `class-excluded`, never the excluded one.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._expected = torch.tensor([t.expected for t in problem.targets])
        self._conditional = problem.origins.condition is not None
        self._knows = problem.truth(torch.empty(0, problem.latent_size)) is not None
        told = self._conditional or self._knows
        expected = [] if told else [t for t in problem.targets if t.expected >= 0]
        self._mixtures = {target.expected: self._mixture(target) for target in expected}

    @property
    def shared(self) -> bool:
        """Whether one prior draw serves every target."""
        known = self._knows and bool((self._expected >= 0).any())
        return not self._conditional and not self._mixtures and not known

    def draw(self, target: Tensor, rng: torch.Generator) -> Codes:
        """Codes from the prior, one for each row of targets (n,) int64."""
        n, problem, expected = len(target), self._problem, self._expected[target]
        z = problem.sample_prior(n, rng)
        for label, mixture in self._mixtures.items():
            rows = expected == label
            z[rows] = mixture.draw(int(rows.sum()), rng)
        for label in expected[expected >= 0].unique().tolist() if self._knows else ():  # type: ignore[no-untyped-call]
            rows = expected == label
            z[rows] = self._showing(label, z[rows], rng)
        if not self._conditional:
            return Codes(z, target)
        condition = torch.randint(problem.num_classes, (n,), generator=rng)
        excluded = torch.tensor([-1 if t.excluded is None else t.excluded for t in problem.targets])[target]
        condition = torch.where(condition == excluded, (condition + 1) % problem.num_classes, condition)
        return Codes(z, target, torch.where(expected >= 0, expected, condition))

    def possible(self, codes: Codes) -> Tensor:
        """Which codes have a place in the prior of their target, (n,) bool: no query."""
        possible, expected = self._problem.valid(codes.z), self._expected[codes.target]
        rows = (possible & (expected >= 0)).nonzero()[:, 0]
        truth = self._problem.truth(codes.z[rows])
        if truth is not None:
            possible[rows] = truth == expected[rows]
        return possible

    def look(self, codes: Codes, *, gradient: bool = True) -> Density:
        """The density at codes: 3 n queries, n without gradients."""
        misfit = self._problem.misfit(codes.z, codes.target, condition=codes.condition, gradient=gradient)
        log_prior, slope = self.prior(codes, gradient=gradient)
        nothing = torch.empty(0)
        return Density(
            log_prior, misfit.value, slope, nothing if misfit.gradient is None else misfit.gradient, misfit.probs
        )

    def fit(self, codes: Codes) -> Fit:
        """What is known at codes with the residuals one by one: (1 + 2 m) n queries."""
        found = self._problem.residuals(codes.z, codes.target, condition=codes.condition)
        return Fit(*self.prior(codes, gradient=True), found.value, found.slope)

    def prior(self, codes: Codes, *, gradient: bool) -> tuple[Tensor, Tensor]:
        """The log prior (n,) of codes and its gradient (n, d), empty where it is not asked for: no query."""
        z = codes.z.detach().requires_grad_(gradient)
        with torch.set_grad_enabled(gradient):
            value = self._problem.log_prior(z)
            slope = torch.autograd.grad(value.sum(), z)[0] if gradient else torch.empty(0)
        value = value.detach().clone()
        for label, mixture in self._mixtures.items():
            rows = self._expected[codes.target] == label
            value[rows], own = mixture.log_density(codes.z[rows])
            if gradient:
                slope[rows] = own
        return value, slope

    def unit(self, codes: Codes) -> Tensor:
        """The prior's standard deviations (n, d): about training images, those of their posteriors; else 1. The same
        for all codes of a target."""
        unit = torch.ones_like(codes.z)
        for label, mixture in self._mixtures.items():
            unit[self._expected[codes.target] == label] = mixture.unit
        return unit

    def scale(self, codes: Codes) -> Tensor:
        """About how wide the posterior of each code's target is, (n, d): the standard deviations of its codes, at most
        the prior's."""
        scale = self.unit(codes)
        for t in codes.target.unique().tolist():  # type: ignore[no-untyped-call]  # torch does not annotate it
            rows = codes.target == t
            scale[rows] = torch.minimum(scale[rows], codes.z[rows].std(0, correction=0).clamp_min(1e-3))
        return scale

    def propose(self, codes: Codes, chain: Tensor) -> Candidates:
        """Final codes as candidates, each with its chain (n,) int64 and, where the prior is around training images, the
        one that it belongs to: n queries."""
        origin = None
        if self._mixtures and bool((self._expected[codes.target] >= 0).all()):
            origin = torch.zeros_like(codes.target)
            for label, mixture in self._mixtures.items():
                rows = self._expected[codes.target] == label
                origin[rows] = mixture.nearest(codes.z[rows])
        asked = {"origin": origin, "condition": codes.condition, "target": codes.target}
        evaluation = self._problem.evaluate(codes.z, **asked)
        return Candidates(z=codes.z, evaluation=evaluation.id, chain=chain, **asked)

    def _showing(self, label: int, z: Tensor, rng: torch.Generator) -> Tensor:
        """Prior draws (n, d), once those are drawn anew, as often as it takes, whose images are of another class."""
        for _ in range(TRIES):
            truth = self._problem.truth(z)
            assert truth is not None  # of a generator that knows
            other = (truth != label).nonzero()[:, 0]
            if not len(other):
                return z
            z = z.index_copy(0, other, self._problem.sample_prior(len(other), rng))
        raise PluginError(
            f"the prior gives no images of the class that the target 'misclassified:{label}' expects",
            got=f"none in {TRIES} draws",
            fix="name other targets in search.targets, or a generator that makes images of this class",
        )

    def _mixture(self, target: Target) -> MixturePrior:
        """The prior of the class that a target expects."""
        origins = self._problem.origins
        if origins.z is None:
            raise PluginError(
                "nothing says which label is expected of a code",
                got="a generator that is told no class and cannot encode",
                expected="a generator that encodes, or a conditional one",
                fix="--generator NAME; or a target that expects no label, such as class-excluded",
            )
        rows = (origins.labels == target.expected).nonzero()[:, 0]
        if not len(rows):
            raise PluginError(
                f"no training image is of the class that the target '{target.name}' expects",
                got="no origin with its label",
                fix="name other targets in search.targets, or search from more training images",
            )
        spread = origins.spread
        if spread is None:
            spread = (NARROW * origins.z.std(0, correction=0)).expand_as(origins.z)
        return MixturePrior(origins.z[rows], spread[rows], rows)
