from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modeldebug.cli.console import PlainConsole
from modeldebug.cli.summary import controls, intervals, next_steps, summarise
from modeldebug.cli.words import stage_result


def auditor(**changes: Any) -> dict[str, Any]:
    """What is measured of an auditor."""
    return {
        "role": "auditor", "program": True, "exact": False, "error_rate": 0.005, "threshold": 0.914, "reached": True,
        "error": 0.02, "abstained": 0.05, **changes,
    }  # fmt: skip


SPLITS = {
    "mode": "expected", "mixed": 4, "split": 3, "parts": 12, "kept": 2, "purity_before": 0.66, "purity_after": 0.934,
    "rounds": [],
}  # fmt: skip


def results(**changes: Any) -> dict[str, Any]:
    """The results of a run that found and fixed something."""
    search = {
        "queries": 1000, "guide_queries": None, "origins": 90, "found": 50, "failures": 40, "distinct_origins": 12,
        "failing": 60, "without_origin": 0, "without_code": 0, "considered": 90, "screening_queries": 0,
        "stopped": None, "targets": None,
        "genuine": 20, "third_class": 4, "drift": 12, "abstained": 4, "genuine_origins": 9, "judged": 40,
        "shares": {
            "genuine": {"share": 0.5, "low": 0.312, "high": 0.688},
            "third_class": {"share": 0.1, "low": 0.0, "high": 0.2},
            "drift": {"share": 0.3, "low": 0.1504, "high": 0.4496},
            "abstained": {"share": 0.1, "low": 0.0, "high": 0.2},
        },
    }  # fmt: skip
    columns = {"before": 0.97, "after": 0.968, "control": 0.972, "failures_alone": 0.96}
    return {
        "kind": "run",
        "test_accuracy": columns,
        "region_accuracy": columns | {"before": 0.1, "after": 0.99},
        "region_purity": 0.91,
        "clusters": 9,
        "regions": 5,
        "splits": SPLITS | {"mixed": 0, "split": 0, "parts": 0, "kept": 0},
        "regions_judged": 5,
        "regions_disputed": 0,
        "regions_of_one_image": 0,
        "search": search,
        "reconstruction_accuracy": {"classifier": 0.97, "oracle": 0.95},
        "test_set": None,
        "guide": None,
        "guide_accuracy": None,
        "oracle_accuracy": 0.99,
        "labels_exact": False,
        "oracle_abstained": 0.02,
        "auditor_accuracy": 0.98,
        "auditor_abstained": 0.05,
        "auditors": [auditor()],
        "auditor_agreement": [],
        "lambda": 0.1,
        "correction_skipped": None,
        "warnings": [],
        "warning_stages": [],
        "preset": "defuse-mnist",
        "budget": "laptop",
        "advice": "",
        "seconds": {"total": 61.2},
        **changes,
    }


UNKNOWN = {
    kind: {"share": None, "low": None, "high": None} for kind in ("genuine", "third_class", "drift", "abstained")
}
NOTHING = dict.fromkeys(("before", "after", "control", "failures_alone"))
SKIPPED = {
    "regions": 0,
    "regions_judged": 0,
    "regions_disputed": 0,
    "regions_of_one_image": 0,
    "region_purity": None,
    "lambda": None,
    "region_accuracy": NOTHING,
    "test_accuracy": NOTHING | {"before": 0.97},
}


def found_nothing(**search: Any) -> dict[str, Any]:
    """The results of a run whose search proposed nothing."""
    none = (
        "found",
        "failing",
        "failures",
        "judged",
        "genuine",
        "third_class",
        "drift",
        "abstained",
        "distinct_origins",
    )
    found = results()["search"] | dict.fromkeys(none, 0) | {"shares": UNKNOWN} | search
    return results(**SKIPPED, search=found, clusters=0, correction_skipped="no failures were found")


def test_a_good_run_is_told_in_numbers() -> None:
    summary = summarise(results())
    assert summary.headline.startswith("5 regions of look-alike images")
    assert "99.0 %" in summary.headline
    assert summary.accuracies == (
        ("test images", "97.0 %", "96.8 %", "97.2 %", "96.0 %"),
        ("regions", "10.0 %", "99.0 %", "97.2 %", "96.0 %"),
    )
    assert [row[:3] for row in summary.failures] == [
        ("genuine", "20", "50.0 % (31.2-68.8)"),
        ("third class", "4", "10.0 % (0.0-20.0)"),
        ("drift", "12", "30.0 % (15.0-45.0)"),
        ("abstained", "4", "10.0 % (0.0-20.0)"),
    ]
    facts = dict(summary.facts)
    assert facts["found"] == "50 failures in 1,000 queries; 40 kept, from 12 of 90 training images"
    assert facts["auditor"] == (
        "wrong on 2.0 % of its answers on test images, abstains on 5.0 %; "
        "threshold 0.91 for at most 0.5 % errors on validation images"
    )
    assert "agreement" not in facts
    assert facts["regions"] == (
        "5 kept of 9 clusters, mean purity 0.91 by the labels of an oracle that is wrong on 1.0 % of its answers on "
        "real test images"
    )
    assert facts["lambda"] == "0.1"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reached": False}, "threshold 0.91 not enough for at most 0.5 % errors on validation images"),
        ({"threshold": None}, "no threshold: it does not say how sure it is"),
        ({"threshold": None, "error_rate": None, "reached": None}, "no threshold: it abstains by its votes alone"),
        ({"error": None, "abstained": 1.0}, "answers none of the test images"),
        (
            {"program": False, "error": None, "abstained": None},
            "people: believed as they answer, not measured on test images",
        ),
    ],
)
def test_how_an_auditor_came_to_abstain_is_said(changed: dict[str, Any], words: str) -> None:
    facts = dict(summarise(results(auditors=[auditor(**changed)])).facts)
    assert words in facts["auditor"]


def test_several_auditors_are_shown_with_their_agreement() -> None:
    pair = {
        "auditors": ["auditor", "auditor_2"],
        "judgement": 0.912,
        "label": 0.97,
        "both_answer": 31,
        "both_asked": 40,
    }
    both = [auditor(), auditor(role="auditor_2", error=0.031)]
    facts = dict(summarise(results(auditors=both, auditor_agreement=[pair])).facts)
    assert "wrong on 2.0 %" in facts["auditor"]
    assert "wrong on 3.1 %" in facts["auditor_2"]
    assert facts["agreement"].startswith("auditor and second auditor judge 91.2 % of 40 failures alike")
    assert facts["agreement"].endswith("where both answer (31) 97.0 % get the same label")


def test_no_failures_at_all_is_a_good_outcome() -> None:
    summary = summarise(found_nothing())
    assert "No failures were found" in summary.headline
    assert "good outcome" in summary.headline
    assert summary.failures[0][1:3] == ("0", "-")
    assert dict(summary.facts)["lambda"] == "- (correction was skipped: no failures were found)"


def test_wrong_answers_that_were_not_proposed_are_no_good_outcome() -> None:
    headline = summarise(found_nothing(failing=12)).headline
    assert headline.startswith("No failures were found in 1,000 queries. 12 answers were wrong, but none was proposed:")
    assert "good outcome" not in headline
    assert "guide" not in headline
    assert "or the guide was not sure" in summarise(found_nothing(failing=12, guide_queries=40)).headline
    assert "1 answer was wrong" in summarise(found_nothing(failing=1)).headline


def test_a_search_that_asked_nothing_is_no_good_outcome() -> None:
    screened = found_nothing(queries=0, origins=0, considered=90, screening_queries=95)
    headline = summarise(screened | {"warning_stages": ["origins"], "warnings": ["nothing to search from"]}).headline
    assert headline == (
        "Nothing was searched: of 90 training images none is right from the start; to find that out took 95 queries. "
        "Nothing was corrected."
    )


def test_a_guide_that_errs_more_often_than_the_classifier_is_told_as_such() -> None:
    weak = {"guide": "labelers:ensemble", "guide_accuracy": 0.91}
    said = dict(summarise(results(**weak)).facts)["guide"]
    assert said.startswith("labelers:ensemble: 91.0 % of the test images right, less often than the classifier under")
    headline = summarise(found_nothing() | weak).headline
    assert "good outcome" not in headline
    assert "guide errs more often" in headline


def test_only_the_generators_own_warning_is_blamed_on_the_generator() -> None:
    for stages, blamed in (
        (["auditor", "origins"], False),
        (["auditor", "gate"], True),
        (["generator", "origins"], True),
    ):
        headline = summarise(found_nothing() | {"warnings": ["one", "two"], "warning_stages": stages}).headline
        assert ("generator's fault" in headline) == blamed
        assert ("good outcome" in headline) != blamed


def test_failures_without_an_origin_are_called_what_they_are() -> None:
    def found(**changed: int) -> tuple[str, str | None]:
        told = results(search=results()["search"] | changed)
        return dict(summarise(told).facts)["found"], intervals(told)

    plain, basis = found(without_origin=40, without_code=40, distinct_origins=0)
    assert plain.endswith("40 kept, all of them plain images")
    wrong = "; the auditor is wrong on 2.0 % of its answers on test images"
    assert (
        basis == "95 %: interval by bootstrap over single failures, since none was made from a training image" + wrong
    )
    assert found(without_origin=40, distinct_origins=0)[0].endswith("40 kept, all of them draws from the prior")
    mixed, basis = found(without_origin=10, without_code=3)
    assert mixed.endswith("40 kept, from 12 of 90 training images; 7 draws from the prior and 3 plain images")
    assert basis is not None
    assert basis.endswith("each with all its failures, and failures made from none, each by itself" + wrong)
    assert found()[1] == "95 %: interval by bootstrap over training images, each with all its failures" + wrong
    assert intervals(found_nothing()) is None


def test_no_region_is_a_good_outcome_but_not_where_generator_or_oracle_are_to_blame() -> None:
    skipped = SKIPPED | {"correction_skipped": "no cluster was kept as a region"}
    assert "good outcome" in summarise(results(**skipped)).headline
    assert "good outcome" not in summarise(results(**skipped, warnings=["poor"], warning_stages=["gate"])).headline
    assert "good outcome" not in summarise(results(**skipped, oracle_abstained=0.9)).headline


def test_what_was_not_measured_is_a_dash_with_its_reason() -> None:
    unjudged = results()["search"] | dict.fromkeys(("judged", "genuine", "third_class", "drift", "abstained"))
    unknown = {"reconstruction_accuracy": {"classifier": None, "oracle": None}, "auditors": []}
    summary = summarise(results(search=unjudged | {"shares": UNKNOWN}, **unknown))
    assert {row[1:3] for row in summary.failures} == {("-", "-")}
    facts = dict(summary.facts)
    assert facts["auditor"].startswith("- (no auditor")
    assert facts["generator"].startswith("- (it cannot encode")


def test_regions_that_are_open_to_doubt_are_counted() -> None:
    def regions(disputed: int | None, of_one_image: int, unjudged: int = 0) -> str:
        judged = None if disputed is None else 5 - unjudged
        changed = results(regions_judged=judged, regions_disputed=disputed, regions_of_one_image=of_one_image)
        return dict(summarise(changed).facts)["regions"]

    kept = regions(0, 0)
    assert ";" not in kept
    assert regions(2, 4) == f"{kept}; 2 disputed by the auditor, 4 from one training image"
    assert regions(1, 0) == f"{kept}; 1 disputed by the auditor"
    assert regions(None, 3) == f"{kept}; 3 from one training image"  # without an auditor nobody disputes
    assert regions(None, 0) == kept
    assert regions(1, 2, unjudged=3) == (
        f"{kept}; 1 disputed by the auditor, 3 without a judged failure, 2 from one training image"
    )


def test_clusters_that_were_split_are_told_with_what_became_of_their_parts() -> None:
    told = dict(summarise(results(splits=SPLITS)).facts)
    assert told["regions"].startswith(
        "5 kept of 18 clusters and parts (3 of 9 clusters were split into 12), mean purity 0.91 by the labels of "
    )
    split = "4 of 9 clusters mixed, 3 of them split; of 12 parts 2 kept; median purity 0.66 -> 0.93 by the "
    assert told["splits"] == f"{split}same labels"
    none = results(splits=SPLITS, region_purity=None, oracle_abstained=None, oracle_accuracy=None)
    assert dict(summarise(none).facts)["splits"] == f"{split}labels of people"
    aside = SPLITS | {"mode": "none", "split": 0, "parts": 0, "kept": 0}
    assert dict(summarise(results(splits=aside)).facts)["splits"] == "4 of 9 clusters mixed: set aside"
    assert "splits" not in dict(summarise(results()).facts)


def test_the_preset_says_when_to_take_it() -> None:
    told = "To reproduce the paper; for the classifier's own errors, another preset."
    assert ("", told) in summarise(results(advice=told)).facts


def test_the_preset_is_named_with_its_budget() -> None:
    assert dict(summarise(results()).facts)["preset"] == "defuse-mnist, budget laptop"
    assert dict(summarise(results(budget=None)).facts)["preset"] == "defuse-mnist"


def test_a_summary_is_not_wider_than_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    doubtful = {"regions_judged": 11, "regions_disputed": 2, "regions_of_one_image": 4}
    told = results(clusters=45, regions=11, splits=SPLITS, **doubtful)
    with PlainConsole(quiet=False) as console:
        console.finish(Path("runs/x"), told)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert " ".join(shown.split()).count("2 disputed by the auditor, 4 from one training image") == 1
    assert "failures alone: on single failures, without clustering" in shown


def test_next_steps_name_the_corrected_weights_only_where_there_are_some() -> None:
    run = Path("runs/x")
    assert [label for label, _ in next_steps(results(), run)] == ["report", "weights", "next"]
    assert [label for label, _ in next_steps(results(correction_skipped="nothing"), run)] == ["report", "next"]


def test_a_stage_of_a_later_version_is_simply_done() -> None:
    assert stage_result("something-new", {}) == "done"


def test_the_guide_is_named_and_its_queries_stand_beside_the_classifiers() -> None:
    search = results()["search"] | {"guide_queries": 12345}
    facts = dict(summarise(results(guide="labelers:ensemble", guide_accuracy=0.981, search=search)).facts)
    assert facts["found"].startswith("50 failures in 1,000 queries (and 12,345 of the guide); 40 kept")
    assert facts["guide"] == "labelers:ensemble: 98.1 % of the test images right"
    assert "guide" not in dict(summarise(results()).facts)
    found = {"queries": 10, "guide_queries": 7, "found": 3, "failures": 3, "origins": 5, "distinct_origins": 2}
    found |= {"without_origin": 0, "without_code": 0, "targets": None}
    assert stage_result("search", found) == "3 failures in 10 queries (and 7 of the guide), from 2 of 5 training images"


def test_targets_that_a_run_did_not_reach_are_named() -> None:
    one = {"described": "misclassified:4", "reached": True, "error": 0.01, "rhat": 1.01}
    other = {"described": "misclassified:9", "reached": False, "error": 0.2412, "rhat": 1.372}
    search = results()["search"]
    assert "targets" not in dict(summarise(results()).facts)
    for targets, said in (
        ([one], "1 of 1 target reached"),
        ([one, other], "1 of 2 targets reached; not misclassified:9 (error 0.241, R-hat 1.37)"),
    ):
        assert dict(summarise(results(search=search | {"targets": targets})).facts)["targets"] == said
    found = search | {"queries": 10, "targets": [one, other]}
    assert stage_result("search", found).endswith("; 1 of 2 targets reached")


def test_shares_of_a_sample_that_people_judged_are_said_to_be_of_it() -> None:
    people = auditor(program=False, error_rate=None, threshold=None, error=None, abstained=None)
    told = results(search=results()["search"] | {"failures": 1040}, auditors=[people])
    assert intervals(told) == (
        "shares: of the 40 failures that people judged, drawn at random from 1,040; "
        "95 %: interval by bootstrap over training images, each with all its failures"
    )
    *kinds, unasked = summarise(told).failures
    assert [row[1] for row in kinds] == ["20", "4", "12", "4"]
    assert unasked == ("not asked", "1,000", "-", "people judged a random sample")
    assert "not asked" not in {row[0] for row in summarise(results()).failures}


def test_region_accuracy_stands_beside_the_error_of_who_labelled_the_regions() -> None:
    said = controls(results())
    assert said is not None
    assert said.endswith("regions: labelled by an oracle that is wrong on 1.0 % of its answers on real test images")
    by_people = controls(results(oracle_accuracy=None, oracle_abstained=None))
    assert by_people is not None
    assert by_people.endswith("regions: labelled by people")
    assert controls(results(**SKIPPED, correction_skipped="no cluster was kept as a region")) is None


def test_people_who_label_are_not_called_an_oracle() -> None:
    by_people = dict(summarise(results(oracle_accuracy=None, oracle_abstained=None)).facts)
    assert by_people["labeler"] == "people: not measured on test images"
    assert "oracle" not in by_people
    assert "labeler" not in dict(summarise(results()).facts)


def test_regions_are_counted_among_clusters_and_the_parts_that_stand_in_place_of_them() -> None:
    rows = [("split", None), ("kept", None), ("split", 0), ("kept", 0), ("kept", 2), ("mixed", 2)]
    info = {"regions": [{"status": status, "parent": parent} for status, parent in rows], "rounds": [{}] * 3}
    assert stage_result("regions", info) == (
        "3 of 4 clusters and parts (1 of 2 clusters was split into 3) kept as regions, in 3 rounds"
    )
    whole = {"regions": [{"status": "kept", "parent": None}], "rounds": [{}]}
    assert stage_result("regions", whole) == "1 of 1 cluster kept as regions"


def test_a_sample_that_was_judged_is_told_when_the_stage_ends() -> None:
    shares = {kind: {"share": 0.25, "low": 0.1, "high": 0.4} for kind in UNKNOWN}
    info = {"auditors": {"auditor": {}}, "shares": shares, "judged": 200, "not_asked": 1400, "untouched": False}
    assert stage_result("audit", info).endswith("abstained 25.0 %; of 200 judged, 1,400 not asked about")
    assert stage_result("audit", info | {"not_asked": 0}).endswith("abstained 25.0 %")


def inspected(**changes: Any) -> dict[str, Any]:
    """What a run says that inspected the test set."""
    kinds = {"genuine": 3, "label_error": 2, "third_class": 0, "abstained": 1}
    return results(correction_skipped="images without codes") | {
        "test_set": {
            "classes": ["cat", "dog"], "images": 90, "wrong": 6, "confident": 0.85, "confident_errors": 2,
            "confident_errors_as": [1, 1], "ambiguous_between": [0.4, 0.6], "ambiguous": 4,
            "ambiguous_pairs": [[0, 1, 4]], "confusion": [[40, 5], [1, 44]], "auditor": None,
            "judged": {"wrong": kinds, "confident_errors": kinds | {"genuine": 1, "label_error": 1, "abstained": 0}},
            **changes,
        }
    }  # fmt: skip


def test_an_inspection_of_the_test_set_is_summed_up_without_generator_or_regions() -> None:
    summary = summarise(inspected())
    assert summary.headline == (
        "6 of 90 test images are wrong, 2 with a confidence of at least 0.85. Likely label errors: 2, 1 of them with "
        "such confidence."
    )
    facts = dict(summary.facts)
    assert facts["confident"] == "2 errors: 1 genuine, 1 label error, 0 third class, 0 abstained"
    assert facts["ambiguous"] == "4 images with two classes between 0.4 and 0.6, of 1 pair of classes"
    assert {"generator", "regions", "lambda"}.isdisjoint(facts)
    assert summary.confusions == (("is, taken for", "cat", "dog"), [("cat", "40", "5"), ("dog", "1", "44")])


def test_without_an_auditor_no_label_is_doubted() -> None:
    summary = summarise(inspected(judged=None))
    assert summary.headline.endswith("Whether their labels are right was not judged.")
    assert dict(summary.facts)["confident"] == "2 errors"


def test_of_many_classes_the_most_frequent_confusions_are_named() -> None:
    classes = [f"sign {i}" for i in range(13)]
    table = [[9 if i == j else 0 for j in range(13)] for i in range(13)]
    table[3][7], table[0][1] = 4, 2
    summary = summarise(inspected(classes=classes, confusion=table))
    assert summary.confusions is None
    assert dict(summary.facts)["confused"] == "sign 3 as sign 7 (4), sign 0 as sign 1 (2)"
