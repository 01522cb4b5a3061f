"""A comparison as a whole: stopped and gone on with, extended, done side by side, and with an entrant that fails."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import modeldebug
from modeldebug.cli import program
from modeldebug.comparison import jobs
from modeldebug.comparison.entrants import parse_entrant
from modeldebug.comparison.measures import STAGE
from modeldebug.errors import ConfigError, RunFolderError
from modeldebug.store import RunStore

from .conftest import BUDGET, ENTRANTS, compare

TIMES = ("seconds", "genuine_per_second", "memory_mb", "created", "cluster_seconds")
THIRD = ("--searcher", "beta-noise,scale=8")
BRITTLE = """
from pathlib import Path

from modeldebug_defuse.beta_noise import BetaNoise
from modeldebug_defuse.settings import BetaNoiseConfig


class Brittle(BetaNoise):
    def __init__(self, config, spec):
        super().__init__(BetaNoiseConfig(scale=4.0, draws=20, block=16), spec)

    def _step(self, problem, state):
        if problem.meter.queries and not Path("mended").exists():
            raise ValueError("the well is dry")
        return super()._step(problem, state)
"""


def without_times(value):
    """The same results but for what no two comparisons have in common."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def results(folder):
    return without_times(json.loads((Path(folder) / "comparison.json").read_text()))


def written(folder):
    """When each file of the runs inside was written."""
    return {path: path.stat().st_mtime_ns for path in Path(folder).glob("*/**/stages/*") if path.is_file()}


def stages(folder):
    return RunStore.open(Path(folder)).manifest["stages"]


def test_every_shared_stage_is_done_once_and_taken_over_by_all(compared):
    trunk = stages(compared / "trunks" / "shared")
    for cell in ("beta-noise/seed-0", "beta-noise/seed-1", "margin/seed-0", "margin/seed-1"):
        own = stages(compared / "cells" / cell)
        assert set(own) - set(trunk) == {"search", "audit", STAGE}
        assert {name: own[name] for name in trunk} == trunk  # keys, files and seconds
    keys = {
        stages(compared / "cells" / name / seed)["search"]["key"]
        for name in ("beta-noise", "margin", "reconstruct")
        for seed in ("seed-0", "seed-1")
    }
    assert len(keys) == 6


def test_the_trunk_is_that_of_the_run_that_was_reused(compared, finished):
    before, trunk = stages(finished.folder), stages(compared / "trunks" / "shared")
    assert trunk == {name: before[name] for name in trunk}
    assert {"auditor", "generator", "origins"} <= set(trunk)


def test_cells_are_ordinary_runs(compared):
    cell = modeldebug.open_run(compared / "cells" / "margin" / "seed-1")
    row = next(c for c in results(compared)["cells"] if (c["name"], c["seed"]) == ("margin", 1))
    assert cell.figures("search")["queries"] == row["queries"]
    assert cell.figures("audit")["genuine"] == row["genuine"]
    assert len(cell.failures) == row["failures"]


def test_the_files_for_spreadsheets_have_a_row_for_each_row(compared):
    found = json.loads((compared / "comparison.json").read_text())
    for name, rows in (("rows.csv", found["rows"]), ("cells.csv", found["cells"])):
        lines = (compared / name).read_text().splitlines()
        assert len(lines) == 1 + len(rows)
        assert lines[0].startswith("name,")
    assert [row["name"] for row in found["rows"]] == ["beta-noise", "margin", "reconstruct"]


@pytest.fixture(scope="module")
def extended(compared, tmp_path_factory):
    """The comparison with a third searcher and a third seed, added in a second command."""
    folder = tmp_path_factory.mktemp("extended") / "it"
    shutil.copytree(compared, folder)
    before = written(folder)
    done = compare(*THIRD, *BUDGET, "--seeds", 3, "--out", folder)
    assert done.exit_code == 0, done.output
    return folder, before


def test_what_is_added_does_nothing_again(extended):
    folder, before = extended
    assert before.items() <= written(folder).items()
    assert [row["name"] for row in results(folder)["rows"]] == ["beta-noise", "margin", THIRD[1], "reconstruct"]
    assert len(results(folder)["cells"]) == 12


def test_a_comparison_at_once_that_is_stopped_and_gone_on_with_gives_the_table_of_an_extended_one(
    extended, finished, tmp_path
):
    def stop(event):
        if event.kind == "stage_finished" and event.stage == "cells/margin/seed-0":
            raise KeyboardInterrupt

    asked = {"entrants": ["beta-noise", "margin", THIRD[1]], "budget": "1200", "seeds": 3, "preset": "tiny"}
    with pytest.raises(KeyboardInterrupt):
        modeldebug.compare(**asked, reuse=finished.folder, out=tmp_path / "it", listeners=[stop])
    half = modeldebug.open_comparison(tmp_path / "it")
    assert half.status == "interrupted"
    with pytest.raises(RunFolderError, match="has not ended"):
        _ = half.rows
    before = written(tmp_path / "it")
    done = CliRunner().invoke(program, ["resume", str(tmp_path / "it"), "--quiet"])
    assert done.exit_code == 0, done.output
    assert before.items() <= written(tmp_path / "it").items()
    again, other = results(tmp_path / "it"), results(extended[0])
    assert again.pop("settings")["entrants"] == other.pop("settings")["entrants"]
    assert again == other


def test_worker_processes_find_the_same(compared, finished, tmp_path):
    alone = ("--searcher", "margin", *BUDGET, "--seeds", 1)
    done = compare(*alone, "--workers", 2, "--reuse", finished.folder, "--out", tmp_path / "it")
    assert done.exit_code == 0, done.output
    for cell in ("margin/seed-0", "reconstruct/seed-0"):
        here, there = (stages(folder / "cells" / cell) for folder in (compared, tmp_path / "it"))
        assert {name: entry["key"] for name, entry in here.items()} == {
            name: entry["key"] for name, entry in there.items()
        }
        for name in ("search", "audit"):
            assert here[name]["files"] == there[name]["files"]


def test_objects_are_not_given_to_worker_processes(tmp_path):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    with pytest.raises(ConfigError, match="objects from Python cannot be given to worker processes"):
        modeldebug.compare(model, "digits", entrants=["margin"], preset="tiny", workers=2, out=tmp_path / "it")
    assert not (tmp_path / "it").exists()


@pytest.fixture
def brittle(compared_copy, monkeypatch):
    """A module with a searcher that fails in the middle, and is `beta-noise` once there is a file `mended`."""
    Path("brittle.py").write_text(BRITTLE)
    monkeypatch.syspath_prepend(".")
    yield
    sys.modules.pop("brittle", None)


def test_an_entrant_that_fails_is_named_the_others_have_their_rows_and_once_mended_it_has_its_own(
    brittle, compared_copy
):
    done = compare("--searcher", "brittle:Brittle", *BUDGET, "--seeds", 2, "--out", compared_copy)
    assert done.exit_code == 2
    assert "2 of 8 cells failed" in done.output
    assert (
        "brittle:Brittle, seed 0: running the searcher brittle:Brittle raised ValueError: the well is dry"
        in done.output
    )
    assert f"modeldebug resume {compared_copy}" in done.output
    comparison = modeldebug.open_comparison(compared_copy)
    assert comparison.status == "failed"
    assert [row["name"] for row in comparison.rows] == ["beta-noise", "margin", "reconstruct"]
    failed = [(f["name"], f["seed"]) for f in comparison.results["failed"]]
    assert failed == [("brittle:Brittle", 0), ("brittle:Brittle", 1)]
    Path("mended").touch()
    done = CliRunner().invoke(program, ["resume", str(compared_copy), "--quiet"])
    assert done.exit_code == 0, done.output
    comparison = modeldebug.open_comparison(compared_copy)
    assert comparison.results["failed"] == []
    assert [row["name"] for row in comparison.rows] == ["beta-noise", "margin", "brittle:Brittle", "reconstruct"]
    spent = {(cell["name"], cell["seed"]): cell["queries"] for cell in comparison.cells}
    assert spent["brittle:Brittle", 0] == spent["beta-noise", 0]


def test_every_key_of_the_file_is_documented(compared):
    page = (Path(__file__).parents[2] / "docs" / "comparing.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)`", page))
    found = json.loads((compared / "comparison.json").read_text())
    lists = [found[name] for name in ("rows", "cells", "differences", "curves")]
    keys = {key for rows in lists for row in rows for key in row} | set(found) | set(found["overlap"])
    assert keys - told == set()


def test_an_entrant_whose_code_has_changed_is_done_again_and_no_other(brittle, compared_copy):
    asked = ("--searcher", "brittle:Brittle", *BUDGET, "--seeds", 2, "--out", compared_copy)
    Path("mended").touch()
    assert compare(*asked).exit_code == 0
    before, own = written(compared_copy), Path(compared_copy, "cells", "brittle-Brittle")
    Path("brittle.py").write_text(BRITTLE.replace("draws=20", "draws=10"))
    sys.modules.pop("brittle")
    assert compare(*asked).exit_code == 0
    after = written(compared_copy)
    others = {path: when for path, when in before.items() if own not in path.parents}
    assert others.items() <= after.items()
    search = own / "seed-0" / "stages" / "search.json"
    assert after[search] > before[search]
    assert json.loads(search.read_text())["steps"] != 4


def test_a_comparison_of_another_version_is_not_gone_on_with(compared_copy):
    file = compared_copy / "manifest.json"
    manifest = json.loads(file.read_text())
    other = {"status": "interrupted", "versions": manifest["versions"] | {"torch": "1.0"}}
    file.write_text(json.dumps(manifest | other))
    done = CliRunner().invoke(program, ["resume", str(compared_copy)])
    assert done.exit_code == 2
    assert "expected: torch 1.0" in done.output


def test_a_comparison_that_another_process_works_on_is_refused(compared_copy):
    with RunStore.open(compared_copy).locked():
        done = compare(*ENTRANTS, *BUDGET, "--seeds", 2, "--out", compared_copy)
    assert done.exit_code == 2
    assert "another process is working on this run" in done.output


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    done = compare(*ENTRANTS, "--out", tmp_path / "file" / "it")
    assert done.exit_code == 2
    assert "cannot be written" in done.output


def test_resume_takes_no_stage_to_do_again(compared_copy):
    done = CliRunner().invoke(program, ["resume", str(compared_copy), "--redo", "search"])
    assert done.exit_code == 2
    assert "a comparison has no stages of its own" in done.output


def test_a_trunk_gets_the_guide_that_a_later_entrant_needs_and_keeps_what_it_has(compared_copy):
    trunk = compared_copy / "trunks" / "shared"
    before, had = written(compared_copy), stages(trunk)
    guided = "margin,guide.use=classifiers:cnn,guide.epochs=1"
    asked = ("--searcher", guided, *BUDGET, "--seeds", 2, "--out", compared_copy)
    done = compare(*asked)
    assert done.exit_code == 0, done.output
    after = written(compared_copy)
    assert before.items() <= after.items()
    assert {name: stages(trunk)[name] for name in had} == had
    assert set(stages(trunk)) - set(had) == {"guide"}
    own = stages(compared_copy / "cells" / parse_entrant("searcher", guided).slug / "seed-0")
    assert own["guide"] == stages(trunk)["guide"]
    asked_guide = {cell["name"]: cell["guide_queries"] for cell in results(compared_copy)["cells"]}
    assert asked_guide.pop(guided) > 0
    assert set(asked_guide.values()) == {None}
    assert compare(*asked).exit_code == 0
    assert written(compared_copy) == after


def test_what_a_trunk_lacks_is_told_and_its_empty_folder_goes_again(tmp_path):
    done = compare(*ENTRANTS, "--weights", tmp_path / "none.safetensors", "--out", tmp_path / "it")
    assert done.exit_code == 2
    assert "none.safetensors" in done.output
    assert not (tmp_path / "it").exists()


def test_a_new_comparison_takes_over_what_another_one_trained(compared_copy, tmp_path):
    done = compare(*THIRD, *BUDGET, "--seeds", 1, "--reuse", compared_copy, "--out", tmp_path / "new")
    assert done.exit_code == 0, done.output
    old, new = (stages(folder / "trunks" / "shared") for folder in (compared_copy, tmp_path / "new"))
    assert {stage: old[stage]["seconds"] for stage in new} == {stage: new[stage]["seconds"] for stage in new}


def test_models_are_not_trained_again_where_the_first_entrants_search_has_changed(brittle, compared_copy, tmp_path):
    asked = ("--searcher", "brittle:Brittle", "--searcher", "margin", *BUDGET, "--seeds", 1, "--reuse", compared_copy)
    Path("mended").touch()
    assert compare(*asked, "--out", tmp_path / "own").exit_code == 0
    trunk = tmp_path / "own" / "trunks" / "shared"
    before = written(trunk.parent)
    Path("brittle.py").write_text(BRITTLE.replace("draws=20", "draws=10"))
    sys.modules.pop("brittle")
    assert compare(*asked, "--out", tmp_path / "own").exit_code == 0
    assert written(trunk.parent) == before


def test_cells_of_another_classifier_are_not_set_side_by_side(compared_copy):
    file = compared_copy / "cells" / "margin" / "seed-1" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["stages"]["classifier"]["key"] = "another"
    file.write_text(json.dumps(manifest))
    done = compare(*ENTRANTS, *BUDGET, "--seeds", 2, "--out", compared_copy)
    assert done.exit_code == 2
    assert "do not share their classifier" in done.output
    assert "cells/margin/seed-1" in done.output


def test_without_workers_nothing_is_begun(tmp_path):
    with pytest.raises(ConfigError, match=r"setting 'executor\.workers' is not usable"):
        modeldebug.compare(entrants=["beta-noise"], preset="tiny", workers=0, out=tmp_path / "it")
    assert not (tmp_path / "it").exists()


def test_an_error_that_is_nobodys_input_costs_one_cell(compared_copy, monkeypatch):
    def fails(*args, **kwargs):
        raise KeyError("correction")

    monkeypatch.setattr(jobs, "measure", fails)
    task = jobs.Task(str(compared_copy / "cells" / "margin" / "seed-0"), "audit", "generator")
    assert jobs.do(task).error == "modeldebug itself failed: KeyError: 'correction'"
