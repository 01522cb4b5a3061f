"""Every default component passes the conformance kit, with settings that train for a second."""

from collections.abc import Callable

import numpy as np
import pytest
from modeldebug_bayestrex.plugin import modeldebug_generators as modeldebug_vaes
from modeldebug_bayestrex.plugin import modeldebug_searchers as modeldebug_samplers
from modeldebug_classifiers.plugin import modeldebug_classifiers
from modeldebug_datasets.plugin import modeldebug_datasets
from modeldebug_defuse.plugin import (
    modeldebug_clusterers,
    modeldebug_correctors,
    modeldebug_generators,
    modeldebug_searchers,
)
from modeldebug_executors.plugin import modeldebug_executors
from modeldebug_gan.plugin import modeldebug_generators as modeldebug_gans
from modeldebug_labelers.plugin import modeldebug_classifiers as modeldebug_ensembles
from modeldebug_labelers.plugin import modeldebug_labelers
from PIL import Image

from modeldebug.testing import check_dataset, parametrize_with_checks

SHORT = {
    "cnn": {"epochs": 4},
    "examples-cnn": {"epochs": 4},
    "resnet18": {"epochs": 2, "batch_size": 32},
    "ensemble": {"members": 2, "epochs": 6, "width": 8},
    "digits": {"limit": 300},
    "vae": {"epochs": 12, "hidden": 32, "channels": 8, "latent": 3},
    "cvae": {"epochs": 12, "hidden": 32, "channels": 8, "latent": 3},
    "vae-fc": {"epochs": 12, "hidden": 32, "latent": 3},
    "dcgan": {"epochs": 12, "channels": 16, "latent": 3, "batch_size": 32, "learning_rate": 3e-3, "inverter_steps": 50},
    "beta-noise": {"draws": 40, "scale": 4.0, "block": 10},
    "margin": {"step": 0.2, "keep": 2, "apart": 0.2, "restarts": 1, "block": 4},  # restarts: all that it draws
    "margin-evolution": {"step": 0.2, "sigma": 0.05, "block": 4},
    "nuts": {"warmup": 40, "samples": 60, "draws": 64, "depth": 4, "block": 30},
    "smc": {"populations": 4, "particles": 24, "pool": 256},
    "hmc": {"chains": 8, "warmup": 40, "samples": 20, "leaps": 8, "draws": 128, "block": 20},
    "random-walk": {"chains": 4, "warmup": 60, "samples": 120, "draws": 64, "block": 60, "hot": 2.0},
    "dp-gmm": {"components": 6},
    "dp-gmm-sklearn": {"components": 6},
    "oracle": {"members": 2, "epochs": 6, "width": 8},
    "simulated": {"members": 2, "epochs": 6, "width": 8},
    "local": {"workers": 2},
    "lambda": {"lambdas": (0.1, 1.0), "batch_size": 64, "epochs": 6},
}
DATASETS = {component.name: component for component in modeldebug_datasets()}
COMPONENTS = [
    DATASETS["digits"],
    *modeldebug_classifiers(),
    *modeldebug_ensembles(),
    *modeldebug_generators(),
    *modeldebug_vaes(),
    *modeldebug_gans(),
    *modeldebug_searchers(),
    *modeldebug_samplers(),
    *modeldebug_clusterers(),
    *modeldebug_labelers(),
    *modeldebug_correctors(),
    next(component for component in modeldebug_executors() if component.name == "local"),
]


@parametrize_with_checks([(component, SHORT.get(component.name, {})) for component in COMPONENTS])
def test_default_component_keeps_its_contract(check: Callable[[], None]):
    check()


@parametrize_with_checks([next(c for c in COMPONENTS if c.name == "beta-noise")])
def test_beta_noise_keeps_its_contract_with_its_own_settings(check: Callable[[], None]):
    check()


@parametrize_with_checks(
    [(next(c for c in COMPONENTS if c.name == "random-walk"), {**SHORT["random-walk"], "parts": 2})]
)
def test_walk_in_parts_keeps_its_contract(check: Callable[[], None]):
    check()


@parametrize_with_checks([(c, {"components": 5, "within": "expected"}) for c in modeldebug_clusterers()])
def test_mixture_within_expected_labels_keeps_its_contract(check: Callable[[], None]):
    check()


def test_arrays_keep_the_contract_of_data_sets(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(60) % 3)
    check_dataset(DATASETS["arrays"], {"path": str(tmp_path / "data.npz")})


@pytest.mark.parametrize("channels", [1, 3])
def test_folders_keep_the_contract_of_data_sets(tmp_path, channels):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(10):
            Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(tmp_path / name / f"{i}.png")
    check_dataset(DATASETS["folder"], {"path": str(tmp_path), "size": 8, "channels": channels})
