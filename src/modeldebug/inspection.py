"""An inspection from its first stage to its last: which inputs does a classifier answer as one asks? (Bayes-TrEx)

`execute_inspection` reads from top to bottom, as `engine.execute` does. Stages that a run has too have the same keys
there, so that an inspection takes them over from a run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any

import torch
from torch import Tensor

from . import results
from .aims import Group, grouped, inspection_targets
from .classifier import Classifier, model_hash
from .config import RunConfig
from .contracts.generator import Generator
from .estimate import WEIGHTS
from .events import EventBus
from .prepare import Prepared, make, prepare
from .problem import Problem
from .report.inspection import render_inspection
from .session import Session, conduct, thread_count, threads
from .stages import judges, search
from .stages.look import Shown, look
from .store import RunStore
from .subject import classifier_under_test, trained_auditor, trained_generator
from .types import ImageSet, Origins

EXTRAS = ("captum", "torchmetrics")  # which decide what the report shows
FROM_ELSEWHERE = ("preset ", "the run", "the inspection")  # where an auditor is from that no user has named
SAMPLING = 1.0  # the weight of one target: see `estimate.WEIGHTS`


def execute_inspection(store: RunStore, config: RunConfig, bus: EventBus, *, trust: bool = False) -> None:
    """Do all stages of an inspection that are not done yet, and write its results and report.

    Raises:
        ModelDebugError: bad input, or a component that fails; what was finished is kept.
    """
    conduct(store, config, bus, partial(_inspect, trust=trust))


def _inspect(session: Session, *, trust: bool) -> dict[str, Any]:
    config, store = session.config, session.store
    prepared = prepare(config, aims=inspection_targets, trust=trust)
    groups = grouped(prepared.targets, prepared.splits.spec, prepared.legitimate.spec)
    session.plan(_weights(groups, auditor=_is_judged(session)))
    session.ask_in_batches_of(prepared.classifier.batch_size)
    session.threads = thread_count(config.core.run.threads, prepared.splits.spec)
    with threads(session.threads):
        _stages(session, prepared, groups)
    summary = results.summarise(store)
    store.write_json("results.json", summary)
    store.write("report.html", render_inspection(store).encode())
    return summary


def _weights(groups: tuple[Group, ...], *, auditor: bool) -> dict[str, float]:
    """The stages in their order, and how long each takes relative to the others."""
    weights = {stage: WEIGHTS[stage] for stage in ("data", "classifier", *(("auditor",) if auditor else ()))}
    for group in groups:
        weights |= {group.generator: WEIGHTS["generator"], group.samples: SAMPLING * len(group.targets)}
    return weights | {"evidence": WEIGHTS["evidence"]}


def _stages(session: Session, prepared: Prepared, groups: tuple[Group, ...]) -> None:
    config, splits = session.config, prepared.splits

    # the data, and the classifier under test
    classifier = classifier_under_test(session, prepared)

    # who judges whether the labels of wrong test images are right
    ask = _asking(session, prepared, classifier) if _is_judged(session) else None

    # for each generator that the targets need: it learns, and codes are sampled whose images the classifier answers so
    sampled = []
    for group in groups:
        excluded = None if group.excluded is None else splits.spec.classes[group.excluded]
        generator = trained_generator(session, prepared, stage=group.generator, without=excluded)
        sampled.append(_sampled(session, classifier, generator, group))

    # what the report shows besides
    session.run_stage(
        "evidence",
        lambda context: look(
            splits, prepared.legitimate, classifier, sampled, context, settings=config.core.report, ask=ask
        ),
        sections=("report", "run"),
        after=(*(group.samples for group in groups), *(() if ask is None else ("auditor",))),
        facts={name: _version(name) for name in EXTRAS},
    )


def _is_judged(session: Session) -> bool:
    """Whether there is an auditor who may judge the errors on the test set: one that has learnt already, in the run
    that is inspected, or that the user names. None is trained that only a preset names."""
    if "auditor" not in session.config.choices:
        return False
    source = session.config.sources.get("auditor.use", "")
    return session.has("auditor") or not source.startswith(FROM_ELSEWHERE)


def _asking(session: Session, prepared: Prepared, classifier: Classifier) -> Callable[[ImageSet], Tensor] | None:
    """What the auditor calls images, (n,) int64, -1 where it abstains. People are not waited for, and who knows only
    what a generator makes is not asked."""
    settings, spec = session.config.core.audit, prepared.splits.spec
    auditor, _ = trained_auditor(session, prepared, "auditor", {model_hash(classifier.module): "model under test"})
    if not auditor.labeler.is_program or auditor.labeler.exact:
        return None
    return lambda images: judges.ask_in_parts(
        auditor.labeler, "test-set", images, spec, settings.agreement, auditor.threshold
    )


def _version(package: str) -> str:
    """The version of a package that may be there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _sampled(session: Session, classifier: Classifier, generator: Generator[Any], group: Group) -> Shown:
    """The stage that samples: a search without training images to start from, since an inspection encodes none."""
    config, settings = session.config, session.config.core.search
    searcher = make(config, "searcher", classifier.spec)
    conditional = "conditional" in config.choices["generator"].registered.component.provides
    nothing = torch.empty(0, dtype=torch.int64)
    problem = Problem(
        generator,
        classifier,
        Origins(index=nothing, labels=nothing, condition=nothing if conditional else None),
        targets=group.targets,
        sigma=settings.sigma,
        batch_size=classifier.batch_size,
        device=session.device,
        searcher=searcher.name,
    )
    seed = session.seed_of(group.samples)
    found = session.run_stage(
        group.samples,
        lambda context: search.search(searcher, problem, context, settings=settings, seed=seed),
        roles=("searcher",),
        sections=("search", "run"),
        after=(group.generator, "classifier"),
    )
    return Shown(group.samples, generator, group.targets, search.load_samples(found))
