"""Settings of the executors."""

from __future__ import annotations

from pydantic import Field, PositiveFloat

from modeldebug import AbsolutePath, ComponentConfig


class LocalConfig(ComponentConfig):
    """Worker processes on this machine."""

    workers: int | None = Field(None, ge=1, description="processes; if unset, one for each processor")


class DaskConfig(ComponentConfig):
    """The workers of a Dask cluster that is running."""

    address: str = Field(
        pattern=r"^(tcp|tls)://.+:\d+$", description="the scheduler's, such as tcp://192.0.2.1:8786, or tls://..."
    )
    retries: int = Field(3, ge=0, description="how often a task is done again that failed, or was lost with its worker")
    resources: dict[str, PositiveFloat] = Field(
        default_factory=dict, description="what a task takes of its worker's resources, such as {GPU=1}"
    )
    timeout: float = Field(30.0, gt=0, description="seconds to wait for the scheduler, and for a first worker")
    tls_ca: AbsolutePath | None = Field(
        None, description="with tls://: file with the certificates of the authority (PEM); Dask's own setting if unset"
    )
    tls_cert: AbsolutePath | None = Field(
        None, description="with tls://: file with this machine's certificate (PEM); Dask's own setting if unset"
    )
    tls_key: AbsolutePath | None = Field(
        None, description="with tls://: file with the certificate's key (PEM); unset if the certificate's file has it"
    )
