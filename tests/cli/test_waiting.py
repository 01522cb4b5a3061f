from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import modeldebug
from modeldebug import DataError, WaitingForPeople, waiting
from modeldebug.cli.console import LiveConsole
from modeldebug.events import Event
from modeldebug.stages import evidence

from .conftest import Invoke

Waits = Callable[..., list[float]]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """Let the last stage wait before it works, once for each `ready` that is given; gives the seconds slept."""

    def prepare(*readies: Callable[[], bool] | None) -> list[float]:
        left, slept, gather = list(readies), [], evidence.gather

        def wait_or_gather(*arguments: object, **named: object) -> object:
            if left:
                raise WaitingForPeople(
                    "40 images wait for labels", fix="modeldebug label run", plugin="mine:people", ready=left.pop(0)
                )
            return gather(*arguments, **named)

        monkeypatch.setattr(evidence, "gather", wait_or_gather)
        monkeypatch.setattr(waiting, "sleep", slept.append)
        return slept

    return prepare


def test_without_wait_the_run_ends_with_3_and_says_what_to_do_and_how_to_go_on(
    run_copy: Path, invoke: Invoke, waits: Waits
) -> None:
    waits(None)
    done = invoke("resume", run_copy, "--redo", "evidence")
    assert done.exit_code == 3
    assert done.stderr.endswith(
        "40 images wait for labels\n"
        "  plugin:   mine:people\n"
        "  do:       modeldebug label run\n"
        "  then:     modeldebug resume run\n"
    )
    assert "waiting" not in done.stdout
    assert modeldebug.open_run(run_copy).status == "waiting"


def test_with_wait_it_says_so_once_looks_every_second_and_goes_on(run_copy: Path, invoke: Invoke, waits: Waits) -> None:
    looks = iter([False, False, True])
    slept = waits(lambda: next(looks))
    done = invoke("resume", run_copy, "--redo", "evidence", "--wait")
    assert done.exit_code == 0, done.output
    assert slept == [1.0, 1.0, 1.0]
    progress = done.stdout.split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in progress] == ["run", "waiting", "evidence"]
    assert progress[1] == "waiting     40 images wait for labels: modeldebug label run"
    assert modeldebug.open_run(run_copy).status == "done"


def test_where_nobody_can_tell_it_tries_again_every_ten_seconds_without_repeating_itself(
    run_copy: Path, invoke: Invoke, waits: Waits
) -> None:
    slept = waits(None, None, None)
    done = invoke("resume", run_copy, "--redo", "evidence", "--wait")
    assert done.exit_code == 0, done.output
    assert slept == [10.0, 10.0, 10.0]
    assert done.stdout.count("40 images wait") == 1


def test_each_round_of_labels_is_told(run_copy: Path, invoke: Invoke, waits: Waits) -> None:
    waits(lambda: True, lambda: True)
    done = invoke("resume", run_copy, "--redo", "evidence", "--wait")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("40 images wait") == 2


def test_while_it_waits_another_process_may_work_on_the_run(run_copy: Path, invoke: Invoke, waits: Waits) -> None:
    def elsewhere() -> bool:
        modeldebug.resume(run_copy)  # refused if the run's lock were held
        return True

    waits(elsewhere)
    assert invoke("resume", run_copy, "--redo", "evidence", "--wait").exit_code == 0


def test_a_labeler_that_fails_while_it_is_waited_for_is_named(run_copy: Path, invoke: Invoke, waits: Waits) -> None:
    waits(lambda: 1 / 0 > 0)
    done = invoke("resume", run_copy, "--redo", "evidence", "--wait")
    assert done.exit_code == 2
    assert "plugin:   mine:people" in done.stderr


def test_answers_that_cannot_be_taken_in_are_told_once_and_waited_for(
    run_copy: Path, invoke: Invoke, waits: Waits
) -> None:
    mistake = DataError("answers in table.csv cannot be taken in", got="line 2: 'dgo' is no class")
    looks = iter([mistake, False, mistake, DataError("the table has other columns", got="'image'"), True])

    def ready() -> bool:
        found = next(looks)
        if isinstance(found, DataError):
            raise found
        return found

    slept = waits(ready)
    done = invoke("resume", run_copy, "--redo", "evidence", "--wait")
    assert done.exit_code == 0, done.output
    assert slept == [1.0] * 5
    assert done.stdout.count("answers in table.csv cannot be taken in: line 2: 'dgo' is no class") == 1
    assert done.stdout.count("the table has other columns: 'image'") == 1
    assert modeldebug.open_run(run_copy).status == "done"


def test_the_command_to_go_on_with_is_quoted_for_a_shell(run_copy: Path, invoke: Invoke, waits: Waits) -> None:
    spaced = run_copy.rename(run_copy.with_name("a run"))
    waits(None)
    done = invoke("resume", spaced, "--redo", "evidence")
    assert done.stderr.endswith("then:     modeldebug resume 'a run'\n")


def test_ctrl_c_while_waiting_exits_130_and_leaves_the_run_waiting(
    run_copy: Path, invoke: Invoke, waits: Waits
) -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    waits(interrupt)
    done = invoke("resume", run_copy, "--redo", "evidence", "--wait")
    assert done.exit_code == 130
    assert "modeldebug resume run" in done.stderr
    assert modeldebug.open_run(run_copy).status == "waiting"


@pytest.mark.parametrize("wait", [True, False])
def test_with_json_a_wait_is_an_event_that_says_whether_the_run_goes_on(
    wait: bool, run_copy: Path, invoke: Invoke, waits: Waits
) -> None:
    waits(lambda: True)
    done = invoke("resume", run_copy, "--redo", "evidence", "--json", *(["--wait"] if wait else []))
    assert done.exit_code == (0 if wait else 3)
    (event,) = (e for e in map(json.loads, done.stdout.splitlines()) if e["kind"] == "waiting")
    assert event["message"] == "40 images wait for labels"
    assert event["data"] == {"do": "modeldebug label run", "plugin": "mine:people", "goes_on": wait}


def test_python_waits_too(run_copy: Path, waits: Waits) -> None:
    slept = waits(lambda: True)
    assert modeldebug.resume(run_copy, redo="evidence", wait=True).status == "done"
    assert slept == [1.0]


def test_the_progress_bar_gives_way_to_who_holds_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveConsole() as console:
        bar = console._progress.live
        console(Event("run_started", "run"))
        with modeldebug.foreground():
            assert not bar.is_started
        assert bar.is_started
        console(Event("waiting", "run", message="2 images wait", data={"do": "label", "goes_on": True}))
        assert not bar.is_started
    assert "2 images wait: label" in capsys.readouterr().out
