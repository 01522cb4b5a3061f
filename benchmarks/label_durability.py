"""Five annotators vote in parallel while the labelling server is killed again and again: is any vote lost?

    python benchmarks/label_durability.py [--votes 1000] [--kills 10] [--quick] [--json FILE]

The server is a process of its own, ended by SIGKILL, and started again at once. Counted are votes that the server had
confirmed and that are not in its file as they were given; votes that are in it twice; images that an annotator was
shown again although their answer had been confirmed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the annotators are those of the tests

from tests.plugins.labelling.boxes import waiting_run
from tests.plugins.labelling.served import NAMES, vote_while_killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", type=int, default=1000, help="of each annotator")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="50 votes and 2 kills")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    votes, kills = (50, 2) if args.quick else (args.votes, args.kills)
    with tempfile.TemporaryDirectory() as folder:
        run = waiting_run(Path(folder) / "run", votes, needed=len(NAMES))
        began = time.monotonic()
        outcome = vote_while_killed(run, votes=votes, kills=kills)
    figures = {"annotators": len(NAMES), "votes_each": votes, "kills": kills, **outcome}
    figures["seconds"] = round(time.monotonic() - began, 1)
    for name, value in figures.items():
        print(f"{name:<16}{value}")
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
