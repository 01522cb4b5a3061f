"""Workers on this machine: what is lost when one of them ends, and that none is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from modeldebug_executors.local import Local
from modeldebug_executors.settings import LocalConfig

from modeldebug import InputError, PluginError

from . import tasks
from .clusters import kill

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    executor = Local(LocalConfig(workers=2))
    executor.name = "executors:local"
    yield executor
    executor.close()


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_each_task_is_done_once_in_one_of_two_processes(local: Local) -> None:
    results = dict(local.each(tasks.squared, range(9), 100))
    assert [results[i][0] for i in range(9)] == [100 + i * i for i in range(9)]
    processes = {process for _, process in results.values()}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_a_worker_that_is_killed_costs_the_task_that_it_was_at(local: Local, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: dict(local.each(tasks.held, range(12), tmp_path)))
        tasks.until(lambda: len(tasks.begun(tmp_path)) >= 6, "the other worker's tasks")
        kill(tasks.process_at(tmp_path, 0))
        assert found.result() == {i: 10 * i for i in range(12)}
    assert tasks.begun(tmp_path) == {0: 2} | dict.fromkeys(range(1, 12), 1)


def test_a_worker_that_is_killed_while_its_result_is_looked_at_costs_nothing_but_time(local: Local) -> None:
    results = local.each(tasks.squared, range(8), 0)
    i, (square, process) = next(results)
    kill(process)
    tasks.until(lambda: gone(process), "the end of the worker")
    found = {i: square} | {i: square for i, (square, _) in results}
    assert found == {i: i * i for i in range(8)}


def test_an_error_that_cannot_be_sent_is_told_and_is_no_dying_worker(local: Local) -> None:
    with pytest.raises(PluginError, match="a task raised Odd: 7, for a reason"):
        list(local.each(tasks.odd, range(4)))


def test_workers_end_when_the_run_is_killed() -> None:
    script = (
        "import os\n"
        "from modeldebug_executors.local import Local\n"
        "from modeldebug_executors.settings import LocalConfig\n"
        "from tests.plugins.executors import tasks\n"
        "if __name__ == '__main__':\n"
        "    local = Local(LocalConfig(workers=2))\n"
        "    found = dict(local.each(tasks.squared, range(9), 0))\n"
        "    print(*{process for _, process in found.values()}, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    run = [sys.executable, "-c", script]
    killed = subprocess.run(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, check=False, timeout=120)
    processes = [int(text) for text in killed.stdout.split()]
    assert len(processes) == 2
    tasks.until(lambda: all(map(gone, processes)), "the end of the workers")


def test_a_task_that_ends_three_workers_is_given_up_with_what_to_do(local: Local, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a worker process ended in the middle of its work, time and again") as caught:
        list(local.each(tasks.deadly, range(4), tmp_path))
    assert "3 processes" in str(caught.value.got)
    assert "--workers 1" in str(caught.value.fix)
    assert tasks.begun(tmp_path)[1] == 3


def test_who_takes_no_more_results_leaves_no_process_at_work(local: Local, tmp_path: Path) -> None:
    results = local.each(tasks.held, range(8), tmp_path)
    next(results)
    at_work = tasks.process_at(tmp_path, 0)
    results.close()
    tasks.until(lambda: gone(at_work), "the end of the process")
    assert dict(local.each(tasks.squared, range(3), 0)).keys() == {0, 1, 2}, "it can still be used"


def test_what_a_task_raises_is_raised_as_it_is(local: Local, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the third task is refused") as caught:
        list(local.each(tasks.refused, range(5), tmp_path))
    assert (caught.value.got, caught.value.fix) == ("2", "leave it out")


def test_what_cannot_be_sent_is_refused_before_any_process_is_begun() -> None:
    executor = Local(LocalConfig(workers=2))
    with pytest.raises(InputError, match="what workers need cannot be sent to them") as caught:
        list(executor.each(tasks.squared, range(3), threading.Lock()))
    assert "cannot pickle" in str(caught.value.got)
    assert all(worker.pool is None for worker in executor._workers)


def test_no_process_is_left_when_it_is_closed() -> None:
    executor = Local(LocalConfig(workers=2))
    processes = {process for _, (_, process) in executor.each(tasks.squared, range(4), 0)}
    executor.close()
    executor.close()
    for process in processes:
        tasks.until(lambda process=process: gone(process), "the end of a process")  # type: ignore[misc]


def test_one_worker_is_this_process() -> None:
    executor = Local(LocalConfig(workers=1))
    assert {process for _, (_, process) in executor.each(tasks.squared, range(3), 0)} == {os.getpid()}


def test_a_result_that_comes_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = Local(LocalConfig(workers=1))
    monkeypatch.setattr(executor, "_each", lambda work, tasks, shared: (pair for pair in [(0, 1), (0, 1)]))
    with pytest.raises(PluginError, match="a result that was not waited for"):
        list(executor.each(tasks.squared, range(2), 0))
