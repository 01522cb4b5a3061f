"""Predictions to trigger: the targets of Bayes-TrEx and their likelihoods (section 3, equations 2 to 9; appendix D).

A target says which numbers u of a prediction f(x) are looked at, and what they should be, u*. Its likelihood is normal
around them: log p(u* | x) = -misfit / sigma^2, with misfit = half the squared distance from u to u*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from .errors import ConfigError, nearest
from .types import DataSpec

TargetKind = Literal[
    "high-confidence", "ambiguous", "uniform", "graded", "class-excluded", "novel-class", "misclassified"
]
KINDS: tuple[TargetKind, ...] = get_args(TargetKind)
SMALLEST = 1e-20  # a square, so that its root has a slope
ROUNDING = 1e-6  # how far probabilities may be from a sum of 1
EXAMPLES: dict[TargetKind, str] = {
    "high-confidence": "high-confidence:3",
    "ambiguous": "ambiguous:4,9",
    "uniform": "uniform",
    "graded": "graded:8=.6,9=.4",
    "class-excluded": "class-excluded:1",
    "novel-class": "novel-class:3",
    "misclassified": "misclassified:3",
}


@dataclass(frozen=True)
class Target:
    """A prediction to trigger.

    Attributes:
        kind: what is looked at.
        classes: the classes that it names, by number.
        wanted: the probability that each of them should have; for `misclassified`, none.

    >>> torn = Target("ambiguous", (4, 9), (0.5, 0.5))
    >>> torn.name, torn.gap(torch.full((1, 10), 0.1)).tolist()
    ('ambiguous:4,9', [[0.0, -0.5]])
    """

    kind: TargetKind
    classes: tuple[int, ...] = ()
    wanted: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """By which results know it, with the numbers of the classes. Where classes have numbers for names, in another
        order, `read_targets` takes it for another target: to be typed, there is `described`."""
        return self.described([str(c) for c in range(max(self.classes, default=0) + 1)])

    def described(self, classes: Sequence[str]) -> str:
        """As it is typed, with the names of the classes: `read_targets` reads it back."""
        named = [classes[c] for c in self.classes]
        if self.kind == "graded":
            named = [f"{name}={_exact(wanted)}" for name, wanted in zip(named, self.wanted, strict=True)]
        return f"{self.kind}:{','.join(named)}" if named else self.kind

    @property
    def excluded(self) -> int | None:
        """The class that the generator must not have learnt, so that every hit is a failure."""
        return self.classes[0] if self.kind == "class-excluded" else None

    @property
    def expected(self) -> int:
        """The label that its images have, where it says so; else -1."""
        return self.classes[0] if self.kind == "misclassified" else -1

    @property
    def fails(self) -> bool:
        """Whether its hits are failures by construction."""
        return self.kind in ("class-excluded", "novel-class", "misclassified")

    def allowed(self, num_classes: int) -> Tensor:
        """Which predictions would be right, (k,) bool: of novel classes none, and all where a target is no failure."""
        allowed = torch.ones(num_classes, dtype=torch.bool)
        if self.kind == "class-excluded":
            allowed[self.classes[0]] = False
        elif self.kind == "novel-class":
            allowed[:] = False
        elif self.kind == "misclassified":
            allowed = torch.arange(num_classes) == self.classes[0]
        return allowed

    def gap(self, probs: Tensor) -> Tensor:
        """u - u*, (n, m), of predictions (n, k). Differentiable."""
        if self.kind == "graded":
            wanted = probs.new_zeros(probs.shape[1])
            wanted[list(self.classes)] = probs.new_tensor(self.wanted)
            return probs - wanted
        if self.kind == "uniform":
            return (probs.amax(1) - probs.amin(1))[:, None]
        if self.kind == "ambiguous":
            one, other = probs[:, self.classes[0]], probs[:, self.classes[1]]
            lead = torch.minimum(one, other) - _others(probs, self.classes).amax(1)
            return torch.stack([(one - other).abs(), lead - 0.5], 1)
        if self.kind == "misclassified":
            return (_others(probs, self.classes).amax(1) - 1)[:, None]
        return (probs[:, self.classes[0]] - 1)[:, None]

    def misfit(self, probs: Tensor) -> Tensor:
        """Half the squared distance from u to u*, (n,): minus sigma^2 times the log-likelihood."""
        return 0.5 * self.gap(probs).square().sum(1)

    @property
    def residuals(self) -> int:
        """m, how many numbers `residual` gives."""
        return {"graded": len(self.classes) + 1, "ambiguous": 2}.get(self.kind, 1)

    def residual(self, probs: Tensor) -> Tensor:
        """Numbers (n, m) with the same squared sum as `gap`, few and smooth where a sampler passes: a difference with
        its sign; of the classes that a graded target leaves out, the length alone."""
        gap = self.gap(probs)
        if self.kind == "ambiguous":
            one, other = probs[:, self.classes[0]], probs[:, self.classes[1]]
            return torch.stack([one - other, gap[:, 1]], 1)
        if self.kind == "graded":
            rest = _others(probs, self.classes).square().sum(1).clamp_min(SMALLEST).sqrt()
            return torch.cat([gap[:, list(self.classes)], rest[:, None]], 1)
        return gap

    def confidences(self, probs: Tensor) -> Tensor:
        """The probabilities (n, m) that the target is about: of the classes that it names, for `misclassified` the
        largest of another class, for `uniform` the largest and the smallest."""
        if self.kind == "uniform":
            return torch.stack([probs.amax(1), probs.amin(1)], 1)
        if self.kind == "misclassified":
            return _others(probs, self.classes).amax(1, keepdim=True)
        return probs[:, list(self.classes)]

    def aims(self, num_classes: int) -> tuple[float, ...]:
        """What `confidences` should be."""
        if self.kind == "uniform":
            return (1 / num_classes, 1 / num_classes)
        return (1.0,) if self.kind == "misclassified" else self.wanted


def read_targets(texts: Iterable[str], spec: DataSpec) -> tuple[Target, ...]:
    """Targets as they are written: "ambiguous:4,9", "graded:8=.6,9=.4"; classes by number or name. A kind alone means
    all classes, or all pairs.

    Raises:
        ConfigError: an unknown kind or class, a number of classes that does not fit, probabilities that do not sum to
            1, or a target that is named twice.

    >>> spec = DataSpec((1, 8, 8), ("cat", "dog", "owl"))
    >>> [target.name for target in read_targets(["ambiguous:cat,2", "high-confidence"], spec)]
    ['ambiguous:0,2', 'high-confidence:0', 'high-confidence:1', 'high-confidence:2']
    """
    found = [target for text in texts for target in _read(text.strip(), spec)]
    twice = next((target for i, target in enumerate(found) if target in found[:i]), None)
    if twice is not None:
        raise ConfigError("a target is named twice", got=twice.described(spec.classes), fix="name it once")
    return tuple(found)


def all_targets(kind: TargetKind, num_classes: int) -> tuple[Target, ...]:
    """A target of the kind for every class, or for every pair of classes.

    >>> [target.name for target in all_targets("ambiguous", 3)]
    ['ambiguous:0,1', 'ambiguous:0,2', 'ambiguous:1,2']
    """
    if kind == "uniform":
        return (Target("uniform"),)
    if kind == "ambiguous":
        return tuple(Target("ambiguous", pair, (0.5, 0.5)) for pair in combinations(range(num_classes), 2))
    wanted = () if kind == "misclassified" else (1.0,)
    return tuple(Target(kind, (c,), wanted) for c in range(num_classes))


def residuals(targets: Sequence[Target], rows: Tensor, probs: Tensor) -> Tensor:
    """The residuals (n, m) of predictions (n, k), each from its own target: rows (n,) int64. Where a target has fewer
    than others, the rest is 0. Differentiable.

    >>> residuals(all_targets("high-confidence", 2), torch.tensor([1, 0]), torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    tensor([[ 0.],
            [-1.]])
    """
    value = probs.new_zeros(len(probs), max(target.residuals for target in targets))
    for t in rows.unique().tolist():  # type: ignore[no-untyped-call]  # torch does not annotate it
        of = (rows == t).nonzero()[:, 0].to(probs.device)
        own = targets[t].residual(probs[of])
        value = value.index_add(0, of, nn.functional.pad(own, (0, value.shape[1] - own.shape[1])))
    return value


def margin(log_probs: Tensor, allowed: Tensor) -> Tensor:
    """The largest log-probability (n, k) that is not allowed less the largest that is, (n,): above 0 for failures."""
    wrong = log_probs.masked_fill(allowed, -torch.inf).amax(1)
    return wrong - log_probs.masked_fill(~allowed, -torch.inf).amax(1)


def _read(text: str, spec: DataSpec) -> tuple[Target, ...]:
    name, colon, rest = text.partition(":")
    if name not in KINDS:
        raise ConfigError(
            f"there is no target '{name}'",
            got=text,
            expected=nearest(name, KINDS),
            fix="one of " + ", ".join(EXAMPLES.values()),
        )
    kind: TargetKind = name
    if not colon and kind != "graded":
        return all_targets(kind, spec.num_classes)
    if kind == "uniform" or not rest.strip():
        raise ConfigError(f"the target '{kind}' cannot be read", got=text, expected=f"like {EXAMPLES[kind]}")
    if kind == "graded":
        return (_graded(text, rest, spec),)
    classes = _classes(rest, spec, text)
    needed = 2 if kind == "ambiguous" else 1
    if len(classes) != needed or len(set(classes)) != needed:
        raise ConfigError(
            f"the target '{kind}' names {'two different classes' if needed == 2 else 'one class'}",
            got=text,
            expected=f"like {EXAMPLES[kind]}",
        )
    pair = tuple(sorted(classes))
    return (Target(kind, pair, () if kind == "misclassified" else (1 / needed,) * needed),)


def _graded(text: str, rest: str, spec: DataSpec) -> Target:
    def whole(part: str) -> bool:
        name, _, value = part.rpartition("=")
        return name.strip() in spec.classes and "," not in value

    wanted: dict[int, float] = {}
    for part in _parts(rest, whole):
        name, equals, value = part.rpartition("=")
        try:
            share = float(value)
        except ValueError:
            share = float("nan")
        if not equals or not 0 <= share <= 1:
            raise ConfigError(
                "a graded target gives each class a probability from 0 to 1", got=text, expected="like graded:8=.6,9=.4"
            )
        number = _number(name.strip(), spec, text)
        if number in wanted:
            raise ConfigError("a graded target names a class twice", got=text, expected="each class once")
        wanted[number] = share
    if abs(sum(wanted.values()) - 1) > ROUNDING:
        raise ConfigError(
            "the probabilities of a graded target do not sum to 1",
            got=f"{text}, which sums to {sum(wanted.values()):g}",
            expected="like graded:8=.6,9=.4",
        )
    ordered = sorted(wanted)
    return Target("graded", tuple(ordered), tuple(wanted[c] for c in ordered))


def _classes(rest: str, spec: DataSpec, text: str) -> tuple[int, ...]:
    """The numbers of classes that are named with commas between them."""
    return tuple(_number(part, spec, text) for part in _parts(rest, lambda part: part.strip() in spec.classes))


def _number(name: str, spec: DataSpec, text: str) -> int:
    """A class by its name or else its number."""
    if name in spec.classes:
        return spec.classes.index(name)
    if name.isdecimal() and int(name) < spec.num_classes:
        return int(name)
    raise ConfigError(
        f"there is no class '{name}'",
        got=text,
        expected=f"a number from 0 to {spec.num_classes - 1}, or a name: {nearest(name, spec.classes)}",
    )


def _parts(rest: str, known: Callable[[str], bool]) -> Iterator[str]:
    """What stands between commas, stripped; a class name with commas of its own stays whole."""
    words = rest.split(",")
    while words:
        ends = range(len(words), 0, -1)
        end = next((end for end in ends if known(",".join(words[:end]))), 1)
        yield ",".join(words[:end]).strip()
        words = words[end:]


def _exact(share: float) -> str:
    """A probability as short as it can be read back.

    >>> _exact(0.6), _exact(1.0), _exact(0.33333333)
    ('0.6', '1', '0.33333333')
    """
    return repr(share).removesuffix(".0")


def _others(probs: Tensor, classes: Sequence[int]) -> Tensor:
    """The probabilities (n, k - m) of the classes that are not named; of none at all, a zero."""
    rest = [c for c in range(probs.shape[1]) if c not in classes]
    return probs[:, rest] if rest else probs.new_zeros(len(probs), 1)
