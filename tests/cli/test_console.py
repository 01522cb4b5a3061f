from __future__ import annotations

import io
import sys

import pytest

from modeldebug.cli.console import LiveConsole, PlainConsole, make_console
from modeldebug.events import Event


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


EVENTS = [
    Event("run_started", "runs/x"),
    Event("stage_started", "runs/x", "generator", overall=0.3),
    Event("stage_finished", "runs/x", "generator", data={"latent_size": 10}, overall=0.3),
    Event("warning", "runs/x", "gate", "reconstructions are poor"),
    Event("progress", "runs/x", "search", "step 3/9", done=0.3, overall=0.37, eta=23.4),
    Event("run_finished", "runs/x", overall=1.0),
]


def test_on_a_terminal_a_bar_shows_the_time_left_and_stages_leave_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal)
    with make_console(quiet=False, json=False) as console:
        assert isinstance(console, LiveConsole)
        for event in EVENTS[:-1]:
            console(event)
    shown = terminal.getvalue()
    for text in ("37 %", "23 s left", "step 3/9", "trained; 10 latent dimensions", "reconstructions are poor"):
        assert text in shown


def test_quiet_still_shows_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    with PlainConsole(quiet=True) as console:
        for event in EVENTS:
            console(event)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "Warning: reconstructions are poor\n"
