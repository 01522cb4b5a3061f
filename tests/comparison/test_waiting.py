"""People in a comparison: what they are waited for is told, everything else is done, and then it goes on."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import modeldebug
from modeldebug import Answers, Comparison, ConfigError, LabelRequest, Pending, WaitingForPeople
from modeldebug.cli import program
from modeldebug.comparison.jobs import Task, do
from modeldebug.store import RunStore

from ..engine import planted

RULE, PERSON = f"{planted.__name__}:Rule", f"{__name__}:Person"
ANSWERED: set[Path] = set()  # runs whose images people have labelled


class Person(planted.Rule):
    """Somebody who answers once a run is among those that are answered."""

    is_program = False

    def _label(self, request: LabelRequest) -> Answers | Pending:
        assert self.folder is not None
        run = self.folder.parent
        if run not in ANSWERED:
            return Pending(len(request.x), f"modeldebug label {run}")
        return super()._label(request)


def compare(role: str, *entrants: str, out: Path, listeners: Any = (), **changed: Any) -> Comparison:
    settings = planted.settings(**changed)
    settings["audit"] = {"sample": 12}
    del settings[role]
    return modeldebug.compare(
        role=role, entrants=entrants, seeds=2, budget="200", baseline=None, settings=settings, out=out,
        listeners=listeners,
    )  # fmt: skip


def resume(folder: Path) -> Any:
    return CliRunner().invoke(program, ["resume", str(folder), "--quiet"])


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, WaitingForPeople]:
    """Two labelers, one of them a person who has not answered: the folder, and what was told."""
    folder = tmp_path_factory.mktemp("waiting") / "it"
    with pytest.raises(WaitingForPeople) as told:
        compare("labeler", RULE, PERSON, out=folder)
    return folder, told.value


def cells_of(folder: Path, name: str) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"cells/*{name}*/seed-*/manifest.json"))


def test_a_cell_that_waits_for_people_is_missing_and_has_not_failed(waiting: tuple[Path, WaitingForPeople]) -> None:
    comparison = modeldebug.open_comparison(waiting[0])
    assert comparison.status == "waiting"
    assert [row["name"] for row in comparison.rows] == [RULE]
    assert comparison.results["failed"] == []
    assert [(wait["name"], wait["seed"]) for wait in comparison.results["waiting"]] == [(PERSON, 0), (PERSON, 1)]
    page = (waiting[0] / "report.html").read_text(encoding="utf-8")
    assert "images wait for labels" in page[: page.index("<main>")]


def test_it_is_told_how_many_images_wait_where_and_what_to_type(waiting: tuple[Path, WaitingForPeople]) -> None:
    folder, told = waiting
    assert told.what.startswith("2 of 4 cells wait for people")
    lines = [line.strip() for line in (told.fix or "").splitlines()]
    for line, seed in zip(lines, (0, 1), strict=False):
        where, what, do_this = line.split(": ")
        assert (folder / where).name == f"seed-{seed}"
        assert re.fullmatch(r"[1-9]\d* images wait for labels", what)
        assert do_this == f"modeldebug label {folder / where}"
    assert lines[2:] == [f"then: modeldebug resume {folder}"]


def test_once_people_have_answered_it_goes_on_and_does_nothing_again(waiting: tuple[Path, WaitingForPeople]) -> None:
    folder, _ = waiting
    one, other = cells_of(folder, "Person")
    done = resume(folder)
    assert done.exit_code == 3
    assert "2 of 4 cells wait" in done.output
    ANSWERED.add(one)
    done = resume(folder)
    assert done.exit_code == 3
    assert "1 of 4 cells waits" in done.output
    assert f"modeldebug label {other}" in done.output
    assert f"modeldebug label {one}" not in done.output
    ANSWERED.add(other)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/**/stages/*.json")}
    assert resume(folder).exit_code == 0
    assert before.items() <= {path: path.stat().st_mtime_ns for path in before}.items()
    comparison = modeldebug.open_comparison(folder)
    assert comparison.status == "done"
    assert [row["name"] for row in comparison.rows] == [RULE, PERSON]
    assert comparison.results["waiting"] == []


def test_cells_wait_for_a_run_that_they_share_and_those_of_other_seeds_do_not(tmp_path: Path) -> None:
    folder, events = tmp_path / "it", []
    trunks = [folder / "trunks" / f"seed-{seed}-audit" for seed in (0, 1)]
    ANSWERED.add(trunks[1])
    two = "dp-gmm,components=2", "dp-gmm,components=3"
    with pytest.raises(WaitingForPeople, match="2 of 4 cells wait for people") as told:
        compare("clusterer", *two, out=folder, listeners=[events.append], auditor={"use": PERSON})
    assert told.value.fix is not None
    assert told.value.fix.count("modeldebug label") == 1
    assert f"modeldebug label {trunks[0]}" in told.value.fix
    assert [(event.message, event.data["do"]) for event in events if event.kind == "waiting"] == [
        (told.value.what, told.value.fix)
    ]
    finished = {
        path.parent.name
        for path in folder.glob("cells/*/*/manifest.json")
        if RunStore.open(path.parent).finished("regions")
    }
    assert finished == {"seed-1"}
    assert modeldebug.open_comparison(folder).rows == []
    ANSWERED.add(trunks[0])
    assert resume(folder).exit_code == 0
    assert len(modeldebug.open_comparison(folder).cells) == 4


def test_where_people_judge_all_cells_wait_and_the_searches_are_done(tmp_path: Path) -> None:
    folder = tmp_path / "it"
    with pytest.raises(WaitingForPeople, match="4 of 4 cells wait for people"):
        compare("searcher", "beta-noise,scale=4", "beta-noise,scale=8", out=folder, auditor={"use": PERSON})
    cells = [path.parent for path in folder.glob("cells/*/*/manifest.json")]
    assert all(RunStore.open(cell).finished("search") for cell in cells)
    waits = do(Task(str(cells[0]), "audit", "searcher"))
    assert pickle.loads(pickle.dumps(waits)) == waits, "a worker process can send it"
    assert waits.wait is not None
    assert waits.wait.what == "12 images wait for labels"
    ANSWERED.update(cells)
    done = resume(folder)
    assert done.exit_code == 0, done.output
    assert {cell["asked"] for cell in modeldebug.open_comparison(folder).cells} == {12}


def test_a_comparison_that_is_asked_to_wait_says_that_it_does_not(
    waiting: tuple[Path, WaitingForPeople], tmp_path: Path
) -> None:
    folder = shutil.copytree(waiting[0], tmp_path / "it")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"status": "waiting"}))
    with pytest.raises(ConfigError, match="does not wait for people"):
        modeldebug.resume(folder, wait=True)
    assert modeldebug.open_comparison(folder).status == "waiting"
