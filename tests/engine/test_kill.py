"""kill -9 at any instant: the run goes on where it was, and ends with the same bits."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from click.testing import CliRunner

from modeldebug.cli import program
from modeldebug.store import RunStore

from ..conftest import INSPECTED, Finished
from .bits import bits, kept, status

PLAIN = ["-m", "modeldebug"]
# the same program, with a checkpoint after each epoch
CHECKPOINTS = [
    "-c",
    "from modeldebug import store; store.CHECKPOINT_SECONDS = 0; from modeldebug.cli import main; main()",
]


@contextmanager
def killed(arguments: list[str], folder: Path) -> Iterator[Iterator[dict[str, object]]]:
    """The program's events as they come; it is killed at the end of the block."""
    command = [sys.executable, *arguments, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder) as process:
        assert process.stdout is not None
        try:
            yield map(json.loads, process.stdout)
            assert process.poll() is None, "the run ended before it was killed"
        finally:
            process.kill()


def wait_for(events: Iterator[dict[str, object]], kind: str, stage: str) -> None:
    assert any((event["kind"], event["stage"]) == (kind, stage) for event in events)


def skip(events: Iterator[dict[str, object]], count: int) -> None:
    assert len(list(islice(events, count))) == count


def test_a_run_killed_at_random_instants_ends_with_the_bits_of_one_that_was_not(
    finished: Finished, tmp_path: Path
) -> None:
    out, rng = tmp_path / "run", random.Random(0)

    # while checkpoints of the generator are written; meanwhile nobody else may work on the run
    with killed([*CHECKPOINTS, "run", "--preset", "tiny", "--out", "run"], tmp_path) as events:
        wait_for(events, "stage_started", "generator")
        before = (out / "manifest.json").read_bytes()
        refused = CliRunner().invoke(program, ["resume", str(out)])
        assert refused.exit_code == 2
        assert "another process is working on this run" in refused.stderr
        assert (out / "manifest.json").read_bytes() == before
        skip(events, rng.randint(5, 20))
    assert kept(out) == ["data", "classifier", "labeler", "auditor"]
    assert status(out) == "new", "a process that is killed has no last word"
    assert (out / "stages" / "generator.checkpoint").is_file()

    # among the short stages behind it
    with killed([*PLAIN, "resume", "run"], tmp_path) as events:
        epoch = next(e for e in events if e["kind"] == "progress")
        assert "epoch 1/" not in str(epoch["message"]), "the checkpoint was not used"
        wait_for(events, "stage_started", rng.choice(["search", "audit", "clusters"]))
        skip(events, rng.randint(1, 10))

    done = CliRunner().invoke(program, ["resume", str(out), "--quiet"])
    assert done.exit_code == 0, done.output
    assert bits(out) == bits(finished.folder)


def test_an_inspection_killed_while_it_samples_ends_with_the_bits_of_one_that_was_not(
    inspected: Finished, tmp_path: Path
) -> None:
    out = tmp_path / "it"
    arguments = ["inspect", "--preset", "bayestrex-tiny", *INSPECTED, "--out", "it"]
    with killed([*CHECKPOINTS, *arguments], tmp_path) as events:
        wait_for(events, "stage_started", "samples-without-1")
        skip(events, 3)
    assert kept(out) == ["data", "classifier", "generator", "samples", "generator-without-1"]
    assert (out / "stages" / "samples-without-1.checkpoint").is_file()
    done = CliRunner().invoke(program, ["resume", str(out), "--quiet"])
    assert done.exit_code == 0, done.output
    assert bits(out) == bits(inspected.folder)


def test_two_runs_in_one_process_cannot_share_a_folder(run_copy: Path) -> None:
    with RunStore.open(run_copy).locked():
        refused = CliRunner().invoke(program, ["resume", str(run_copy), "--redo", "evidence"])
    assert refused.exit_code == 2
    assert "another process is working on this run" in refused.stderr
    assert (run_copy / "results.json").is_file(), "a refused call changes nothing"
