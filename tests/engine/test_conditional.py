"""A generator that is told the class: what it is told in each stage, and what is kept to see whether it listens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from modeldebug import Clusterer, Clustering, Component, ComponentConfig, Context, Failures, ImageSet, Run
from modeldebug.stages.generate import styles
from modeldebug.stages.sampler import Division, Sampler
from modeldebug.store import RunStore
from modeldebug.testing.problems import ABILITIES, SPEC, PlantedConditionalGenerator, codes_of, known_problem, truth

from . import planted
from .bits import bits

TOLD = known_problem(conditional=True)
CPU = torch.device("cpu")

told = Component(
    "told", "told the class", ComponentConfig, PlantedConditionalGenerator, provides=ABILITIES | {"conditional"}
)


class OneCluster(Clusterer[ComponentConfig]):
    """All failures, whatever their class; its samples are the mean code, and it does not say of which class."""

    Config = ComponentConfig

    def _fit(self, failures: Failures, context: Context) -> Clustering:
        assert failures.z is not None
        zeros = torch.zeros(len(failures), dtype=torch.int64)
        return Clustering(torch.ones(1), zeros, {"mean": failures.z.mean(0)})

    def _sample(
        self, clustering: Clustering, cluster: int, n: int, tau: float, rng: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        return clustering.parameters["mean"].repeat(n, 1), None


def debug(out: Path) -> Run:
    generator, clusterer = ({"use": f"{__name__}:{name}"} for name in ("told", "OneCluster"))
    return planted.debug(out, generator=generator, clusterer=clusterer, searcher={"draws": 20})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return debug(tmp_path_factory.mktemp("told") / "run")


def tensors(run: Run, stage: str) -> dict[str, Tensor]:
    return RunStore.open(run.path).load_stage(stage).tensors


def test_every_origin_and_failure_is_told_its_label(run: Run) -> None:
    origins, failures = tensors(run, "origins"), tensors(run, "search")
    assert torch.equal(origins["condition"], origins["labels"])
    assert torch.equal(failures["condition"], failures["expected"])


def test_no_failure_drifts_where_the_class_is_told(run: Run) -> None:
    search = run.results["search"]
    assert search["failures"] > 0
    assert search["drift"] == search["third_class"] == 0
    assert torch.equal(truth(codes_of(tensors(run, "search")["x"])), tensors(run, "search")["expected"])


def test_the_gate_keeps_the_style_of_some_images_as_every_class(run: Run) -> None:
    kept = {k.removeprefix("styles/"): v for k, v in tensors(run, "gate").items() if k.startswith("styles/")}
    assert kept["images"].shape == (4, 4, *SPEC.shape)
    assert kept["labels"].tolist() == kept["classes"].tolist() == [0, 1, 2, 3]
    style = codes_of(kept["x"]).abs()
    for row, (images, expected) in enumerate(zip(kept["images"], style, strict=True)):
        assert truth(codes_of(images)).tolist() == kept["classes"].tolist(), "down a column, the class"
        assert torch.allclose(codes_of(images).abs(), expected.expand(4, 2), atol=1e-4), "along a row, the style"
        assert torch.allclose(images[row], kept["x"][row], atol=1e-5), "as its own class it is its reconstruction"
    assert "The same style as every class" in run.report().read_text()


def test_a_generator_that_is_told_nothing_has_no_styles(planted_run: Run) -> None:
    assert not [name for name in tensors(planted_run, "gate") if name.startswith("styles/")]


def test_of_many_classes_a_dozen_is_drawn() -> None:
    validation = TOLD.splits.validation
    many = replace(TOLD.splits, validation=ImageSet(validation.images, torch.arange(len(validation)) % 43))

    class Deaf(PlantedConditionalGenerator):
        def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
            assert condition is not None
            return super()._decode(z, condition % 4)

    model = Deaf(ComponentConfig(), SPEC)
    one, same, other = (styles(model, many, Context.quiet(seed), batch_size=64) for seed in (0, 0, 1))
    assert one["images"].shape == (6, 12, *SPEC.shape)
    assert len(one["classes"].unique()) == 12
    assert one["labels"].tolist() == one["classes"][:6].tolist()
    assert torch.equal(one["classes"], same["classes"])
    assert not torch.equal(one["classes"], other["classes"])


def test_samples_of_a_cluster_are_told_classes_of_its_own_failures_where_the_clusterer_names_none() -> None:
    known_classes, assignment = torch.tensor([0, 0, 0, 3, 1, 1]), torch.tensor([0, 0, 0, 0, 1, -1])
    clustering = Clustering(torch.tensor([0.7, 0.3]), assignment, {"mean": torch.ones(2)})
    model = TOLD.generator
    sampler = Sampler(
        OneCluster(ComponentConfig(), SPEC), (Division.of_all(clustering),), model, 1.0, 64, CPU, known_classes
    )
    for cluster, shares in ((0, {0: 0.75, 3: 0.25}), (1, {1: 1.0})):
        _, x = sampler.draw(cluster, 400, torch.Generator().manual_seed(0))
        shown = truth(codes_of(x))
        assert {c: pytest.approx(s, abs=0.08) for c, s in shares.items()} == {
            int(c): float((shown == c).float().mean()) for c in shown.unique()
        }


def test_regions_of_a_clusterer_that_names_no_class_are_drawn_and_corrected(run: Run) -> None:
    assert run.status == "done"
    samples = tensors(run, "regions")
    assert set(truth(codes_of(samples["x"])).tolist()) <= set(tensors(run, "search")["expected"].tolist())


def test_a_run_told_the_class_has_the_same_bits_again(run: Run, tmp_path: Path) -> None:
    debug(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(run.path)
