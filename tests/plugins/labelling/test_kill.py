"""A server that is killed at any time loses no vote that it has confirmed, and asks nobody twice."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from .served import NAMES, counted

VOTES, KILLS = 60, 3


def test_no_confirmed_vote_is_lost_when_the_server_is_killed(tmp_path):
    figures = tmp_path / "figures.json"
    script = Path(__file__).parents[3] / "benchmarks" / "label_durability.py"
    command = [sys.executable, script, "--votes", str(VOTES), "--kills", str(KILLS), "--json", figures]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads(figures.read_text())
    assert found["retries"] > 0  # the server was away, and they noticed
    assert found["confirmed"] == found["kept"] == VOTES * found["annotators"] == VOTES * len(NAMES)
    assert (found["lost"], found["doubled"], found["changed"], found["asked_twice"]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("kept", "faults"),
    [
        ([("ann", 1, 0), ("ann", 2, 1)], (0, 0)),
        ([("ann", 1, 0), ("ann", 2, 1), ("ann", 3, 1)], (0, 0)),  # kept, though the answer did not arrive
        ([("ann", 1, 0)], (1, 0)),
        ([("ann", 1, 0), ("ann", 2, 2)], (1, 0)),
        ([("ann", 1, 0), ("bob", 2, 1)], (1, 0)),
        ([("ann", 1, 0), ("ann", 2, 1), ("ann", 1, 0)], (0, 1)),
    ],
)
def test_counting_sees_votes_that_are_lost_or_doubled(kept, faults):
    voter = SimpleNamespace(confirmed={1: 0, 2: 1}, asked_twice=[2], retries=0)
    found = counted(kept, {"ann": voter})
    assert (found["lost"], found["doubled"]) == faults
    assert found["asked_twice"] == 1
