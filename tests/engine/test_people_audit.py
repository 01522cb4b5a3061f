"""People as auditors: they are asked about a random sample, once; what nobody was asked about is no abstention."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import modeldebug
from modeldebug import Answers, Labeler, LabelRequest, Pending, Run, WaitingForPeople
from modeldebug.judging import JUDGEMENTS, NOT_ASKED, count_judgements, share_intervals
from modeldebug.store import RunStore
from modeldebug.testing.problems import codes_of, truth

from . import misbehaving, planted
from .planted import Rule, RuleConfig

HERE = __name__
SAMPLE = 40


class AnnotatorsConfig(RuleConfig):
    seen: str = ""


class Annotators(Rule):
    """Three people who see the truth, one of them never; each request is written down."""

    Config = AnnotatorsConfig
    is_program = False

    def _label(self, request: LabelRequest) -> Answers | Pending:
        if self.config.seen:
            with Path(self.config.seen).open("a") as file:
                file.write(json.dumps([request.id, len(request.x)]) + "\n")
        right = super()._label(request).votes[:, 0]
        votes = torch.stack([right, right, (right + 1) % 4], 1)
        return Answers(votes, None, ("ann", "bob", "cho"))


class Weary(Labeler[AnnotatorsConfig]):
    """A person who is asked about few, and answers fewer."""

    Config = AnnotatorsConfig

    def _label(self, request: LabelRequest) -> Answers:
        z = codes_of(request.x)
        return Answers(torch.where(z[:, :1] > 0, truth(z)[:, None], -2))


def tensors(run: Run, stage: str) -> dict[str, torch.Tensor]:
    return load_file(run.path / "stages" / f"{stage}.safetensors")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """People judge, and a program and other people do as well."""
    folder = tmp_path_factory.mktemp("people")
    return planted.debug(
        folder / "run",
        audit={"sample": SAMPLE},
        auditor={"use": f"{HERE}:Annotators", "seen": str(folder / "seen")},
        auditor_2={"use": f"{planted.__name__}:Rule", "margin": 0.02},
        auditor_3={"use": f"{HERE}:Weary"},
    )


def test_people_are_asked_once_about_a_random_sample_under_the_name_of_their_role(run: Run) -> None:
    asked = [json.loads(line) for line in (run.path.parent / "seen").read_text().splitlines()]
    assert asked == [["auditor", SAMPLE]]
    judged = tensors(run, "audit")["judged"]
    rows = (judged != NOT_ASKED).nonzero()[:, 0]
    assert len(judged) == run.results["search"]["failures"] > 2 * SAMPLE
    assert len(rows) == run.results["search"]["judged"] == SAMPLE
    assert int(rows.max()) > len(judged) // 2, "no first ones"
    assert int(rows.min()) < len(judged) // 2


def test_what_nobody_was_asked_about_has_no_judgement_and_no_label(run: Run) -> None:
    audit = tensors(run, "audit")
    assert bool((audit["labels"][audit["judged"] == NOT_ASKED] == -1).all())
    assert run.judged.count("not_asked") == run.results["search"]["failures"] - SAMPLE
    names = dict(enumerate(JUDGEMENTS)) | {NOT_ASKED: "not_asked"}
    assert run.judged == tuple(names[code] for code in audit["judged"].tolist())
    assert run.results["search"]["abstained"] == 0, "those who were asked all answered"


def test_shares_and_their_intervals_are_over_those_that_were_judged(run: Run) -> None:
    search, audit = run.results["search"], tensors(run, "audit")
    asked = audit["judged"] != NOT_ASKED
    assert sum(search[kind] for kind in JUDGEMENTS) == SAMPLE
    assert sum(share["share"] for share in search["shares"].values()) == pytest.approx(1)
    by_hand = share_intervals(audit["judged"][asked], tensors(run, "search")["origin"][asked], seed=0)
    for kind, share in search["shares"].items():
        assert share["share"] == search[kind] / SAMPLE
        assert (share["low"], share["high"]) == pytest.approx((by_hand[kind]["low"], by_hand[kind]["high"]), abs=0.05)
    assert search["shares"]["genuine"]["low"] < search["shares"]["genuine"]["share"]


def test_the_share_of_a_sample_is_that_of_all_within_its_interval(run: Run) -> None:
    all_judged = tensors(run, "audit")["auditor_2/judged"]
    share = run.results["search"]["shares"]["genuine"]
    assert share["low"] <= float((all_judged == 0).double().mean()) <= share["high"]


def test_programs_judge_all_and_people_the_same_sample(run: Run) -> None:
    audit = tensors(run, "audit")
    asked = audit["judged"] != NOT_ASKED
    assert not (audit["auditor_2/judged"] == NOT_ASKED).any()
    assert torch.equal(audit["auditor_3/judged"] != NOT_ASKED, asked)
    assert [found["judged"] for found in run.results["auditors"]] == [SAMPLE, len(asked), SAMPLE]


def test_agreement_is_over_the_failures_that_both_were_asked_about(run: Run) -> None:
    pairs = {tuple(pair["auditors"]): pair for pair in run.results["auditor_agreement"]}
    audit = tensors(run, "audit")
    asked = audit["judged"] != NOT_ASKED
    assert {pair["both_asked"] for pair in pairs.values()} == {SAMPLE}
    pair = pairs["auditor", "auditor_2"]
    assert pair["judgement"] == float((audit["judged"] == audit["auditor_2/judged"])[asked].double().mean())
    assert pair["label"] == 1.0


def test_regions_count_judged_failures_and_none_judged_disputes_nothing(run: Run) -> None:
    rows = RunStore.open(run.path).load_stage("regions").info["regions"]
    judged = tensors(run, "audit")["judged"]
    assignment = tensors(run, "clusters")["assignment"]
    for row in rows:
        if row["parent"] is None:
            assert row["failures"] == count_judgements(judged[assignment == row["cluster"]])
        assert (row["disputed"] is None) == (sum(row["failures"].values()) == 0)
    kept = [row for row in rows if row["status"] == "kept"]
    assert run.results["regions_judged"] == sum(sum(row["failures"].values()) > 0 for row in kept)


def test_report_says_of_which_failures_the_shares_are(run: Run) -> None:
    text = (run.path / "report.html").read_text().replace("\u00a0", " ")
    failures = run.results["search"]["failures"]
    assert f"the {SAMPLE} failures that people judged, drawn at random from {failures:,}" in text


def test_the_same_seed_draws_the_same_sample_and_another_another(run: Run, tmp_path: Path) -> None:
    def asked(name: str, **changed: Any) -> torch.Tensor:
        auditor = {"use": f"{HERE}:Annotators"}
        again = planted.debug(tmp_path / name, audit={"sample": SAMPLE}, auditor=auditor, **changed)
        return tensors(again, "audit")["judged"] != NOT_ASKED

    here = tensors(run, "audit")["judged"] != NOT_ASKED
    assert torch.equal(asked("again"), here)
    other = asked("other", run={"seed": 5})
    assert len(other) != len(here) or not torch.equal(other, here)


def test_fewer_failures_than_the_sample_are_all_judged(tmp_path: Path) -> None:
    few = planted.debug(
        tmp_path / "run",
        search={"max_failures": 15},
        clusterer={"components": 1},
        auditor={"use": f"{HERE}:Annotators"},
    )
    assert few.results["search"]["judged"] == few.results["search"]["failures"] == 15
    assert "not_asked" not in few.judged


def test_a_run_waits_for_the_auditor_and_then_for_the_labeler(tmp_path: Path) -> None:
    def people(name: str, margin: float) -> dict[str, Any]:
        answers = str(tmp_path / name)
        return {"use": f"{misbehaving.__name__}:People", "answers": answers, "margin": margin}

    with pytest.raises(WaitingForPeople, match=f"{SAMPLE} images wait"):
        planted.debug(tmp_path / "run", audit={"sample": SAMPLE}, auditor=people("a", 0.0), labeler=people("b", 0.01))
    (tmp_path / "a").touch()
    with pytest.raises(WaitingForPeople, match="images wait"):
        modeldebug.resume(tmp_path / "run")
    (tmp_path / "b").touch()
    run = modeldebug.resume(tmp_path / "run")
    assert isinstance(run, Run)
    assert run.status == "done"
    assert run.results["search"]["judged"] == SAMPLE
    assert run.results["oracle_accuracy"] is None
    assert run.results["regions"] > 0


@pytest.mark.parametrize("aggregate", ["majority", "one-coin"])
def test_regions_take_their_labels_from_the_votes_as_was_asked(aggregate: str, tmp_path: Path) -> None:
    run = planted.debug(
        tmp_path / "run", labeler={"use": f"{HERE}:Annotators"}, regions={"aggregate": aggregate, "agreement": 0.7}
    )
    votes, labels = (tensors(run, "regions")[name] for name in ("votes", "labels"))
    if aggregate == "majority":
        assert bool((labels == -1).all()), "two of three are no more than .7"
    else:
        assert torch.equal(labels, votes[:, 0]), "the third is known to be of no use"
    table = run.results["agreement"]
    assert [row["name"] for row in table["annotators"]] == ["ann", "bob", "cho"]
    assert table["all"]["mean"] == pytest.approx(2 / 3)
    assert table["annotators"][2]["with_the_others"] == 0.0
