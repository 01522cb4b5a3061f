"""A run from its first stage to its last: `execute` reads from top to bottom as one image would travel.

Each stage has a key, the hash of everything that its result depends on. A stage that is finished under its key is
read back; so a run that was killed and resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from safetensors.torch import save

from . import results
from .aims import run_targets, startable
from .classifier import Classifier, code_hash, model_hash
from .config import RunConfig
from .estimate import WEIGHTS
from .events import EventBus
from .prepare import Prepared, make, prepare
from .problem import Problem
from .report import render
from .roles import AUDITORS, OPTIONAL
from .session import Session, conduct, thread_count, threads
from .stages import audit, correct, encode, evidence, generate, judges, regions, rounds, search
from .stages.sampler import Division, Sampler
from .stages.test_set import Errors
from .store import RunStore
from .subject import asked_in, classifier_under_test, moved, ready, trained_auditor, trained_generator
from .words import called


def execute(
    store: RunStore, config: RunConfig, bus: EventBus, *, trust: bool = False, until: str | None = None
) -> None:
    """Do all stages of a run that are not done yet, and write its results and report; or go no further than a stage.

    Raises:
        ModelDebugError: bad input, a component that fails, or people who are to be waited for; what was finished
            is kept.
    """
    conduct(store, config, bus, partial(_run, trust=trust), until=until)


def _run(session: Session, *, trust: bool) -> dict[str, Any]:
    config, store = session.config, session.store
    session.plan({stage: w for stage, w in WEIGHTS.items() if stage not in OPTIONAL or stage in config.choices})
    prepared = prepare(config, aims=run_targets, trust=trust)
    session.ask_in_batches_of(prepared.classifier.batch_size)
    session.threads = thread_count(config.core.run.threads, prepared.splits.spec)
    with threads(session.threads):
        summary = _stages(session, prepared)
    _write_results(store, summary)
    return summary


def _stages(session: Session, prepared: Prepared) -> dict[str, Any]:
    config, core, store = session.config, session.config.core, session.store
    device, batch_size = session.device, prepared.classifier.batch_size
    provided = {role: choice.registered.component.provides for role, choice in config.choices.items()}
    can_encode, conditional = "encode" in provided["generator"], "conditional" in provided["generator"]

    # the data, and the classifier under test
    splits, spec = prepared.splits, prepared.splits.spec
    classifier = classifier_under_test(session, prepared)

    # who keeps the search on the side where images are still what they should be: never the model under test
    guide = _guide(session, prepared)

    # who labels regions, and who judges single failures: never the same
    labeler = make(config, "labeler", spec)
    labeler.folder, labeler.batch_size = store.path / "labels", batch_size
    taken = {model_hash(classifier.module): "model under test"}
    given = judges.hashes_of_given(labeler, "labeler", taken)
    taken |= dict.fromkeys(given.values(), "labeler of regions")
    learned = session.run_stage(
        "labeler",
        lambda context: judges.fit_labeler(moved(labeler, device), splits, context, agreement=core.regions.agreement),
        roles=("labeler",),
        after=("data",),
        facts={"agreement": str(core.regions.agreement), **asked_in(session), **given},
    )
    labeler.load_state_dict(learned.tensors)
    moved(labeler, device)
    auditors = _auditors(session, prepared, taken)

    # the generator of legitimate images, and whether its images can be trusted
    model = trained_generator(session, prepared)
    gated = session.run_stage(
        "gate",
        lambda context: generate.gate(
            model,
            splits,
            classifier,
            labeler,
            context,
            settings=core.gate,
            agreement=core.regions.agreement,
            can_encode=can_encode,
            conditional=conditional,
            batch_size=batch_size,
        ),
        sections=("gate", "run"),
        after=("generator", "classifier", "labeler"),
    )
    if gated.info["warning"]:
        session.emit("warning", "gate", gated.info["warning"])

    # identification: candidates, judged by the core; failures, judged by the auditor
    encoded = session.run_stage(
        "origins",
        lambda context: encode.encode_origins(
            model,
            splits.train,
            classifier,
            context,
            settings=core.search,
            can_encode=can_encode,
            conditional=conditional,
            batch_size=batch_size,
        ),
        sections=("run",),
        after=("generator", "classifier"),
        facts={"start": core.search.start, "origins": str(core.search.origins)},  # and no other setting of the search
    )
    if encoded.info["warning"]:
        session.emit("warning", "origins", encoded.info["warning"])
    origins = encode.load_origins(encoded)
    searcher = make(config, "searcher", spec)
    inspects = "test-images" in config.choices["searcher"].registered.component.requires
    targets, rootless = startable(prepared.targets, origins.labels)
    problem = Problem(
        model,
        classifier,
        origins,
        targets=targets,
        sigma=core.search.sigma,
        guide=guide,
        test=splits.test if inspects else None,
        batch_size=batch_size,
        device=device,
        searcher=searcher.name,
    )
    found = session.run_stage(
        "search",
        lambda context: search.search(
            searcher,
            problem,
            context,
            settings=core.search,
            seed=session.seed_of("search"),
            rootless=[target.described(spec.classes) for target in rootless],
        ),
        roles=("searcher",),
        sections=("search", "run"),
        after=("origins", "generator", "classifier", *(() if guide is None else ("guide",))),
    )
    if found.info["warning"]:
        session.emit("warning", "search", found.info["warning"])
    failures = search.load_failures(found)
    audited = session.run_stage(
        "audit",
        lambda context: audit.audit(auditors, failures, spec, context, settings=core.audit, untouched=inspects),
        sections=("audit",),
        after=("search", *auditors),
    )

    # distillation: clusters, and those of them that people or an oracle call regions
    clusterer = make(config, "clusterer", spec)
    clustered = session.run_stage(
        "clusters",
        lambda context: regions.cluster(clusterer, failures, context),
        roles=("clusterer",),
        after=("search",),
    )
    clustering = regions.load_clustering(clustered)
    sampler = None
    if clustering is not None:
        every = Division.of_all(clustering)
        sampler = Sampler(clusterer, (every,), model, core.regions.tau, batch_size, device, failures.condition)
    labelled = session.run_stage(
        "regions",
        lambda context: rounds.label_regions(
            sampler, labeler, classifier, failures, audited.tensors.get("judged"), context, settings=core.regions
        ),
        sections=("regions", "run"),
        after=("clusters", "audit", "generator", "classifier", "labeler"),
    )
    labelled_regions = regions.load_regions(labelled)
    if sampler is not None:
        sampler = sampler.extended(regions.load_divisions(labelled))

    # correction, and what else the report shows
    corrector = make(config, "corrector", spec)
    corrected = session.run_stage(
        "correction",
        lambda context: correct.correct(
            corrector,
            classifier,
            splits,
            labelled_regions,
            sampler,
            failures,
            labeler,
            context,
            settings=core.correction,
            agreement=core.regions.agreement,
        ),
        roles=("corrector",),
        sections=("correction", "run"),
        after=("regions",),
    )
    weights = corrected.part("corrected")
    session.run_stage(
        "evidence",
        lambda context: evidence.gather(
            splits,
            classifier,
            classifier.copy(weights) if weights else None,
            origins,
            failures,
            labelled_regions,
            labelled.tensors.get("x", torch.empty(0)),
            settings=core.report,
            seed=session.seed_of("evidence"),
            errors=Errors.of_search(failures, audited) if inspects else None,
        ),
        sections=("report",),
        after=("correction",),
    )
    return results.summarise(store)


def _auditors(session: Session, prepared: Prepared, taken: Mapping[str, str]) -> dict[str, audit.Auditor]:
    """The judges of single failures; the first one's word counts.

    Args:
        taken: hashes of weights that none of them may have, and whose they are.
    """
    taken = dict(taken)
    found: dict[str, audit.Auditor] = {}
    for role in AUDITORS:
        if role not in session.config.choices:
            continue
        found[role], given = trained_auditor(session, prepared, role, taken)
        taken |= dict.fromkeys(given.values(), called(role))
    return found


def _guide(session: Session, prepared: Prepared) -> Classifier | None:
    """The guide of the search, trained where that is asked for; None where there is none."""
    made = prepared.guide
    if made is None:
        return None
    module = made.classifier.module
    saved = session.run_stage(
        "guide",
        lambda context: ready(made, prepared.splits, context),
        roles=("guide",),
        after=("data",),
        facts={"model": model_hash(module), "code": code_hash(module)},
    )
    return made.classifier.copy(saved.tensors)


def _write_results(store: RunStore, summary: dict[str, Any]) -> None:
    weights = store.load_stage("correction").part("corrected")
    if weights:
        store.write("corrected.safetensors", save(weights))
    store.write_json("results.json", summary)
    store.write("report.html", render(store).encode())
