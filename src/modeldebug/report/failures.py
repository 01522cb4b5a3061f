"""What the failures are: the four kinds with examples and intervals, and who judged, with what error."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..roles import AUDITORS
from ..words import DASH, agreement_said, error_of, resampled, rhat_said, rootless, sampled
from .findings import Findings
from .images import THUMB
from .regions import Sample, Share, sample_of, shares_of
from .test_set import of_test_image
from .wording import count, percent, unbroken

EXAMPLES = 10  # failures shown of each kind
GENERATED = (
    "A failure is an image from the generator whose prediction differs from the label that it should have: that of the "
    "training image it started from or, for a draw from the prior, the class that the generator was told; or what the "
    "generator knows it to show."
)
GIVEN = "A failure is a test image whose prediction differs from the label that the data set gives it."


@dataclass(frozen=True)
class Kind:
    """One kind of failure with some examples."""

    share: Share
    examples: tuple[Sample, ...]


@dataclass(frozen=True)
class Pursued:
    """A target of the search, and what became of it."""

    name: str
    samples: str
    answered: str  # mean and deviation of each probability that it is about
    rhat: str
    ess: str
    reached: bool
    reason: str


@dataclass(frozen=True)
class Judge:
    """Who gave labels, and how far that can be believed."""

    task: str
    name: str
    reliability: str


def what(findings: Findings) -> str:
    """What is called a failure."""
    return GENERATED if findings.results["test_set"] is None else GIVEN


def shares(findings: Findings) -> tuple[Share, ...]:
    """The shares of the four kinds, with their intervals; none where nobody judged. Test images do not drift: there it
    is the label that is likely wrong."""
    if findings.judged is None:
        return ()
    found = shares_of(findings.judged, findings.results["search"]["shares"])
    return found if findings.results["test_set"] is None else tuple(map(of_test_image, found))


def basis(findings: Findings) -> str:
    """What the shares and their intervals rest on."""
    search = findings.results["search"]
    images = count(search["genuine_origins"], "training image")
    made = "The genuine failures" + (" that were made from training images" if search["without_origin"] else "")
    whence = "" if rootless(search) else f" {made} come from {images}."
    error = findings.info("auditor")["error"]
    measured = "" if error is None else f", who is wrong on {percent(error)} of the answers on real test images"
    sample = f" They are of {of}." if (of := sampled(search)) else ""
    drawn = f"In small print 95 % intervals: a bootstrap draws anew {resampled(search)}."
    return unbroken(f"The shares are by the auditor{measured}.{sample} {drawn}{whence}")


def kinds(findings: Findings) -> tuple[Kind, ...]:
    """Each kind of failures with examples spread evenly over the search."""
    if findings.judged is None:
        return ()
    judged, labels = findings.tensor("audit", "judged"), findings.tensor("audit", "labels")
    x, probs = findings.tensor("search", "x"), findings.tensor("search", "probs")
    assert judged is not None
    assert labels is not None
    assert x is not None
    assert probs is not None
    chosen = []
    for code, share in enumerate(shares(findings)):
        rows = (judged == code).nonzero()[:, 0]
        rows = rows[torch.linspace(0, len(rows) - 1, min(EXAMPLES, len(rows))).long()] if len(rows) else rows
        examples = tuple(sample_of(findings, x[i], labels[i], probs[i].argmax(), THUMB) for i in rows.tolist())
        chosen.append(Kind(share, examples))
    return tuple(chosen)


def targets(findings: Findings) -> tuple[Pursued, ...]:
    """What the search pursued; nothing where it did not pursue targets."""
    return tuple(
        Pursued(
            name=target["described"],
            samples=f"{target['samples']:,}",
            answered=", ".join(
                unbroken(f"{mean:.2f} \u00b1 {sd:.2f}")
                for mean, sd in zip(target["confidence"], target["spread"], strict=True)
            )
            or DASH,
            rhat=rhat_said(target["rhat"]),
            ess=DASH if target["ess"] is None else f"{target['ess']:,.0f}",
            reached=target["reached"],
            reason=target["reason"],
        )
        for target in findings.results["search"]["targets"] or ()
    )


def judges(findings: Findings) -> tuple[Judge, ...]:
    """Who labelled regions, and who judged single failures."""
    found = [Judge("Labelled the samples of the clusters", _named(findings, "labeler"), _reliability(findings))]
    if findings.results["test_set"] is not None:  # which have no clusters
        found = []
    for role in (role for role in AUDITORS if role in findings.stages):
        task = "Judged the single failures" if role == "auditor" else "Judged them as well, without a say in the shares"
        said = error_of(findings.info(role))
        found.append(Judge(task, _named(findings, role), unbroken(said[0].upper() + said[1:])))
    return tuple(found)


def agreement(findings: Findings) -> tuple[str, ...]:
    """How far each two auditors say the same of the failures."""
    pairs = findings.results["auditor_agreement"]
    return tuple(unbroken(agreement_said(pair)) for pair in pairs if pair["judgement"] is not None)


def _named(findings: Findings, role: str) -> str:
    who = "an oracle, which is a program: " if findings.is_program(role) else "people, asked through "
    if findings.is_exact(role):
        who = "the generator itself: "
    return who + findings.component(role)


def _reliability(findings: Findings) -> str:
    info = findings.info("labeler")
    if findings.is_exact("labeler"):
        return "Exact: it repeats what the generator knows of its images"
    if not findings.is_program("labeler"):
        return "Believed as they answer, not measured on test images"
    if info["accuracy"] is None:
        return "Abstains on all real test images"
    return f"{percent(info['accuracy'])} right on real test images; abstains on {percent(info['abstained'])} of them"
