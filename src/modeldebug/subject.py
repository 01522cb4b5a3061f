"""What runs and inspections have in common: the data, the classifier under test, a generator and an auditor that have
learnt."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from .classifier import Classifier, code_hash, model_hash
from .context import Context
from .contracts.generator import Generator
from .contracts.untouched import untouched
from .data import data_hash
from .prepare import Made, Prepared, make
from .roles import Role
from .session import Session
from .stages import generate, judges
from .stages.audit import Auditor
from .store import Saved
from .types import DataSpec, Splits


def classifier_under_test(session: Session, prepared: Prepared) -> Classifier:
    """The stages of the data, and of the classifier, which is trained where that is asked for."""
    splits, module = prepared.splits, prepared.classifier.module
    facts = {"data": data_hash(splits), "model": model_hash(module), "code": code_hash(module)}
    session.run_stage(
        "data", lambda context: _describe(splits, facts["data"]), roles=("dataset",), facts={"data": facts["data"]}
    )
    trained = session.run_stage(
        "classifier",
        lambda context: ready(prepared.tested, splits, context),
        roles=("classifier",),
        after=("data",),
        facts=facts,
    )
    return prepared.classifier.copy(trained.tensors)


def trained_generator(
    session: Session, prepared: Prepared, *, stage: str = "generator", without: str | None = None
) -> Generator[Any]:
    """The stage of a generator of legitimate images, which learns all training images, or those of all classes but one.

    Args:
        without: the name of the class that it must not learn.
    """
    others, learnt = prepared.generator_data, prepared.legitimate
    facts = {} if others is None else {"generator_data": data_hash(others)}
    images = learnt.train
    if without is not None:
        facts["without"] = without
        images = images.subset(images.labels != learnt.spec.classes.index(without))
    model = make(session.config, "generator", learnt.spec)
    fitted = session.run_stage(
        stage,
        lambda context: generate.fit_generator(
            moved(model, session.device),
            images,
            context,
            classes=None if others is None else others.spec.classes,
            without=without,
        ),
        roles=("generator_data", "generator"),
        after=("data",),
        facts=facts,
    )
    if fitted.info.get("warning"):
        session.emit("warning", stage, fitted.info["warning"])
    model.load_state_dict(fitted.tensors)
    generator: Generator[Any] = moved(model, session.device)
    return generator


def trained_auditor(
    session: Session, prepared: Prepared, role: Role, taken: Mapping[str, str]
) -> tuple[Auditor, dict[str, str]]:
    """The stage of an auditor, which learns apart from the model under test: the auditor, with the threshold below
    which it abstains, and hashes of what networks it was given.

    Args:
        taken: hashes of weights that it may not have, and whose they are.
    """
    labeler = make(session.config, role, prepared.splits.spec)
    labeler.folder, labeler.batch_size = session.store.path / "labels", prepared.classifier.batch_size
    given = judges.hashes_of_given(labeler, role, taken)
    fitted = session.run_stage(
        role,
        partial(
            judges.fit_auditor,
            moved(labeler, session.device),
            prepared.splits,
            settings=session.config.core.audit,
            role=role,
        ),
        roles=(role,),
        sections=("audit",),
        after=("data",),
        facts={**asked_in(session), **given},
    )
    if fitted.info["warning"]:
        session.emit("warning", role, fitted.info["warning"])
    labeler.load_state_dict(fitted.tensors)
    return Auditor(moved(labeler, session.device), fitted.info["threshold"]), given


def asked_in(session: Session) -> dict[str, str]:
    """What judges are asked in batches of, which decides their last bits."""
    return {"batch_size": str(session.asked.core.run.batch_size)}


def ready(made: Made, splits: Splits, context: Context) -> Saved:
    """Train a classifier where that is asked for, and measure it."""
    classifier = made.classifier.copy()  # so that a restored run starts from the same module
    if made.settings.train:
        data = splits.without_test()
        with untouched(made.source.name, data=data):
            made.source._train(classifier.module, data, context)
        classifier.module.eval()
    accuracy = {part: classifier.accuracy(getattr(splits, part)) for part in ("train", "validation", "test")}
    info = {"trained": made.settings.train, "output": classifier.output, "accuracy": accuracy}
    return Saved({k: v.detach().clone() for k, v in classifier.state_dict().items()}, info)


def moved(component: Any, device: torch.device) -> Any:
    """The component, once its networks are on the device."""
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
