"""A run from its first stage to its last: `execute` reads from top to bottom as one image would travel.

Each stage has a key, the hash of everything that its result depends on. A stage that is finished under its key is
read back; so a run that was killed and resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import save

from . import results
from .classifier import code_hash, model_hash
from .config import RunConfig
from .context import Context
from .data import data_hash
from .errors import ModelDebugError, WaitingForPeople
from .events import EventBus
from .prepare import Prepared, make, prepare
from .problem import Problem
from .report import render
from .rng import derive_seed, isolated_global_rng
from .session import Session, logging_to, threads
from .stages import correct, evidence, generate, judges, regions, search
from .store import RunStore, Saved
from .types import DataSpec, Splits


def execute(store: RunStore, config: RunConfig, bus: EventBus, *, trust: bool = False) -> dict[str, Any]:
    """Do all stages of a run that are not done yet, and write its results and report. Gives the results.

    Raises:
        ModelDebugError: bad input, a component that fails, or people who are to be waited for; what was finished
            is kept.
    """
    with store.locked(), logging_to(store):
        session = Session(store, config, bus)
        session.emit("run_started", message=f"run {store.path}")
        status = "interrupted"
        try:
            prepared = prepare(config, trust=trust)
            store.manifest["batch_size"] = prepared.classifier.batch_size
            with threads(config.core.run.threads, prepared.splits.spec):
                summary = _stages(session, prepared)
            _write_results(store, summary)
            status = "done"
        except WaitingForPeople:
            status = "waiting"
            raise
        except ModelDebugError:
            status = "failed"
            raise
        finally:
            if store.manifest["status"] != status:
                store.manifest["status"] = status
                store.save_manifest()
        session.emit("run_finished", data=summary, overall=1.0)
        return summary


def _stages(session: Session, prepared: Prepared) -> dict[str, Any]:
    config, core, store, seed = session.config, session.config.core, session.store, session.seed
    device, batch_size = session.device, prepared.classifier.batch_size
    provided = {role: choice.registered.component.provides for role, choice in config.choices.items()}
    can_encode, conditional = "encode" in provided["generator"], "conditional" in provided["generator"]

    # the data, and the classifier under test
    splits, spec = prepared.splits, prepared.splits.spec
    module = prepared.classifier.module
    facts = {"data": data_hash(splits), "model": model_hash(module), "code": code_hash(module)}
    session.run_stage(
        "data", lambda context: _describe(splits, facts["data"]), roles=("dataset",), facts={"data": facts["data"]}
    )
    trained = session.run_stage(
        "classifier",
        lambda context: _ready_classifier(prepared, context),
        roles=("classifier",),
        after=("data",),
        facts=facts,
    )
    classifier = prepared.classifier.copy(trained.tensors)

    # who labels regions, and who judges single failures: never the same
    labeler = make(config, "labeler", spec)
    learned = session.run_stage(
        "labeler",
        lambda context: judges.fit_labeler(_moved(labeler, device), splits, context, agreement=core.regions.agreement),
        roles=("labeler",),
        after=("data",),
        facts={"agreement": str(core.regions.agreement)},
    )
    labeler.load_state_dict(learned.tensors)
    _moved(labeler, device)
    auditor = None
    if "auditor" in config.choices:
        auditor = make(config, "auditor", spec)
        judge = session.run_stage(
            "auditor",
            lambda context: judges.fit_labeler(
                _moved(auditor, device), splits, context, agreement=core.audit.agreement
            ),
            roles=("auditor",),
            after=("data",),
            facts={"agreement": str(core.audit.agreement)},
        )
        auditor.load_state_dict(judge.tensors)
        _moved(auditor, device)

    # the generator of legitimate images, and whether its images can be trusted
    others = prepared.generator_data
    model = make(config, "generator", prepared.legitimate.spec)
    fitted = session.run_stage(
        "generator",
        lambda context: generate.fit_generator(_moved(model, device), splits, others, context),
        roles=("generator_data", "generator"),
        after=("data",),
        facts={} if others is None else {"generator_data": data_hash(others)},
    )
    model.load_state_dict(fitted.tensors)
    _moved(model, device)
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
            batch_size=batch_size,
        ),
        sections=("gate", "run"),
        after=("generator", "classifier", "labeler"),
    )
    if gated.info["warning"]:
        session.emit("warning", "gate", gated.info["warning"])

    # identification: candidates, judged by the core; failures, judged by the auditor
    with isolated_global_rng(derive_seed(seed, "origins", "global")):
        origins = generate.encode_origins(
            model,
            splits.train,
            limit=core.search.origins,
            seed=seed,
            can_encode=can_encode,
            conditional=conditional,
            batch_size=batch_size,
            device=device,
        )
    searcher = make(config, "searcher", spec)
    problem = Problem(model, classifier, origins, batch_size=batch_size, device=device, searcher=searcher.name)
    found = session.run_stage(
        "search",
        lambda context: search.search(searcher, problem, context, settings=core.search, seed=seed),
        roles=("searcher",),
        sections=("search", "run"),
        after=("generator", "classifier"),
    )
    failures = search.load_failures(found)
    audited = session.run_stage(
        "audit",
        lambda context: judges.audit(auditor, failures, spec, context, agreement=core.audit.agreement),
        sections=("audit",),
        after=("search", "auditor") if auditor is not None else ("search",),
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
        sampler = regions.Sampler(clusterer, clustering, model, core.regions.tau, batch_size, device)
    labelled = session.run_stage(
        "regions",
        lambda context: regions.label_regions(
            sampler, labeler, classifier, failures, audited.tensors.get("judged"), context, settings=core.regions
        ),
        sections=("regions", "run"),
        after=("clusters", "audit", "generator", "classifier", "labeler"),
    )
    labelled_regions = regions.load_regions(labelled)

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
            seed=seed,
        ),
        sections=("report",),
        after=("correction",),
    )
    return results.summarise(store)


def _moved(component: Any, device: torch.device) -> Any:
    component.to(device)
    return component


def _describe(splits: Splits, sha256: str) -> Saved:
    parts = {part: getattr(splits, part) for part in ("train", "validation", "test")}
    spec: DataSpec = splits.spec
    return Saved(
        {},
        {
            "shape": list(spec.shape),
            "classes": list(spec.classes),
            "images": {name: len(part) for name, part in parts.items()},
            "per_class": {
                name: part.labels.bincount(minlength=spec.num_classes).tolist() for name, part in parts.items()
            },
            "sha256": sha256,
        },
    )


def _ready_classifier(prepared: Prepared, context: Context) -> Saved:
    classifier, splits = (
        prepared.classifier.copy(),
        prepared.splits,
    )  # so that a restored run starts from the same module
    settings = prepared.source.config
    if settings.train:
        prepared.source._train(classifier.module, splits.without_test(), context)
        classifier.module.eval()
    accuracy = {part: classifier.accuracy(getattr(splits, part)) for part in ("train", "validation", "test")}
    info = {"trained": settings.train, "output": prepared.output, "accuracy": accuracy}
    return Saved({k: v.detach().clone() for k, v in classifier.state_dict().items()}, info)


def _write_results(store: RunStore, summary: dict[str, Any]) -> None:
    weights = store.load_stage("correction").part("corrected")
    if weights:
        store.write("corrected.safetensors", save(weights))
    store.write_json("results.json", summary)
    store.write("report.html", render(store).encode())
