"""`modeldebug inspect`: what it prints, what it refuses, and that no target is left out."""

from __future__ import annotations

import ast
import json
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch

from modeldebug.cli import inspected as words
from modeldebug.cli.console import PlainConsole
from modeldebug.cli.inspect import MATRICES
from modeldebug.cli.words import stage_label, stage_result
from modeldebug.diagnostics import MIXED
from modeldebug.targets import KINDS

from ..conftest import Finished
from .conftest import Invoke


def target(name: str, *, reached: bool, **changes: Any) -> dict[str, Any]:
    return {
        "target": name, "described": name, "samples": 64, "chains": 4, "confidence": [0.497, 0.498],
        "spread": [0.021, 0.02], "aim": [0.5, 0.5], "error": 0.003 if reached else 0.431, "rhat": 1.01, "ess": 61.2,
        "acceptance": 0.81, "divergences": 0, "reached": reached, "generator": "generator", "stopped": None,
        "reason": "" if reached else "predictions are 0.431 away on average, more than two sigma (0.1)", **changes,
    }  # fmt: skip


def results(*targets: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "kind": "inspection", "targets": list(targets), "reached": sum(t["reached"] for t in targets),
        "sampler": "bayestrex:smc", "sigma": 0.05, "queries": 12345, "test_accuracy": 0.981, "generator_data": None,
        "classes": [str(c) for c in range(10)],
        "warnings": [], "preset": "bayestrex", "budget": None, "seconds": {"total": 61.2}, **changes,
    }  # fmt: skip


def printed(told: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    PlainConsole(quiet=False).finish(Path("runs/x"), told)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    return lines


ALL_PAIRS = [f"ambiguous:{i},{j}" for i, j in combinations(range(10), 2)]
MISSED = ("ambiguous:0,1", "ambiguous:4,9")


def test_every_target_has_a_row_and_those_not_reached_their_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = results(
        target("ambiguous:0,9", reached=True, described="ambiguous:T-shirt/top,Ankle boot"),
        target("ambiguous:4,9", reached=False, confidence=[], spread=[], rhat=None, ess=None, acceptance=None),
    )
    text = " ".join(" ".join(printed(told, capsys, monkeypatch)).split())
    assert "1 of 2 targets was reached" in text
    assert "0.5 0.497 ± 0.021 1.01 61 81.0 % yes" in text
    assert "ambiguous:4,9 0.5 - - - - no" in text
    assert "ambiguous:4,9 predictions are 0.431 away" in text
    assert "runs/x/report.html" in text


def test_of_all_pairs_each_has_its_cell_and_each_that_was_missed_its_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(results(*(target(t, reached=t not in MISSED) for t in ALL_PAIRS)), capsys, monkeypatch)
    assert "result      43 of 45 targets were reached." in lines
    assert [line.split() for line in lines if line.startswith("ambiguous ")] == [
        ["ambiguous", "45", "43", "0.431", "1.01", "61"]
    ]
    cells = {
        line.split()[0]: line.split()[1:] for line in lines if set(line.split()[1:]) <= {"+", "x"} and line.split()
    }
    marks = {f"ambiguous:{i},{j}": cells[str(j)][i] for i, j in combinations(range(10), 2)}
    assert {name for name, mark in marks.items() if mark == "x"} == set(MISSED)
    for name in MISSED:
        assert [name, "0.431", "1.01"] in [line.split() for line in lines]


def test_pairs_of_classes_are_shown_by_their_names() -> None:
    every = [target(t, reached=t not in MISSED) for t in ALL_PAIRS]
    digits = ["0", "2", "4", "6", "8", "1", "3", "5", "7", "9"]
    short, long = words.triangle(every, digits), words.triangle(every, [f"digit {name}" for name in digits])
    assert short is not None
    assert short[0] == ("", *digits[:-1])
    assert [row[0] for row in short[1]] == digits[1:]
    assert long is not None
    assert long[0] == ("", *map(str, range(9)))
    assert [row[0] for row in long[1]] == [f"{i} digit {name}" for i, name in enumerate(digits)]
    assert short[1] == [(digits[i], *long[1][i][1:]) for i in range(1, 10)]
    assert words.triangle(every[:3], digits) is None


def test_what_to_type_next_names_the_target_with_the_names_of_its_classes() -> None:
    named = 'high-confidence:a "3"'
    facts = dict(words.facts_of(results(target("high-confidence:2", reached=True, described=named)), Path("x")))
    typed = re.search(r"images\((.*)\)$", facts["next"])
    assert typed is not None
    assert ast.literal_eval(typed[1]) == named


def test_a_search_that_stopped_early_says_why() -> None:
    told = results(target("uniform", reached=True, stopped="queries"))
    facts = dict(words.facts_of(told, Path("x")))
    assert facts["sampler"] == "bayestrex:smc, sigma 0.05; 12,345 queries; stopped early: the budget was spent"
    assert words.headline(told) == "The target was reached."


def test_the_rule_of_the_console_is_the_cores() -> None:
    assert words.MIXED == MIXED


def test_matrices_are_the_kinds_with_a_target_for_each_class_or_pair() -> None:
    assert set(MATRICES) == set(KINDS) - {"uniform", "graded"}


def test_stages_without_a_class_are_called_by_what_they_do() -> None:
    assert stage_label("samples-without-3") == "samples"
    info = {"without": "3", "images": 5400, "latent_size": 5}
    assert stage_result("generator-without-3", info).startswith("trained without the class 3 (5,400 images)")


def test_json_ends_with_the_results(inspected: Finished) -> None:
    *events, last = map(json.loads, inspected.stream.splitlines())
    assert last == json.loads((inspected.folder / "results.json").read_text())
    assert (events[0]["kind"], events[-1]["kind"]) == ("run_started", "run_finished")
    overall = [e["overall"] for e in events if e["overall"] is not None]
    assert overall == sorted(overall)
    assert overall[-1] == 1.0


def test_a_finished_inspection_is_resumed_and_drawn_again(inspected: Finished, tmp_path: Path, invoke: Invoke) -> None:
    folder = tmp_path / "it"
    shutil.copytree(inspected.folder, folder)
    done = invoke("resume", folder)
    assert done.exit_code == 0, done.output
    assert "nothing to do" in done.stdout
    assert "class-excluded:1" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80 + len(str(folder))
    (folder / "report.html").unlink()
    drawn = invoke("report", folder)
    assert drawn.stdout.strip() == str(folder / "report.html")
    assert (folder / "report.html").exists()


def test_on_a_run_folder_data_classifier_auditor_and_generator_are_taken_over(
    finished: Finished, tmp_path: Path, invoke: Invoke
) -> None:
    done = invoke(
        "inspect", finished.folder, "--target", "uniform", "--out", tmp_path / "it", "--set", "searcher.populations=2",
        "--set", "searcher.particles=8", "--set", "searcher.pool=64", "--set", "searcher.stages=2", "--quiet", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ours, theirs = (
        json.loads((folder / "manifest.json").read_text())["stages"] for folder in (tmp_path / "it", finished.folder)
    )
    assert list(ours) == ["data", "classifier", "auditor", "generator", "samples", "evidence"]
    for stage in ("data", "classifier", "auditor", "generator"):
        assert ours[stage] == theirs[stage]
    assert json.loads(done.stdout)["sampler"] == "bayestrex:smc"


def test_stages_of_another_folder_are_taken_over_where_they_stay_the_same(
    inspected: Finished, tmp_path: Path, invoke: Invoke
) -> None:
    def started(*reuse: object) -> list[str]:
        out = tmp_path / str(len(list(tmp_path.iterdir())))
        arguments = ("--target", "uniform", "--out", out, "--set", "searcher.stages=2", "--json", *reuse)
        done = invoke("inspect", "--preset", "bayestrex-tiny", *arguments)
        assert done.exit_code == 0, done.output
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return [e["stage"] for e in events if e.get("kind") == "stage_started"]

    assert started("--reuse", inspected.folder) == ["samples", "evidence"]
    assert started() == ["data", "classifier", "generator", "samples", "evidence"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--target ambiguous:4,9, or --matrix ambiguous"),
        (["--target", "ambiguous:4,17"], "there is no class '17'"),
        (["--target", "graded:8=.6,9=.5"], "do not sum to 1"),
        (["--target", "ambiguous:4,9", "--matrix", "ambiguous"], "a target is named twice"),
        (["--matrix", "graded"], "'graded' is not one of"),
        (["--matrix", "misclassified"], "modeldebug run --plugins defuse,bayestrex --searcher bayestrex:smc"),
        (["--plugins", "defuse", "--target", "uniform"], "--plugins defuse,bayestrex"),
    ],
)
def test_bad_input_ends_with_2_and_leaves_no_folder(
    arguments: list[str], said: str, tmp_path: Path, invoke: Invoke
) -> None:
    done = invoke("inspect", *arguments, "--out", tmp_path / "it")
    assert done.exit_code == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_samples_of_the_inspection_are_what_was_asked_for(inspected: Finished) -> None:
    import modeldebug

    found = modeldebug.open_inspection(inspected.folder)
    torn = found.samples("ambiguous:0,4").probs
    assert torch.allclose(torn[:, [0, 4]].mean(0), torch.tensor(0.5), atol=0.1)


def test_a_run_shows_and_checks_targets_and_their_sampler(invoke: Invoke) -> None:
    options = ["--plugins", "defuse,bayestrex", "--preset", "tiny", "--searcher", "bayestrex:smc"]
    shown = json.loads(invoke("config", "show", "--json", *options).stdout)
    assert shown["searcher.use"]["value"] == "bayestrex:smc"
    assert shown["search.targets"]["value"] == []
    checked = invoke("check", *options)
    assert checked.exit_code == 0, checked.output
    assert "searcher bayestrex:smc" in " ".join(checked.stdout.split())
    refused = invoke("check", *options, "--set", 'search.targets=["ambiguous:4,9"]')
    assert refused.exit_code == 2
    assert "modeldebug inspect --target ambiguous:4,9" in refused.stderr
