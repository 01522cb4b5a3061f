"""One function a stage: typed values in, `Saved` out; and beside it the function that reads it back.

Nothing here knows a plugin, a file or a command line. The engine calls these in the order of this file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .batches import in_batches
from .classifier import Classifier
from .config import CorrectionSection, GateSection, RegionsSection, SearchSection
from .context import Context
from .contracts.clusterer import Clusterer
from .contracts.corrector import Corrector
from .contracts.generator import Generator
from .contracts.labeler import Labeler
from .contracts.searcher import Searcher, State
from .errors import WaitingForPeople
from .judging import JUDGEMENTS, count_judgements, judge_failures, judge_region, majority
from .problem import Problem
from .rng import rng_for, spawn
from .store import Saved, prefixed
from .types import (
    Answers,
    Clustering,
    CorrectedState,
    DataSpec,
    Failures,
    ImageSet,
    LabelledImages,
    LabelRequest,
    Origins,
    Region,
    Splits,
)
from .words import percent

SHOWN = 16  # reconstructions kept for the report

AnyGenerator = Generator[Any]
AnyLabeler = Labeler[Any]


# -- the labelers: oracle and auditor ---------------------------------------------------------------------------------


def fit_labeler(labeler: AnyLabeler, data: Splits, context: Context, *, agreement: float) -> Saved:
    """Let a labeler learn, and measure a program on the real test images: how often it abstains and errs."""
    labeler.fit(data, context)
    info: dict[str, Any] = {"program": labeler.is_program, "accuracy": None, "abstained": None}
    if labeler.is_program:
        labels = ask_in_parts(labeler, "fit", data.test, data.spec, agreement)
        answered = labels >= 0
        right = labels == data.test.labels
        info["abstained"] = float((~answered).float().mean())
        info["accuracy"] = float(right[answered].float().mean()) if bool(answered.any()) else None
    return Saved(labeler.state_dict(), info)


def ask(
    labeler: AnyLabeler, name: str, x: Tensor, spec: DataSpec, agreement: float, group: Tensor | None = None
) -> Tensor:
    """Labels (n,) int64 of images, -1 for none.

    Raises:
        WaitingForPeople: the labeler pends.
    """
    if not len(x):
        return torch.empty(0, dtype=torch.int64)
    group = torch.full((len(x),), -1) if group is None else group
    answer = labeler.label(LabelRequest(name, x, spec, group))
    if not isinstance(answer, Answers):
        raise WaitingForPeople(f"{answer.waiting} images wait for labels", fix=answer.how, plugin=labeler.name)
    return majority(answer.votes, spec.num_classes, agreement)


def ask_in_parts(labeler: AnyLabeler, name: str, images: ImageSet, spec: DataSpec, agreement: float) -> Tensor:
    """`ask` about a whole image set, converted in parts so that memory stays flat."""
    rows = torch.split(torch.arange(len(images)), 4096)
    return torch.cat([ask(labeler, f"{name}-{i}", images.batch(r)[0], spec, agreement) for i, r in enumerate(rows)])


# -- the generator and its gate ---------------------------------------------------------------------------------------


def fit_generator(model: AnyGenerator, data: Splits, context: Context) -> Saved:
    """Train the generator on the training images only."""
    model.fit(data.train, context)
    return Saved(model.state_dict(), {"latent_size": model.latent_size})


def gate(
    model: AnyGenerator,
    data: Splits,
    classifier: Classifier,
    labeler: AnyLabeler,
    context: Context,
    *,
    settings: GateSection,
    agreement: float,
    can_encode: bool,
    batch_size: int,
) -> Saved:
    """Are validation images still themselves after encoding and decoding, to the classifier and to the oracle?"""
    info: dict[str, Any] = {"classifier": None, "oracle": None, "images": None, "warning": None}
    if not can_encode:
        return Saved({}, info)
    x, y = data.validation.batch(slice(None))
    back = reconstruct(model, x, y, batch_size=batch_size, device=context.device)
    info["images"] = len(x)
    info["classifier"] = float((classifier.probs(back).argmax(1) == y).float().mean())
    if labeler.is_program:
        info["oracle"] = float((ask(labeler, "gate", back, data.spec, agreement) == y).float().mean())
    checks = (("classifier", settings.classifier), ("oracle", settings.oracle))
    low = [
        f"{who} {percent(info[who])} (gate {percent(g)})"
        for who, g in checks
        if info[who] is not None and info[who] < g
    ]
    if low:
        info["warning"] = (
            "reconstructions are poor, so failures may be artefacts of the generator: accuracy on unperturbed "
            f"reconstructions: {', '.join(low)}. Train the generator longer, or lower its beta."
        )
    return Saved({"x": x[:SHOWN], "back": back[:SHOWN], "labels": y[:SHOWN]}, info)


def reconstruct(model: AnyGenerator, x: Tensor, labels: Tensor, *, batch_size: int, device: torch.device) -> Tensor:
    """Images encoded and decoded again, (n, c, h, w); a conditional generator is told the labels."""
    return in_batches(lambda a, b: model.decode(model.encode(a, b), b), batch_size, device, x, labels)


def encode_origins(
    model: AnyGenerator,
    data: ImageSet,
    *,
    limit: int | None,
    seed: int,
    can_encode: bool,
    conditional: bool,
    batch_size: int,
    device: torch.device,
) -> Origins:
    """The training images to search from, as codes; a drawn part of them where there is a limit."""
    index = torch.arange(len(data))
    if limit is not None and limit < len(index):
        index = torch.randperm(len(data), generator=rng_for(seed, "origins"))[:limit].sort().values
    labels = data.labels[index]
    z = None
    if can_encode:
        z = torch.cat(
            [
                in_batches(model.encode, batch_size, device, data.batch(rows)[0], data.labels[rows])
                for rows in torch.split(index, 4096)
            ]
        )
    return Origins(index, labels, z, labels if conditional else None)


# -- the search -------------------------------------------------------------------------------------------------------


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
        problem.meter.queries = saved["queries"]  # type: ignore[assignment]
    while not state["done"]:
        state, candidates = searcher.step(problem, state)
        failures = problem.judge(candidates, step=step, searcher=searcher.name)
        drawn = torch.rand(len(failures), generator=rng_for(seed, "keep", step))
        found += len(failures)
        if len(failures):
            kept, priority = _keep(kept, priority, failures, drawn, settings.max_failures)
        step += 1
        context.progress(searcher.progress(state), f"{found} failures in {problem.meter.queries:,} queries")
        progress = {"state": state, "step": step, "found": found, "queries": problem.meter.queries}
        context.checkpoint.save(partial(_search_so_far, progress, kept, priority))
    info = {
        "queries": problem.meter.queries,
        "steps": step,
        "origins": len(problem.origins),
        "found": found,
        "failures": len(kept),
        "distinct_origins": len(set(kept.origin[kept.origin >= 0].tolist())),
    }
    return Saved(_fields(kept), info)


def _search_so_far(progress: dict[str, object], kept: Failures, priority: Tensor) -> dict[str, object]:
    return {**progress, "kept": _fields(kept), "priority": priority}


def load_failures(saved: Saved) -> Failures:
    return Failures(**saved.tensors)


def _fields(value: Any) -> dict[str, Tensor]:
    """The tensors of a frozen dataclass, by field; without those that are None."""
    return {f.name: v for f in dataclasses.fields(value) if isinstance(v := getattr(value, f.name), Tensor)}


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


# -- the audit --------------------------------------------------------------------------------------------------------


def audit(
    auditor: AnyLabeler | None, failures: Failures, spec: DataSpec, context: Context, *, agreement: float
) -> Saved:
    """Judge every failure by itself: genuine, third class, drift or abstained; null counts where nobody judges."""
    if auditor is None:
        return Saved({}, dict.fromkeys(JUDGEMENTS))
    images = ImageSet(failures.x, failures.expected.clamp_min(0))
    labels = ask_in_parts(auditor, "audit", images, spec, agreement)
    judged = judge_failures(failures.allowed, failures.predicted, labels)
    context.progress(1.0, f"{len(failures)} failures judged")
    return Saved({"labels": labels, "judged": judged}, count_judgements(judged))


# -- clusters and regions ---------------------------------------------------------------------------------------------


def cluster(clusterer: Clusterer[Any], failures: Failures, context: Context) -> Saved:
    """Cluster the failures; none give no clusters."""
    if not len(failures):
        return Saved({}, {"clusters": 0, "converged": None, "note": "no failures to cluster"})
    fitted = clusterer.fit(failures, context)
    info = {"clusters": len(fitted), "converged": fitted.converged, "note": fitted.note}
    tensors = {"weights": fitted.weights, "assignment": fitted.assignment, **prefixed("parameters", fitted.parameters)}
    return Saved(tensors, info)


def load_clustering(saved: Saved) -> Clustering | None:
    if not saved.info["clusters"]:
        return None
    return Clustering(
        weights=saved.tensors["weights"],
        assignment=saved.tensors["assignment"],
        parameters=saved.part("parameters"),
        converged=saved.info["converged"],
        note=saved.info["note"],
    )


@dataclass(frozen=True, eq=False)
class Sampler:
    """Draws images from the regions of a clustering."""

    clusterer: Clusterer[Any]
    clustering: Clustering
    model: AnyGenerator
    tau: float
    batch_size: int
    device: torch.device

    def draw(self, cluster: int, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Codes (n, d) and images (n, c, h, w) of one region."""
        z, condition = self.clusterer.sample(self.clustering, cluster, n, tau=self.tau, rng=rng)
        return z, in_batches(self.model.decode, self.batch_size, self.device, z, condition)


def label_regions(
    sampler: Sampler | None,
    labeler: AnyLabeler,
    classifier: Classifier,
    judged: Tensor | None,
    context: Context,
    *,
    settings: RegionsSection,
) -> Saved:
    """Draw samples of each cluster, have them labelled, and decide which clusters are regions (AAAI 4.1)."""
    if sampler is None:
        return Saved({}, {"regions": []})
    clustering, n = sampler.clustering, settings.samples
    draws = [sampler.draw(c, n, rng_for(spawn(context.rng), c)) for c in range(len(clustering))]
    z, x = (torch.cat([d[i] for d in draws]) for i in (0, 1))
    predicted = classifier.probs(x).argmax(1)
    group = torch.arange(len(clustering)).repeat_interleave(n)
    labels = ask(labeler, "regions", x, classifier.spec, settings.agreement, group)
    rows = []
    for c in range(len(clustering)):
        here, members = slice(c * n, (c + 1) * n), clustering.assignment == c
        region = judge_region(
            labels[here],
            predicted[here],
            cluster=c,
            weight=float(clustering.weights[c]),
            size=int(members.sum()),
            num_classes=classifier.spec.num_classes,
            rho=settings.rho,
            min_purity=settings.min_purity,
        )
        counts = dict.fromkeys(JUDGEMENTS) if judged is None else count_judgements(judged[members])
        rows.append(dataclasses.asdict(region) | {"failures": counts})
    tensors = {"z": z, "x": x, "predicted": predicted, "labels": labels}
    return Saved(tensors, {"regions": rows})


def load_regions(saved: Saved) -> tuple[Region, ...]:
    names = {f.name for f in dataclasses.fields(Region)}
    return tuple(Region(**{k: v for k, v in row.items() if k in names}) for row in saved.info["regions"])


# -- correction -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Draws:
    """One draw of every kept region, with the regions' labels."""

    finetune: LabelledImages
    select: LabelledImages
    test: LabelledImages


def correct(
    corrector: Corrector[Any],
    classifier: Classifier,
    data: Splits,
    regions: tuple[Region, ...],
    sampler: Sampler | None,
    failures: Failures,
    labeler: AnyLabeler,
    context: Context,
    *,
    settings: CorrectionSection,
    agreement: float,
) -> Saved:
    """Correct the classifier on the kept regions, beside two controls; every number is on draws that were neither
    finetuned on nor chosen by.

    The controls: the same finetuning without failures (lambda = 0), and on as many single failures that were not
    clustered, with their own labels.
    """
    kept = [r for r in regions if r.status == "kept"]
    if not kept or sampler is None:
        return Saved(
            {}, {"skipped": "no failures were found" if not len(failures) else "no cluster was kept as a region"}
        )
    seed = spawn(context.rng)
    draws = _Draws(*(_draw(kept, sampler, settings.draws, seed, part) for part in ("finetune", "select", "test")))
    before = _score("before", 0.0, classifier, data, draws)
    groups: dict[str, LabelledImages | None] = {
        "control": None,
        "regions": draws.finetune,
        "failures_alone": _unclustered(failures, len(draws.finetune), labeler, data.spec, agreement, seed),
    }
    info: dict[str, Any] = {"skipped": None, "rule": settings.rule, "before": before}
    tensors: dict[str, Tensor] = {}
    floor = before["validation"] - settings.tolerance
    for i, (group, images) in enumerate(groups.items()):
        part = context.part(i, len(groups), group.replace("_", " "))
        states = corrector.correct(classifier, data, images, part)
        scores = [_score(s.name, s.strength, classifier.copy(s.state), data, draws) for s in states]
        best = _choose(scores, settings, floor)
        info[group] = {"states": scores, "chosen": best, "images": 0 if images is None else len(images)}
        if group == "regions":
            tensors = prefixed("corrected", _unshared(states[best]))
            info["per_region"] = _per_region(kept, draws.test, classifier, classifier.copy(states[best].state))
    return Saved(tensors, info)


def _draw(kept: list[Region], sampler: Sampler, n: int, seed: int, part: str) -> LabelledImages:
    images = [sampler.draw(r.cluster, n, rng_for(seed, part, r.cluster))[1] for r in kept]
    labels = [torch.full((n,), r.label) for r in kept if r.label is not None]
    return LabelledImages(torch.cat(images), torch.cat(labels))


def _unclustered(
    failures: Failures, n: int, labeler: AnyLabeler, spec: DataSpec, agreement: float, seed: int
) -> LabelledImages:
    """n single failures with labels of their own: the labeler's where it is a program, else the expected ones. Where
    fewer have a label, some are there twice."""
    rng = rng_for(seed, "failures alone")
    some = failures.subset(torch.randperm(len(failures), generator=rng)[: 4 * n])
    labels = ask(labeler, "failures-alone", some.x, spec, agreement) if labeler.is_program else some.expected
    usable = (labels >= 0).nonzero()[:, 0]
    if not len(usable):
        usable, labels = torch.arange(len(some)), some.expected.clamp_min(0)
    rows = usable.repeat(-(-n // len(usable)))[:n]
    return LabelledImages(some.x[rows], labels[rows])


def _score(name: str, strength: float, classifier: Classifier, data: Splits, draws: _Draws) -> dict[str, Any]:
    """Accuracies of one state; `test` and `region_test` are for the reader and choose nothing."""
    return {
        "name": name,
        "strength": strength,
        "validation": classifier.accuracy(data.validation),
        "test": classifier.accuracy(data.test),
        "region_select": classifier.accuracy(ImageSet(draws.select.x, draws.select.labels)),
        "region_test": classifier.accuracy(ImageSet(draws.test.x, draws.test.labels)),
    }


def _choose(scores: list[dict[str, Any]], settings: CorrectionSection, floor: float) -> int:
    """The chosen state.

    By the rule `regions`: of the states whose validation accuracy is at least `floor`, those within the tolerance of
    the best region accuracy; of these the highest validation accuracy, and the weakest correction. By `validation`
    (the paper's), or where none reaches the floor: the highest validation accuracy.
    """

    def merit(row: int) -> tuple[float, float]:
        return scores[row]["validation"], -scores[row]["strength"]

    rows = range(len(scores))
    able = [i for i in rows if scores[i]["validation"] >= floor]
    if settings.rule == "validation" or not able:
        return max(rows, key=merit)
    best = max(scores[i]["region_select"] for i in able)
    return max((i for i in able if scores[i]["region_select"] >= best - settings.tolerance), key=merit)


def _per_region(
    kept: list[Region], test: LabelledImages, before: Classifier, after: Classifier
) -> list[dict[str, Any]]:
    """Accuracy on the untouched draw of each region, before and after."""
    right = [(c.probs(test.x).argmax(1) == test.labels).float().view(len(kept), -1).mean(1) for c in (before, after)]
    return [{"cluster": r.cluster, "before": float(b), "after": float(a)} for r, b, a in zip(kept, *right, strict=True)]


def _unshared(state: CorrectedState) -> Mapping[str, Tensor]:
    """Weights as tensors of their own: safetensors refuses tensors that share memory."""
    return {name: tensor.detach().clone() for name, tensor in state.state.items()}
