"""The hooks of Defuse: its four components and its presets. Nothing here imports torch."""

from __future__ import annotations

from modeldebug import Component, Preset, hookimpl

from .settings import BetaNoiseConfig, DpGmmConfig, LambdaConfig, VaeConfig

requires_plugins = ("datasets", "classifiers", "labelers")

_AUDITOR = {
    # another architecture, wider and with other augmentation than the oracle; its seeds differ by themselves
    "use": "labelers:oracle", "architecture": "residual", "members": 3, "width": 24, "epochs": 25,
    "rotation": 10.0, "zoom": 0.1, "shear": 0.3, "noise": 0.1,
}  # fmt: skip


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
    return [
        Preset(
            "defuse",
            "Defuse on scikit-learn's digits: a little over a minute on two cores",
            {
                "dataset": {"use": "datasets:digits"},
                "classifier": {"use": "classifiers:cnn"},
                "generator": {"use": "defuse:vae", "beta": 0.02, "epochs": 150, "learning_rate": 2e-3},
                "searcher": {"use": "defuse:beta-noise", "scale": 5.0},
                "clusterer": {
                    "use": "defuse:dp-gmm",
                    "within": "expected",
                    "components": 15,
                    "min_weight": 0.0075,
                },
                "labeler": {"use": "labelers:oracle", "epochs": 25},
                "auditor": _AUDITOR,
                "corrector": {"use": "defuse:lambda", "epochs": 12, "batch_size": 64, "learning_rate": 5e-3},
                "regions": {"samples": 64, "tau": 0.05},
            },
        ),
        Preset(
            "tiny",
            "the whole pipeline in a few seconds, too small for its numbers to mean anything",
            {
                "dataset": {"use": "datasets:digits", "limit": 700},
                "classifier": {"use": "classifiers:cnn", "epochs": 8, "batch_size": 32},
                "generator": {"use": "defuse:vae", "beta": 0.02, "epochs": 60, "batch_size": 32, "learning_rate": 3e-3},
                "searcher": {"use": "defuse:beta-noise", "scale": 4.0, "draws": 20, "block": 64},
                "clusterer": {"use": "defuse:dp-gmm", "within": "expected", "components": 4},
                "labeler": {"use": "labelers:oracle", "members": 2, "epochs": 15, "batch_size": 32, "width": 16},
                "auditor": {**_AUDITOR, "members": 2, "epochs": 15, "batch_size": 32, "width": 16},
                "corrector": {"use": "defuse:lambda", "lambdas": (0.1, 1.0), "epochs": 3, "batch_size": 64},
                "regions": {"samples": 16, "tau": 0.1, "rho": 0.3},
                "correction": {"draws": 32},
                "report": {"tsne": 100},
            },
        ),
    ]
