from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from modeldebug.cli import commands

from .conftest import Invoke

GREETINGS = """
import click
from modeldebug import ConfigError

@click.command()
@click.argument("name")
@click.option("--fail", type=click.Choice(["input", "fault", "stop"]))
def greet(name, fail):
    "Say hello to somebody."
    if fail == "input":
        raise ConfigError("nobody has this name", got=name, fix="give another")
    if fail == "fault":
        1 / 0
    if fail == "stop":
        raise KeyboardInterrupt
    click.echo(f"Hello, {name}!")

@click.group()
def letters():
    "Write to somebody."

letters.add_command(greet)
text = "no command"
"""


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> commands.Offer:
    """Make commands known: `offer(name="module:attribute")`; the module `greetings` has some."""
    (tmp_path / "greetings.py").write_text(GREETINGS)
    (tmp_path / "ill.py").write_text("print('half done')\nimport no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setitem(sys.modules, "greetings", None)
    monkeypatch.delitem(sys.modules, "greetings")

    def install(*pairs: tuple[str, str]) -> None:
        found = [EntryPoint(name, value, commands.GROUP) for name, value in pairs]
        monkeypatch.setattr(commands, "entry_points", lambda group: found if group == commands.GROUP else [])

    return install


def test_a_plugins_command_is_listed_apart_and_runs_like_any_other(offer, invoke: Invoke) -> None:
    offer(("greet", "greetings:greet"))
    _, _, listed = invoke("--help").stdout.partition("Commands of plugins:\n")
    assert listed.splitlines()[0] == "  greet  Say hello to somebody."
    assert invoke("greet", "Ann").stdout == "Hello, Ann!\n"
    assert invoke("greet", "--help").stdout.startswith("Usage: modeldebug greet ")


def test_without_commands_of_plugins_the_help_has_no_section_of_them(offer, invoke: Invoke) -> None:
    offer()
    assert "Commands of plugins" not in invoke("--help").stdout


def test_a_plugin_may_offer_a_group_of_commands(offer, invoke: Invoke) -> None:
    offer(("letters", "greetings:letters"))
    assert invoke("letters", "greet", "Bob").stdout == "Hello, Bob!\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--fail", "input"], 2, "Error: nobody has this name"),
        (["--fail", "fault"], 1, "modeldebug itself failed: ZeroDivisionError"),
        (["--fail", "stop"], 130, "Interrupted."),
        (["--fial"], 2, "No such option"),
    ],
)
def test_what_goes_wrong_in_a_plugins_command_ends_with_modeldebugs_codes_and_no_traceback(
    offer, invoke: Invoke, arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    offer(("greet", "greetings:greet"))
    done = invoke("greet", "Ann", *arguments)
    assert done.exit_code == code
    assert said in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("ill:greet", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("greetings:great", "AttributeError"),
        ("greetings:text", "greetings:text is no click command"),
    ],
)
def test_a_command_that_cannot_be_imported_is_one_line_and_refused_when_used(
    offer, invoke: Invoke, value: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    offer(("bad", value), ("greet", "greetings:greet"))
    listed = invoke("--help")
    assert listed.exit_code == 0
    assert "half done" not in listed.stdout
    bad, greet, *_ = listed.stdout.partition("Commands of plugins:\n")[2].splitlines()
    assert bad.startswith("  bad    broken: ")
    assert len(bad) <= 80
    assert greet == "  greet  Say hello to somebody."
    used = invoke("bad", "--anything", "at all")
    assert used.exit_code == 2
    assert "Error: the command 'bad' does not work: " in used.stderr
    assert reason in used.stderr
    assert invoke("greet", "Ann").exit_code == 0


def test_the_traceback_of_a_command_that_cannot_be_imported_is_in_a_log(
    offer, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    offer(("bad", "ill:greet"))
    done = invoke("bad")
    (log,) = tmp_path.glob("modeldebug-*.log")
    assert f"log:      {log}" in done.stderr
    assert "Traceback" in log.read_text()


def test_modeldebugs_own_commands_win_and_plugins_list_says_so(offer, invoke: Invoke) -> None:
    offer(("report", "greetings:greet"), ("greet", "greetings:greet"), ("bad", "ill:greet"))
    assert "Draw the report" in invoke("report", "--help").stdout
    assert "Commands of plugins:\n  bad" in invoke("--help").stdout
    listed = " ".join(invoke("plugins", "list").stdout.split())
    assert "report unknown ignored: 'report' is a command of modeldebug itself" in listed
    assert "greet unknown ok" in listed
    assert "bad unknown broken: it fails when it is imported" in listed


def test_a_command_that_two_distributions_offer_is_refused_with_both(
    offer, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(("greet", "greetings:greet"), ("greet", "greetings:letters"))
    monkeypatch.setattr(commands, "_source", lambda entry: {"greet": "a 1", "letters": "b 2"}[entry.attr])
    done = invoke("greet", "Ann")
    assert done.exit_code == 2
    assert "a 1 and b 2" in done.stderr


def test_the_command_of_one_plugin_is_used_without_importing_anothers(offer, invoke: Invoke) -> None:
    offer(("greet", "greetings:greet"), ("bad", "ill:greet"))
    done = invoke("greet", "Ann")
    assert done.output == "Hello, Ann!\n"
