"""Ends that are no errors: nothing found, nothing kept, people to be waited for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import modeldebug
from modeldebug import Run, RunFolderError, WaitingForPeople
from modeldebug.cli import program

from ..conftest import PLAIN_STAGES
from . import misbehaving, planted
from .bits import Watch, bits, kept, status

UNMEASURED = {"before": None, "after": None, "control": None, "failures_alone": None}


def own(attribute: str) -> dict[str, str]:
    return {"use": f"{misbehaving.__name__}:{attribute}"}


def test_a_run_without_failures_ends_well_and_measures_no_more_than_it_can(tmp_path: Path) -> None:
    run = planted.debug(tmp_path / "run", searcher=own("FindsNothing"), report={"tsne": 20})
    assert run.status == "done"
    results = json.loads((run.path / "results.json").read_text())
    assert results == run.results
    assert results["search"]["failures"] == results["search"]["found"] == results["search"]["failing"] == 0
    assert results["search"]["queries"] == results["search"]["origins"], "the search asked, and found nothing"
    assert (results["clusters"], results["regions"]) == (0, 0)
    assert results["region_accuracy"] == UNMEASURED
    assert results["test_accuracy"] == UNMEASURED | {"before": 1.0}
    assert results["region_purity"] is None
    assert results["lambda"] is None
    assert results["correction_skipped"] == "no failures were found"
    assert run.regions == ()
    assert "No failure was found" in run.report().read_text()
    assert not (run.path / "corrected.safetensors").exists()
    with pytest.raises(RunFolderError, match="nothing was corrected") as caught:
        run.corrected_model()
    assert "no failures were found" in str(caught.value)


def test_a_run_that_proposes_none_of_its_wrong_answers_praises_nobody(tmp_path: Path) -> None:
    run = planted.debug(tmp_path / "run", searcher=own("HoldsBack"))
    search = run.results["search"]
    assert 0 < search["failing"] < search["queries"]
    assert search["found"] == 0
    words = " ".join(run.report().read_text().split())
    assert f"{search['failing']:,} answers were wrong, but none was proposed" in words
    assert "good outcome" not in words
    shown = CliRunner().invoke(program, ["resume", str(run.path)]).stdout
    assert "answers were wrong, but none was proposed" in " ".join(shown.split())
    assert "good outcome" not in " ".join(shown.split())


@pytest.mark.parametrize(
    "changed",
    [{"labeler": own("Abstains")}, {"clusterer": {"min_weight": 0.99}}],
    ids=["no sample gets a label", "no cluster is large enough"],
)
def test_a_run_without_regions_ends_well_and_says_why_nothing_was_corrected(
    changed: dict[str, dict[str, object]], planted_run: Run, tmp_path: Path
) -> None:
    run = planted.debug(tmp_path / "run", **changed)
    results = run.results
    assert run.status == "done"
    assert results["search"] == planted_run.results["search"], "the failures are the same, and so are their judges"
    assert results["regions"] == 0
    assert results["region_accuracy"] == UNMEASURED
    assert results["region_purity"] is None
    assert results["lambda"] is None
    assert results["correction_skipped"] == "no cluster was kept as a region"
    assert "no cluster was kept as a region" in run.report().read_text()
    assert run.regions == ()


def test_a_run_waits_for_people_and_goes_on_when_they_have_answered(planted_run: Run, tmp_path: Path) -> None:
    out, answers = tmp_path / "run", tmp_path / "answers"
    people = {**own("People"), "answers": str(answers)}
    with pytest.raises(WaitingForPeople, match="images wait for labels") as caught:
        planted.debug(out, labeler=people)
    assert f"write {answers}" in str(caught.value)
    assert status(out) == "waiting"
    assert kept(out) == list(PLAIN_STAGES[: PLAIN_STAGES.index("regions")])

    again = CliRunner().invoke(program, ["resume", str(out)])
    assert again.exit_code == 3
    assert f"write {answers}" in again.stderr
    assert status(out) == "waiting"

    answers.touch()
    watch = Watch()
    run = modeldebug.resume(out, listeners=[watch])
    assert run.status == "done"
    assert watch.started == ["regions", "correction", "evidence"]
    assert run.results["oracle_accuracy"] is None, "people are not measured"
    assert run.results["reconstruction_accuracy"]["oracle"] is None
    same = ("search", "clusters", "regions", "region_purity")
    assert {k: run.results[k] for k in same} == {k: planted_run.results[k] for k in same}
    assert bits(out)["stages/clusters.safetensors"] == bits(planted_run.path)["stages/clusters.safetensors"]
