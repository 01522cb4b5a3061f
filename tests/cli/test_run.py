from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import pytest
import torch

from modeldebug import Classifier, WaitingForPeople
from modeldebug.stages import evidence, judges

from ..conftest import PLAIN_STAGES, Finished
from .conftest import Invoke


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Contents and modification times of every file."""
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()
    }


def test_json_output_is_a_line_for_each_event_and_the_last_line_is_results_json(finished: Finished) -> None:
    *events, last = map(json.loads, finished.stream.splitlines())
    assert last == json.loads((finished.folder / "results.json").read_text())
    assert events[0]["kind"] == "run_started"
    assert events[-1]["kind"] == "run_finished"
    assert [e["stage"] for e in events if e["kind"] == "stage_finished"] == list(PLAIN_STAGES)


def test_resuming_a_finished_run_says_so_and_touches_no_file(run_copy: Path, invoke: Invoke) -> None:
    before = state_of(run_copy)
    done = invoke("resume", run_copy)
    assert done.exit_code == 0, done.output
    assert "finished" in done.stdout
    assert "test images" in done.stdout
    assert state_of(run_copy) == before


def test_resuming_a_finished_run_with_json_prints_its_results_alone(run_copy: Path, invoke: Invoke) -> None:
    done = invoke("resume", run_copy, "--json")
    assert json.loads(done.stdout) == json.loads((run_copy / "results.json").read_text())


def test_a_damaged_file_of_a_finished_run_is_named_with_the_stage_to_redo(run_copy: Path, invoke: Invoke) -> None:
    (run_copy / "stages" / "search.json").write_text("{")
    done = invoke("resume", run_copy)
    assert done.exit_code == 2
    assert "--redo search" in done.stderr


def test_redo_repeats_the_stage_and_all_later_ones_and_ends_with_the_same_results(
    run_copy: Path, invoke: Invoke
) -> None:
    before = state_of(run_copy)
    wanted = json.loads((run_copy / "results.json").read_text())
    done = invoke("resume", run_copy, "--redo", "regions")
    assert done.exit_code == 0, done.output
    after = state_of(run_copy)
    again = [stage for stage in PLAIN_STAGES if before[f"stages/{stage}.json"][1] != after[f"stages/{stage}.json"][1]]
    assert again == ["regions", "correction", "evidence"]
    assert {k: v[0] for k, v in before.items() if k.startswith("stages/")} == {
        k: v[0] for k, v in after.items() if k.startswith("stages/")
    }
    results = json.loads((run_copy / "results.json").read_text())
    del results["seconds"], wanted["seconds"]
    assert results == wanted
    assert before["report.html"][1] != after["report.html"][1]


def test_redo_of_an_unknown_stage_names_the_nearest_and_drops_nothing(run_copy: Path, invoke: Invoke) -> None:
    before = state_of(run_copy)
    done = invoke("resume", run_copy, "--redo", "serch")
    assert done.exit_code == 2
    assert "'search'" in done.stderr
    assert state_of(run_copy) == before


def test_without_a_terminal_there_is_one_plain_line_a_finished_stage(run_copy: Path, invoke: Invoke) -> None:
    done = invoke("resume", run_copy, "--redo", "audit")
    assert "\x1b" not in done.stdout
    progress = done.stdout.split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in progress] == ["run", *PLAIN_STAGES[PLAIN_STAGES.index("audit") :]]


def test_quiet_prints_the_result_and_no_progress(run_copy: Path, invoke: Invoke) -> None:
    done = invoke("resume", run_copy, "--redo", "evidence", "--quiet")
    assert done.stdout.startswith("result")
    assert "evidence " not in done.stdout


def test_an_interrupted_run_exits_130_and_goes_on_where_it_was(
    run_copy: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(evidence, "gather", interrupt)
        done = invoke("resume", run_copy, "--redo", "correction")
    assert done.exit_code == 130
    assert "modeldebug resume run" in done.stderr
    assert json.loads((run_copy / "manifest.json").read_text())["status"] == "interrupted"
    assert not (run_copy / "results.json").exists()
    again = invoke("resume", run_copy)
    assert again.exit_code == 0
    assert "correction  " not in again.stdout.split("\n\n")[0], "a finished stage was done again"


def test_ctrl_c_in_the_middle_of_a_stage_exits_130_and_says_how_to_go_on(run_copy: Path) -> None:
    # a suite that runs in the background may have the signal ignored, and its children inherit that
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from modeldebug.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "resume", run_copy, "--redo", "generator", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["kind"] == "progress":
                process.send_signal(signal.SIGINT)
                break
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == ("Interrupted.\nWhat was finished is kept; go on with: modeldebug resume run\n")
    assert json.loads((run_copy / "manifest.json").read_text())["status"] == "interrupted"


def test_a_fault_of_the_tool_exits_1_and_names_the_log_without_a_traceback(
    run_copy: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "gather", lambda *a, **k: 1 // 0)
    done = invoke("resume", run_copy, "--redo", "evidence")
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert f"run{os.sep}log.txt" in done.stderr
    assert "ZeroDivisionError" in (run_copy / "log.txt").read_text()


def test_running_out_of_memory_says_to_use_smaller_batches(
    run_copy: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*arguments: object, **named: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate 2 GiB")

    monkeypatch.setattr(evidence, "gather", explode)
    done = invoke("resume", run_copy, "--redo", "evidence")
    assert done.exit_code == 2
    assert "run.batch_size" in done.stderr


def test_without_memory_for_a_single_image_a_run_exits_2_and_says_so(
    run_copy: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*arguments: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate 2 GiB")

    monkeypatch.setattr(Classifier, "_answer", explode)
    done = invoke("resume", run_copy, "--redo", "classifier")
    assert done.exit_code == 2
    assert "Warning: memory ran out with batches of 512 images; going on with 256" in done.stderr
    assert done.stderr.count("Warning: memory ran out") == 9
    assert "Error: there is not enough memory for a batch of 1 image\n" in done.stderr


def test_waiting_for_people_exits_3_with_what_they_should_do(
    run_copy: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(*arguments: object, **named: object) -> None:
        raise WaitingForPeople("40 images wait for labels", fix="open the labelling page")

    monkeypatch.setattr(evidence, "gather", wait)
    done = invoke("resume", run_copy, "--redo", "evidence")
    assert done.exit_code == 3
    assert "open the labelling page" in done.stderr
    assert not done.stderr.startswith("Error")


def test_a_folder_that_holds_a_run_is_refused_with_the_way_to_resume_it(run_copy: Path, invoke: Invoke) -> None:
    done = invoke("run", "--preset", "tiny", "--out", run_copy)
    assert done.exit_code == 2
    assert "modeldebug resume run" in done.stderr


def test_resuming_a_folder_without_a_run_is_an_input_error(tmp_path: Path, invoke: Invoke) -> None:
    done = invoke("resume", tmp_path)
    assert done.exit_code == 2
    assert "there is no run in this folder" in done.stderr


def test_report_draws_the_report_again_and_prints_its_path(run_copy: Path, invoke: Invoke) -> None:
    drawn = (run_copy / "report.html").read_bytes()
    (run_copy / "report.html").unlink()
    done = invoke("report", run_copy)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(run_copy / "report.html")
    assert (run_copy / "report.html").read_bytes() == drawn


def test_what_a_model_of_ones_own_prints_does_not_disturb_json(quadrants: list[str], invoke: Invoke) -> None:
    Path("chatty.py").write_text(
        "print('loaded')\nfrom quadrants import good\ndef make():\n    print('made')\n    return 1\n"
    )
    done = invoke("run", *quadrants, "--classifier", "chatty:make", "--json", "--out", "out")
    assert done.exit_code == 2
    assert [json.loads(line)["kind"] for line in done.stdout.splitlines()] == ["run_started", "run_stopped"]
    assert "made" in done.stderr


def test_bad_input_leaves_no_run_folder_behind_so_that_the_mended_call_works(
    quadrants: list[str], invoke: Invoke
) -> None:
    done = invoke("run", *quadrants, "--classifier", "quadrants:three", "--out", "out")
    assert done.exit_code == 2
    assert not Path("out").exists()


def test_a_component_that_raises_is_named_with_a_log_that_holds_its_traceback(
    quadrants: list[str], invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", ".")
    Path("broken_data.py").write_text("def data():\n    return 1 / 0\n")
    done = invoke("run", "--dataset", "broken_data:data", "--out", "out")
    (log,) = Path().glob("modeldebug-*.log")
    assert done.exit_code == 2
    assert "plugin:   broken_data:data" in done.stderr
    assert str(log) in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in log.read_text()


def test_a_run_stops_after_the_stage_that_was_named_and_goes_on_from_there(
    tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke("run", "--preset", "tiny", "--out", "run", "--until", "classifier")
    assert done.exit_code == 0, done.output
    assert "Stopped after the stage classifier. To go on: modeldebug resume run" in done.stdout
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert manifest["status"] == "stopped"
    assert list(manifest["stages"]) == ["data", "classifier"]
    assert not Path("run/results.json").exists()


def test_with_json_a_run_that_was_to_stop_ends_with_the_stage_and_its_figures(
    tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke("run", "--preset", "tiny", "--out", "run", "--until", "data", "--json")
    *events, last = map(json.loads, done.stdout.splitlines())
    assert [event["kind"] for event in events[-2:]] == ["stage_finished", "run_stopped"]
    figures = json.loads(Path("run/stages/data.json").read_text())
    assert last == {"stopped_after": "data", "figures": figures}


@pytest.mark.parametrize("stage", ["guide", "auditor_2"])
def test_stopping_after_a_stage_that_the_run_has_not_is_refused_before_any_work(
    stage: str, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke("run", "--preset", "tiny", "--out", "run", "--until", stage)
    assert done.exit_code == 2
    assert f"cannot stop after the stage '{stage}'" in done.stderr
    assert "one of data, classifier, labeler" in done.stderr
    assert not Path("run").exists()


def test_weights_that_need_trust_need_it_again_on_resume(
    quadrants: list[str], invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    quadrants_module = import_module("quadrants")
    torch.save(quadrants_module.guesses(), "whole_module.pt")
    options = ["--preset", "tiny", *quadrants, "--classifier", "quadrants:guesses", "--weights", "whole_module.pt"]
    assert "--trust" in invoke("run", *options, "--out", "out").stderr

    def interrupt(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(judges, "fit_labeler", interrupt)
    assert invoke("run", *options, "--out", "out", "--trust").exit_code == 130
    refused = invoke("resume", "out")
    assert refused.exit_code == 2
    assert "--trust" in refused.stderr
    assert invoke("resume", "out", "--trust").exit_code == 130
