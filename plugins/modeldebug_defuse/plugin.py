"""The hooks of Defuse: its components and its presets. Nothing here imports torch."""

from __future__ import annotations

from modeldebug import Component, Preset, hookimpl

from .presets import PRESETS
from .settings import BetaNoiseConfig, DpGmmConfig, LambdaConfig, MarginConfig, MarginEvolutionConfig, VaeConfig

requires_plugins = ("datasets", "classifiers", "labelers", "executors")


@hookimpl
def modeldebug_generators() -> list[Component]:
    return [
        Component(
            "vae", "beta-VAE with convolutions (Higgins et al. 2017; AAAI appendix B)", VaeConfig,
            "modeldebug_defuse.vae:BetaVae", provides=frozenset({"encode", "gradients"}),
        ),
        Component(
            "cvae", "the same, told the class of each image (Sohn et al. 2015)", VaeConfig,
            "modeldebug_defuse.cvae:ConditionalVae", provides=frozenset({"encode", "gradients", "conditional"}),
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_searchers() -> list[Component]:
    return [
        Component(
            "beta-noise", "Beta-distributed noise around training codes (AAAI algorithm 1)", BetaNoiseConfig,
            "modeldebug_defuse.beta_noise:BetaNoise", requires=frozenset({"encode"}),
        ),
        Component(
            "margin", "ascent of the classifier's margin through the decoder, guided where there is a guide",
            MarginConfig, "modeldebug_defuse.margin:Margin", requires=frozenset({"encode", "gradients"}),
            optional=frozenset({"guide"}),
        ),
        Component(
            "margin-evolution", "the same for classifiers that give probabilities and no gradients",
            MarginEvolutionConfig, "modeldebug_defuse.margin_evolution:MarginEvolution",
            requires=frozenset({"encode"}), optional=frozenset({"guide"}),
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
