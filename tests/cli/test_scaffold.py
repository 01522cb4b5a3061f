"""`modeldebug plugins new`: what it writes works as it stands, for every kind of plugin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from modeldebug import ConfigError
from modeldebug.cli.scaffold import OFFERED, check_name, render, write

from ..conftest import Finished
from .conftest import Invoke

Install = Callable[[str, str, Path], None]
MOST_LINES = 40
EPOCHS = {"classifier": 6, "corrector": 3}  # enough for the known problem
RULES = "E,F,W,I,UP,B,SIM,C4,PT,RET,RUF,D100,D104,D400"


def put_in_place(folder: Path, install: Install) -> str:
    """Install what was written, as its pyproject.toml says; its plugin's name."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    ((name, value),) = project["project"]["entry-points"]["modeldebug"].items()
    (package,) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    install(name, value, (folder / package).parent)
    return str(name)


@pytest.mark.parametrize("kind", OFFERED)
def test_new_plugin_is_small_and_keeps_every_rule(
    kind: str, tmp_path: Path, install: Install, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written = invoke("plugins", "new", kind, f"own-{kind}")
    assert written.exit_code == 0, written.output
    folder = tmp_path / f"own-{kind}"
    component = folder / "src" / f"modeldebug_own_{kind}" / f"{kind}.py"
    assert len(component.read_text().splitlines()) <= MOST_LINES
    name = put_in_place(folder, install)
    shorter = ["--set", f"epochs={EPOCHS[kind]}"] if kind in EPOCHS else []
    done = invoke("plugins", "check", f"{name}:{name}", "--json", *shorter)
    assert done.exit_code == 0, done.output
    (checked,) = json.loads(done.stdout)["checked"]
    results = {rule["check"]: rule["result"] for rule in checked["rules"]}
    assert checked["kind"] == kind
    assert "pass" in results.values()
    assert results.get("plugin_is_listed_without_torch", "pass") == "pass"
    assert written.stdout.splitlines()[-1].endswith(
        f"modeldebug run --plugins {name} --preset {name}"
        if kind == "preset"
        else f"modeldebug run --plugins defuse,{name} --{kind} {name} --preset tiny"
    )


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not installed")
def test_what_is_written_is_formatted_and_has_no_lint(tmp_path: Path) -> None:
    for kind in OFFERED:
        write(tmp_path / f"my-{kind}", render(kind, f"my-{kind}"))
    for command in (["check", "--select", RULES], ["format", "--check"]):
        for folder in tmp_path.iterdir():  # each by itself: its package is then its own, for the order of imports
            ruff = ["ruff", *command, "--isolated", "--no-cache", "--line-length", "120", "."]
            done = subprocess.run(ruff, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


def test_new_searcher_is_listed_passes_its_own_tests_and_runs(
    tmp_path: Path, install: Install, invoke: Invoke, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "my-search", render("searcher", "my-search"))
    put_in_place(tmp_path / "my-search", install)
    (row,) = [line for line in invoke("plugins", "list").stdout.splitlines() if line.startswith("my-search")]
    assert row.split() == ["my-search", "my-search-plugin", "1.0", "ok", "searcher", "my-search"]
    options = ["--plugins", "defuse,my-search", "--searcher", "my-search", "--preset", "tiny", "--until", "search"]
    done = invoke("run", *options, "--reuse", finished.folder, "--quiet", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["figures"]["failures"] > 0
    own = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "my-search"]
    tests = subprocess.run(own, capture_output=True, text=True, check=False)
    assert tests.returncode == 0, tests.stdout + tests.stderr


@pytest.mark.parametrize("name", ["My-Search", "my_search", "3d-search", "search-", "-search", "a--b", "", "../up"])
def test_a_name_that_cannot_be_one_is_refused_with_one_that_can(name: str) -> None:
    with pytest.raises(ConfigError, match="no name for a plugin") as caught:
        check_name("searcher", name)
    assert caught.value.fix is not None
    check_name("searcher", caught.value.fix.split()[-1])


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("defuse", "the plugin of modeldebug"),
        ("margin", "default plugins"),
        ("testing", None),
        ("searcher", "a name that the plugin imports"),
        ("component", "a name that the plugin imports"),
        ("none", "a name that the plugin imports"),
        ("dataset", "a name that the plugin imports"),  # its settings would be DatasetConfig
    ],
)
def test_a_name_that_is_taken_is_refused(name: str, owner: str | None) -> None:
    if owner is None:
        check_name("searcher", name)
        return
    with pytest.raises(ConfigError, match="is taken") as caught:
        check_name("searcher", name)
    assert owner in str(caught.value.got)


def test_a_folder_that_holds_something_is_refused_and_left_alone(
    tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my-search").mkdir()
    Path("my-search/notes.txt").write_text("mine")
    done = invoke("plugins", "new", "searcher", "my-search")
    assert done.exit_code == 2
    assert "my-search is not empty" in done.stderr
    assert [path.name for path in Path("my-search").iterdir()] == ["notes.txt"]


def test_the_working_folder_will_do_when_it_is_empty(
    tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("plugins", "new", "clusterer", "my-groups", "--out", ".").exit_code == 0
    assert {path.name for path in Path().iterdir()} == {"pyproject.toml", "README.md", ".gitignore", "src", "tests"}


@pytest.mark.parametrize("there", [False, True])
def test_nothing_half_written_is_left_when_the_disk_is_full(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, written = tmp_path / "above" / "my-search", []
    if there:
        folder.mkdir(parents=True)

    def full(path: Path, target: Path) -> None:
        written.append(target)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        os.rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
        write(folder, render("searcher", "my-search"))
    assert written
    assert folder.is_dir() == there
    assert not list(tmp_path.rglob("*.*"))
    assert (tmp_path / "above").is_dir() == there


WITHOUT = """
import sys
sys.modules["pytest"] = None  # as if it were not installed
from click.testing import CliRunner
from modeldebug.cli import program

done = CliRunner().invoke(program, ["plugins", "new", "searcher", "my-search"])
assert done.exit_code == 0, done.output
assert "torch" not in sys.modules

done = CliRunner().invoke(program, ["plugins", "check", "tiny"])
assert done.exit_code == 0, done.output

from modeldebug import ConfigError
from modeldebug.testing import check_searcher, parametrize_with_checks
from modeldebug_defuse.plugin import modeldebug_searchers

check_searcher(modeldebug_searchers()[0], {"draws": 20, "scale": 4.0}, only=["state_can_be_saved", "seeds_differ"])
try:
    parametrize_with_checks(modeldebug_searchers())
except ConfigError as error:
    assert "pip install 'modeldebug[testing]'" in str(error)
else:
    raise AssertionError("pytest is there after all")
"""


def test_scaffold_needs_no_torch_and_the_kit_no_pytest(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
