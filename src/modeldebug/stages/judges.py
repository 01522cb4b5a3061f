"""Labelers at work: they learn, are measured on real images, and are asked. An auditor also learns when to abstain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ..batches import in_parts
from ..classifier import code_hash, model_hash
from ..context import Context
from ..contracts.labeler import Labeler
from ..errors import ConfigError, WaitingForPeople
from ..judging import Threshold, abstention_threshold, labels_of, majority, wilson
from ..sections import AuditSection
from ..store import Saved
from ..types import DataSpec, ImageSet, Splits
from ..votes import Answers, LabelRequest
from ..words import called, percent


def fit_labeler(labeler: Labeler[Any], data: Splits, context: Context, *, agreement: float) -> Saved:
    """Let a labeler learn, and measure a program on the real test images: how often it abstains and errs."""
    labeler.fit(data.without_test(), context)
    info: dict[str, Any] = {
        "program": labeler.is_program, "exact": labeler.exact, "accuracy": None, "abstained": None
    }  # fmt: skip
    if labeler.is_program and not labeler.exact:
        info |= _measured(ask_in_parts(labeler, "fit", data.test, data.spec, agreement), data.test.labels)
    return Saved(labeler.state_dict(), info)


def hashes_of_given(labeler: Labeler[Any], role: str, known: Mapping[str, str]) -> dict[str, str]:
    """A hash of the weights, and one of the code, of each network that a labeler was given.

    Args:
        known: whose weights are taken already, by their hashes.

    Raises:
        ConfigError: one of them has the weights of the model under test, or of another judge.
    """
    hashes: dict[str, str] = {}
    for name, module in labeler.given().items():
        hashes |= {name: (found := model_hash(module)), f"{name}, code": code_hash(module)}
        if found in known and module.state_dict():  # of networks without weights nothing can be said
            raise ConfigError(
                f"the {called(role)} is given the {known[found]} as a judge: both have the same weights",
                got=name,
                expected="a classifier that was trained apart from the one under test and from all other judges",
                fix=f"take it out of {role}.models, or give it weights of its own",
                plugin=labeler.name,
            )
    return hashes


def fit_auditor(
    auditor: Labeler[Any], data: Splits, context: Context, *, settings: AuditSection, role: str = "auditor"
) -> Saved:
    """Let an auditor learn, choose on the validation images from which confidence on it is believed, and measure that
    on the test images, which neither it nor the threshold has seen.

    The threshold is empirical, chosen and counted on the same validation images, without a bound. So a warning says
    where the error on the test images is significantly above the rate that was asked for.

    People are believed as they answer. So is a program that does not say how sure it is, but its errors are counted.
    """
    auditor.fit(data.without_test(), context)
    measured = auditor.is_program and not auditor.exact
    found: dict[str, Any] = {
        "program": auditor.is_program,
        "exact": auditor.exact,
        "error_rate": settings.error_rate if measured and settings.error_rate < 1 else None,
        "threshold": None,
        "validation_error": None,
        "reached": None,
        "accuracy": None,
        "error": None,
        "abstained": None,
        "warning": None,
    }
    if measured:
        answers = _answers_in_parts(auditor, "threshold", data.validation, data.spec)
        labels = majority(answers.votes, data.spec.num_classes, settings.agreement)
        answered = labels >= 0
        right = (labels == data.validation.labels)[answered]
        if found["error_rate"] is None:
            found["validation_error"] = _share(~right)
        else:
            sure = torch.ones(len(labels)) if answers.confidence is None else answers.confidence
            chosen = abstention_threshold(right, sure[answered], settings.error_rate)
            found |= {"validation_error": chosen.error, "reached": chosen.reached}
            found["threshold"] = None if answers.confidence is None else chosen.confidence
            says_how_sure = answers.confidence is not None
            found["warning"] = _complaint(called(role), chosen, settings.error_rate, says_how_sure=says_how_sure)
        test = ask_in_parts(auditor, "fit", data.test, data.spec, settings.agreement, found["threshold"])
        found |= _measured(test, data.test.labels)
        found["error"] = None if found["accuracy"] is None else 1 - found["accuracy"]
        if found["error_rate"] is not None and (found["validation_error"] or 0) <= settings.error_rate:
            wrong = (test != data.test.labels)[test >= 0]
            broken = _complaint_on_test(called(role), wrong, settings.error_rate)
            found["warning"] = "; ".join(filter(None, (found["warning"], broken))) or None
    return Saved(auditor.state_dict(), found)


def _complaint(who: str, chosen: Threshold, error_rate: float, *, says_how_sure: bool) -> str | None:
    """Why an auditor's errors cannot be kept as rare as was asked for; None where they can."""
    if chosen.reached:
        return None
    asked = f"at most {100 * error_rate:g} % (audit.error_rate)"
    if chosen.error is None:
        return f"the {who} answers no validation image: it tells nothing"
    if chosen.error <= error_rate:
        return (
            f"the {who} answers too few validation images ({chosen.answers:,}) to tell whether {asked} of its "
            f"answers are wrong: that takes {1 / error_rate:,.0f}"
        )
    wrong = f"of the {who}'s answers on validation images {percent(chosen.error)} are wrong"
    if says_how_sure:
        return f"{wrong} at its best threshold, where {asked} was asked for"
    return f"{wrong}, where {asked} was asked for; it does not say how sure it is, so no threshold helps"


def _complaint_on_test(who: str, wrong: Tensor, error_rate: float) -> str | None:
    """Why the error rate that the validation images promise is not believed: the Wilson interval of the error on the
    test images lies above it. None where it does not."""
    low, high = wilson(int(wrong.sum()), len(wrong))
    if low <= error_rate:
        return None
    return (
        f"of the {who}'s answers on test images {percent(float(wrong.double().mean()))} are wrong (95 % interval "
        f"{percent(low)} to {percent(high)}), where at most {100 * error_rate:g} % (audit.error_rate) was asked for: "
        "the rate that held on the validation images does not hold on others"
    )


def _measured(labels: Tensor, truth: Tensor) -> dict[str, float | None]:
    """How often labels (n,) are given, and how often those that are given are right."""
    answered = labels >= 0
    return {"abstained": float((~answered).float().mean()), "accuracy": _share((labels == truth)[answered])}


def _share(flags: Tensor) -> float | None:
    return float(flags.double().mean()) if len(flags) else None


def ask(
    labeler: Labeler[Any],
    name: str,
    x: Tensor,
    spec: DataSpec,
    agreement: float,
    threshold: float | None = None,
    *,
    truth: Tensor | None = None,
) -> Tensor:
    """Labels (n,) int64 of images, -1 for none.

    Args:
        truth: (n,) int64, what the generator knows of them, for labelers that are exact.

    Raises:
        WaitingForPeople: the labeler pends.
    """
    if not len(x):
        return torch.empty(0, dtype=torch.int64)
    return labels_of(votes(labeler, name, x, spec, truth=truth), spec.num_classes, agreement, threshold)


def votes(
    labeler: Labeler[Any],
    name: str,
    x: Tensor,
    spec: DataSpec,
    group: Tensor | None = None,
    *,
    truth: Tensor | None = None,
) -> Answers:
    """The votes on at least one image, and whose they are.

    Raises:
        WaitingForPeople: the labeler pends.
    """
    group = torch.full((len(x),), -1) if group is None else group
    answer = labeler.label(LabelRequest(name, x, spec, group, truth if labeler.exact else None))
    if not isinstance(answer, Answers):
        what = f"{answer.waiting:,} {'image waits' if answer.waiting == 1 else 'images wait'} for labels"
        raise WaitingForPeople(what, fix=answer.how, plugin=labeler.name, ready=answer.ready)
    return answer


def ask_in_parts(
    labeler: Labeler[Any],
    name: str,
    images: ImageSet,
    spec: DataSpec,
    agreement: float,
    threshold: float | None = None,
    *,
    truth: Tensor | None = None,
) -> Tensor:
    """`ask` about a whole image set, converted in parts so that memory stays flat."""

    def known(rows: Tensor | slice) -> Tensor | None:
        return None if truth is None else truth[rows]

    parts = _parts(name, images, spec)
    return torch.cat(
        [
            ask(labeler, part, images.batch(rows)[0], spec, agreement, threshold, truth=known(rows))
            for part, rows in parts
        ]
    )


def _answers_in_parts(labeler: Labeler[Any], name: str, images: ImageSet, spec: DataSpec) -> Answers:
    given = [votes(labeler, part, images.batch(rows)[0], spec) for part, rows in _parts(name, images, spec)]
    sure = [answer.confidence for answer in given if answer.confidence is not None]
    return Answers(torch.cat([answer.votes for answer in given]), torch.cat(sure) if len(sure) == len(given) else None)


def _parts(name: str, images: ImageSet, spec: DataSpec) -> Iterator[tuple[str, Tensor | slice]]:
    """A name of its own for each part of an image set, and the part's rows."""
    return ((f"{name}-{i}", rows) for i, rows in enumerate(in_parts(len(images), spec.shape)))
