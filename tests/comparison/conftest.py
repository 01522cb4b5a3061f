"""What the tests of comparisons share: a small one, made once, which takes its models from the finished run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from modeldebug.cli import program

BUDGET = ("--budget", "1200")
ENTRANTS = ("--searcher", "beta-noise", "--searcher", "margin")


def compare(*arguments: object) -> Result:
    """`modeldebug compare` with the preset `tiny`."""
    return CliRunner().invoke(program, ["compare", "--preset", "tiny", "--quiet", *map(str, arguments)])


@pytest.fixture(scope="session")
def compared(finished, tmp_path_factory) -> Path:
    """Two searchers and the baseline with two seeds; look, but change nothing (`compared_copy` may be changed)."""
    folder = tmp_path_factory.mktemp("compared") / "it"
    done = compare(*ENTRANTS, *BUDGET, "--seeds", 2, "--reuse", finished.folder, "--out", folder)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def compared_copy(compared, tmp_path, monkeypatch) -> Path:
    """A copy of the comparison: the folder `it` of the working folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(compared, "it")
    return Path("it")
