"""Trackers follow runs and inspections; one that is not installed is refused at once, one that fails fails alone."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from modeldebug_trackers import figures

from modeldebug import Event, PluginError, Run
from modeldebug.events import EventBus
from modeldebug.registry import Registry

needs_tensorboard = pytest.mark.skipif(find_spec("tensorboard") is None, reason="pip install 'modeldebug[tensorboard]'")
needs_mlflow = pytest.mark.skipif(find_spec("mlflow") is None, reason="pip install 'modeldebug[mlflow]'")

Follow = Callable[..., list[Event]]


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    """Tell a tracker again what was told of a finished folder, of which it gets a copy; what others heard meanwhile."""

    def tell(tracker: str, done: Any, last: str = "run_finished") -> list[Event]:
        folder, heard = tmp_path / "run", []
        shutil.copytree(done.folder, folder, dirs_exist_ok=True)
        bus = EventBus((*Registry.load([tracker]).listeners(), ("others", heard.append)))
        for line in done.stream.splitlines()[:-1]:
            event = {**json.loads(line), "run": str(folder)}
            bus.emit(Event(**(event if event["kind"] != "run_finished" else event | {"kind": last, **_ending(last)})))
        return heard

    return tell


def _ending(kind: str) -> dict[str, Any]:
    return {"data": {"status": "failed"}} if kind == "run_stopped" else {}


@needs_tensorboard
def test_tensorboard_has_settings_figures_and_pictures_of_a_run(follow: Follow, finished: Any, tmp_path: Path) -> None:
    follow("tensorboard", finished)
    shown = written(tmp_path)
    tags = shown.Tags()
    assert tags["tensors"] == ["settings/text_summary"]
    results = json.loads((finished.folder / "results.json").read_text())
    (after,) = shown.Scalars("results/test_accuracy.after")
    assert after.value == pytest.approx(results["test_accuracy"]["after"])
    assert shown.Scalars("failures by queries")[-1].step == results["search"]["queries"]
    assert shown.Scalars("search/found")[0].value == shown.Scalars("failures by queries")[-1].value
    assert len(tags["images"]) == results["regions"]


@needs_tensorboard
def test_tensorboard_follows_an_inspection(follow: Follow, inspected: Any, tmp_path: Path) -> None:
    follow("tensorboard", inspected)
    results = json.loads((inspected.folder / "results.json").read_text())
    assert written(tmp_path).Scalars("results/reached")[0].value == results["reached"]


def written(tmp_path: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    return shown.Reload()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """MLflow with a folder in place of a server: what is in it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path}/mlruns")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    def runs() -> Any:
        client = MlflowClient()
        return client, client.search_runs([client.get_experiment_by_name("modeldebug").experiment_id])

    return runs


@needs_mlflow
def test_mlflow_has_settings_figures_and_the_report_of_a_run_also_where_it_went_on_after_a_failure(
    follow: Follow, finished: Any, server: Any
) -> None:
    follow("mlflow", finished, last="run_stopped")
    _, (run,) = server()
    assert run.info.status == "FAILED"
    heard = follow("mlflow", finished)
    assert not [event for event in heard if "does not follow" in event.message]
    client, (run,) = server()
    assert run.info.status == "FINISHED"
    results = json.loads((finished.folder / "results.json").read_text())
    assert run.data.params["searcher.use"] == "defuse:beta-noise"
    assert run.data.params["preset"] == "tiny"
    assert run.data.metrics["results.test_accuracy.after"] == pytest.approx(results["test_accuracy"]["after"])
    assert run.data.metrics["search.found"] == results["search"]["found"]
    curve = client.get_metric_history(run.info.run_id, "failures by queries")
    assert max(point.step for point in curve) == results["search"]["queries"]
    artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert artifacts == {"report.html", "results.json", *(["regions"] if results["regions"] else [])}
    assert len(client.list_artifacts(run.info.run_id, "regions")) == results["regions"]


@needs_mlflow
def test_mlflow_follows_an_inspection(follow: Follow, inspected: Any, server: Any) -> None:
    follow("mlflow", inspected)
    _, (run,) = server()
    assert (run.info.status, run.data.params["kind"]) == ("FINISHED", "inspection")


@needs_mlflow
@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:///none.db"])
def test_a_server_that_does_not_answer_is_told_of_once_and_not_asked_again(
    uri: str, follow: Follow, inspected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modeldebug_trackers import mlflow

    asked = []
    monkeypatch.setattr(mlflow, "_log", lambda event, log=mlflow._log: asked.append(event.kind) or log(event))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)  # as where only the client is installed
    (warning,) = [event for event in follow("mlflow", inspected) if event.kind == "warning"]
    assert warning.message.startswith("'mlflow' does not follow the run: ")
    assert asked == ["run_started"]


@pytest.mark.parametrize("tracker", ["tensorboard", "mlflow"])
def test_a_tracker_whose_package_is_missing_is_refused_when_it_is_asked_for(
    tracker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, f"modeldebug_trackers.{tracker}", raising=False)
    with pytest.raises(PluginError, match=f"needs the package {tracker}, which is not installed") as caught:
        Registry.load(["defuse", tracker])
    assert f"pip install 'modeldebug[{tracker}]'" in str(caught.value)


def test_settings_are_those_of_the_manifest(finished: Any) -> None:
    told = figures.settings(finished.folder)
    assert told["searcher.use"] == "defuse:beta-noise"
    assert told["plugins"] == '["defuse"]'
    assert {"run.seed", "versions.torch", "kind", "preset"} <= set(told)


def test_pictures_are_the_samples_of_the_regions_that_were_kept(finished: Any) -> None:
    run = Run(finished.folder)
    shown = dict(figures.regions(run.path))
    assert len(shown) == len(run.regions)
    rows = run.figures("regions")["regions"]
    for region in run.regions:
        (images,) = [x for name, x in shown.items() if name.startswith(f"region {region.cluster}: ")]
        first = sum(row["samples"] for row in rows[: region.cluster])
        assert torch.equal(images[0], samples(run)[first])


def samples(run: Run) -> torch.Tensor:
    from safetensors.torch import load_file

    return load_file(run.path / "stages" / "regions.safetensors")["x"]


def test_a_montage_has_every_image_in_its_place() -> None:
    images = torch.rand(10, 3, 4, 5)
    shown = torch.from_numpy(figures.montage(images)).permute(2, 0, 1)
    assert shown.shape == (3, 8, 40)
    assert torch.equal(shown[:, 4:8, 5:10], (255 * images[9]).round().to(torch.uint8))
    assert figures.montage(images[:3]).shape == (4, 15, 3)
