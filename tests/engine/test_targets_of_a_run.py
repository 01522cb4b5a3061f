"""A run whose searcher pursues targets: its hits are failures like any others, and what it did not reach is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import modeldebug
from modeldebug import ConfigError, Run

from . import planted
from .inspected import SMC, own

PLUGINS = "defuse,bayestrex"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Look, but change nothing."""
    out = tmp_path_factory.mktemp("targets") / "run"
    return modeldebug.run(plugins=PLUGINS, settings=planted.settings(searcher=SMC), out=out)


def test_by_default_errors_of_each_class_are_pursued_and_diagnosed(run: Run) -> None:
    search = run.results["search"]
    assert [t["target"] for t in search["targets"]] == [f"misclassified:{c}" for c in range(4)]
    assert search["targets"][3]["described"] == "misclassified:bright-bright"
    assert search["stopped"] is None
    assert search == json.loads((run.path / "results.json").read_text())["search"]


def test_hits_are_judged_failures_of_the_expected_class(run: Run) -> None:
    failures = run.failures
    assert len(failures) > 0
    assert bool((failures.predicted != failures.expected).all())
    assert len(run.judged) == len(failures)


def test_the_report_names_each_target_and_why_it_was_not_reached(run: Run) -> None:
    page = run.report().read_text().replace("\u00a0", " ")
    assert "Targets of the search" in page
    for target in run.results["search"]["targets"]:
        assert target["described"] in page
        assert target["reason"] in page.replace("&#39;", "'")


def test_a_run_without_targets_has_none_in_results_and_report(planted_run: Run) -> None:
    assert planted_run.results["search"]["targets"] is None
    assert "Targets of the search" not in planted_run.report().read_text()


def test_a_search_that_may_spend_no_more_says_so(tmp_path: Path) -> None:
    settings = planted.settings(searcher=SMC, search={"queries": 1})
    run = modeldebug.run(plugins=PLUGINS, settings=settings, out=tmp_path / "run")
    search = run.results["search"]
    assert search["stopped"] == "queries"
    assert {t["reason"] for t in search["targets"]} == {"there is no sample of it"}


def test_targets_that_are_no_failures_are_refused_with_the_command_that_shows_them(tmp_path: Path) -> None:
    settings = planted.settings(searcher=SMC, search={"targets": ["ambiguous:0,1"]})
    with pytest.raises(ConfigError, match="are no failures") as caught:
        modeldebug.run(plugins=PLUGINS, settings=settings, out=tmp_path / "run")
    assert "modeldebug inspect --target ambiguous:dark-dark,bright-dark" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_sampler_of_gradients_needs_a_generator_that_has_some(tmp_path: Path) -> None:
    settings = planted.settings(searcher=SMC, generator=own("blind"))
    with pytest.raises(ConfigError, match="provides 'gradients'"):
        modeldebug.run(plugins=PLUGINS, settings=settings, out=tmp_path / "run")
