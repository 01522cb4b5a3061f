"""All that a run folder says, read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..judging import JUDGEMENTS
from ..results import STAGES, summarise
from ..store import RunStore, Saved


@dataclass(frozen=True, eq=False)
class Findings:
    """The stages of a finished run, and the names of its classes.

    Attributes:
        results: as in `results.json`.
        stages: by name; a stage that the run has not (the auditor's) is missing.
    """

    manifest: dict[str, Any]
    results: dict[str, Any]
    stages: dict[str, Saved]

    @staticmethod
    def of(store: RunStore) -> Findings:
        stages = {name: store.load_stage(name) for name in STAGES if name != "generator" and store.finished(name)}
        return Findings(store.manifest, summarise(store), stages)

    def info(self, stage: str) -> dict[str, Any]:
        return self.stages[stage].info

    def tensor(self, stage: str, name: str) -> Tensor | None:
        return self.stages[stage].tensors.get(name)

    @property
    def config(self) -> dict[str, dict[str, Any]]:
        settings: dict[str, dict[str, Any]] = self.manifest["config"]
        return settings

    @property
    def classes(self) -> list[str]:
        names: list[str] = self.info("data")["classes"]
        return names

    @property
    def clusters(self) -> list[dict[str, Any]]:
        """Every cluster with what its labelling gave, in the clustering's order."""
        rows: list[dict[str, Any]] = self.info("regions")["regions"]
        return rows

    @property
    def kept(self) -> list[dict[str, Any]]:
        """The regions, the largest first."""
        return sorted((r for r in self.clusters if r["status"] == "kept"), key=lambda r: -r["weight"])

    @property
    def judged(self) -> dict[str, int] | None:
        """How many failures are of each kind, or None where nobody judged them."""
        counts = {name: self.results["search"][name] for name in JUDGEMENTS}
        return None if None in counts.values() else counts

    def chosen(self, group: str) -> dict[str, Any]:
        """The state that was chosen from a group of corrected classifiers."""
        states = self.info("correction")[group]
        state: dict[str, Any] = states["states"][states["chosen"]]
        return state

    def is_program(self, role: str) -> bool:
        """Whether a labeler is a program; people are never called an oracle, nor an oracle human."""
        return bool(self.info(role)["program"])

    def is_exact(self, role: str) -> bool:
        """Whether a labeler repeats what the generator knows."""
        return bool(self.info(role).get("exact"))

    def component(self, role: str) -> str:
        name: str = self.config[role]["use"]
        return name
