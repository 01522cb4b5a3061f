"""What many tests share: one finished run of the preset `tiny`."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # networks this small are slower with more; read when torch is imported

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from modeldebug.cli import program
from modeldebug.results import STAGES

EXTRA = ("guide", "auditor_2", "auditor_3")
PLAIN_STAGES = tuple(stage for stage in STAGES if stage not in EXTRA)  # of a run without a guide or a second auditor

INSPECTED = ("--target", "ambiguous:0,4", "--target", "class-excluded:1")


LONGEST = ("examples", "docs", "conformance")  # folders


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that take longest come first: one worker takes over from the other, and none is left with a long one."""
    tests = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(tests).parts[0] not in LONGEST)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted images go to a folder of the tests' own, here and in every process that they start."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MODELDEBUG_CACHE"] = str(folder)
    return folder


@dataclass(frozen=True)
class Finished:
    """A finished run: its folder, and what `--json` printed."""

    folder: Path
    stream: str


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Made once; look, but change nothing (`run_copy` may be changed)."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    done = CliRunner().invoke(program, ["run", "--preset", "tiny", "--out", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    return Finished(folder, done.stdout)


@pytest.fixture(scope="session")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """An inspection of the preset `bayestrex-tiny`, made once; look, but change nothing."""
    folder = tmp_path_factory.mktemp("inspected") / "it"
    arguments = ["inspect", "--preset", "bayestrex-tiny", *INSPECTED, "--out", str(folder), "--json"]
    done = CliRunner().invoke(program, arguments)
    assert done.exit_code == 0, done.output
    return Finished(folder, done.stdout)


@pytest.fixture
def run_copy(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished run: the folder `run` of the working folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished.folder, "run")
    return Path("run")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a plugin from a folder of sources, for this process and those that it starts: `install(name, value,
    folder)`, the value being that of the entry point. Afterwards its modules are forgotten."""
    folders: list[Path] = []

    def install(plugin: str, value: str, folder: Path) -> None:
        info = folder / f"{plugin.replace('-', '_')}_plugin-1.0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(f"[modeldebug]\n{plugin} = {value}\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {plugin}-plugin\nVersion: 1.0\n")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
        folders.append(folder)

    known = set(sys.modules)
    yield install
    for name in set(sys.modules) - known:
        if any(str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)) for folder in folders):
            del sys.modules[name]
