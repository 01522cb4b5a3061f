"""The hooks of Defuse: its four components and its presets. Nothing here imports torch."""

from __future__ import annotations

from modeldebug import Component, Preset, hookimpl

from .presets import PRESETS
from .settings import BetaNoiseConfig, DpGmmConfig, LambdaConfig, VaeConfig

requires_plugins = ("datasets", "classifiers", "labelers")


@hookimpl
def modeldebug_generators() -> list[Component]:
    return [
        Component(
            "vae", "beta-VAE with convolutions (Higgins et al. 2017; AAAI appendix B)", VaeConfig,
            "modeldebug_defuse.vae:BetaVae", provides=frozenset({"encode", "gradients"}),
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_searchers() -> list[Component]:
    return [
        Component(
            "beta-noise", "Beta-distributed noise around training codes (AAAI algorithm 1)", BetaNoiseConfig,
            "modeldebug_defuse.beta_noise:BetaNoise", requires=frozenset({"encode"}),
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_clusterers() -> list[Component]:
    return [
        Component(
            "dp-gmm", "Gaussian mixture with a Dirichlet process prior (AAAI section 3.2)", DpGmmConfig,
            "modeldebug_defuse.dp_gmm:DpGmm",
        ),
        Component(
            "dp-gmm-sklearn", "the same mixture by scikit-learn, which the paper used: slow", DpGmmConfig,
            "modeldebug_defuse.dp_gmm_sklearn:DpGmmSklearn",
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_correctors() -> list[Component]:
    return [
        Component(
            "lambda", "finetuning on L(D) + lambda L(D_f) over a sweep of lambdas (AAAI section 3.3)", LambdaConfig,
            "modeldebug_defuse.lambda_finetuning:LambdaFinetuning",
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_presets() -> list[Preset]:
    return list(PRESETS)
