"""The audit: every failure is judged by itself, by one auditor or several; the first one's word counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from torch import Tensor

from ..context import Context
from ..contracts.labeler import Labeler
from ..judging import GENUINE, JUDGEMENTS, agreement_of, count_judgements, judge_failures, share_intervals
from ..rng import spawn
from ..store import Saved
from ..types import DataSpec, Failures, ImageSet
from .judges import ask_in_parts


@dataclass(frozen=True, eq=False)
class Auditor:
    """A labeler that judges failures; it abstains where it is less sure than `threshold`, if it has one."""

    labeler: Labeler[Any]
    threshold: float | None


def audit(
    auditors: Mapping[str, Auditor], failures: Failures, spec: DataSpec, context: Context, *, agreement: float
) -> Saved:
    """Judge every failure: genuine, third class, drift or abstained; with shares, and where there are several auditors
    their agreement. Counts are null where nobody judges.

    Args:
        auditors: by role, the one whose word counts first.
    """
    images = ImageSet(failures.x, failures.expected.clamp_min(0))
    labels: dict[str, Tensor] = {}
    judged: dict[str, Tensor] = {}
    for i, (role, auditor) in enumerate(auditors.items()):
        labels[role] = ask_in_parts(auditor.labeler, role, images, spec, agreement, auditor.threshold)
        judged[role] = judge_failures(failures.allowed, failures.predicted, labels[role])
        context.progress((i + 1) / len(auditors), f"{len(failures)} failures judged")
    if not auditors:
        none = {name: {"share": None, "low": None, "high": None} for name in JUDGEMENTS}
        counts = dict.fromkeys(JUDGEMENTS)
        return Saved({}, {**counts, "shares": none, "genuine_origins": None, "auditors": {}, "agreement": []})
    first, *others = auditors
    origins = failures.origin[judged[first] == GENUINE]
    info = {
        **count_judgements(judged[first]),
        "shares": share_intervals(judged[first], failures.origin, seed=spawn(context.rng)),
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
