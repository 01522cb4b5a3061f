"""Every example runs as it stands, in a process of its own, as a user would run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import modeldebug

EXAMPLES = Path(__file__).parents[2] / "examples"
PLUGIN = EXAMPLES / "custom_plugin"


def python(*args, cwd, path=()):
    """Run Python with these arguments; what it printed."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, args)], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the custom plugin installed in it, from its own pyproject.toml, without the network."""
    target = tmp_path_factory.mktemp("site")
    install = ("-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", target)
    python(*install, PLUGIN, cwd=target)
    return target


def test_quickstart_prints_its_regions_and_where_the_report_is(tmp_path):
    printed = python(EXAMPLES / "quickstart.py", "--preset", "tiny", "--out", "run", cwd=tmp_path)
    run = modeldebug.open_run(tmp_path / "run")
    assert printed.startswith(f"{len(run.regions)} regions of look-alike images")
    assert printed.count("purity") == len(run.regions)
    assert printed.endswith(f"report: {Path('run') / 'report.html'}\n")
    assert run.report().is_file()


def test_searchers_are_compared(tmp_path, finished):
    options = ("--seeds", "1", "--reuse", finished.folder, "--out", "it")
    printed = python(EXAMPLES / "compare_searchers.py", *options, cwd=tmp_path)
    comparison = modeldebug.open_comparison(tmp_path / "it")
    for row in comparison.rows:
        assert f"  {row['name']:<12} {row['distinct']['mean']:5.1f} (" in printed
    assert printed.endswith(f"report: {Path('it') / 'report.html'}\n")
    assert comparison.report().is_file()


def test_own_model_is_corrected_and_measured_before_and_after(tmp_path):
    printed = python(EXAMPLES / "your_own_model.py", "--out", "run", cwd=tmp_path)
    results = modeldebug.open_run(tmp_path / "run").results
    before, after = results["test_accuracy"]["before"], results["test_accuracy"]["after"]
    # the script measures its own model and the corrected one by itself, without modeldebug's wrapper
    assert f"test images:    {before:.1%} before, {after:.1%} after" in printed
    assert results["region_accuracy"]["after"] > results["region_accuracy"]["before"]


def test_model_behind_an_address_is_searched_and_left_as_it_is(tmp_path):
    printed = python(EXAMPLES / "black_box.py", "--out", "run", cwd=tmp_path)
    results = modeldebug.open_run(tmp_path / "run").results
    search = results["search"]
    assert search["failures"] > 0
    assert f"{search['failures']} failures from {search['distinct_origins']} images" in printed
    assert f"{search['queries']} queries of the search, {search['screening_queries']} to" in printed
    assert f"nothing was corrected: {results['correction_skipped']}\n" in printed
    assert results["test_accuracy"]["after"] is None


def test_custom_plugin_is_listed_once_it_is_installed(tmp_path, site):
    listed = python("-m", "modeldebug", "plugins", "list", cwd=tmp_path, path=[site])
    (row,) = [line for line in listed.splitlines() if line.startswith("random-walk")]
    assert row.split() == ["random-walk", "modeldebug-random-walk", "0.1.0", "ok", "searcher", "gaussian-walk"]


def test_custom_plugin_keeps_its_contract(tmp_path, site):
    python("-m", "pytest", "-q", "-p", "no:cacheprovider", PLUGIN, cwd=tmp_path, path=[site])


def test_custom_plugin_serves_in_a_run(tmp_path, site):
    options = ("--plugins", "defuse,random-walk", "--searcher", "random-walk:gaussian-walk", "--preset", "tiny")
    printed = python("-m", "modeldebug", "run", *options, "--out", "run", "--json", cwd=tmp_path, path=[site])
    results = json.loads(printed.splitlines()[-1])
    assert results["search"]["queries"] == results["search"]["origins"] * 20  # its default number of steps
    assert results["search"]["failures"] > 0
    config = json.loads((tmp_path / "run" / "manifest.json").read_text())["config"]
    assert config["searcher"]["use"] == "random-walk:gaussian-walk"
    assert (tmp_path / "run" / "report.html").is_file()
