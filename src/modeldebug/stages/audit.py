"""The audit: failures are judged one by one, by one auditor or several; the first one's word counts. Programs judge all
of them, people a random sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ..context import Context
from ..contracts.labeler import Labeler
from ..judging import (
    GENUINE,
    JUDGEMENTS,
    NOT_ASKED,
    agreement_of,
    count_judgements,
    judge_failures,
    share_intervals,
)
from ..rng import rng_for, spawn
from ..sections import AuditSection
from ..store import Saved
from ..types import DataSpec, Failures, ImageSet
from .judges import ask, ask_in_parts


@dataclass(frozen=True, eq=False)
class Auditor:
    """A labeler that judges failures; it abstains where it is less sure than `threshold`, if it has one."""

    labeler: Labeler[Any]
    threshold: float | None


def audit(
    auditors: Mapping[str, Auditor],
    failures: Failures,
    spec: DataSpec,
    context: Context,
    *,
    settings: AuditSection,
    untouched: bool = False,
) -> Saved:
    """Judge failures: genuine, third class, drift or abstained; with shares of those that were judged, and where there
    are several auditors their agreement. Counts are null where nobody judges.

    All people are asked about the same failures, so that they can be compared.

    Args:
        auditors: by role, the one whose word counts first.
        untouched: whether the failures are images of the data as they are: what would be drift is then an image whose
            label is likely to be wrong.

    Raises:
        WaitingForPeople: people have not answered yet.
    """
    if not auditors:
        none = {name: {"share": None, "low": None, "high": None} for name in JUDGEMENTS}
        counts = dict.fromkeys((*JUDGEMENTS, "judged", "not_asked"))
        return Saved(
            {},
            {
                **counts,
                "untouched": untouched,
                "shares": none,
                "genuine_origins": None,
                "auditors": {},
                "agreement": [],
            },
        )
    seed = spawn(context.rng)
    sample = torch.randperm(len(failures), generator=rng_for(seed, "sample"))[: settings.sample].sort().values
    labels: dict[str, Tensor] = {}
    judged: dict[str, Tensor] = {}
    for i, (role, auditor) in enumerate(auditors.items()):
        asked = None if auditor.labeler.is_program else sample
        labels[role], judged[role] = _judge(auditor, role, failures, asked, spec, settings.agreement)
        context.progress((i + 1) / len(auditors), f"{int((judged[role] != NOT_ASKED).sum())} failures judged")
    first, *others = auditors
    origins = failures.origin[judged[first] == GENUINE]
    info = {
        **count_judgements(judged[first]),
        "judged": int((judged[first] != NOT_ASKED).sum()),
        "not_asked": int((judged[first] == NOT_ASKED).sum()),
        "untouched": untouched,
        "shares": share_intervals(judged[first], failures.origin, seed=seed),
        "genuine_origins": len(set(origins[origins >= 0].tolist())),
        "auditors": {role: count_judgements(judged[role]) for role in auditors},
        "agreement": [
            {"auditors": [a, b], **agreement_of((labels[a], labels[b]), (judged[a], judged[b]))}
            for a, b in combinations(auditors, 2)
        ],
    }
    tensors = {"labels": labels[first], "judged": judged[first]}
    for role in others:
        tensors |= {f"{role}/labels": labels[role], f"{role}/judged": judged[role]}
    return Saved(tensors, info)


def _judge(
    auditor: Auditor, role: str, failures: Failures, asked: Tensor | None, spec: DataSpec, agreement: float
) -> tuple[Tensor, Tensor]:
    """Labels (n,), -1 for none, and judgements (n,) of failures: of those rows that are asked about, or of all."""
    if asked is None:
        images = ImageSet(failures.x, failures.expected.clamp_min(0))
        known = None if failures.z is None else failures.expected  # for an exact auditor: what the generator knows
        labels = ask_in_parts(auditor.labeler, role, images, spec, agreement, auditor.threshold, truth=known)
        return labels, judge_failures(failures.allowed, failures.predicted, labels)
    labels = torch.full((len(failures),), -1)
    judged = torch.full((len(failures),), NOT_ASKED)
    some = failures.subset(asked)
    labels[asked] = ask(auditor.labeler, role, some.x, spec, agreement, auditor.threshold)
    judged[asked] = judge_failures(some.allowed, some.predicted, labels[asked])
    return labels, judged
