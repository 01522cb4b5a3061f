"""Runs in MLflow: on the server that `MLFLOW_TRACKING_URI` names, in the experiment `modeldebug`, or that which
`MLFLOW_EXPERIMENT_NAME` names. A run that goes on after an interruption goes on there too."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from modeldebug import Event, PluginError, hookimpl

from .figures import curve, montage, numbers, regions, require, settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

require("mlflow", extra="mlflow")

FOLDER = "modeldebug.folder"  # the tag by which a run is found again: a hash of its folder's path
MOST_PARAMETERS, MOST_METRICS, LONGEST = 100, 1000, 6000  # what MLflow takes at once, and the longest value
STATUS = {"failed": "FAILED", "interrupted": "KILLED", "waiting": "SCHEDULED", "stopped": "FINISHED"}
_patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}  # a run waits for the server
_given_up: set[str] = set()  # folders of runs whose server did not answer


@hookimpl
def modeldebug_event(event: Event) -> None:
    """Log settings at the start, figures after each stage, results and report at the end. What fails once is not tried
    again in this run."""
    if event.kind in ("progress", "stage_started", "warning", "waiting") or event.run in _given_up:
        return
    try:
        _log(event)
    except Exception:
        _given_up.add(event.run)
        raise


def _log(event: Event) -> None:
    for name, value in _patience.items():
        os.environ.setdefault(name, value)
    client, folder = _client(), Path(event.run)
    run = _run(client, folder)
    if event.kind == "run_started":
        client.update_run(run, status="RUNNING")
        return
    metrics = {f"{event.stage or 'results'}.{name}": value for name, value in numbers(event.data).items()}
    _log_metrics(client, run, [(name, value, 0) for name, value in metrics.items()])
    if event.stage == "search":
        _log_metrics(client, run, [("failures by queries", found, asked) for asked, found in curve(folder)])
    if event.stage == "regions":
        for name, images in regions(folder):
            client.log_image(run, montage(images), artifact_file=f"regions/{_name(name)}.png")
    if event.kind == "run_finished":
        for file in ("results.json", "report.html"):
            client.log_artifact(run, str(folder / file))
        client.set_terminated(run)
    if event.kind == "run_stopped":
        client.set_terminated(run, STATUS[event.data["status"]])


def _client() -> MlflowClient:
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        return MlflowClient()
    except MlflowException as error:
        raise PluginError(
            "MLflow has nowhere to log to",
            got=error.message.partition(".")[0],
            fix="name a server, as in MLFLOW_TRACKING_URI=http://localhost:5000; or install the whole of mlflow, which "
            "keeps runs in a file",
            plugin="mlflow",
        ) from error


def _run(client: MlflowClient, folder: Path) -> str:
    """The id of the run of a folder: the one that was begun, or a new one with the settings."""
    from mlflow.entities import Param

    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "modeldebug")
    known = client.get_experiment_by_name(name)
    experiment: str = client.create_experiment(name) if known is None else known.experiment_id
    mark = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()
    found = client.search_runs([experiment], filter_string=f"tags.`{FOLDER}` = '{mark}'", max_results=1)
    if found:
        begun: str = found[0].info.run_id
        return begun
    run: str = client.create_run(experiment, run_name=folder.name, tags={FOLDER: mark}).info.run_id
    parameters = [Param(name, value[:LONGEST]) for name, value in settings(folder).items()]
    for start in range(0, len(parameters), MOST_PARAMETERS):
        client.log_batch(run, params=parameters[start : start + MOST_PARAMETERS])
    return run


def _log_metrics(client: MlflowClient, run: str, values: list[tuple[str, float, int]]) -> None:
    from mlflow.entities import Metric

    now = int(1000 * time.time())
    for start in range(0, len(values), MOST_METRICS):
        some = [Metric(_name(name), value, now, step) for name, value, step in values[start : start + MOST_METRICS]]
        client.log_batch(run, metrics=some)


def _name(name: str) -> str:
    """A name that MLflow takes: letters, digits, and some signs; class names may have others."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in name)
