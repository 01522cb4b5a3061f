"""A run from its first stage to its last: `execute` reads from top to bottom as one image would travel.

Each stage has a key, the hash of everything that its result depends on. A stage that is finished under its key is
read back; so a run that was killed and resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from . import evidence, results, stages
from .classifier import Classifier, detect_output, load_weights, model_hash
from .component import ClassifierConfig
from .config import Choice, Role, RunConfig
from .context import Context
from .data import data_hash
from .errors import ConfigError, ModelDebugError, WaitingForPeople
from .events import Event, EventBus, Kind
from .problem import Problem
from .rng import derive_seed, isolated_global_rng, rng_for
from .store import RunStore, Saved
from .types import DataSpec, Splits

log = logging.getLogger("modeldebug")

# How long each stage takes, relative to the others: what the estimate of the time left starts from.
WEIGHTS = {
    "data": 1, "classifier": 5, "labeler": 15, "auditor": 15, "generator": 20, "gate": 1, "search": 10, "audit": 2,
    "clusters": 8, "regions": 1, "correction": 20, "evidence": 6,
}  # fmt: skip


def resolve_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one.

    Raises:
        ConfigError: CUDA was asked for, and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device is available", got="run.device=cuda", fix="--device cpu, or --device auto")
    return torch.device("cuda" if name == "auto" and torch.cuda.is_available() else name.replace("auto", "cpu"))


def make(choice: Choice, *args: object) -> Any:
    """The component of a stage, with its name for messages.

    Raises:
        ModelDebugError: making it failed, naming the plugin.
    """
    name = choice.registered.name
    with _blamed_on(choice, "making"):
        component = choice.registered.component.make(choice.config, *args)
    component.name = name
    return component


@contextmanager
def _blamed_on(choice: Choice, doing: str) -> Iterator[None]:
    """Turn what a component raises into an error that names it; the core's own errors pass."""
    from .errors import PluginError

    try:
        yield
    except (ModelDebugError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        log.exception("%s %s failed", doing, choice.registered.name)
        raise PluginError(
            f"{doing} the {choice.role} {choice.registered.name} raised {type(error).__name__}: {error}",
            got=f"{choice.registered.source.distribution} {choice.registered.source.version}",
            fix="report it to the plugin's author; the traceback is in the log",
            plugin=choice.registered.name,
        ) from error


@dataclass(frozen=True, eq=False)
class Prepared:
    """Data and classifier, as a run sees them, before anything is spent."""

    splits: Splits
    classifier: Classifier
    source: Any
    output: str
    arrived_training: bool  # whether the module came in train mode


def prepare(config: RunConfig, *, trust: bool = False) -> Prepared:
    """Load the data, make the classifier, and ask it once: every mismatch is found here.

    Raises:
        DataError, ClassifierError: what does not fit, and what to do.
    """
    core, device = config.core, resolve_device(config.core.run.device)
    dataset = make(config.choices["dataset"])
    with _blamed_on(config.choices["dataset"], "loading"):
        splits: Splits = dataset.load(rng_for(core.run.seed, "data"))
    choice = config.choices["classifier"]
    source = make(choice, splits.spec)
    settings = choice.config
    assert isinstance(settings, ClassifierConfig)
    with isolated_global_rng(derive_seed(core.run.seed, "classifier", "weights")), _blamed_on(choice, "making"):
        module = source._make()
    arrived_training = module.training
    if settings.weights is not None:
        from pathlib import Path

        load_weights(module, Path(settings.weights), trust=trust, name=choice.registered.name)
    classifier = Classifier(
        module.to(device).eval(),
        splits.spec,
        mean=settings.mean,
        std=settings.std,
        name=choice.registered.name,
        batch_size=core.run.batch_size,
        device=device,
    )
    some = splits.validation.batch(slice(None, min(16, len(splits.validation))))[0]
    output = detect_output(classifier, some) if settings.output == "auto" else settings.output
    return Prepared(splits, Classifier(**{**vars(classifier), "output": output}), source, output, arrived_training)


class Session:
    """The bookkeeping around a run's stages: keys, files, seeds, progress, events."""

    def __init__(self, store: RunStore, config: RunConfig, bus: EventBus) -> None:
        self.store, self.config, self.bus = store, config, bus
        self.seed = config.core.run.seed
        self.device = resolve_device(config.core.run.device)
        self.keys: dict[str, str] = {}
        self._began = time.monotonic()
        self._restored = 0.0

    def emit(self, kind: Kind, stage: str | None = None, message: str = "", **values: Any) -> None:
        self.bus.emit(Event(kind, str(self.store.path), stage, message, **values))

    def run_stage(
        self,
        name: str,
        work: Callable[[Context], Saved],
        *,
        roles: tuple[Role, ...] = (),
        sections: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
        facts: Mapping[str, str] | None = None,
    ) -> Saved:
        """Do a stage, or read it back if it is finished.

        Args:
            work: does it; what it gives is written, and given back.
            roles: the components that it uses.
            sections: the core's settings that it uses.
            after: the stages whose results it uses.
            facts: hashes of inputs that are no stage's result.
        """
        key = self.keys[name] = self._key(name, roles, sections, after, facts or {})
        if self.store.finished(name):
            saved = self.store.load_stage(name, key)
            self._restored += WEIGHTS[name]
            return saved
        self.emit("stage_started", name, overall=self._overall(name, 0.0))
        began = time.monotonic()
        context = Context(
            rng=rng_for(self.seed, name),
            device=self.device,
            progress=lambda done, message: self._progress(name, done, message),
            checkpoint=self.store.checkpoint(name, key),
        )
        chosen = [self.config.choices[role] for role in roles if role in self.config.choices]
        with isolated_global_rng(derive_seed(self.seed, name, "global")):
            if chosen:
                with _blamed_on(chosen[-1], "running"):
                    saved = work(context)
            else:
                saved = work(context)
        self.store.save_stage(name, key, saved, seconds=time.monotonic() - began)
        self.emit("stage_finished", name, data=saved.info, overall=self._overall(name, 1.0))
        return saved

    def _key(
        self,
        name: str,
        roles: tuple[Role, ...],
        sections: tuple[str, ...],
        after: tuple[str, ...],
        facts: Mapping[str, str],
    ) -> str:
        used = [
            {**choice.to_dict(), "version": choice.registered.source.version}
            for role in roles
            if (choice := self.config.choices.get(role)) is not None
        ]
        parts = {
            "stage": name,
            "seed": self.seed,
            "core": version("modeldebug"),
            "torch": torch.__version__,
            "components": used,
            "sections": {s: getattr(self.config.core, s).model_dump(mode="json") for s in sections},
            "after": [self.keys[stage] for stage in after],
            "facts": dict(facts),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _overall(self, name: str, done: float) -> float:
        order = list(WEIGHTS)
        before = sum(WEIGHTS[stage] for stage in order[: order.index(name)])
        return (before + WEIGHTS[name] * done) / sum(WEIGHTS.values())

    def _progress(self, name: str, done: float, message: str) -> None:
        overall = self._overall(name, done)
        worked = overall - self._restored / sum(WEIGHTS.values())
        spent = time.monotonic() - self._began
        eta = spent * (1 - overall) / worked if worked > 0.02 else None
        self.emit("progress", name, message, done=done, overall=overall, eta=eta)


def new_manifest(config: RunConfig) -> dict[str, Any]:
    """What is known of a run before any work."""
    names = ("modeldebug", "torch", "numpy", "scikit-learn", "pluggy", "pydantic", "safetensors")
    return {
        "status": "new",
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "plugins": list(config.plugins),
        "preset": config.preset,
        "config": config.to_dict(),
        "sources": dict(config.sources),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
        "machine": {
            "system": platform.platform(),
            "processors": os.cpu_count(),
            "threads": config.core.run.threads or torch.get_num_threads(),
        },
    }


def execute(store: RunStore, config: RunConfig, bus: EventBus, *, trust: bool = False) -> dict[str, Any]:
    """Do all stages of a run that are not done yet, and write its results and report. Gives the results.

    Raises:
        ModelDebugError: bad input, a component that fails, or people who are to be waited for; what was finished
            is kept.
    """
    with store.locked(), _logging_to(store), _threads(config.core.run.threads):
        session = Session(store, config, bus)
        session.emit("run_started", message=f"run {store.path}")
        finished = store.manifest["status"] == "done"
        status = "interrupted"
        try:
            summary = _stages(session, trust=trust)
            if not finished:
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


def _stages(session: Session, *, trust: bool) -> dict[str, Any]:
    config, core, store, seed = session.config, session.config.core, session.store, session.seed
    device, batch_size = session.device, core.run.batch_size
    provided = {role: choice.registered.component.provides for role, choice in config.choices.items()}
    can_encode, conditional = "encode" in provided["generator"], "conditional" in provided["generator"]

    # the data, and the classifier under test
    prepared = prepare(config, trust=trust)
    splits, spec = prepared.splits, prepared.splits.spec
    facts = {"data": data_hash(splits), "model": model_hash(prepared.classifier.module)}
    session.run_stage("data", lambda context: _describe(splits), roles=("dataset",), facts={"data": facts["data"]})
    trained = session.run_stage(
        "classifier",
        lambda context: _ready_classifier(prepared, context),
        roles=("classifier",),
        after=("data",),
        facts=facts,
    )
    classifier = prepared.classifier.copy(trained.tensors)

    # who labels regions, and who judges single failures: never the same
    labeler = make(config.choices["labeler"], spec)
    learned = session.run_stage(
        "labeler",
        lambda context: stages.fit_labeler(_moved(labeler, device), splits, context, agreement=core.regions.agreement),
        roles=("labeler",),
        sections=("regions",),
        after=("data",),
    )
    labeler.load_state_dict(learned.tensors)
    _moved(labeler, device)
    auditor = None
    if "auditor" in config.choices:
        auditor = make(config.choices["auditor"], spec)
        judge = session.run_stage(
            "auditor",
            lambda context: stages.fit_labeler(
                _moved(auditor, device), splits, context, agreement=core.audit.agreement
            ),
            roles=("auditor",),
            sections=("audit",),
            after=("data",),
        )
        auditor.load_state_dict(judge.tensors)
        _moved(auditor, device)

    # the generator of legitimate images, and whether its images can be trusted
    model = make(config.choices["generator"], spec)
    fitted = session.run_stage(
        "generator",
        lambda context: stages.fit_generator(_moved(model, device), splits, context),
        roles=("generator",),
        after=("data",),
    )
    model.load_state_dict(fitted.tensors)
    _moved(model, device)
    gated = session.run_stage(
        "gate",
        lambda context: stages.gate(
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
    origins = stages.encode_origins(
        model,
        splits.train,
        limit=core.search.origins,
        seed=seed,
        can_encode=can_encode,
        conditional=conditional,
        batch_size=batch_size,
        device=device,
    )
    searcher = make(config.choices["searcher"], spec)
    problem = Problem(model, classifier, origins, batch_size=batch_size, device=device)
    found = session.run_stage(
        "search",
        lambda context: stages.search(searcher, problem, context, settings=core.search, seed=seed),
        roles=("searcher",),
        sections=("search", "run"),
        after=("generator", "classifier"),
    )
    failures = stages.load_failures(found)
    audited = session.run_stage(
        "audit",
        lambda context: stages.audit(auditor, failures, spec, context, agreement=core.audit.agreement),
        sections=("audit",),
        after=("search", "auditor") if auditor is not None else ("search",),
    )

    # distillation: clusters, and those of them that people or an oracle call regions
    clusterer = make(config.choices["clusterer"], spec)
    clustered = session.run_stage(
        "clusters",
        lambda context: stages.cluster(clusterer, failures, context),
        roles=("clusterer",),
        after=("search",),
    )
    clustering = stages.load_clustering(clustered)
    sampler = None
    if clustering is not None:
        sampler = stages.Sampler(clusterer, clustering, model, core.regions.tau, batch_size, device)
    labelled = session.run_stage(
        "regions",
        lambda context: stages.label_regions(
            sampler, labeler, classifier, audited.tensors.get("judged"), context, settings=core.regions
        ),
        sections=("regions", "run"),
        after=("clusters", "audit", "generator", "classifier", "labeler"),
    )
    regions = stages.load_regions(labelled)

    # correction, and what else the report shows
    corrector = make(config.choices["corrector"], spec)
    corrected = session.run_stage(
        "correction",
        lambda context: stages.correct(
            corrector,
            classifier,
            splits,
            regions,
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
            regions,
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


def _describe(splits: Splits) -> Saved:
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
            "sha256": data_hash(splits),
        },
    )


def _ready_classifier(prepared: Prepared, context: Context) -> Saved:
    classifier, splits = prepared.classifier, prepared.splits
    settings = prepared.source.config
    if settings.train:
        prepared.source._train(classifier.module, splits, context)
        classifier.module.eval()
    accuracy = {part: classifier.accuracy(getattr(splits, part)) for part in ("train", "validation", "test")}
    info = {"trained": settings.train, "output": prepared.output, "accuracy": accuracy}
    return Saved({k: v.detach().clone() for k, v in classifier.state_dict().items()}, info)


def _write_results(store: RunStore, summary: dict[str, Any]) -> None:
    from safetensors.torch import save

    from .report import render

    weights = store.load_stage("correction").part("corrected")
    if weights:
        store.write("corrected.safetensors", save(weights))
    store.write_json("results.json", summary)
    store.write("report.html", render(store).encode())


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Compute with so many threads inside, and with as many as before outside."""
    before = torch.get_num_threads()
    with threadpool_limits(limits=count):
        torch.set_num_threads(count or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def _logging_to(store: RunStore) -> Iterator[None]:
    handler = logging.FileHandler(store.path / "log.txt", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("modeldebug")
    level, logger.level = logger.level, logging.INFO
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = level, propagate
        handler.close()
