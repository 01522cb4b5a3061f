"""Labelling in rounds: clusters that mix classes are split, their parts labelled in their turn, and what stays mixed is
set aside."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

import modeldebug
from modeldebug import Clustering, ComponentConfig, Context, Failures, Run, WaitingForPeople
from modeldebug.sections import RegionsSection
from modeldebug.stages import splits
from modeldebug.stages.regions import load_divisions, load_regions
from modeldebug.stages.rounds import label_regions
from modeldebug.stages.sampler import Division, Sampler
from modeldebug.testing.problems import codes_of, known_problem, truth

from . import planted, rounds
from .bits import Watch, bits, kept, status
from .test_conditional import CPU, SPEC, TOLD, OneCluster


@pytest.fixture(scope="module")
def split_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return rounds.debug(tmp_path_factory.mktemp("rounds") / "run")


def statuses(run: Run) -> list[str]:
    return [region.status for region in load_regions(rounds.stage(run, "regions"))]


def test_a_cluster_of_two_classes_is_split_into_two_pure_regions(split_run: Run) -> None:
    every = load_regions(rounds.stage(split_run, "regions"))
    assert [(r.status, r.parent) for r in every] == [("split", None), ("kept", 0), ("kept", 0)]
    assert every[0].purity is not None
    assert every[0].purity < 0.8
    assert [(r.label, r.predicted, r.purity) for r in every[1:]] == [(2, 1, 1.0), (3, 0, 1.0)]
    assert split_run.regions == tuple(sorted(every[1:], key=lambda r: -r.weight))


def test_parts_share_the_failures_and_the_weight_of_what_was_split(split_run: Run) -> None:
    stage = rounds.stage(split_run, "regions")
    whole, *parts = load_regions(stage)
    assert whole.size == sum(part.size for part in parts)
    assert whole.weight == pytest.approx(sum(part.weight for part in parts), rel=0.02)
    shown = truth(codes_of(rounds.stage(split_run, "search").tensors["x"]))
    assert torch.equal(stage.tensors["assignment"], torch.where(shown == 2, 1, 2)), "each failure is in its own part"
    for row in stage.info["regions"]:
        assert sum(row["failures"].values()) == row["size"]


def test_samples_of_every_round_are_kept_region_by_region(split_run: Run) -> None:
    samples = rounds.stage(split_run, "regions").tensors
    shown = truth(codes_of(samples["x"])).view(3, -1)
    assert [sorted(set(classes)) for classes in shown.tolist()] == [[2, 3], [2], [3]]
    assert len(samples["votes"]) == len(samples["z"]) == len(samples["predicted"]) == shown.numel()


def test_parts_are_corrected_and_what_was_split_is_not(split_run: Run) -> None:
    correction = rounds.stage(split_run, "correction").info
    assert [row["cluster"] for row in correction["per_region"]] == [1, 2]
    assert all(row["before"] <= 0.2 and row["after"] > 0.9 for row in correction["per_region"])


def test_results_say_what_splitting_did(split_run: Run) -> None:
    results = split_run.results
    assert (results["clusters"], results["regions"], results["region_purity"]) == (1, 2, 1.0)
    found = results["splits"]
    before, after = found["rounds"]
    assert (found["mode"], found["mixed"], found["split"], found["parts"], found["kept"]) == ("expected", 1, 1, 2, 2)
    assert found["purity_before"] == before["purity"] < 0.8
    assert found["purity_after"] == after["purity"] == 1.0
    assert (before["labelled"], before["split"], after["labelled"], after["kept"]) == (1, 1, 2, 2)


@pytest.mark.parametrize("settings", [{"split": "none"}, {"rounds": 1}, {"min_part": 10_000}], ids=str)
def test_a_mixed_cluster_that_may_not_be_split_is_set_aside(settings: dict[str, Any], tmp_path: Path) -> None:
    run = rounds.debug(tmp_path / "run", regions=settings)
    assert statuses(run) == ["mixed"]
    assert run.results["regions"] == run.results["splits"]["split"] == run.results["splits"]["parts"] == 0
    assert run.results["splits"]["mixed"] == 1
    assert run.results["correction_skipped"] == "no cluster was kept as a region"
    assert not load_divisions(rounds.stage(run, "regions"))


def test_a_cluster_that_clustering_gives_back_whole_is_not_labelled_again(tmp_path: Path) -> None:
    run = rounds.debug(tmp_path / "run", regions={"split": "inside"})
    assert statuses(run) == ["mixed"], "one Gaussian is fitted to the same failures"
    assert len(rounds.stage(run, "regions").info["rounds"]) == 1


def test_a_split_that_parts_failures_at_random_leaves_them_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken twin: were this called kept, the tests above would prove nothing."""

    def halves(failures: Failures, members: torch.Tensor, settings: Any) -> dict[int, torch.Tensor]:
        return {0: members[::2], 1: members[1::2]}

    monkeypatch.setattr(splits, "_groups", halves)
    run = rounds.debug(tmp_path / "run", regions={"rounds": 2})
    assert statuses(run) == ["split", "mixed", "mixed"]
    assert run.results["correction_skipped"] == "no cluster was kept as a region"


def test_a_cluster_is_split_inside_where_its_failures_alone_form_several() -> None:
    class Sides(OneCluster):
        """Of more than 100 failures it makes one cluster of the first 100; fewer it tells apart by their side."""

        def _fit(self, failures: Failures, context: Context) -> Clustering:
            assert failures.z is not None
            n, side = len(failures), (failures.z[:, 0] > 0).long()
            if n > 100:
                side = torch.where(torch.arange(n) < 100, 0, -1)
            means = [failures.z[side == s].mean(0) for s in range(int(side.max()) + 1)]
            weights = torch.tensor([float((side == s).float().mean()) for s in range(len(means))])
            return Clustering(weights, side, {"means": torch.stack(means)})

        def _sample(
            self, clustering: Clustering, cluster: int, n: int, tau: float, rng: torch.Generator
        ) -> tuple[torch.Tensor, None]:
            apart = 1.2 * (torch.arange(n) % 2 * 2 - 1) if len(clustering) == 1 else torch.zeros(n)
            return clustering.parameters["means"][cluster] + torch.stack([apart, torch.zeros(n)], 1), None

    problem = known_problem()
    failures = problem.failures(per_ball=60).subset(torch.arange(120).view(2, 60).T.flatten())
    clusterer = Sides(ComponentConfig(), SPEC)
    whole = Division.of_all(clusterer.fit(failures, Context.quiet(0)))
    sampler = dataclasses.replace(made(whole), clusterer=clusterer, model=problem.generator)
    saved = label_regions(
        sampler,
        planted.Rule(planted.RuleConfig(), SPEC),
        problem.classifier,
        failures,
        None,
        Context.quiet(0),
        settings=RegionsSection.model_validate({"split": "inside"}),
    )
    every = load_regions(saved)
    assert [(r.status, r.size, r.label) for r in every] == [("split", 100, None), ("kept", 50, 2), ("kept", 50, 3)]
    (division,) = load_divisions(saved)
    assert (division.expected, len(division.rows)) == (-1, 100)
    assert int((saved.tensors["assignment"] >= 0).sum()) == 100, "noise belongs to no part"


def answered(folder: Path, *requests: str) -> dict[str, Any]:
    """The settings of people who answer these requests at once."""
    folder.mkdir()
    for request in requests:
        (folder / request).touch()
    return {"use": f"{rounds.__name__}:RoundByRound", "answered": str(folder)}


def test_people_are_waited_for_in_each_round_and_the_bits_are_those_of_a_run_that_never_waited(tmp_path: Path) -> None:
    at_once, waiting = tmp_path / "at-once", tmp_path / "waiting"
    rounds.debug(at_once, labeler=answered(tmp_path / "both", "regions", "regions-2"))
    labeler = answered(tmp_path / "none")
    answers = Path(labeler["answered"])
    with pytest.raises(WaitingForPeople, match="16 images wait for labels"):
        rounds.debug(waiting, labeler=labeler)
    (answers / "regions").touch()
    for _ in range(2):
        with pytest.raises(WaitingForPeople, match="32 images wait for labels"):
            modeldebug.resume(waiting)
        assert status(waiting) == "waiting"
        assert "regions" not in kept(waiting)
    (answers / "regions-2").touch()
    assert modeldebug.resume(waiting).status == "done"
    asked = [line.split() for line in (answers / "asked").read_text().splitlines()]
    assert [request for request, _ in asked] == ["regions"] + ["regions", "regions-2"] * 3
    assert len({tuple(line) for line in asked}) == 2, "a request comes with the same images each time"
    assert bits(waiting) == bits(at_once)


def test_people_are_asked_about_the_images_that_they_have_seen_though_the_decoder_rounds_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labeler, run, draw = answered(tmp_path / "none"), tmp_path / "run", Sampler.draw
    with pytest.raises(WaitingForPeople):
        rounds.debug(run, labeler=labeler)

    def otherwise(self: Sampler, region: int, n: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        z, x = draw(self, region, n, rng)
        return z, (x + 0.01).clamp(max=1)

    monkeypatch.setattr(Sampler, "draw", otherwise)
    with pytest.raises(WaitingForPeople):
        modeldebug.resume(run)
    first, again = (Path(labeler["answered"]) / "asked").read_text().splitlines()
    assert first == again


def test_a_run_that_goes_on_after_its_regions_draws_from_the_parts_that_were_written(
    split_run: Run, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        rounds.debug(tmp_path / "run", listeners=[Watch("stage_finished", "regions")])
    watch = Watch()
    modeldebug.resume(tmp_path / "run", listeners=[watch])
    assert watch.started == ["correction", "evidence"]
    assert bits(tmp_path / "run") == bits(split_run.path)


def made(*divisions: Division, told: torch.Tensor | None = None) -> Sampler:
    return Sampler(OneCluster(ComponentConfig(), SPEC), divisions, TOLD.generator, 1.0, 64, CPU, told)


def clustering(*assignment: int) -> Clustering:
    members = torch.tensor(assignment)
    return Clustering(torch.full((int(members.max()) + 1,), 0.4), members, {"mean": torch.ones(2)})


def test_regions_are_numbered_through_all_divisions_and_failures_follow_to_the_parts() -> None:
    whole = Division.of_all(clustering(0, 0, 0, 1, 1, 1, -1))
    part = Division(clustering(1, 0, -1), torch.tensor([3, 4, 5]), (1,), share=0.2, parent=1)
    sampler = made(whole, part)
    assert len(sampler) == 3
    assert sampler.members(1).tolist() == [3, 4, 5]
    assert sampler.members(2).tolist() == [3]
    assert sampler.weight(2) == pytest.approx(0.4 * 0.2)
    assert sampler.assignment(7).tolist() == [0, 0, 0, 2, -1, -1, -1]


def test_what_is_drawn_for_a_part_does_not_depend_on_what_else_was_split() -> None:
    whole = Division.of_all(clustering(0, 0, 1, 1))
    other = Division(clustering(0, 0), torch.tensor([0, 1]), (0,), parent=0, expected=3)
    part = Division(clustering(0, 1), torch.tensor([2, 3]), (0, 1), parent=1, expected=3)
    alone, among_others = made(whole, part), made(whole, other, part)
    assert [alone.path(r) for r in (2, 3)] == [among_others.path(r) for r in (3, 4)]
    paths = [among_others.path(r) for r in range(len(among_others))]
    assert len(set(paths)) == len(paths)


def test_samples_of_a_part_are_told_classes_of_its_own_failures() -> None:
    whole = Division.of_all(clustering(0, 0, 0, 0))
    part = Division(clustering(0, 0), torch.tensor([1, 3]), (0,), parent=0)
    sampler = made(whole, part, told=torch.tensor([0, 3, 0, 3]))
    _, x = sampler.draw(1, 50, torch.Generator().manual_seed(0))
    assert set(truth(codes_of(x)).tolist()) == {3}


def test_failures_without_one_expected_class_are_a_group_like_any_other() -> None:
    failures = known_problem().failures(per_ball=30)
    failures = dataclasses.replace(failures, expected=torch.where(failures.expected == 3, -1, failures.expected))
    whole = Division.of_all(clustering(*[0] * 60))
    settings = RegionsSection.model_validate({"min_part": 10})
    found = splits.split(made(whole), 0, failures, CPU, settings=settings, seed=0)
    assert [(division.expected, len(division.rows)) for division in found] == [(-1, 30), (2, 30)]


def test_clustering_a_part_depends_on_no_global_generator() -> None:
    class Careless(OneCluster):
        def _fit(self, failures: Failures, context: Context) -> Clustering:
            found = super()._fit(failures, context)
            return dataclasses.replace(found, parameters={"mean": torch.rand(2)})

    failures = known_problem().failures(per_ball=30)
    sampler = dataclasses.replace(
        made(Division.of_all(clustering(*[0] * 60))), clusterer=Careless(ComponentConfig(), SPEC)
    )
    found = []
    for _ in range(2):
        found.append(splits.split(sampler, 0, failures, CPU, settings=RegionsSection.model_validate({}), seed=0))
        torch.rand(3)
    one, other = ([d.clustering.parameters["mean"].tolist() for d in divisions] for divisions in found)
    assert one == other
    assert one[0] != one[1], "and each part has random numbers of its own"
