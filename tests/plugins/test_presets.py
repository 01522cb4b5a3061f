"""The presets for the papers' data sets: each makes every part of a run, with the paper's numbers where it says so."""

from pathlib import Path

import pytest
from published import write_gtsrb, write_idx, write_svhn

from modeldebug.check import check
from modeldebug.config import Layer, resolve
from modeldebug.registry import Registry

WRITE = {
    "defuse-mnist": write_idx,
    "defuse-fashion": write_idx,
    "defuse-svhn": write_svhn,
    "defuse-gtsrb": write_gtsrb,
}


def config(preset, budget, root: Path | None = None):
    settings = {} if root is None else {"dataset": {"root": str(root)}}
    if root is not None and WRITE[preset] is write_idx:
        settings["dataset"]["validation"] = 50
    return resolve(Registry.load(["defuse"]), ["defuse"], [Layer("test", settings, budget)], preset=preset)


@pytest.mark.parametrize("budget", ["laptop", "paper"])
@pytest.mark.parametrize("preset", WRITE)
def test_every_part_of_a_run_can_be_made_for_the_data(preset, budget, tmp_path):
    found = check(config(preset, budget, WRITE[preset](tmp_path)))
    assert found.trained_in_run
    assert not found.warnings
    assert len(found.classes) == (43 if preset == "defuse-gtsrb" else 10)


@pytest.mark.parametrize("preset", WRITE)
def test_a_laptop_gets_at_most_five_lambdas_and_fewer_epochs_and_draws(preset):
    laptop, paper = (config(preset, budget).to_dict() for budget in ("laptop", "paper"))
    assert len(laptop["corrector"]["lambdas"]) <= 5
    for role, name in (
        ("generator", "epochs"),
        ("searcher", "draws"),
        ("corrector", "epochs"),
        ("classifier", "epochs"),
    ):
        assert laptop[role][name] < paper[role][name], (role, name)


# facts of AAAI appendix B: latent, beta, epochs of the generator; draws, a, keep; tau; batch size, epochs of correction
PAPER = {
    "defuse-mnist": (10, 0.4, 800, 500, 50.0, 100, 0.5, 256, 3),
    "defuse-svhn": (10, 4.0, 400, 100, 75.0, 10, 0.01, 2048, 5),
    "defuse-gtsrb": (15, 4.0, 800, 100, 75.0, 10, 0.01, 256, 5),
}


@pytest.mark.parametrize(("preset", "expected"), PAPER.items())
def test_the_budget_paper_has_the_papers_numbers(preset, expected):
    c = config(preset, "paper").to_dict()
    generator, searcher, corrector = c["generator"], c["searcher"], c["corrector"]
    assert expected == (
        generator["latent"], generator["beta"], generator["epochs"],
        searcher["draws"], searcher["a"], searcher["keep"],
        c["regions"]["tau"], corrector["batch_size"], corrector["epochs"],
    )  # fmt: skip
    assert len(corrector["lambdas"]) == 17
    assert c["clusterer"]["components"] == 100
    assert (c["regions"]["min_purity"], c["correction"]["rule"]) == (0.0, "validation")


@pytest.mark.parametrize("preset", ["bayestrex", "bayestrex-tiny", "bayestrex-mnist", "bayestrex-fashion"])
def test_every_part_of_a_bayestrex_preset_can_be_made_for_the_data(preset, tmp_path):
    small = {} if preset in ("bayestrex", "bayestrex-tiny") else {"root": str(write_idx(tmp_path)), "validation": 50}
    chosen = resolve(Registry.load(["bayestrex"]), ["bayestrex"], [Layer("test", {"dataset": small})], preset=preset)
    found = check(chosen)
    assert not found.warnings
    assert {"generator bayestrex:vae-fc", "searcher bayestrex:smc"} <= set(found.components)


def test_a_plugins_own_preset_comes_before_those_of_the_plugins_that_it_builds_on():
    assert next(iter(Registry.load(["bayestrex"]).presets)) == "bayestrex"
    assert next(iter(Registry.load(["defuse", "bayestrex"]).presets)) == "defuse"
