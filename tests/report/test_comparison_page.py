"""The page of a comparison: every number is on it, what it says is what the numbers say, and it needs nothing else."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from modeldebug import cli
from modeldebug.comparison import comparing
from modeldebug.comparison.comparing import RECONSTRUCT
from modeldebug.comparison.entrants import COMPARED
from modeldebug.comparison.plan import Request
from modeldebug.comparison.table import headline_of
from modeldebug.config import merge
from modeldebug.report.comparison import again, reading, render_comparison, words
from modeldebug.report.comparison.figures import ticks

from .comparisons import NAMES, Planted, curve, keys_of, sample
from .pages import Page

SHOWN_OF_ALL = ("memory_mb",)
OF_FINDINGS = ("searcher", "generator")  # roles whose entrants differ in what they find
BEATS = {
    ("distinct", "margin", "reconstruct"): (41.0, 30.5, 52.0, True),
    ("distinct", "wild,scale=8", "reconstruct"): (-12.0, -20.0, -3.0, True),
    ("genuine_share", "margin", "wild,scale=8"): (0.0627, -0.054, 0.162, False),
}


def drawn(results: dict[str, Any], samples: dict[str, Any] | None = None) -> str:
    return render_comparison(results, samples or {}, folder="runs/compared")


def text(html: str) -> str:
    return Page(html).text.replace("\u00a0", " ").replace("\u2060", "")


def missing(planted: Planted, shown: str) -> set[str]:
    """Figures of which a page does not show the number and its interval."""
    own = set(keys_of(planted.role))
    if planted.role not in OF_FINDINGS:
        own -= set(keys_of("searcher")) - {*SHOWN_OF_ALL, *(("regions",) if planted.role == "corrector" else ())}
    return {key for (_, key), number in planted.texts.items() if key in own and number not in shown}


@pytest.mark.parametrize("role", COMPARED)
def test_every_figure_of_every_entrant_is_on_the_page_with_its_interval(role: Any) -> None:
    planted = Planted(role, NAMES if role == "searcher" else NAMES[:2])
    shown = text(drawn(planted.results()))
    assert missing(planted, shown) == set()
    others = Planted(role, planted.names, first=planted.first + 1)  # the page of these numbers shows none of those
    assert missing(others, shown) == missing(others, "")


@pytest.mark.parametrize("role", COMPARED)
def test_every_figure_has_words(role: Any) -> None:
    assert set(keys_of(role)) <= set(words.METRICS)


def test_a_figure_without_words_is_shown_all_the_same() -> None:
    results = Planted().results()
    for row in results["rows"]:
        row["planted_recall"] = {"mean": 0.123, "low": None, "high": None}
    assert "Planted recall beta" not in text(drawn(results))
    assert re.search(r"Planted recall\s+margin\s+0\.12 no interval", text(drawn(results)))


def test_the_baseline_is_that_of_the_table() -> None:
    assert headline_of("searcher")[0] == reading.AGAINST


def test_the_page_needs_nothing_else_and_nothing_in_it_is_markup() -> None:
    changes = {"warnings": ["<script>alert(1)</script>"], "failed": [{"name": "<i>x", "seed": 1, "error": "<b>no"}]}
    html = drawn(Planted(changes=changes).results(), {"margin": sample([(0, 1), (2, 0)])})
    page = Page(html)
    assert not page.all("script")
    assert not page.all("link")
    assert all(str(image["src"]).startswith("data:image/") and image["alt"] for image in page.all("img"))
    assert all(str(link["href"]).startswith("#") for link in page.all("a"))
    assert {str(link["href"])[1:] for link in page.all("a")} <= {str(tag.get("id")) for _, tag in page.tags}
    for told in ("<script>alert(1)</script>", "<i>x", "<b>no", "<two> \u2192 zero"):
        assert told in page.text


def test_it_says_who_leads_and_who_does_not_beat_the_baseline() -> None:
    shown = text(drawn(Planted(differences=BEATS).results()))
    assert "margin beats the baseline, reconstruct, in distinct failures; wild,scale=8 falls short of it." in shown
    assert "A searcher that does not beat reconstruct is not searching." in shown
    assert "\u2713 beats reconstruct +41.0 (+30.5 to +52.0)" in shown
    assert "\u2717 falls short of reconstruct \u221212 (\u221220 to \u22123)" in shown
    shown = text(drawn(Planted().results()))
    assert "No searcher beats the baseline, reconstruct, in distinct failures; margin and wild,scale=8 cannot" in shown
    every = {("distinct", name, "reconstruct"): (41.0, 30.5, 52.0, True) for name in NAMES[:2]}
    assert "is not searching" not in text(drawn(Planted(differences=every).results()))


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ({}, "not told apart from margin and wild,scale=8"),
        ({("distinct", "margin", "reconstruct"): (-9.0, -12.0, -3.0, True)}, "not told apart from wild,scale=8"),
        ({("distinct", n, "reconstruct"): (-9.0, -12.0, -3.0, True) for n in NAMES[:2]}, "more than by chance"),
    ],
)
def test_a_lead_is_called_one_where_it_is_more_than_chance(differences: dict[Any, Any], said: str) -> None:
    shown = re.search(r"<h1>(.*)</h1>", drawn(Planted(differences=differences).results()))
    assert shown is not None
    assert shown[1].startswith("reconstruct (the baseline) leads in distinct failures: ")
    assert shown[1].endswith(said)


def test_differences_stand_both_ways_round_and_look_as_they_are() -> None:
    cells = {
        cell.get("title"): cell.get("class") for cell in Page(drawn(Planted(differences=BEATS).results())).all("td")
    }
    assert cells["margin less reconstruct: +41.0 (+30.5 to +52.0), real"] == "more"
    assert cells["reconstruct less margin: \u221241.0 (\u221252.0 to \u221230.5), real"] == "less"
    assert cells["wild,scale=8 less margin: \u22126.3 (\u221216.2 to +5.4), not told apart"] == "same"


def test_one_seed_says_that_it_cannot_tell() -> None:
    unknown = {("distinct", name, "reconstruct"): (4.0, None, None, None) for name in NAMES[:2]}
    results = Planted(seeds=(0,), differences=unknown).results()
    for row in results["rows"]:
        row["classes"] |= {"low": None, "high": None}
    shown = text(drawn(results))
    assert "There is one seed" in shown
    assert "one seed cannot say" in shown
    assert shown.count("no interval") == len(NAMES)
    assert "There is one seed" not in text(drawn(Planted().results()))


def test_entrants_whose_runs_failed_are_named_before_anything_else() -> None:
    failed = [{"name": "wild,scale=8", "seed": 2, "error": "it returned NaN"}]
    html = drawn(Planted(names=("margin", "reconstruct"), changes={"failed": failed}).results())
    assert "wild,scale=8, seed 2: it returned NaN" in text(html[: html.index("<main>")] + "</body></html>")
    assert "Not all runs ended" not in drawn(Planted().results())


def test_where_every_run_failed_the_page_says_so() -> None:
    nothing = {"rows": [], "differences": [], "curves": [], "cells": [], "overlap": None, "baseline": None}
    shown = text(drawn(Planted(changes=nothing | {"failed": [{"name": "m", "seed": 0, "error": "no"}]}).results()))
    assert "No searcher has figures to compare" in shown
    assert "m, seed 0: no" in shown


def test_runs_that_wait_for_people_are_named_before_anything_else() -> None:
    wait = {"name": "people", "seed": 2, "run": "cells/people/seed-2", "what": "16 images wait", "do": "label them"}
    html = drawn(Planted("labeler", names=("margin",), changes={"waiting": [wait]}).results())
    assert "cells/people/seed-2: 16 images wait" in text(html[: html.index("<main>")] + "</body></html>")
    nothing = {"rows": [], "differences": [], "curves": [], "cells": [], "overlap": None}
    shown = text(drawn(Planted("labeler", changes=nothing | {"waiting": [wait]}).results()))
    assert "No labeler has figures to compare" in shown


def test_it_is_told_at_how_many_queries_distinct_failures_are_counted_where_that_is_not_all() -> None:
    def told(at: int | None, **spent: int) -> str:
        results = Planted().results() | {"counted_at": at}
        for row, name in zip(results["rows"], ("one", "other", "baseline"), strict=True):
            row["queries"]["mean"] = spent[name]
        for cell in results["cells"]:
            cell["queries"] = next(row["queries"]["mean"] for row in results["rows"] if row["name"] == cell["name"])
        return " ".join(reading.cautions(results))

    same = told(1000, one=1000, other=1050, baseline=1010)
    assert "queries" not in same
    more = told(1000, one=1000, other=9000, baseline=1010)
    assert "Distinct failures are counted at 1,000 queries, which is all that margin spent" in more
    assert "The baseline" not in more
    less = told(1000, one=1000, other=1050, baseline=400)
    assert "The baseline, reconstruct, ended after 400 queries" in less
    assert "which is all that" not in less
    timed = told(None, one=1000, other=9000, baseline=400)
    assert "margin spent 1,000 queries on average, where others spent up to 9,000" in timed


def test_regions_that_only_one_finds_are_counted_by_their_classes() -> None:
    shown = text(drawn(Planted().results()))
    assert "71.5 regions on average" in shown
    assert "zero \u2192 one \u00d72 ? \u2192 one" in shown
    for figure in ("61.5", "22", "23"):
        assert f" {figure} " in shown[shown.index("Regions that two entrants share") :]


def test_a_line_ends_where_the_last_search_of_its_entrant_ended() -> None:
    def ends(results: dict[str, Any]) -> list[float]:
        return [float(str(dot["cx"])) for dot in Page(drawn(results)).all("circle")][: len(NAMES)]

    early, late, last = ends(Planted().results())
    assert late - early == pytest.approx(last - late, abs=0.11)
    whole = ends(Planted(changes={"curves": [curve(name, 400) for name in NAMES]}).results())
    assert len(set(whole)) == 1
    assert whole[0] > last
    assert ticks(400) == [0, 100, 200, 300, 400]


def test_galleries_show_failures_of_every_entrant_of_a_search_and_of_nobody_else() -> None:
    samples = {"margin": sample([(0, 1)] * 40), "wild,scale=8": sample([]), "reconstruct": sample([(-1, 2)])}
    html = drawn(Planted().results(), samples)
    assert len(Page(html).all("img")) == 18 + 1
    shown = text(html)
    assert "18 of 40 kept with their images, from 40 training images" in shown
    assert "No genuine failure was kept." in shown
    assert "? \u2192 <two>" in shown
    assert not Page(drawn(Planted("clusterer", NAMES[:2]).results(), samples)).all("img")


LAYERS = [
    {"source": "a.toml", "settings": {"classifier": {"epochs": 3, "use": "cnn"}}, "budget": "laptop"},
    {"source": "--set", "settings": {"dataset": {"path": "my data.npz"}, "run": {"seed": 3}}, "budget": None},
]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layers": LAYERS, "retrain": True, "preset": None, "budget": {"queries": None, "seconds": 90.0}},
        {"baseline": None, "entrants": ["margin", "wild,scale=8"]},
        {"baseline": "margin", "entrants": ["wild,scale=8", "margin"]},
        {"baseline": "wild", "entrants": ["margin", "wild"], "budget": {"queries": 1234, "seconds": None}},
        {"role": "clusterer", "entrants": ["dp-gmm", "dp-gmm,components=2"], "baseline": None},
    ],
)
def test_the_command_asks_for_the_same_again(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted(changes.get("role", "searcher"), changes.get("entrants", NAMES))
    asked = planted.settings() | {k: v for k, v in changes.items() if k != "entrants"}
    if asked["baseline"] == RECONSTRUCT.name:
        asked["entrants"][-1]["settings"] = dict(RECONSTRUCT.settings)
    program, *typed = shlex.split(again.command(asked))
    requests: list[Request] = []
    monkeypatch.setattr(comparing, "opened_folder", lambda request, *_, **__: requests.append(request))
    CliRunner().invoke(cli.program, typed)
    assert program == "modeldebug"
    (request,) = requests
    told = request.to_dict()
    same = set(asked) - {"layers", "plugins", "base"}
    assert {name: told[name] for name in same} == {name: asked[name] for name in same}
    assert set(told["plugins"]) == set(asked["plugins"])
    merged = merge(request.layers)[0]
    wanted = [layer["settings"] for layer in asked["layers"]]
    assert merged == {section: value for settings in wanted for section, value in settings.items()}
    assert [layer.budget for layer in request.layers if layer.budget] == (["laptop"] if wanted else [])


def test_what_no_command_line_can_say_is_a_call_from_python() -> None:
    asked = Planted(seeds=(3, 5)).settings()
    objects = {"source": "Python", "settings": {"classifier": {"use": "python:Net"}}, "budget": None}
    calls = []
    for told in (asked, asked | {"seeds": [0], "layers": [objects]}):
        code = again.command(told, out="runs/x")
        namespace: Any = type("namespace", (), {"compare": staticmethod(lambda **given: calls.append(given))})
        eval(code, {"modeldebug": namespace, "model": "the model"})
    common = {"entrants": list(NAMES[:2]), "role": "searcher", "budget": "5k", "baseline": "reconstruct"}
    common |= {"plugins": ["defuse", "rivals"], "preset": "tiny", "out": "runs/x"}
    assert calls == [common | {"seeds": [3, 5]}, common | {"seeds": 1, "model": "the model"}]


def test_the_page_tells_how_to_make_it_again_and_how_to_go_on() -> None:
    shown = text(drawn(replace(Planted(), seeds=(0, 1)).results()))
    command = "modeldebug compare --plugins defuse,rivals --preset tiny --searcher margin --searcher wild,scale=8"
    assert f"{command} --seeds 2 --budget 5k" in shown
    assert f"{command} --seeds 10 --budget 5k --out runs/compared" in shown
