"""What a run found of what is planted: recall, precision, queries to the first hit, purity. The truth is a predicate on
images, and no run sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import ConfigError
from ...judging import DRIFT, GENUINE
from ...stages.regions import load_clustering, load_regions
from ...stages.search import load_failures
from ...store import RunStore, Saved
from ...types import Failures
from .bugs import members
from .suite import SUITE_VERSION, Case
from .teaching import balls_in


@dataclass(frozen=True)
class BugScore:
    """What was found of one bug.

    Attributes:
        bug: its name.
        failures: failures of the search that are the bug's.
        regions: found regions that match it.
        purity: the mean share of the failures of these regions that are the bug's; None where none matches.
        first_hit: queries that were spent when the search had found one of its failures; None where it has found none.
    """

    bug: str
    failures: int
    regions: int
    purity: float | None
    first_hit: int | None


@dataclass(frozen=True)
class Score:
    """What a run found of the bugs of a case.

    Attributes:
        case: its name.
        bugs: in the order of the case.
        regions: found regions.
        matched: those that match a bug.
        natural: of the others, those most of whose failures the run's auditor calls genuine: errors that the classifier
            has of itself. They count against the precision all the same. None where nobody judged.
        failures: of the search.
        queries: of the search.
    """

    case: str
    bugs: tuple[BugScore, ...]
    regions: int
    matched: int
    natural: int | None
    failures: int
    queries: int

    @property
    def found(self) -> int:
        """Bugs that a region matches."""
        return sum(bug.regions > 0 for bug in self.bugs)

    @property
    def recall(self) -> float:
        """The share of the bugs that a region matches."""
        return self.found / len(self.bugs)

    @property
    def precision(self) -> float | None:
        """The share of the regions that match a bug; None without regions."""
        return self.matched / self.regions if self.regions else None

    @property
    def purity(self) -> float | None:
        """Mean over the regions that match a bug."""
        weighed = [bug.purity * bug.regions for bug in self.bugs if bug.purity is not None]
        return sum(weighed) / self.matched if self.matched else None


def score(run: str | Path, case: Case) -> Score:
    """What a run on a case found. Its regions are the clusters that it kept as regions or, where it stopped before it
    labelled them, all clusters. A region matches a bug if more than half of its failures are the bug's: images that the
    bug is about, taken for what the bug has them taken for, and not called drift by the run's auditor, if it has one.

    Args:
        run: the run folder, finished at least up to the clusters.

    Raises:
        RunFolderError: there is no run, or it has not come so far.
        ConfigError: it is a run on other data.
    """
    store = RunStore.open(Path(run))
    data = store.manifest["config"]["dataset"]
    of, version = data.get("case", "other data"), data.get("suite")
    if (of, version) != (case.name, SUITE_VERSION):
        raise ConfigError(
            "the run is not on this planted case",
            got=f"{of}, version {version} of the suite",
            expected=f"{case.name}, version {SUITE_VERSION}",
            fix="run the pipeline on the case: settings=case.settings()",
        )
    search, audit = store.load_stage("search"), store.load_stage("audit")
    failures, judged = load_failures(search), audit.tensors.get("judged")
    balls = balls_in(case, store.load_stage("classifier").tensors)
    mine = {
        bug.name: members(bug, failures.x, failures.expected, failures.predicted, balls.get(bug.name))
        for bug in case.bugs
    }
    if judged is not None:
        mine = {name: rows & (judged != DRIFT) for name, rows in mine.items()}
    return _scored(case.name, mine, _found_regions(store), failures, judged, search)


def _scored(
    case: str,
    mine: Mapping[str, Tensor],
    regions: Sequence[Tensor],
    failures: Failures,
    judged: Tensor | None,
    search: Saved,
) -> Score:
    """The score of regions, each the rows of its failures, where `mine` says which failures are each bug's."""
    purities: dict[str, list[float]] = {name: [] for name in mine}
    natural = 0
    for rows in regions:
        name, share = match(mine, rows)
        if name is not None:
            purities[name].append(share)
        elif judged is not None and len(rows):
            natural += bool((judged[rows] == GENUINE).double().mean() > 0.5)
    bugs = tuple(
        BugScore(name, int(rows.sum()), len(p := purities[name]), sum(p) / len(p) if p else None,
                 first_hit(failures.step[rows], search))
        for name, rows in mine.items()
    )  # fmt: skip
    return Score(
        case=case,
        bugs=bugs,
        regions=len(regions),
        matched=sum(bug.regions for bug in bugs),
        natural=None if judged is None else natural,
        failures=len(failures),
        queries=search.info["queries"],
    )


def match(mine: Mapping[str, Tensor], rows: Tensor) -> tuple[str | None, float]:
    """The bug that more than half of some failures belong to, if there is one, and which share of them does.

    >>> mine = {"a": torch.tensor([True, True, False]), "b": torch.tensor([False, False, True])}
    >>> match(mine, torch.tensor([1, 2])), match(mine, torch.tensor([2]))
    ((None, 0.0), ('b', 1.0))
    """
    shares = {name: float(of[rows].double().mean()) for name, of in mine.items()} if len(rows) else {}
    best = max(shares, key=lambda name: shares[name], default=None)
    return (best, shares[best]) if best is not None and shares[best] > 0.5 else (None, 0.0)


def first_hit(steps: Tensor, search: Saved) -> int | None:
    """Queries that were spent at the end of the first of some steps (n,) of a search; None of none."""
    return int(search.tensors["trace"][int(steps.min()), 0]) if len(steps) else None


def _found_regions(store: RunStore) -> list[Tensor]:
    """The failures (m,) int64 of each region."""
    if store.finished("regions"):
        saved = store.load_stage("regions")
        kept = [region.cluster for region in load_regions(saved) if region.status == "kept"]
        assignment = saved.tensors.get("assignment", torch.empty(0))
    else:
        clustering = load_clustering(store.load_stage("clusters"))
        kept = [] if clustering is None else list(range(len(clustering)))
        assignment = torch.empty(0) if clustering is None else clustering.assignment
    return [(assignment == cluster).nonzero()[:, 0] for cluster in kept]


def totals(scores: Sequence[Score]) -> dict[str, Any]:
    """Figures of a pipeline over several cases: every bug counts once in the recall, every region once in the precision
    and the purity; first hits are the median over the bugs that were hit.

    >>> one = Score("a", (BugScore("x", 9, 2, 0.9, 40), BugScore("y", 0, 0, None, None)), 4, 2, None, 12, 100)
    >>> found = totals([one])
    >>> found["recall"], found["precision"], found["purity"], found["first_hit"]
    (0.5, 0.5, 0.9, 40)
    """
    bugs, regions = sum(len(s.bugs) for s in scores), sum(s.regions for s in scores)
    matched = sum(s.matched for s in scores)
    hits = torch.tensor([bug.first_hit for s in scores for bug in s.bugs if bug.first_hit is not None])
    weighed = sum(s.purity * s.matched for s in scores if s.purity is not None)
    known = [s.natural for s in scores if s.natural is not None]
    return {
        "suite": SUITE_VERSION,
        "bugs": bugs,
        "found": sum(s.found for s in scores),
        "recall": sum(s.found for s in scores) / bugs if bugs else None,
        "regions": regions,
        "matched": matched,
        "natural": sum(known) if len(known) == len(scores) else None,
        "precision": matched / regions if regions else None,
        "purity": weighed / matched if matched else None,
        "first_hit": int(hits.median()) if len(hits) else None,
        "queries": sum(s.queries for s in scores),
    }
