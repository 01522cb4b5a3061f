"""The hooks of Defuse: its four components and its presets. Nothing here imports torch."""

from __future__ import annotations

from modeldebug import Component, Preset, hookimpl

from .settings import BetaNoiseConfig, DpGmmConfig, LambdaConfig, VaeConfig

requires_plugins = ("datasets", "classifiers", "labelers")

_AUDITOR = {
    # another architecture, wider and with other augmentation than the oracle; its seeds differ by themselves
    "use": "labelers:oracle", "architecture": "residual", "members": 3, "width": 24, "epochs": 40,
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
            "Defuse on scikit-learn's digits: about a minute on two cores",
            {
                "dataset": {"use": "datasets:digits"},
                "classifier": {"use": "classifiers:cnn"},
                "generator": {"use": "defuse:vae"},
                "searcher": {"use": "defuse:beta-noise"},
                "clusterer": {"use": "defuse:dp-gmm"},
                "labeler": {"use": "labelers:oracle"},
                "auditor": _AUDITOR,
                "corrector": {"use": "defuse:lambda"},
            },
        ),
        Preset(
            "tiny",
            "the whole pipeline in seconds, with settings too small to find anything",
            {
                "dataset": {"use": "datasets:digits", "limit": 400},
                "classifier": {"use": "classifiers:cnn", "epochs": 4},
                "generator": {"use": "defuse:vae", "epochs": 8, "hidden": 64},
                "searcher": {"use": "defuse:beta-noise", "draws": 20},
                "clusterer": {"use": "defuse:dp-gmm", "components": 8},
                "labeler": {"use": "labelers:oracle", "members": 2, "epochs": 4, "width": 8},
                "auditor": {**_AUDITOR, "members": 2, "epochs": 4, "width": 8},
                "corrector": {"use": "defuse:lambda", "lambdas": (0.1, 1.0), "epochs": 1},
                "correction": {"draws": 32},
                "report": {"tsne": 100},
            },
        ),
    ]
