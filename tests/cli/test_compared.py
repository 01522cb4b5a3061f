"""What `modeldebug compare` prints: while its runs are done, and when they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modeldebug.cli import compared
from modeldebug.cli.console import JsonConsole, PlainConsole
from modeldebug.events import Event

from ..report.comparisons import NAMES, Planted

LONG = ("bayestrex:smc,particles=512,temperatures=[0.1,0.2,0.5],search.start=all", *NAMES[1:])
REAL = {("distinct", "margin", "reconstruct"): (41.0, 30.5, 52.0, True)}
SHOWN = ("distinct", "distinct_per_1k", "genuine_share")  # with intervals


def parts(text: str) -> tuple[str, str]:
    """A figure and its interval, as a terminal has them."""
    number, _, bounds = text.replace("\u2013", "-").rpartition(" ")
    return number, bounds


def printed(results: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    PlainConsole(quiet=False).finish(Path("runs/x"), results)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    return lines


def test_the_result_holds_every_figure_of_every_entrant(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = Planted(differences=REAL)
    told = " ".join(" ".join(printed(planted.results(), capsys, monkeypatch)).split())
    for (name, key), text in planted.texts.items():
        number, bounds = parts(text)
        assert number in told, (name, key)
        assert bounds in told or key not in SHOWN, (name, key)
    others = Planted(first=planted.first + 1).texts  # numbers that nobody has
    assert not [key for (_, key), text in others.items() if parts(text)[1] in told]


def test_the_result_says_who_beats_the_baseline_and_who_does_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(Planted(differences=REAL).results(), capsys, monkeypatch)
    told = " ".join(" ".join(lines).split())
    assert "margin beats the baseline, reconstruct, in distinct failures; wild,scale=8 cannot be told apart" in told
    assert "A searcher that does not beat reconstruct is not searching." in told
    for name, verdict in zip(NAMES, ("beats it", "not told apart", "is it"), strict=True):
        assert any(line.startswith(name) and line.endswith(verdict) for line in lines)
    matrix = [line.split() for line in lines if line[:2] in ("1 ", "2 ", "3 ")]
    assert matrix == [
        ["1", "margin", "0", "+41.0*"],
        ["2", "wild,scale=8", "0", "0"],
        ["3", "reconstruct", "-41.0*", "0"],
    ]
    assert "modeldebug.open_comparison" in told
    assert "runs/x/report.html" in told


def test_long_names_break_no_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Planted(names=LONG)
    lines = printed(planted.results(), capsys, monkeypatch)
    told = " ".join(lines)
    for key in SHOWN:
        number, bounds = parts(planted.texts[LONG[0], key])
        assert number in told
        assert bounds in told
    assert "bayestrex" in told


def test_of_many_entrants_the_differences_are_on_the_page_alone() -> None:
    names = [f"s{i}" for i in range(compared.MATRIX)]
    assert compared.differences(Planted(names=names).results()) is not None
    assert compared.differences(Planted(names=[*names, "one more"]).results()) is None


def test_roles_without_a_search_of_their_own_show_what_they_are_told_apart_by(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = Planted("corrector", NAMES[:2])
    told = " ".join(" ".join(printed(planted.results(), capsys, monkeypatch)).split())
    for key in ("region_accuracy_after", "test_accuracy_after", "region_accuracy_before", "correction_seconds"):
        assert parts(planted.texts["margin", key])[0] in told
    assert parts(planted.texts["margin", "genuine_share"])[0] not in told
    assert "baseline" not in told


def test_programs_get_the_results_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    results = Planted().results()
    with JsonConsole(quiet=True) as console:
        console.finish(Path("runs/x"), results)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == json.loads(json.dumps(results))


def test_each_run_leaves_a_line_that_says_what_it_came_to(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"found": 105, "queries": 1107, "guide_queries": 40, "scalars": {}}
    clustered = found | {"scalars": {"kept": 3, "clusters": 21}}
    corrected = found | {"scalars": {"region_accuracy_before": 0.109, "region_accuracy_after": 0.984}}
    common = {"entrant": "margin", "seed": 1, "until": "audit", "first": False, "seconds": 2.04}
    common |= {"error": None, "waiting": None}
    shared = common | {"entrant": None, "figures": None}
    told = [
        ("trunks/shared", shared | {"until": "origins", "first": True}),
        ("trunks/reconstruct-shared", shared | {"until": "origins"}),
        ("trunks/seed-1-regions", shared | {"until": "regions"}),
        *(("cells/margin/seed-1", common | {"figures": figures}) for figures in (found, clustered, corrected)),
        ("cells/margin/seed-1", common | {"figures": None, "error": "it returned NaN"}),
        ("cells/margin/seed-1", common | {"figures": None, "waiting": "16 images wait for labels"}),
        ("trunks/seed-1-regions", shared | {"until": "regions", "waiting": "16 images wait for labels"}),
    ]
    with PlainConsole(quiet=False) as console:
        for stage, data in told:
            console(Event("stage_finished", "runs/x", stage, data=data))
    assert capsys.readouterr().out.splitlines() == [
        "shared      data, models and origins, 2.0 s",
        "shared      up to the origins (reconstruct), 2.0 s",
        "shared      up to the regions (seed-1), 2.0 s",
        "cell        margin, seed 1: 105 failures in 1,107 queries (and 40 of the guide), 2.0 s",
        "cell        margin, seed 1: 3 regions kept of 21 clusters, 2.0 s",
        "cell        margin, seed 1: regions 10.9 % -> 98.4 %, 2.0 s",
        "cell        margin, seed 1: failed: it returned NaN",
        "cell        margin, seed 1: 16 images wait for labels",
        "shared      up to the regions (seed-1), 16 images wait for labels",
    ]
