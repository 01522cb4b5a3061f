"""Tables, curves and regions of planted cells, against numbers worked out by hand."""

import math
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from modeldebug.comparison import curves
from modeldebug.comparison.landscape import Landscape, Place, landscape
from modeldebug.comparison.table import tabulate
from modeldebug.config import resolve
from modeldebug.registry import Registry
from modeldebug.types import Clustering, DataSpec

from .planted import cell, failures

SPEC = DataSpec((1, 2, 2), ("a", "b", "c"))


@pytest.fixture(scope="module")
def base():
    return resolve(Registry.load(["defuse"]), ["defuse"], [], preset="tiny")


def ball(centre, n, seed):
    rng = torch.Generator().manual_seed(seed)
    return torch.tensor(centre) + 0.05 * torch.randn(n, 2, generator=rng)


def row_of(table, name):
    return next(row for row in table["rows"] if row["name"] == name)


def mean(table, name, key):
    return row_of(table, name)[key]["mean"]


def test_a_region_that_one_alone_reaches_is_found_and_so_is_one_that_both_do(base):
    both = [failures(ball([0.0, 0.0], 20, seed), expected=0, predicted=1) for seed in (1, 2)]
    alone = failures(ball([9.0, 9.0], 20, 3), expected=2, predicted=0)
    samples = {"wide": type(alone).concatenate([both[0], alone]), "narrow": both[1], "nothing": alone.subset([])}
    found = landscape(samples, base, SPEC, seed=0)
    assert sorted((p.expected, p.predicted, sorted(p.reached)) for p in found.places) == [
        (0, 1, ["narrow", "wide"]),
        (2, 0, ["wide"]),
    ]
    places = found.assignment["wide"]
    assert len(set(places[:20].tolist())) == len(set(places[20:].tolist())) == 1
    assert found.places[int(places[20])].reached == {"wide"}
    assert not len(found.assignment["nothing"])


def test_one_failure_reaches_no_region(base):
    samples = {"one": failures([[9.0, 9.0]], expected=0, predicted=1)}
    found = landscape(samples, base, SPEC, seed=0)
    assert found.places == ()
    assert found.assignment["one"].tolist() == [-1]


def test_a_cluster_without_a_member_is_no_region(base, monkeypatch):
    gap = Clustering(torch.full((3,), 1 / 3), torch.tensor([0, 0, 2, 2]))
    monkeypatch.setattr(f"{Place.__module__}.make", lambda *_: SimpleNamespace(fit=lambda *_: gap))
    found = landscape({"one": failures(torch.zeros(4, 2), expected=0, predicted=1)}, base, SPEC, seed=0)
    assert len(found.places) == 2
    assert found.assignment["one"].tolist() == [0, 0, 1, 1]


def test_failures_without_codes_have_no_place(base):
    images = failures(ball([0.0, 0.0], 5, 0), expected=0, predicted=1)
    images = type(images)(**{**vars(images), "z": None})
    found = landscape({"images": images}, base, SPEC, seed=0)
    assert found.places == ()
    assert found.assignment["images"].tolist() == [-1] * 5


def test_curves_count_by_the_end_of_each_step():
    saved = cell(
        [4, 4, 7, -1, -1, 9], "ggdgg-", step=[0, 1, 1, 1, 2, 2], found=12, trace=[[10, 0, 2], [20, 0, 8], [35, 0, 12]]
    )
    places = torch.tensor([0, 0, -1, 1])  # of the four genuine ones, in steps 0, 1, 1 and 2
    counted = curves.of_cell(saved, places)
    assert counted["queries"].tolist() == [10, 20, 35]
    assert counted["failures"].tolist() == [2, 8, 12]
    assert counted["distinct"].tolist() == [1, 2, 3]  # image 4 once, and two of no image
    assert counted["genuine"].tolist() == pytest.approx([12 / 5 * n for n in (1, 3, 4)])  # 5 of 12 were judged
    assert counted["regions"].tolist() == [0, 1, 1]  # reached with its second failure


def test_mean_curves_end_where_the_last_cell_does():
    short = {"queries": torch.tensor([100.0]).double()} | {k: torch.tensor([4.0]).double() for k in curves.KINDS}
    long = {"queries": torch.tensor([100.0, 590.0]).double()}
    long |= {k: torch.tensor([2.0, 8.0]).double() for k in curves.KINDS}
    drawn = curves.averaged([short, long], 1180)
    at = dict(zip(drawn["queries"], drawn["failures"], strict=True))
    assert at[0] == 0
    assert at[100] == 3  # both
    assert at[200] == 3  # the shorter one has ended, and keeps what it found
    assert at[600] == 6
    assert all(b >= a for a, b in pairwise(found for found in drawn["failures"] if found is not None))
    assert at[1180] is None


def test_a_search_without_a_step_has_a_curve_of_nothing():
    saved = cell([], "", queries=0, trace=[])
    counted = curves.of_cell(saved, torch.empty(0, dtype=torch.int64))
    drawn = curves.averaged([counted, {k: v.new_tensor([5.0]) for k, v in counted.items()}], 10)
    assert drawn["genuine"][0] == 0


def test_rates_and_shares_are_those_of_the_counts():
    cells = {
        ("one", 0): cell([1, 1, 2, 3], "gggd", queries=100, seconds=2.0, typical=[1, 0, -1, 1]),
        ("one", 1): cell([1, 2, 5], "gdd", queries=300, seconds=2.0),
        ("other", 0): cell([-1, -1], "gg", queries=100),
        ("other", 1): cell([], "", queries=100),
    }
    table = tabulate("searcher", cells, {}, SPEC.classes, baseline=None)
    assert mean(table, "one", "genuine_share") == pytest.approx(4 / 7)
    assert mean(table, "one", "drift_share") == pytest.approx(3 / 7)
    assert mean(table, "one", "failures_per_1k") == pytest.approx(1000 * 7 / 400)
    assert mean(table, "one", "genuine_per_1k") == pytest.approx(1000 * 4 / 400)
    assert mean(table, "one", "distinct_per_1k") == pytest.approx(1000 * (2 + 1 / 3) / 200)  # by 100 queries each
    assert mean(table, "one", "genuine_per_second") == pytest.approx(1)
    assert mean(table, "one", "typical_share") == pytest.approx(1 / 2)  # of the two that are known
    assert mean(table, "one", "near_share") is None
    assert mean(table, "one", "distinct") == pytest.approx((2 + 1 / 3) / 2)
    assert mean(table, "one", "queries") == 200
    assert mean(table, "other", "distinct_per_1k") == pytest.approx(10)
    assert [row["distinct"] for row in table["cells"]] == [2, 1, 2, 0]
    assert [row["distinct_origins"] for row in table["cells"]] == [2, 1, 0, 0]


def test_counts_stand_for_what_was_not_kept_and_not_asked_about():
    table = tabulate(
        "searcher",
        {("one", 0): cell([1, 2, 3, 4], "gd--", found=40, queries=1000), ("two", 0): cell([1], "g")},
        {},
        SPEC.classes,
        baseline=None,
    )
    assert mean(table, "one", "failures_per_1k") == pytest.approx(40)
    assert mean(table, "one", "genuine_share") == pytest.approx(0.5)
    assert mean(table, "one", "genuine_per_1k") == pytest.approx(20)  # half of 40


def test_who_finds_nothing_has_a_row_and_beats_nobody():
    cells = {("something", s): cell(list(range(12)), "g" * 12) for s in range(3)}
    cells |= {("nothing", s): cell([], "") for s in range(3)}
    table = tabulate("searcher", cells, {}, SPEC.classes, baseline="nothing")
    assert row_of(table, "something")["beats_baseline"] is True
    assert row_of(table, "nothing")["beats_baseline"] is None
    assert mean(table, "nothing", "genuine_share") is None
    assert mean(table, "nothing", "distinct_per_1k") == 0
    turned = tabulate("searcher", cells, {}, SPEC.classes, baseline="something")
    assert row_of(turned, "nothing")["beats_baseline"] is False


LONG = [[100, 0, 3], [200, 0, 5], [1000, 0, 9]]


def long_search(seeds=(0,), origins=(1, 2, 3, 1, 4, 5, 6, -1, 7)):
    """Three distinct failures in the first 100 queries, one more in the next, and four more in the next 800."""
    return {
        ("long", s): cell(origins, "g" * 9, step=[0] * 3 + [1] * 2 + [2] * 4, queries=1000, trace=LONG) for s in seeds
    }


@pytest.mark.parametrize(("spent", "expected"), [(200, 4), (150, 3.5), (50, 1.5), (600, 4 + 4 / 2), (5000, 8)])
def test_who_spends_more_is_counted_at_what_all_spent(spent, expected):
    cells = long_search() | {("short", 0): cell([8, 9], "gg", queries=spent)}
    table = tabulate("searcher", cells, {}, SPEC.classes, baseline=None)
    assert table["counted_at"] == min(spent, 1000)
    assert mean(table, "long", "distinct") == pytest.approx(expected)
    assert mean(table, "long", "distinct_per_1k") == pytest.approx(1000 * expected / min(spent, 1000))
    long = table["cells"][0]
    assert (long["queries"], long["distinct_origins"], long["distinct"]) == (1000, 7, 8)  # all that it found
    assert long["distinct_counted"] == pytest.approx(expected)


def test_more_queries_alone_make_no_difference_real():
    seeds = range(5)
    short = {("short", s): cell([1, 2, 3], "ggg", queries=100) for s in seeds}
    table = tabulate("searcher", long_search(seeds) | short, {}, SPEC.classes, baseline=None)
    held = {found["metric"]: found for found in table["differences"]}
    assert held["distinct"]["mean"] == held["distinct_per_1k"]["mean"] == 0
    assert held["distinct"]["real"] is False


def test_the_baseline_and_who_asked_nothing_shorten_no_count():
    others = {("reconstruct", 0): cell([1], "g", queries=10), ("nothing", 0): cell([], "", queries=0, trace=[])}
    table = tabulate("searcher", long_search() | others, {}, SPEC.classes, baseline="reconstruct")
    assert table["counted_at"] == 1000
    assert mean(table, "long", "distinct") == 8
    assert mean(table, "reconstruct", "distinct_per_1k") == 100
    assert mean(table, "nothing", "distinct_per_1k") is None


def test_whether_a_search_beats_the_baseline_is_no_matter_of_who_else_takes_part():
    seeds = range(4)
    two = long_search(seeds) | {("reconstruct", s): cell([1, 2, 3, 4], "gggg", queries=50) for s in seeds}
    three = two | {("short", s): cell([1], "g", queries=60) for s in seeds}
    held = []
    for cells in (two, three):
        table = tabulate("searcher", cells, {}, SPEC.classes, baseline="reconstruct")
        assert row_of(table, "long")["beats_baseline"]
        held.append([d for d in table["differences"] if (d["one"], d["other"]) == ("long", "reconstruct")])
    assert held[0] == held[1]
    assert (held[0][0]["metric"], held[0][0]["mean"], held[0][0]["counted_at"]) == ("distinct", 4, 1000)
    assert table["counted_at"] == 60


def test_a_baseline_that_spends_more_is_counted_at_what_each_search_spent():
    cells = long_search() | {("short", 0): cell([11, 12], "gg", queries=100)}
    table = tabulate("searcher", cells, {}, SPEC.classes, baseline="long")
    (found,) = (d for d in table["differences"] if d["metric"] == "distinct")
    assert (found["one"], found["mean"], found["counted_at"]) == ("long", 1, 100)


def test_where_time_was_the_budget_all_is_counted_that_it_bought():
    cells = long_search() | {("slow", 0): cell([8], "g", queries=50)}
    table = tabulate("searcher", cells, {}, SPEC.classes, baseline=None, timed=True)
    assert table["counted_at"] is None
    assert mean(table, "long", "distinct") == 8
    assert mean(table, "long", "distinct_per_1k") == 8


def test_who_goes_on_and_finds_more_beats_a_baseline_that_soon_has_no_more_to_find():
    cells = {("baseline", 0): cell(list(range(10)), "g" * 10, queries=100)}
    cells[("search", 0)] = cell(list(range(40)), "g" * 40, queries=1000)
    table = tabulate("searcher", cells, {}, SPEC.classes, baseline="baseline")
    assert mean(table, "search", "distinct_per_1k") < mean(table, "baseline", "distinct_per_1k")
    assert row_of(table, "search")["beats_baseline"] is True


def test_a_comparison_without_a_finished_cell_is_an_empty_table():
    table = tabulate("searcher", {}, {}, SPEC.classes, baseline="reconstruct")
    assert table["rows"] == table["cells"] == table["curves"] == table["differences"] == []


def test_overlap_counts_regions_that_both_reach_and_lists_those_of_one():
    places = (Place(0, 1, {"a": 5, "b": 2}), Place(-1, 2, {"a": 3, "b": 1}), Place(1, 0, {"a": 2, "b": 0}))
    around = Landscape(places, {"a": torch.tensor([0, 1]), "b": torch.tensor([0])})
    cells = {("a", 0): cell([1, 2], "gg"), ("b", 0): cell([1], "g")}
    table = tabulate("searcher", cells, {0: around}, SPEC.classes, baseline=None)
    assert table["overlap"]["shared"] == [[3, 1], [1, 1]]
    assert [(r["name"], r["expected"], r["predicted"]) for r in table["overlap"]["alone"]] == [
        ("a", None, "c"),
        ("a", "b", "a"),
    ]
    assert (mean(table, "a", "regions"), mean(table, "a", "regions_alone")) == (3, 2)
    assert (mean(table, "b", "regions"), mean(table, "b", "regions_alone")) == (1, 0)


def test_a_figure_that_some_cells_lack_is_the_mean_of_the_others():
    cells = {
        ("one", s): cell([1], "g", scalars={"covered": 0.4, "purity": purity})
        for s, purity in enumerate((0.5, None, 0.7))
    }
    cells |= {("two", s): cell([1], "g", scalars={"covered": 0.4, "purity": None}) for s in range(3)}
    table = tabulate("clusterer", cells, {}, SPEC.classes, baseline=None)
    assert mean(table, "one", "purity") == pytest.approx(0.6)
    assert row_of(table, "two")["purity"] == {"mean": None, "low": None, "high": None}
    assert not any(math.isnan(v) for v in row_of(table, "one")["purity"].values())
