"""Dask clusters for tests: a scheduler and workers, each a process of its own, begun here and ended here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .tasks import PATIENCE, until

HERE = str(Path(__file__).parents[1])  # where workers find these modules


class Cluster:
    """Processes of `dask scheduler` and `dask worker`, on this machine alone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, list[subprocess.Popen[bytes]]()

    def begin(self, *arguments: str, port: str = "0") -> str:
        """Start the scheduler, at any port if that is 0; its address."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        self._start("scheduler", "--port", port, "--no-dashboard", "--scheduler-file", str(file), *arguments)
        until(lambda: file.exists() and file.read_text().endswith("}"), "the scheduler")
        self.address = str(json.loads(file.read_text())["address"])
        return self.address

    def worker(self, *arguments: str, threads: int = 1, first: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a worker.

        Args:
            first: a folder that its modules are looked for in first.
        """
        mine = ("--nthreads", str(threads), "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder))
        return self._start("worker", self.address, *mine, *arguments, first=first)

    def ready(self) -> None:
        """Wait until the scheduler knows all workers that are running."""
        from distributed import Client

        running = [process for process in self.processes if "worker" in process.args and process.poll() is None]
        with Client(self.address, set_as_default=False, timeout=PATIENCE) as client:
            until(lambda: len(client.nthreads()) == len(running), "the workers")

    def _start(self, what: str, *arguments: str, first: Path | None = None) -> subprocess.Popen[bytes]:
        paths = [*([str(first)] if first else []), HERE, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "dask", what, "--host", "127.0.0.1", *arguments]
        with (self.folder / f"{what}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """A scheduler, and so many workers, which may still be on their way."""
    made = Cluster(folder)
    try:
        made.begin()
        for _ in range(workers):
            made.worker()
        yield made
    finally:
        made.end()


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
