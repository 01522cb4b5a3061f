"""Scores of a run folder that is made by hand, so that every answer is known."""

import pytest
import torch

from modeldebug import ConfigError
from modeldebug.judging import ABSTAINED, DRIFT, GENUINE
from modeldebug.store import RunStore, Saved
from modeldebug.testing import planted
from modeldebug.testing.planted import Case, StyleBug
from modeldebug.types import Region

FOG = StyleBug("fog", "foggy", above=0.3)
MARK = StyleBug("mark", "marked", above=0.5, taught=0)
CASE = Case("by hand", "digits", (FOG, MARK), seed=0, originals=10)

# kind of each failure, its region, its step: regions 0 and 1 are fog and mark, 2 is half fog, 3 is neither, 4 not kept
KINDS = "ffffpmmmfppppmmp"
REGIONS = [0] * 5 + [1] * 3 + [2] * 2 + [3] * 3 + [4] * 2 + [-1]
STEPS = [3, 2, 1, 1, 0] + [2] * 3 + [1, 1] + [0] * 3 + [1, 2] + [0]
STATUS = ("kept", "kept", "kept", "kept", "mixed")
TRACE = [[100, 0, 5], [250, 0, 9], [400, 0, 14], [600, 0, 16]]


def images():
    x = torch.zeros(len(KINDS), 1, 8, 8)
    x[:, :, 2:6, 3:5] = 1
    for i, kind in enumerate(KINDS):
        if kind == "f":
            x[i] = 0.6 + 0.4 * x[i]
        if kind == "m":
            x[i, :, -2:, :2] = 1
    return x


def folder(path, *, judged=None, predicted=None, regions=True):
    """A run folder with what scores are made of."""
    n = len(KINDS)
    store = RunStore.create(
        path, {"kind": "run", "config": {"dataset": {"case": "by hand", "suite": planted.SUITE_VERSION}}, "stages": {}}
    )
    said = torch.zeros(n, dtype=torch.int64) if predicted is None else predicted
    failures = {
        "x": images(), "probs": torch.eye(10)[said], "allowed": torch.eye(10).bool()[torch.full((n,), 3)],
        "expected": torch.full((n,), 3), "origin": torch.arange(n), "log_prior": torch.zeros(n),
        "distance": torch.zeros(n), "step": torch.tensor(STEPS), "trace": torch.tensor(TRACE),
    }  # fmt: skip
    clusters = {"weights": torch.full((5,), 0.2), "assignment": torch.tensor(REGIONS)}
    with store.locked():
        store.save_stage("classifier", "k", Saved(), seconds=0)
        store.save_stage("search", "k", Saved(failures, {"queries": 600, "steps": 4}), seconds=0)
        store.save_stage("audit", "k", Saved({} if judged is None else {"judged": judged}), seconds=0)
        info = {"clusters": 5, "converged": True, "note": "", "names": []}
        store.save_stage("clusters", "k", Saved(clusters, info), seconds=0)
        if regions:
            rows = [vars(region(i, status)) for i, status in enumerate(STATUS)]
            store.save_stage("regions", "k", Saved({"assignment": torch.tensor(REGIONS)}, {"regions": rows}), seconds=0)
    return path


def region(cluster, status):
    return Region(
        cluster=cluster, weight=0.2, size=1, origins=1, status=status, label=3, predicted=0, samples=8, abstained=0,
        disagree=1.0, purity=1.0, purity_low=0.6, purity_high=1.0,
    )  # fmt: skip


def test_regions_match_the_bug_that_more_than_half_of_their_failures_are_of(tmp_path):
    found = planted.score(folder(tmp_path / "run"), CASE)
    fog, mark = found.bugs
    assert (found.regions, found.matched, found.failures, found.queries) == (4, 2, 16, 600)
    assert (found.recall, found.precision) == (1.0, 0.5), "half of a region is not more than half"
    assert (fog.regions, fog.purity, fog.failures) == (1, 0.8, 5)
    assert (mark.regions, mark.purity, mark.failures) == (1, 1.0, 5)
    assert found.purity == pytest.approx(0.9)
    assert (fog.first_hit, mark.first_hit) == (250, 250), "at the end of step 1, though step 0 found others"
    assert found.natural is None


def test_a_bug_that_is_only_in_a_region_that_was_not_kept_is_not_found(tmp_path):
    said = torch.tensor([0 if region != 1 else 5 for region in REGIONS])  # marked, and not taken for a 0
    found = planted.score(folder(tmp_path / "run", predicted=said), CASE)
    assert [bug.regions for bug in found.bugs] == [1, 0]
    assert found.bugs[1].failures == 2, "those of the mixed cluster"
    assert (found.recall, found.bugs[1].purity) == (0.5, None)


def test_what_the_auditor_calls_drift_is_no_bug_and_what_it_calls_genuine_is_natural(tmp_path):
    judged = torch.full((len(KINDS),), GENUINE)
    judged[:3] = DRIFT
    judged[8:10] = ABSTAINED
    found = planted.score(folder(tmp_path / "run", judged=judged), CASE)
    assert [bug.regions for bug in found.bugs] == [0, 1], "one member of five is left in the first region"
    assert found.natural == 1, "the fourth: the first is mostly drift, and on the third the auditor abstained"


def test_clusters_count_where_nobody_has_labelled_them(tmp_path):
    found = planted.score(folder(tmp_path / "run", regions=False), CASE)
    assert (found.regions, [bug.regions for bug in found.bugs]) == (5, [1, 2])


def test_a_run_on_other_data_is_refused(tmp_path):
    other = Case("another", "digits", (FOG,), seed=0, originals=10)
    with pytest.raises(ConfigError, match="not on this planted case"):
        planted.score(folder(tmp_path / "run"), other)


def test_totals_count_every_bug_and_every_region_once(tmp_path):
    one = planted.score(folder(tmp_path / "one"), CASE)
    none = planted.score(folder(tmp_path / "two", predicted=torch.full((len(KINDS),), 7)), CASE)
    assert [bug.regions for bug in none.bugs] == [1, 0]
    found = planted.totals([one, none])
    assert (found["bugs"], found["found"], found["recall"]) == (4, 3, 0.75)
    assert (found["regions"], found["matched"], found["precision"]) == (8, 3, 0.375)
    assert found["purity"] == pytest.approx((0.8 + 1.0 + 0.8) / 3)
    assert found["natural"] is None
