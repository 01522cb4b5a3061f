"""The hooks of Bayes-TrEx: its components and its presets. Nothing here imports torch."""

from __future__ import annotations

from modeldebug import Component, Preset, hookimpl

from .presets import PRESETS
from .settings import HmcConfig, NutsConfig, RandomWalkConfig, SmcConfig, VaeFcConfig

requires_plugins = ("datasets", "classifiers", "labelers", "executors", "defuse")


@hookimpl
def modeldebug_generators() -> list[Component]:
    return [
        Component(
            "vae-fc", "fully connected VAE (Kingma and Welling 2014; Bayes-TrEx table 6)", VaeFcConfig,
            "modeldebug_bayestrex.vae_fc:FullyConnectedVae", provides=frozenset({"encode", "gradients"}),
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_searchers() -> list[Component]:
    return [
        Component(
            "nuts", "the No-U-Turn sampler of Pyro, the reference: slow (Bayes-TrEx, section 4.2)", NutsConfig,
            "modeldebug_bayestrex.nuts:Nuts", requires=frozenset({"targets", "gradients"}),
            optional=frozenset({"guide"}),
        ),
        Component(
            "smc", "populations under a falling sigma, with Newton moves (Del Moral et al. 2006)", SmcConfig,
            "modeldebug_bayestrex.smc:Smc", requires=frozenset({"targets", "gradients"}),
            optional=frozenset({"guide"}),
        ),
        Component(
            "hmc", "Hamiltonian Monte Carlo, many chains in one batch (Neal 2011)", HmcConfig,
            "modeldebug_bayestrex.hmc:Hmc", requires=frozenset({"targets", "gradients"}),
            optional=frozenset({"guide"}),
        ),
        Component(
            "random-walk", "random-walk Metropolis, without gradients (Bayes-TrEx, section 4.2)", RandomWalkConfig,
            "modeldebug_bayestrex.random_walk:RandomWalk", requires=frozenset({"targets"}),
            optional=frozenset({"guide"}),
        ),
    ]  # fmt: skip


@hookimpl
def modeldebug_presets() -> list[Preset]:
    return list(PRESETS)
