"""A connection to a Dask cluster, refused where its workers could not give the same results as this process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from modeldebug import ConfigError, InputError

from .settings import DaskConfig
from .worker import described, refuse_others, versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from distributed import Client, Security

NAME = "executors:dask"
START = "dask worker {} --nthreads 1 --nworkers 4"
WITHOUT = "--executor none does without (modeldebug resume: --workers 1)"


def connected(config: DaskConfig) -> Client:
    """A client of the cluster. Every worker that will be given tasks has the versions of this process, and one thread.

    Raises:
        ConfigError: the package is missing, nobody answers, or a worker is of no use.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "the executor 'dask' needs the package distributed, which is not installed",
            fix=f"pip install 'modeldebug[dask]'; {WITHOUT}",
            plugin=NAME,
        ) from error
    try:
        client = Client(config.address, security=_security(config), timeout=config.timeout, set_as_default=False)
    except (OSError, TypeError, ValueError) as error:  # nobody there; or of TLS, no certificate, or a wrong one
        secured = ", with the certificates that tls_ca, tls_cert and tls_key name" * config.address.startswith("tls://")
        raise ConfigError(
            "the Dask scheduler cannot be reached",
            got=f"{config.address}: {str(error).splitlines()[0]}",
            expected=f"a scheduler that answers within {config.timeout:g} s{secured}",
            fix=f"start it with 'dask scheduler', and its workers with '{START.format(config.address)}'; {WITHOUT}. "
            "'modeldebug resume' goes on with a run that was stopped",
            plugin=NAME,
        ) from error
    try:
        with asking(client):
            _check(client, config)
    except BaseException:
        client.close()
        raise
    return client


@contextmanager
def asking(client: Client) -> Iterator[None]:
    """Say it in one way where a scheduler does not answer any more.

    Raises:
        InputError: it does not.
    """
    try:
        yield
    except OSError as error:  # of a connection that was closed, or took too long
        raise InputError(
            "the Dask scheduler does not answer any more",
            got=f"{type(error).__name__}: {error}",
            fix="start the cluster again; 'modeldebug resume' then goes on where the run stopped",
            plugin=NAME,
        ) from error


def _security(config: DaskConfig) -> Security | None:
    if not config.address.startswith("tls://"):
        return None
    from distributed import Security

    files = {"tls_ca_file": config.tls_ca, "tls_client_cert": config.tls_cert, "tls_client_key": config.tls_key}
    return Security(require_encryption=True, **{name: file for name, file in files.items() if file is not None})


def _check(client: Client, config: DaskConfig) -> None:
    mine = versions()
    _check_scheduler(client, mine)
    try:
        client.wait_for_workers(1, timeout=config.timeout)
    except TimeoutError as error:
        raise ConfigError(
            "the Dask scheduler has no workers",
            got=f"none within {config.timeout:g} s at {config.address}",
            fix=START.format(config.address),
            plugin=NAME,
        ) from error
    told: Mapping[str, Any] = client.run(described, on_error="return")
    able = 0
    for worker, what in told.items():
        if isinstance(what, BaseException):
            raise _not_there(f"on the worker {worker}", what)
        if all(what["resources"].get(name, 0) >= amount for name, amount in config.resources.items()):
            able += 1
            _check_worker(worker, what, config, mine)
    if not able:
        wanted = " ".join(f"{name}={amount:g}" for name, amount in config.resources.items())
        raise ConfigError(
            "no Dask worker has the resources that a task takes",
            got=f"{len(told)} workers without",
            expected=wanted,
            fix=f"dask worker {config.address} --nthreads 1 --resources '{wanted}'",
            plugin=NAME,
        )


def _check_scheduler(client: Client, mine: Mapping[str, str]) -> None:
    """It reads what it hands on, but computes nothing: it needs modeldebug, and no torch."""
    try:
        theirs = client.run_on_scheduler(versions)
    except OSError:
        raise
    except Exception as error:
        raise _not_there("where the Dask scheduler runs", error) from error
    refuse_others(theirs, {name: mine[name] for name in ("python", "modeldebug")}, where="the Dask scheduler")


def _check_worker(worker: str, what: Mapping[str, Any], config: DaskConfig, mine: dict[str, str]) -> None:
    refuse_others(what["versions"], mine, where=f"the Dask worker {worker}")
    if what["threads"] > 1:
        raise ConfigError(
            "a Dask worker does several tasks at once in one process, which has one number of threads for all of them",
            got=f"{worker} with --nthreads {what['threads']}",
            expected="processes with one thread for tasks each; run.threads says with how many they compute",
            fix=START.format(config.address),
            plugin=NAME,
        )


def _not_there(where: str, error: BaseException) -> ConfigError:
    return ConfigError(
        f"modeldebug cannot be imported {where}",
        got=f"{type(error).__name__}: {error}",
        fix="install the same versions everywhere, with -c constraints.txt",
        plugin=NAME,
    )
