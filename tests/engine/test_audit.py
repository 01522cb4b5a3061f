"""The audit of a run: when auditors abstain, how often they err, and how far several of them agree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from modeldebug import Context, PluginError, Run, Splits
from modeldebug.judging import GENUINE, JUDGEMENTS, count_judgements, share_intervals
from modeldebug.sections import AuditSection
from modeldebug.stages.judges import fit_auditor
from modeldebug.store import RunStore
from modeldebug.testing.problems import codes_of, known_problem

from . import auditors, misbehaving, planted
from .auditors import to_boundary
from .bits import Watch

ERRING = f"{auditors.__name__}:Erring"
DRAWN = f"{auditors.__name__}:Drawn"
RATE = 0.02


def tensors(run: Run, stage: str) -> dict[str, torch.Tensor]:
    return load_file(run.path / "stages" / f"{stage}.safetensors")


def info(run: Run, stage: str) -> dict[str, Any]:
    return RunStore.open(run.path).load_stage(stage).info


@pytest.fixture(scope="module")
def erring(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three auditors: one that errs near the boundary and knows it, the truth, and one with its eyes half shut."""
    return planted.debug(
        tmp_path_factory.mktemp("erring") / "run",
        audit={"error_rate": RATE},
        auditor={"use": ERRING, "errs_within": 0.3},
        auditor_2={"use": f"{planted.__name__}:Rule", "margin": 0.02},
        auditor_3={"use": f"{planted.__name__}:Rule", "margin": 0.4},
    )


def test_an_auditor_that_knows_where_it_errs_abstains_there(erring: Run) -> None:
    found = info(erring, "auditor")
    splits = known_problem().splits
    distance = to_boundary(splits.validation.batch(slice(None))[0])
    believed = distance >= found["threshold"]
    assert found["reached"]
    assert found["threshold"] < 0.3, "some errors are allowed for"
    assert found["validation_error"] == pytest.approx(float((distance[believed] < 0.3).double().mean()))
    assert 0 < found["validation_error"] <= RATE
    below = distance[~believed].max()
    assert float((distance[distance >= below] < 0.3).double().mean()) > RATE, "a lower threshold would let too many by"


def test_error_and_abstention_are_those_on_the_test_images(erring: Run) -> None:
    found = info(erring, "auditor")
    distance = to_boundary(known_problem().splits.test.batch(slice(None))[0])
    believed = distance >= found["threshold"]
    assert found["abstained"] == pytest.approx(1 - float(believed.float().mean()), abs=1e-6)
    assert found["error"] == pytest.approx(float((distance[believed] < 0.3).double().mean()))
    assert found["accuracy"] == pytest.approx(1 - found["error"])


def test_failures_are_abstained_on_below_the_threshold_and_judged_above_it(erring: Run) -> None:
    sure = to_boundary(tensors(erring, "search")["x"]).clamp(max=1)
    labels = tensors(erring, "audit")["labels"]
    assert torch.equal(labels >= 0, sure >= info(erring, "auditor")["threshold"])
    assert 0 < int((labels < 0).sum()) < len(labels)


def test_shares_and_regions_follow_the_first_auditor_alone(erring: Run) -> None:
    audit, failures = tensors(erring, "audit"), tensors(erring, "search")
    search = erring.results["search"]
    assert {kind: search[kind] for kind in JUDGEMENTS} == count_judgements(audit["judged"])
    by_hand = share_intervals(audit["judged"], failures["origin"], seed=0)
    for kind, share in search["shares"].items():
        assert share["share"] == search[kind] / search["failures"] == by_hand[kind]["share"]
        assert (share["low"], share["high"]) == pytest.approx((by_hand[kind]["low"], by_hand[kind]["high"]), abs=0.02)
    assert search["genuine_origins"] == len(failures["origin"][audit["judged"] == GENUINE].unique()) > 0
    assignment = tensors(erring, "clusters")["assignment"]
    for row in (row for row in info(erring, "regions")["regions"] if row["parent"] is None):
        assert row["failures"] == count_judgements(audit["judged"][assignment == row["cluster"]])


def test_every_auditor_judges_every_failure(erring: Run) -> None:
    audit, results = tensors(erring, "audit"), erring.results
    assert [found["role"] for found in results["auditors"]] == ["auditor", "auditor_2", "auditor_3"]
    for found in results["auditors"]:
        judged = audit["judged" if found["role"] == "auditor" else f"{found['role']}/judged"]
        assert found["failures"] == count_judgements(judged)
        assert sum(found["failures"].values()) == results["search"]["failures"]
    assert results["auditors"][0]["error"] == 1 - results["auditor_accuracy"]


def test_agreement_of_two_that_differ_only_in_when_they_abstain_is_as_planted(erring: Run) -> None:
    pairs = {tuple(pair["auditors"]): pair for pair in erring.results["auditor_agreement"]}
    assert set(pairs) == {("auditor", "auditor_2"), ("auditor", "auditor_3"), ("auditor_2", "auditor_3")}
    pair, distance = pairs["auditor_2", "auditor_3"], to_boundary(tensors(erring, "search")["x"])
    between = (distance > 0.02) & (distance <= 0.4)
    assert 0 < pair["judgement"] < 1
    assert pair["judgement"] == pytest.approx(1 - float(between.double().mean()))
    assert pair["label"] == 1.0, "where both see, both see the truth"
    assert pair["both_answer"] == int((distance > 0.4).sum())


def test_labels_of_two_that_both_answer_agree_but_where_one_errs(erring: Run) -> None:
    pair = erring.results["auditor_agreement"][0]
    distance = to_boundary(tensors(erring, "search")["x"])
    both = distance >= info(erring, "auditor")["threshold"]
    assert pair["both_answer"] == int(both.sum())
    assert pair["label"] == pytest.approx(1 - float((distance[both] < 0.3).double().mean()))


def test_a_second_opinion_changes_no_other_stage(erring: Run, tmp_path: Path) -> None:
    alone = planted.debug(tmp_path / "run", audit={"error_rate": RATE}, auditor={"use": ERRING, "errs_within": 0.3})
    for stage in ("search", "clusters", "regions", "correction"):
        name = f"stages/{stage}.safetensors"
        assert (alone.path / name).read_bytes() == (erring.path / name).read_bytes()
    assert alone.results["search"]["shares"] == erring.results["search"]["shares"]
    assert alone.results["auditor_agreement"] == []


def test_auditors_of_one_kind_have_seeds_of_their_own(tmp_path: Path) -> None:
    run = planted.debug(
        tmp_path / "run",
        auditor={"use": DRAWN, "errs_within": 0.01},
        auditor_2={"use": DRAWN, "errs_within": 0.02},
    )
    numbers = {float(tensors(run, role)["number"]) for role in ("auditor", "auditor_2")}
    assert len(numbers) == 2


def test_a_program_that_does_not_say_how_sure_it_is_has_no_threshold_but_its_errors_are_counted(
    planted_run: Run,
) -> None:
    found = planted_run.results["auditors"][0]
    assert (found["threshold"], found["validation_error"], found["error"], found["reached"]) == (None, 0.0, 0.0, True)
    assert planted_run.results["warnings"] == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"says_how_sure": False}, "it does not say how sure it is, so no threshold helps"),
        ({"sure": 0.9}, "are wrong at its best threshold, where at most 2 % (audit.error_rate) was asked for"),
    ],
)
def test_an_error_rate_that_no_threshold_reaches_is_said_plainly(
    settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    watch = Watch()
    run = planted.debug(
        tmp_path / "run",
        listeners=[watch],
        audit={"error_rate": RATE},
        auditor={"use": ERRING, "errs_within": 0.3, **settings},
    )
    (warning,) = run.results["warnings"]
    assert words in warning
    assert [event.message for event in watch.of("warning", "auditor")] == [warning]
    found = run.results["auditors"][0]
    assert not found["reached"]
    assert min(found["validation_error"], found["error"]) > 0.1
    assert "of the auditor's answers" in warning
    assert found["failures"]["abstained"] == 0, "its best threshold believes it always"
    assert warning[1:] in (run.path / "report.html").read_text().replace("&#39;", "'")


def easily_validated() -> Splits:
    """The known problem's images, without those near a class boundary among the validation images."""
    splits = known_problem().splits
    far = to_boundary(splits.validation.batch(slice(None))[0]) >= 0.3
    return replace(splits, validation=splits.validation.subset(far))


def test_a_rate_that_holds_on_the_validation_images_alone_is_said_not_to_hold(tmp_path: Path) -> None:
    watch = Watch()
    run = planted.debug(
        tmp_path / "run",
        listeners=[watch],
        dataset={"use": f"{__name__}:easily_validated"},
        audit={"error_rate": RATE},
        auditor={"use": ERRING, "errs_within": 0.3, "sure": 0.9},
    )
    found = run.results["auditors"][0]
    assert (found["validation_error"], found["reached"]) == (0.0, True)
    assert found["error"] > 2 * RATE
    (warning,) = run.results["warnings"]
    assert f"of the auditor's answers on test images {100 * found['error']:.1f} % are wrong" in warning
    assert "at most 2 % (audit.error_rate) was asked for" in warning
    assert [event.message for event in watch.of("warning", "auditor")] == [warning]
    assert warning[1:] in (run.path / "report.html").read_text().replace("&#39;", "'")


@pytest.mark.parametrize(("wrong", "said"), [(5, False), (20, True)])
def test_chance_alone_raises_no_doubt_about_a_rate(wrong: int, said: bool) -> None:
    """Of some 180 test answers, 5 wrong ones are more than 2 %, but not significantly."""
    splits = easily_validated()
    near = to_boundary(splits.test.batch(slice(None))[0]) < 0.3
    rows = torch.cat([near.nonzero()[:wrong, 0], (~near).nonzero()[:, 0]])
    auditor = auditors.Erring(auditors.ErringConfig(errs_within=0.3, sure=0.9), splits.spec)
    data = replace(splits, test=splits.test.subset(rows))
    found = fit_auditor(auditor, data, Context.quiet(0), settings=AuditSection(error_rate=RATE)).info
    assert found["error"] == pytest.approx(wrong / len(rows))
    assert found["error"] > RATE
    assert (found["warning"] is not None and "on test images" in found["warning"]) is said


def test_too_few_images_to_tell_the_rate_are_said_to_be_too_few_for_each_auditor(tmp_path: Path) -> None:
    run = planted.debug(
        tmp_path / "run", audit={"error_rate": 0.001}, auditor_2={"use": f"{planted.__name__}:Rule", "margin": 0.03}
    )
    first, second = run.results["warnings"]
    assert run.results["warning_stages"] == ["auditor", "auditor_2"]
    assert first.startswith("the auditor answers too few validation images (270) to tell whether at most 0.1 %")
    assert first.endswith("that takes 1,000")
    assert second == first.replace("the auditor", "the second auditor")


def test_without_an_error_rate_an_auditor_abstains_by_its_votes_alone(tmp_path: Path) -> None:
    run = planted.debug(tmp_path / "run", audit={"error_rate": 1}, auditor={"use": ERRING, "errs_within": 0.3})
    found = run.results["auditors"][0]
    assert (found["error_rate"], found["threshold"], found["reached"]) == (None, None, None)
    assert found["failures"]["abstained"] == 0
    assert run.results["warnings"] == []


def test_people_are_held_to_no_error_rate(tmp_path: Path) -> None:
    answers = tmp_path / "answers"
    answers.touch()
    people = {"use": f"{misbehaving.__name__}:People", "answers": str(answers)}
    (found,) = planted.debug(tmp_path / "run", audit={"error_rate": RATE}, auditor=people).results["auditors"]
    assert not found["program"]
    assert (found["error_rate"], found["threshold"], found["reached"], found["error"]) == (None,) * 4
    assert found["failures"]["abstained"] == 0


def test_another_error_rate_judges_anew_and_searches_not(erring: Run, tmp_path: Path) -> None:
    first, second = (
        json.loads((run.path / "manifest.json").read_text())["stages"]
        for run in (
            erring,
            planted.debug(tmp_path / "run", audit={"error_rate": 0.1}, auditor={"use": ERRING, "errs_within": 0.3}),
        )
    )
    same = {stage for stage in second if first[stage]["key"] == second[stage]["key"]}
    assert {"labeler", "generator", "search", "clusters"} <= same
    assert not same & {"auditor", "audit", "regions"}


def test_no_failures_leave_nothing_to_agree_on(tmp_path: Path) -> None:
    run = planted.debug(
        tmp_path / "run",
        searcher={"scale": 1e-6, "draws": 1, "block": 1024},
        auditor_2={"use": f"{planted.__name__}:Rule", "margin": 0.4},
    )
    search = run.results["search"]
    assert search["failures"] == search["genuine_origins"] == 0
    assert {value for share in search["shares"].values() for value in share.values()} == {None}
    assert run.results["auditor_agreement"][0]["judgement"] is None


def test_confidence_outside_zero_to_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="the confidence is out of range") as caught:
        planted.debug(tmp_path / "run", auditor={"use": ERRING, "sure": 1.5})
    assert caught.value.plugin == ERRING


def test_the_known_problem_has_no_image_near_a_boundary() -> None:
    """What the planted errors rest on: images that are judged wrongly lie further out than the data's margin."""
    x = known_problem().splits.validation.batch(slice(None))[0]
    assert 0.15 < float(to_boundary(x).min()) < 0.3
    assert float((codes_of(x).abs().amin(1) < 0.3).float().mean()) > 0.1
