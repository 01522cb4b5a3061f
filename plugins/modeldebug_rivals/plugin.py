"""The hooks of the rivals: searchers to compare with. Nothing here imports torch."""

from __future__ import annotations

from modeldebug import Component, hookimpl

from .settings import PriorConfig, ReconstructConfig


@hookimpl
def modeldebug_searchers() -> list[Component]:
    return [
        Component(
            "prior", "plain draws from the prior, of every class alike: the floor of every comparison", PriorConfig,
            "modeldebug_rivals.prior:Prior", requires=frozenset({"conditional"}),
        ),
        Component(
            "reconstruct", "no search: the failures among the reconstructions of training images", ReconstructConfig,
            "modeldebug_rivals.reconstruct:Reconstruct", requires=frozenset({"encode"}),
        ),
    ]  # fmt: skip
