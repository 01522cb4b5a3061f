"""A Dask cluster gives the bytes of this process; what is lost with a worker is done again; what differs is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="pip install 'modeldebug[dask]'")

from modeldebug_executors import cluster as cluster_module
from modeldebug_executors.cluster import Dask
from modeldebug_executors.plugin import modeldebug_executors
from modeldebug_executors.settings import DaskConfig
from modeldebug_executors.worker import versions
from pydantic import ValidationError

import modeldebug
from modeldebug import ConfigError, Event, InputError
from modeldebug.testing import check_executor

from . import tasks
from .clusters import Cluster, cluster, kill

PATIENT = 60.0  # seconds to wait for a scheduler that there is


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with two workers, which tests leave as it was."""
    with cluster(tmp_path_factory.mktemp("two"), workers=2) as made:
        made.ready()
        yield made


def connected(made: Cluster, **settings: Any) -> Dask:
    """An executor, once all workers of the cluster are there."""
    made.ready()
    executor = Dask(DaskConfig(**{"address": made.address, "timeout": PATIENT} | settings))
    executor.name = "executors:dask"
    return executor


@pytest.fixture
def dask(two: Cluster) -> Iterator[Dask]:
    with closing(connected(two)) as executor:
        yield executor


def stages(folder: Path) -> dict[str, bytes]:
    """The files of the finished stages, and the weights."""
    files = [*folder.glob("stages/*"), *folder.glob("*.safetensors")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_run_whose_worker_is_killed_in_the_search_has_the_bytes_of_one_without_a_cluster(
    finished: Any, tmp_path: Path
) -> None:
    killed = list[int]()

    def kill_at_first_progress(event: Event) -> None:
        if (event.kind, event.stage) == ("progress", "search") and not killed:
            made.processes[1].kill()
            killed.append(made.processes[1].wait())
            made.worker()

    with cluster(tmp_path, workers=2) as made:
        made.ready()
        settings = {"executor": {"use": "dask", "address": made.address, "timeout": PATIENT}}
        out, listeners = tmp_path / "run", [kill_at_first_progress]
        run = modeldebug.run(preset="tiny", settings=settings, out=out, listeners=listeners)
    assert killed, "there was no progress in the search"
    assert stages(run.path) == stages(finished.folder)


def test_the_executor_keeps_its_contract(two: Cluster) -> None:
    (component,) = (component for component in modeldebug_executors() if component.name == "dask")
    check_executor(component, {"address": two.address, "timeout": PATIENT})


def test_each_task_is_done_once_by_one_of_two_workers(dask: Dask) -> None:
    assert dask.width == 2
    results = dict(dask.each(tasks.squared, range(20), 100))
    assert [results[i][0] for i in range(20)] == [100 + i * i for i in range(20)]
    assert len({process for _, process in results.values()}) == 2


def test_a_few_tasks_are_given_at_a_time_and_what_nobody_waits_for_is_not_begun(dask: Dask, tmp_path: Path) -> None:
    results = dask.each(tasks.held_but_one, range(50), tmp_path)
    next(results)
    results.close()
    (tmp_path / "go").touch()
    assert len(dict(dask.each(tasks.squared, range(10), 0))) == 10, "it can still be used"
    assert len(tasks.begun(tmp_path)) <= 5


def test_what_a_task_raises_on_purpose_is_raised_as_it_is_and_not_tried_again(dask: Dask, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the third task is refused") as caught:
        list(dask.each(tasks.refused, range(5), tmp_path))
    assert (caught.value.got, caught.value.fix) == ("2", "leave it out")
    assert tasks.begun(tmp_path)[2] == 1


def test_what_else_a_task_raises_is_raised_once_it_was_tried_again(two: Cluster, tmp_path: Path) -> None:
    full = pytest.raises(OSError, match="the disk of the worker is full")
    with closing(connected(two, retries=2)) as executor, full:
        list(executor.each(tasks.broken, range(5), tmp_path))
    assert tasks.begun(tmp_path)[1] == 3


def test_what_cannot_be_sent_is_refused(dask: Dask) -> None:
    with pytest.raises(InputError, match="what workers need cannot be sent to them"):
        list(dask.each(tasks.squared, range(3), (i for i in range(3))))


def test_a_worker_that_is_killed_costs_its_tasks_and_all_workers_what_they_share(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with cluster(tmp_path, workers=2) as made, closing(connected(made)) as dask, ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: dict(dask.each(tasks.held, range(12), first)))
        kill(tasks.process_at(first, 0))
        assert found.result() == {i: 10 * i for i in range(12)}
        assert tasks.begun(first) == {0: 2} | dict.fromkeys(range(1, 12), 1)

        tasks.until(lambda: len(dask._client.nthreads()) == 1, "news of the worker that was killed")
        assert dask.width == 2, "the core would keep the work to itself"
        found = pool.submit(lambda: dict(dask.each(tasks.held, range(12), second)))
        kill(tasks.process_at(second, 0))  # the only one, with the only copy of what tasks share
        made.worker()
        assert found.result() == {i: 10 * i for i in range(12)}
        assert tasks.begun(second)[0] == 2


def test_tasks_that_end_their_workers_time_and_again_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")
    words = "Dask workers ended in the middle of their work, time and again"
    with cluster(tmp_path, workers=2) as made, closing(connected(made, retries=0)) as dask:
        with pytest.raises(InputError, match=words):  # by what the scheduler counts
            list(dask.each(tasks.deadly, range(4), tmp_path))
        tasks.until(lambda: len(dask._client.nthreads()) == 1, "news of the worker that was killed")
        with pytest.raises(InputError, match=words):  # by what is counted here, since the scheduler forgets
            list(dask.each(tasks.deadly, range(4), tmp_path))


def test_a_scheduler_that_is_gone_is_told_of_and_one_that_is_back_is_used(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=1) as made, closing(connected(made, timeout=5.0)) as dask:
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(lambda: dict(dask.each(tasks.all_held, range(4), tmp_path)))
            tasks.process_at(tmp_path, 0)
            made.processes[0].kill()
            with pytest.raises(ConfigError, match="the Dask scheduler cannot be reached") as caught:
                found.result()
        assert "modeldebug resume" in str(caught.value.fix)
        for process in made.processes:
            process.kill()
            process.wait()
        made.begin(port=made.address.rpartition(":")[2])
        made.worker()
        made.ready()
        assert len(dict(dask.each(tasks.squared, range(4), 0))) == 4


def test_a_scheduler_that_nobody_started_is_refused_with_what_to_type() -> None:
    with pytest.raises(ConfigError, match="the Dask scheduler cannot be reached") as caught:
        Dask(DaskConfig(address="tcp://127.0.0.1:1", timeout=0.3))
    assert "dask worker tcp://127.0.0.1:1 --nthreads 1" in str(caught.value.fix)


def test_workers_that_would_not_give_the_same_bits_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other" / "torch-0.0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.0.1\n")
    with cluster(tmp_path, workers=0) as made:
        with pytest.raises(ConfigError, match="the Dask scheduler has no workers") as caught:
            Dask(DaskConfig(address=made.address, timeout=1.0))
        assert f"dask worker {made.address} --nthreads 1" in str(caught.value.fix)

        made.worker("--resources", "GPU=1")
        made.worker(first=other.parent)
        with pytest.raises(ConfigError, match="has other versions than this process") as caught:
            connected(made)
        assert caught.value.got == "torch 0.0.1"
        assert str(caught.value.expected).startswith("torch 2.")

        with closing(connected(made, resources={"GPU": 1})) as dask:  # which the other worker does not have
            assert len({process for _, (_, process) in dask.each(tasks.squared, range(8), 0)}) == 1
        with pytest.raises(ConfigError, match="no Dask worker has the resources") as caught:
            connected(made, resources={"GPU": 2})
        assert "--resources 'GPU=2'" in str(caught.value.fix)


def test_a_worker_that_comes_later_with_other_versions_is_refused_at_its_first_task(
    two: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(connected(two)) as dask:
        monkeypatch.setattr(cluster_module, "versions", lambda: {**versions(), "torch": "9.9.9"})
        with pytest.raises(ConfigError, match="a worker has other versions than this process") as caught:
            list(dask.each(tasks.squared, range(3), 0))
    assert caught.value.expected == "torch 9.9.9"


def test_a_worker_with_several_threads_is_refused_with_what_to_type(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=0) as made:
        made.worker(threads=2)
        with pytest.raises(ConfigError, match="several tasks at once in one process") as caught:
            connected(made)
    assert "--nthreads 2" in str(caught.value.got)
    assert f"dask worker {made.address} --nthreads 1" in str(caught.value.fix)


def test_a_cluster_behind_certificates_is_reached_with_them_alone(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="makes the certificates: pip install cryptography")
    from distributed import Security

    made = Security.temporary()
    files = {"ca-file": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    options = [word for name in files for word in (f"--tls-{name}", str(tmp_path / name))]
    settings = {f"tls_{name.removesuffix('-file')}": str(tmp_path / name) for name in files}
    secured = Cluster(tmp_path)
    try:
        address = secured.begin("--protocol", "tls", *options)
        secured.worker(*options)
        assert address.startswith("tls://")
        with closing(Dask(DaskConfig(address=address, timeout=PATIENT, **settings))) as dask:
            assert len(dict(dask.each(tasks.squared, range(4), 0))) == 4
        with pytest.raises(ConfigError, match="the Dask scheduler cannot be reached") as caught:
            Dask(DaskConfig(address=address, timeout=2.0))
        assert "tls_ca, tls_cert and tls_key" in str(caught.value.expected)
    finally:
        secured.end()


def test_what_is_missing_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match="needs the package distributed") as caught:
        Dask(DaskConfig(address="tcp://127.0.0.1:1"))
    assert "pip install 'modeldebug[dask]'" in str(caught.value.fix)


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://127.0.0.1:8787", "tcp://127.0.0.1", ""])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="address"):
        DaskConfig(address=address)
