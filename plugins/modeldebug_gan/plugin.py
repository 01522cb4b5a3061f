"""The hooks of the GAN. Nothing here imports torch."""

from __future__ import annotations

from modeldebug import Component, hookimpl

from .settings import DcganConfig


@hookimpl
def modeldebug_generators() -> list[Component]:
    return [
        Component(
            "dcgan", "deep convolutional GAN (Radford et al. 2016; Bayes-TrEx table 6)", DcganConfig,
            "modeldebug_gan.dcgan:Dcgan", provides=frozenset({"encode", "gradients"}),
        ),
    ]  # fmt: skip
