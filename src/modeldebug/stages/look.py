"""What the report of an inspection shows besides the samplers' own results: images, prior draws, and the test set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..classifier import Classifier
from ..context import Context
from ..contracts.generator import Generator
from ..diagnostics import Samples, diagnose
from ..rng import spawn
from ..sections import ReportSection
from ..store import Saved, prefixed
from ..targets import Target
from ..types import ImageSet, Splits
from .explain import explain
from .quality import Codes, Images, decoded, quality
from .test_set import Errors, answers_to, as_bytes, inspect_test_set

TYPICAL = 100  # images of a class, the one in whose midst stands for it
PAIRS, CLOSE = 4, 0.2  # maps of class boundaries, and how far off a pair's samples may be on average
PERPLEXITY = 30
POINTS = 10  # of a stopping curve


@dataclass(frozen=True, eq=False)
class Shown:
    """What was found with one generator.

    Attributes:
        stage: the name of the stage that sampled: `samples`, or `samples-without-3`.
        generator: trained.
        targets: in the order that `samples.target` counts.
        samples: of all of them.

    >>> from modeldebug.testing import known_problem
    >>> target, z = Target("high-confidence", (0,), (1.0,)), torch.zeros(2, 2)
    >>> samples = Samples(z, torch.eye(4)[:2], torch.zeros(2).long(), torch.arange(2))
    >>> len(Shown("samples", known_problem().generator, (target,), samples).of(0))
    2
    """

    stage: str
    generator: Generator[Any]
    targets: tuple[Target, ...]
    samples: Samples

    def of(self, target: int) -> Samples:
        """The samples of one target, in the order of drawing."""
        return self.samples.subset(self.samples.target == target)

    @property
    def codes(self) -> Codes:
        """Of all samples."""
        return Codes(self.samples.z, self.samples.condition)


def look(
    splits: Splits,
    learnt: Splits,
    classifier: Classifier,
    groups: Sequence[Shown],
    context: Context,
    *,
    settings: ReportSection,
    ask: Callable[[ImageSet], Tensor] | None = None,
) -> Saved:
    """Everything that the report of an inspection needs and no other stage has.

    Tensors: of each group, by its number, images `x` of the samples `rows`, and prior draws `draws.z`, `draws.probs`
    and `draws.x`; `typical/x`, an image of each class; `test/...`; `map<n>/xy`; `saliency/x`. Images are uint8.

    Args:
        learnt: the data of the generators; the classifier's own, unless they are told others.
        ask: gives an auditor's labels (m,) int64 of test images, -1 for none; None where there is no auditor.
    """
    answers = answers_to(classifier, splits.test)
    tested = inspect_test_set(
        splits.test, answers, Errors.of_test_set(splits.test, answers, ask), classes=splits.spec.classes
    )
    tensors = dict(tested.tensors)
    typical, known = _typical(splits.train, splits.spec.num_classes)
    tensors["typical/x"] = as_bytes(typical)
    every, drawn = [], []
    for i, group in enumerate(groups):
        context.progress(i / (len(groups) + 2), "images of samples and of the prior")
        drawn.append(prior_draws(group, settings.draws, context))
        tensors |= prefixed(str(i), _seen(group, drawn[i], classifier, settings))
        named = [{"kind": t.kind, "classes": list(t.classes), "wanted": list(t.wanted)} for t in group.targets]
        every.append({"stage": group.stage, "targets": named})
    context.progress(len(groups) / (len(groups) + 2), "maps and curves")
    first = _foremost(groups, settings.galleries)
    maps, where = _boundaries(groups, tensors, tested.info["confusion"], settings.tsne, context)
    saliency, explained = explain(classifier, _to_explain(groups, tensors, first, settings.maps), context)
    context.progress((len(groups) + 1) / (len(groups) + 2), "quality of the generators")
    made = [
        images
        for group, draws in zip(groups, drawn, strict=True)
        for images in (
            Images(group.stage.replace("samples", "generator"), group.generator, draws),
            Images(group.stage, group.generator, group.codes),
        )
    ]
    measured = quality(learnt, classifier, made, context, most=settings.draws)
    return Saved(
        tensors | maps | saliency,
        {
            "groups": every, "foremost": first, "known": known, "test_set": tested.info,
            "maps": where, "curves": _curves(groups, first), "saliency": explained, **measured,
        },
    )  # fmt: skip


def prior_draws(group: Shown, n: int, context: Context) -> Codes:
    """Codes from the prior that stand for an image; a conditional generator is told random classes, but never the one
    that it has not learnt."""
    model, k = group.generator, group.generator.spec.num_classes
    z = model.sample(n, context.rng)
    z = z[model.valid(z)]
    if group.samples.condition is None:
        return Codes(z)
    known = torch.tensor([c for c in range(k) if c not in {target.excluded for target in group.targets}])
    return Codes(z, known[torch.randint(len(known), (len(z),), generator=context.rng)])


def _seen(group: Shown, drawn: Codes, classifier: Classifier, settings: ReportSection) -> dict[str, Tensor]:
    """Images of the samples of each target, spread over its chains, and of prior draws, with their predictions."""
    rows = []
    for t in range(len(group.targets)):
        of = (group.samples.target == t).nonzero()[:, 0]
        rows.append(of[_spread(group.samples.chain[of], settings.images)])
    shown = torch.cat([torch.empty(0, dtype=torch.int64), *rows])
    probs = [classifier.probs(x) for x in decoded(group.generator, drawn, classifier)]
    images = {
        name: [as_bytes(x) for x in decoded(group.generator, codes, classifier)]
        for name, codes in (("x", group.codes.at(shown)), ("draws.x", drawn.at(slice(settings.images))))
    }
    nothing = torch.empty(0, *classifier.spec.shape, dtype=torch.uint8)
    return {
        "rows": shown,
        "draws.z": drawn.z,
        "draws.probs": torch.cat([torch.empty(0, classifier.spec.num_classes), *probs]),
        **{name: torch.cat([nothing, *parts]) for name, parts in images.items()},
    }


def _spread(chain: Tensor, most: int) -> Tensor:
    """At most so many rows (m,) int64 of samples in chains (n,), evenly over the chains and along each."""
    names = chain.unique()  # type: ignore[no-untyped-call]  # torch does not annotate it
    if not len(names):
        return torch.empty(0, dtype=torch.int64)
    each, picked = -(-most // len(names)), []
    for name in names:
        of = (chain == name).nonzero()[:, 0]
        picked.append(of[torch.linspace(0, len(of) - 1, min(each, len(of))).round().long()])
    together = torch.cat(picked)
    return together[_turns(chain[together]).argsort(stable=True)][:most]


def _turns(chain: Tensor) -> Tensor:
    """How many samples of its own chain come before each sample, (n,) int64."""
    turns = torch.empty_like(chain)
    for name in chain.unique():  # type: ignore[no-untyped-call]  # torch does not annotate it
        of = (chain == name).nonzero()[:, 0]
        turns[of] = torch.arange(len(of))
    return turns


def _typical(images: ImageSet, k: int) -> tuple[Tensor, list[bool]]:
    """A real image (k, c, h, w) of each class, that nearest to the mean of some; and of which classes there is one."""
    typical, known = torch.zeros(k, *images.shape), []
    for c in range(k):
        rows = (images.labels == c).nonzero()[:TYPICAL, 0]
        known.append(bool(len(rows)))
        if len(rows):
            x = images.batch(rows)[0]
            typical[c] = x[(x - x.mean(0)).flatten(1).square().sum(1).argmin()]
    return typical, known


def _boundaries(
    groups: Sequence[Shown], tensors: dict[str, Tensor], confusion: list[list[int]], most: int, context: Context
) -> tuple[dict[str, Tensor], list[dict[str, int]]]:
    """t-SNE of prior draws and samples together (Bayes-TrEx, figure 15), for the pairs that the classifier confuses
    most among the test images, of those whose samples are near their target."""
    from sklearn.manifold import TSNE

    near = [
        (g, t, group.targets[t].classes)
        for g, group in enumerate(groups)
        for t, target in enumerate(group.targets)
        if target.kind == "ambiguous" and _is_near(target, group.of(t).probs)
    ]
    near.sort(key=lambda item: -(confusion[item[2][0]][item[2][1]] + confusion[item[2][1]][item[2][0]]))
    maps: dict[str, Tensor] = {}
    info: list[dict[str, int]] = []
    for g, t, _ in near[:PAIRS] if most else ():
        draws, samples = tensors[f"{g}/draws.z"][:most], groups[g].of(t)
        samples = samples.subset(_spread(samples.chain, most))
        both = torch.cat([draws, samples.z]).numpy()
        perplexity = min(PERPLEXITY, (len(both) - 1) // 3)
        if perplexity < 1 or both.shape[1] < 2:
            continue
        xy = TSNE(perplexity=perplexity, init="pca", random_state=spawn(context.rng)).fit_transform(both)
        maps[f"map{len(info)}/xy"] = torch.from_numpy(xy).float()
        info.append({"group": g, "target": t, "draws": len(draws), "samples": len(samples)})
    return maps, info


def _foremost(groups: Sequence[Shown], most: int) -> list[list[int]]:
    """The targets that are shown at full length, as numbers of group and target: the first whose samples are near
    them, then, where there is room, the first of the others; in their order."""
    every = [(g, t) for g, group in enumerate(groups) for t in range(len(group.targets))]
    near = {(g, t): _is_near(groups[g].targets[t], groups[g].of(t).probs) for g, t in every}
    return sorted(map(list, sorted(every, key=lambda place: not near[place])[:most]))


def _is_near(target: Target, probs: Tensor) -> bool:
    return len(probs) > 0 and float(target.gap(probs).mean(0).abs().max()) <= CLOSE


def _to_explain(
    groups: Sequence[Shown], tensors: dict[str, Tensor], first: list[list[int]], most: int
) -> list[tuple[dict[str, int], Tensor]]:
    """At most so many images (c, h, w) of each of the foremost targets, with the class that each is to be explained
    for, and where they are from."""
    found: list[tuple[dict[str, int], Tensor]] = []
    for g, t in first:
        target, rows = groups[g].targets[t], tensors[f"{g}/rows"]
        for i in (groups[g].samples.target[rows] == t).nonzero()[:most, 0].tolist():
            answer = int(groups[g].samples.probs[rows[i]].argmax())
            named = target.classes if target.kind not in ("uniform", "misclassified") else (answer,)
            image = tensors[f"{g}/x"][i].float() / 255
            found += [({"group": g, "target": t, "image": i, "class": c}, image) for c in named]
    return found


def _curves(groups: Sequence[Shown], first: list[list[int]]) -> list[dict[str, Any]]:
    """How mean confidence, R-hat and effective size change with the number of samples (Bayes-TrEx, figure 26): of the
    first so many of every chain, since a sampler may give one chain after the other."""
    curves: list[dict[str, Any]] = []
    for g, t in first:
        samples = groups[g].of(t)
        own = Samples(samples.z, samples.probs, torch.zeros_like(samples.target), samples.chain)
        turns = _turns(own.chain)
        longest = int(turns.max()) + 1 if len(own) else 0
        sizes = sorted({longest * (i + 1) // POINTS for i in range(POINTS)} - {0})
        target, summary = [groups[g].targets[t]], groups[g].generator.summary
        found = [diagnose(own.subset(turns < n), target, sigma=1.0, summary=summary)[0] for n in sizes]
        points = [{"samples": d.samples, "confidence": list(d.confidence), "rhat": d.rhat, "ess": d.ess} for d in found]
        curves.append({"group": g, "target": t, "points": points})
    return curves
