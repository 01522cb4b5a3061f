from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import modeldebug
from modeldebug.cli import config as config_command

from .conftest import Invoke

LIGHT = [
    ["--help"],
    ["label", "--help"],
    ["--version"],
    ["plugins", "list"],
    ["plugins", "info", "defuse"],
    ["config", "show"],
    ["config", "schema"],
]


@pytest.mark.parametrize("arguments", LIGHT, ids=" ".join)
def test_no_heavy_package_is_imported_to_look_around(arguments: list[str]) -> None:
    code = (
        "import sys; from modeldebug.cli import program\n"
        "program(sys.argv[1:], standalone_mode=False)\n"
        "print('HEAVY', [m for m in ('torch', 'pyro', 'sklearn', 'matplotlib', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_python_dash_m_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "modeldebug", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"modeldebug {modeldebug.__version__}\n")


def test_without_arguments_the_program_shows_its_help_and_exit_codes(invoke: Invoke) -> None:
    done = invoke()
    assert done.exit_code == 0
    assert "Usage: modeldebug" in done.stdout
    assert "130" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *LIGHT[:2],
        ["run", "--help"],
        ["resume", "--help"],
        ["plugins", "list"],
        ["plugins", "info", "defuse"],
        ["plugins", "info", "labelers:oracle"],
        ["plugins", "info", "tiny"],
        ["config", "show"],
        ["check", "--preset", "tiny"],
        ["resume", "run"],
        ["resume", "run", "--redo", "search"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("run_copy")
def test_everything_fits_80_columns(arguments: list[str], invoke: Invoke) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--searcher", "beta-noisy"], "'beta-noise'"),
        (["--preset", "tinny"], "'tiny'"),
        (["--plugins", "defusee"], "'defuse'"),
        (["--set", "searcher.drawz=3"], "'draws'"),
        (["--set", "serch.draws=3"], "'search'"),
        (["--classifier", "modeldebug.errors:nearst"], "'nearest'"),
        (["--dataset", "arrays"], "dataset.path"),
        (["--config", "missing.toml"], "missing.toml"),
        (["--seed", "-1"], "run.seed"),
        (["--seed", "x"], "--seed"),
        (["--sedd", "1"], "--seed"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_unknown_name_or_value_exits_2_with_a_hint(arguments: list[str], hint: str, invoke: Invoke) -> None:
    done = invoke("config", "show", *arguments)
    assert done.exit_code == 2
    assert hint in done.stderr
    assert "Traceback" not in done.output


def test_a_fault_outside_a_run_leaves_its_log_in_the_temporary_folder(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys.modules[config_command.callback.__module__], "setting_rows", lambda config: 1 // 0)
    done = invoke("config", "show")
    (log,) = tmp_path.glob("modeldebug-*.log")
    assert done.exit_code == 1
    assert str(log) in done.stderr
    assert "ZeroDivisionError" in log.read_text()


@pytest.mark.parametrize(
    "arguments",
    [["plugins", "list"], ["resume", "run"], ["resume", "run", "--redo", "evidence", "--json"]],
    ids=" ".join,
)
def test_output_that_nobody_reads_is_no_error(arguments: list[str], run_copy: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "modeldebug", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)
    assert modeldebug.open_run(run_copy).status == "done"
