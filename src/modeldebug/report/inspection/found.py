"""What an inspection found, target by target, read from its folder once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...diagnostics import Samples
from ...results import summarise
from ...stages.search import load_samples
from ...store import RunStore
from ...targets import Target
from ..findings import Findings


@dataclass(frozen=True, eq=False)
class Aim:
    """One target, and what became of it.

    Attributes:
        place: its group's number, and its own in the group: as the evidence counts.
        diagnosis: as in `results.json`.
        samples: all of them.
        images, probs: (m, c, h, w) in [0, 1] and (m, k) of those that are shown.
    """

    place: tuple[int, int]
    target: Target
    diagnosis: Mapping[str, Any]
    samples: Samples
    images: Tensor
    probs: Tensor

    @property
    def reached(self) -> bool:
        reached: bool = self.diagnosis["reached"]
        return reached


@dataclass(frozen=True, eq=False)
class Found:
    """All of it.

    Attributes:
        findings: stages and results by name, in the way of a run's report.
        generators: the figures of the generators' stages.
        aims: in the order of the stages.
    """

    findings: Findings
    generators: Mapping[str, Mapping[str, Any]]
    aims: tuple[Aim, ...]

    @staticmethod
    def of(store: RunStore) -> Found:
        named = [name for name in store.manifest["stages"] if not name.startswith("generator")]
        generators = {name: store.load_stage(name).info for name in store.manifest["stages"] if name not in named}
        findings = Findings(store.manifest, summarise(store), {name: store.load_stage(name) for name in named})
        return Found(findings, generators, tuple(_aims(findings)))

    @property
    def classes(self) -> Sequence[str]:
        return self.findings.classes

    @property
    def evidence(self) -> Mapping[str, Any]:
        return self.findings.info("evidence")

    def pictures(self, name: str) -> Tensor:
        """Images (n, c, h, w) in [0, 1] of the evidence."""
        return self.findings.stages["evidence"].tensors[name].float() / 255

    def tensor(self, name: str) -> Tensor:
        """A tensor of the evidence."""
        return self.findings.stages["evidence"].tensors[name]


def _aims(findings: Findings) -> list[Aim]:
    evidence, aims = findings.stages["evidence"], []
    for g, group in enumerate(evidence.info["groups"]):
        samples = load_samples(findings.stages[group["stage"]])
        diagnoses = findings.info(group["stage"])["targets"]
        rows, images = evidence.tensors[f"{g}/rows"], evidence.tensors[f"{g}/x"]
        of = samples.target[rows]
        for t, named in enumerate(group["targets"]):
            target = Target(named["kind"], tuple(named["classes"]), tuple(named["wanted"]))
            here = (of == t).nonzero()[:, 0]
            own = samples.subset(samples.target == t)
            own = Samples(own.z, own.probs, torch.zeros_like(own.target), own.chain)
            shown = samples.probs[rows[here]]
            aims.append(Aim((g, t), target, diagnoses[t], own, images[here].float() / 255, shown))
    return aims
