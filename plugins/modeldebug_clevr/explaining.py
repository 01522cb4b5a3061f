"""Which patterns of attributes explain that scenes fail, where nothing is known but scenes that do.

Many things are in many scenes, so it says little that failing scenes hold one often. What counts is how much oftener
than scenes of the prior with as many objects: a pattern that an object has with probability p is in a scene of n with
probability q = 1 - (1 - p)^n. If scenes with a match fail r times as often as those without, then a failing scene holds
one with probability r q / (1 - q + r q), and is r^m / (1 - q + r q) times as probable among failures as in the prior,
where m is 1 if it holds one, else 0. That ratio is of whole scenes: patterns of any length, all with one parameter r,
are compared by it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .objects import MOST, SHAPES, SIZE, VALUES, Pattern, patterns, present, unpacked

SMALL = (0.5, 0.5, 0.516, 0.530, 0.547, 0.565, 0.583, 0.602, 0.618, 0.640, 0.658)
"""About which share of the objects is small in scenes of so many: large ones find no room among many others."""

LEVEL = 0.01  # chance that any pattern at all is named in one step where failures are random
RISK = 1.5  # scenes with a match fail at least so many times as often: then a third of them fail because of it
RARE = 7.0  # a kind of object that would be there so many times at random, and never is, does not occur
_LARGEST = 25.0  # log r, where every failing scene holds a match
_KINDS = torch.cartesian_prod(*(torch.arange(len(values)) for values in VALUES.values()))  # (128, 4)
_STRIDES = torch.tensor([math.prod(len(v) for v in list(VALUES.values())[i + 1 :]) for i in range(len(VALUES))])


@dataclass(frozen=True, eq=False)
class Explanation:
    """A pattern that explains some failing scenes.

    Attributes:
        pattern: of an object that they hold.
        rows: (m,) int64, the failing scenes that hold one, and no match of an earlier pattern.
        chance: how many would hold one if it did not matter.
        risk: r, how many times as often scenes with a match fail; infinity where no scene without one does.
    """

    pattern: Pattern
    rows: Tensor
    chance: float
    risk: float


def explanations(z: Tensor, *, attributes: int = 2, least: int = 10, most: int = 20) -> list[Explanation]:
    """The patterns that explain failing scenes, the one that explains most first.

    Greedy: the pattern with the largest log-likelihood ratio to the prior is taken, less the logarithm of how many
    patterns are as long as it, so that a longer one has to explain more. Then it goes on with the scenes that do not
    hold it, and with what is to be expected of those, as a decision list does, until no pattern is significant.

    Args:
        z: (n, 80) float32, scenes that are independent of each other, as probable as they are in the prior but for
            whether they fail, and how many objects they have. Those with the same objects, wherever these are, count
            as one: a random walk stays where it is, or near, for a while. All kinds of objects that occur in the
            domain are as probable as each other; objects that are not there count for which ones occur. Of scenes that
            were drawn to be of every class alike, causes are found too, but chance may be named after them.
        attributes: of a pattern, at most.
        least: failing scenes with other objects that a pattern explains.
        most: patterns.

    >>> from modeldebug_clevr.scenes import Scenes
    >>> blue = Pattern.read("blue cylinders")
    >>> z = Scenes(most=4).sample(1500, torch.Generator().manual_seed(0))
    >>> fail = torch.rand(len(z), generator=torch.Generator().manual_seed(1)) < 0.05 + 0.75 * (blue.count(z) > 0)
    >>> [found.pattern.plural for found in explanations(z[fail])]
    ['blue cylinders']
    """
    there, kinds = present(z), (unpacked(z)[..., list(VALUES)].long() * _STRIDES).sum(2)
    occurs = _occurring(kinds)
    shapes = tuple(shape for i, shape in enumerate(SHAPES) if bool(occurs[_KINDS[:, -1] == i].any()))
    tried = patterns(attributes, shapes)
    lengths = torch.tensor([len(pattern.wanted) for pattern in tried])
    rivals = attributes * lengths.bincount()[lengths].double()
    fits = torch.stack([_fits(pattern) for pattern in tried])
    holds = torch.zeros(len(z), len(_KINDS)).scatter_reduce_(1, kinds, there.float(), "amax")
    held = holds @ fits.float().T > 0
    weights, numbers, odds = _weights(kinds, there), there.sum(1), _odds(occurs)
    found: list[Explanation] = []
    left, covered = torch.arange(len(z)), torch.zeros(len(_KINDS), dtype=torch.bool)
    while len(left) and len(found) < most:
        chances, matching = _chances(odds, fits, covered), held[left]
        counts = numbers[left].bincount(weights[left], minlength=MOST + 1)
        matches = weights[left] @ matching.double()
        risks, ratios = _likeliest(chances, counts, matches)
        surprise = 0.5 * torch.special.erfc(ratios.sqrt()) * rivals
        named = (surprise < LEVEL) & (risks >= RISK) & (matches >= least)
        if not bool(named.any()):
            break
        best = int(torch.where(named, ratios - rivals.log(), -math.inf).argmax())
        rows, expected = left[matching[:, best]], float(chances[numbers[left], best].sum())
        risk = math.inf if len(rows) == len(left) else float(risks[best])
        found.append(Explanation(tried[best], rows, expected, risk))
        left, covered = left[~matching[:, best]], covered | fits[best]
    return found


def _occurring(kinds: Tensor) -> Tensor:
    """Which kinds of objects occur in the domain, (128,) bool: those that are seen; and while too few objects are seen
    to tell, all with values that are."""
    seen = kinds.flatten().bincount(minlength=len(_KINDS)) > 0
    values = torch.ones_like(seen)
    for column in _KINDS.T:
        values &= torch.isin(column, column[seen])
    return values if kinds.numel() < RARE * int(values.sum()) else seen


def _weights(kinds: Tensor, there: Tensor) -> Tensor:
    """1 over how many scenes have the same objects, (n,) float64."""
    held = torch.where(there, kinds, -1).sort(1).values
    _, which, same = torch.unique(held, dim=0, return_inverse=True, return_counts=True)
    weights: Tensor = 1 / same[which].double()
    return weights


def _odds(occurs: Tensor) -> Tensor:
    """How probable each kind is for an object of a scene of so many, (11, 128) float64."""
    small = torch.tensor(SMALL, dtype=torch.float64)[:, None]
    odds = torch.where(_KINDS[:, list(VALUES).index(SIZE)] == 0, small, 1 - small) * occurs
    return odds / odds.sum(1, keepdim=True)


def _fits(pattern: Pattern) -> Tensor:
    """Which kinds have the attributes, (128,) bool."""
    found = torch.ones(len(_KINDS), dtype=torch.bool)
    for column, value in pattern.wanted:
        found &= _KINDS[:, list(VALUES).index(column)] == value
    return found


def _chances(odds: Tensor, fits: Tensor, covered: Tensor) -> Tensor:
    """q, (11, P) float64: how probable it is that a scene of so many objects holds a match of each pattern, among
    those that hold no object of a kind that is covered."""
    objects = torch.arange(MOST + 1)[:, None]
    without = (1 - odds @ covered.double())[:, None]
    free = (1 - odds @ (fits | covered).double().T).clamp_min(0)
    return (1 - (free / without.clamp_min(1e-12)) ** objects).clamp(1e-12, 1 - 1e-12)


def _likeliest(chances: Tensor, scenes: Tensor, matches: Tensor) -> tuple[Tensor, Tensor]:
    """The r of each pattern that is likeliest, and the log-likelihood ratio of it to r = 1, both (P,) float64.

    Args:
        chances: (11, P), q.
        scenes: (11,), how many failing scenes have so many objects.
        matches: (P,), how many of them hold a match.
    """
    low, high = torch.zeros_like(matches), torch.full_like(matches, _LARGEST)
    for _ in range(50):  # the likelihood is concave in log r: bisection of its slope
        middle = (low + high) / 2
        more = scenes @ torch.sigmoid(torch.logit(chances) + middle) < matches
        low, high = torch.where(more, middle, low), torch.where(more, high, middle)
    risks = torch.where(low > 0, low, 0.0)
    ratios = matches * risks - scenes @ (chances * risks.expm1()).log1p()
    return risks.exp(), ratios.clamp_min(0)


def summary(found: Sequence[Explanation], scenes: int) -> str:
    """In a line: what explains how many of the failing scenes.

    >>> summary([Explanation(Pattern.read("red cubes"), torch.arange(60), 20.4, 5.5)], 100)
    'red cubes are in 60 of 100 failing scenes (by chance 20.4): scenes with them fail 5.5 times as often'
    >>> summary([], 100)
    'no pattern of attributes is oftener in the 100 failing scenes than chance would have it'
    """
    if not found:
        return f"no pattern of attributes is oftener in the {scenes} failing scenes than chance would have it"
    parts: list[str] = []
    for one in found:
        of = "that are left" if parts else "failing scenes"
        where = f"{one.pattern.plural} are in {len(one.rows)} of {scenes} {of} (by chance {one.chance:.1f})"
        often = f"scenes with them fail {one.risk:.1f} times as often"
        parts.append(f"{where}: {often if math.isfinite(one.risk) else 'no scene without them fails'}")
        scenes -= len(one.rows)
    return "; ".join(parts)
