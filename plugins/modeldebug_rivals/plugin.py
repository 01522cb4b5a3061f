"""The hooks of the rivals: searchers to compare with. Nothing here imports torch."""

from __future__ import annotations

from modeldebug import Component, hookimpl

from .settings import GeneticConfig, HeldOutConfig, NaturalConfig, PriorConfig, ReconstructConfig


@hookimpl
def modeldebug_searchers() -> list[Component]:
    return [
        Component(
            "prior", "plain draws from the prior, of every class alike: the floor of every comparison", PriorConfig,
            "modeldebug_rivals.prior:Prior", requires=frozenset({"labelled-draws"}),
        ),
        Component(
            "reconstruct", "no search: the failures among the reconstructions of training images", ReconstructConfig,
            "modeldebug_rivals.reconstruct:Reconstruct", requires=frozenset({"encode"}),
        ),
        Component(
            "natural", "noise grows around the code of a training image until the prediction flips (Zhao et al. 2018)",
            NaturalConfig, "modeldebug_rivals.natural:Natural", requires=frozenset({"encode"}),
        ),
        Component(
            "genetic", "a genetic algorithm around the code of a training image (SINVAD, Kang et al. 2020)",
            GeneticConfig, "modeldebug_rivals.genetic:Genetic", requires=frozenset({"encode"}),
        ),
        Component(
            "test-set", "no generator: the test images that the classifier gets wrong", HeldOutConfig,
            "modeldebug_rivals.test_set:HeldOut", requires=frozenset({"test-images"}),
        ),
    ]  # fmt: skip
