"""How long `modeldebug --help` and `plugins list` take to start, beside an empty Python process.

    python benchmarks/startup.py [--runs 15] [--quick] [--json FILE]

Whole processes, one after another in turn, so that a drift of the machine's speed meets all alike; medians in seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "python": ["-c", "pass"],
    "help": ["-m", "modeldebug", "--help"],
    "plugins_list": ["-m", "modeldebug", "plugins", "list"],
}


def seconds(arguments: list[str]) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="three runs")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    runs = 3 if args.quick else args.runs
    for arguments in COMMANDS.values():  # once uncounted: files come into the cache
        seconds(arguments)
    rounds = [{name: seconds(arguments) for name, arguments in COMMANDS.items()} for _ in range(runs)]
    figures = {name: statistics.median(r[name] for r in rounds) for name in COMMANDS}
    for name, median in figures.items():
        slowest = max(r[name] for r in rounds)
        print(f"{name:<14}{median:7.3f} s   slowest {slowest:.3f} s   {median / figures['python']:5.1f} x python")
    if args.json:
        args.json.write_text(json.dumps({"figures": figures, "settings": {"runs": runs}}, indent=1))


if __name__ == "__main__":
    main()
