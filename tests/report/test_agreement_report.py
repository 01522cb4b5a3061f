"""What the report says of annotators, and of people who judged a sample of the failures."""

from __future__ import annotations

from pathlib import Path

from modeldebug.report import render
from modeldebug.report.agreement import agreement
from modeldebug.report.findings import Findings
from modeldebug.report.outcome import outcome

from .folders import Made
from .pages import Page


def page_of(made: Made, path: Path) -> Page:
    return Page(render(made.store(path / "page")))


def findings_of(made: Made, path: Path) -> Findings:
    return Findings.of(made.store(path / "run"))


def test_agreement_is_the_papers_table_with_a_row_for_each_annotator(tmp_path: Path) -> None:
    page = page_of(Made(people=True, annotators=5), tmp_path)
    text = page.text.replace("\u00a0", " ")
    assert "5 people voted" in text
    for heading in ("in regions", "outside", "combined", "ann", "bob", "cho", "dee", "eli"):
        assert page.text.count(heading)
    table = Findings.of(Made(people=True, annotators=5).store(tmp_path / "again")).info("regions")["agreement"]
    assert f"{100 * table['regions']['mean']:.1f} %" in text
    assert f"± {100 * table['regions']['standard_error']:.1f}" in text
    assert f"{table['all']['alpha']:.2f}" in text
    assert f"{100 * table['annotators'][-1]['with_the_others']:.1f} %" in text


def test_members_of_an_ensemble_are_told_from_people(tmp_path: Path) -> None:
    made = Made()
    shown = agreement(findings_of(made, tmp_path))
    assert shown is not None
    assert "3\u00a0annotators are programs (labelers:oracle)" in shown.who


def test_one_annotator_has_nobody_to_agree_with(tmp_path: Path) -> None:
    page = page_of(Made(annotators=1), tmp_path)
    assert "Agreement of annotators" not in page.text


def test_images_agreed_on_least_are_shown_with_what_each_voted(tmp_path: Path) -> None:
    findings = findings_of(Made(people=True, annotators=3), tmp_path)
    shown = agreement(findings)
    votes, labels = findings.tensor("regions", "votes"), findings.tensor("regions", "labels")
    assert shown is not None
    assert votes is not None
    assert labels is not None
    disputed = (votes != votes[:, :1]).any(1).nonzero()[:, 0]
    assert 0 < len(shown.disputed) <= 12
    assert len(shown.disputed) == min(12, len(disputed))
    first = shown.disputed[0]
    row = votes[disputed[0]].tolist()
    answers = {-1: "none of the above"} | dict(enumerate(findings.classes))
    assert first.votes == ((answers[row[0]], "ann, bob"), (answers[row[2]], "cho"))


def test_labels_by_one_coin_are_said_to_be_such(tmp_path: Path) -> None:
    by_em = page_of(Made(own={"regions.aggregate": "one-coin"}), tmp_path)
    assert "the most probable answer, where each annotator counts by an accuracy" in by_em.text


def test_the_error_of_the_oracle_stands_beside_what_rests_on_it(tmp_path: Path) -> None:
    page = page_of(Made(), tmp_path)
    said = "an oracle that is wrong on 0.9 % of its answers on real test images"
    text = page.text.replace("\u00a0", " ")
    assert f"against the labels of {said}" in text, "region accuracy"
    assert f"labelled by {said}" in text, "regions"
    assert text.count(f"Labels and purity are by {said}") == 3, "a table for each reason to set a cluster aside"
    tiles = {tile.name: tile.note.replace("\u00a0", " ") for tile in outcome(findings_of(Made(), tmp_path)).tiles}
    assert tiles["Region accuracy"].endswith("; labels by the oracle (0.9 % wrong on real images)")
    assert tiles["Genuine"].endswith("by the auditor (0.4 % wrong on real images)")


def test_shares_of_a_sample_are_said_to_be_of_those_that_people_judged(tmp_path: Path) -> None:
    page = page_of(Made(judged=20), tmp_path)
    text = page.text.replace("\u00a0", " ")
    assert "Of the 20 failures that people judged, drawn at random from 60, 25.0 %" in text
    assert "They are of the 20 failures that people judged, drawn at random from 60." in text
    assert "5 failures of 20 that people judged" in text
    assert "not asked (" in text, "on the map"
    assert "abstained (5)" not in text or "(40)" not in text


def test_where_all_failures_were_judged_no_sample_is_mentioned(tmp_path: Path) -> None:
    text = page_of(Made(), tmp_path).text
    assert "that people judged" not in text
    assert "not asked" not in text


def test_a_region_without_a_judged_failure_is_not_disputed_and_has_no_shares(tmp_path: Path) -> None:
    made = Made(judged=1, statuses=("kept", "kept"), drifted=(0,))
    findings = findings_of(made, tmp_path)
    assert [row["disputed"] for row in findings.clusters] == [True, None]
    assert (findings.results["regions_judged"], findings.results["regions_disputed"]) == (1, 1)
    tile = next(tile for tile in outcome(findings).tiles if tile.name == "Regions")
    assert "1 disputed by the auditor, 1 without a judged failure" in tile.note
    text = page_of(made, tmp_path).text.replace("\u00a0", " ")
    assert "of its 30 failures, of which it was asked about 1, it calls 1 drift" in text
