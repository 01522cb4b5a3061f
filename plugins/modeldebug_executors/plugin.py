"""The hook of the executors. Nothing here imports torch."""

from __future__ import annotations

from modeldebug import Component, hookimpl

from .settings import DaskConfig, LocalConfig


@hookimpl
def modeldebug_executors() -> list[Component]:
    return [
        Component(
            "local", "worker processes on this machine (joblib's loky)", LocalConfig,
            "modeldebug_executors.local:Local",
        ),
        Component(
            "dask", "the workers of a Dask cluster, on any number of machines", DaskConfig,
            "modeldebug_executors.cluster:Dask",
        ),
    ]  # fmt: skip
