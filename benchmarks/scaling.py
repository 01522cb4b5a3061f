"""What more data cost: time and memory of whole runs on 6,000, 20,000 and 60,000 images of MNIST.

    OMP_NUM_THREADS=1 python benchmarks/scaling.py --root DIR [--json FILE] [--keep DIR]

Each run is a process of its own: the preset `defuse-mnist`, budget `laptop`, with one epoch of everything, so that each
size takes minutes; what is done for an image is the same. `exponent` is the slope of log time against log images, by
least squares (1: as much time for each image, however many there are); `rss_60k_over_6k` the ratio of the memory of
the largest and the smallest run. Memory is what the process holds for itself (anonymous, not files that are mapped) at
its highest, read a hundred times a second, less what it held when all modules were imported. Linux only.

Run folders are temporary unless `--keep` names a new folder for them; without `--root` the data are downloaded. `--set`
and `--preset` measure another pipeline. `--quick` is the same code on a hundredth of the images.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from figures import publish, ratio
from layers import Settings, assignment, merged

SIZES = (6_000, 20_000, 60_000)
SMALL: Settings = {  # one pass of everything
    "classifier": {"epochs": 1},
    "generator": {"epochs": 1},
    "labeler": {"epochs": 1},
    "auditor": {"epochs": 1},
    "corrector": {"lambdas": [1.0], "epochs": 1},
}


class Watch:
    """The anonymous memory of this process, at its highest so far, in megabytes."""

    def __init__(self) -> None:
        self.highest = self.before = anonymous()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.01):
            self.highest = max(self.highest, anonymous())

    def end(self) -> float:
        """The growth at its highest."""
        self._over.set()
        self._thread.join()
        return self.highest - self.before


def anonymous() -> float:
    """RssAnon of /proc/self/status, in megabytes (10^6 bytes)."""
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) * 1.024e-3 for row in rows if row.startswith("RssAnon"))


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """One run, in this process: images, seconds, memory, and the seconds of each stage."""
    import modeldebug
    from modeldebug.config import Layer, resolve
    from modeldebug.registry import Registry

    settings = asked["settings"]
    registry = Registry.load(["defuse"])
    for choice in resolve(registry, ["defuse"], [Layer("", settings)], preset=asked["preset"]).choices.values():
        choice.registered.component.imported()
    modeldebug.open_run, modeldebug.run  # noqa: B018  # imported now, not in the run
    watch, began = Watch(), time.monotonic()
    run = modeldebug.run(preset=asked["preset"], settings=settings, out=asked["out"])
    seconds, megabytes = time.monotonic() - began, watch.end()
    stages = run.results["seconds"]
    failures = run.results["search"]["failures"]
    return {"seconds": seconds, "megabytes": megabytes, "failures": failures, "stages": stages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="the folder of MNIST's files; downloaded if not given")
    parser.add_argument("--preset", default="defuse-mnist")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)  # the child's task
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(measured(json.loads(args.one))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for size in SIZES:
            images = size // 100 if args.quick else size
            data = {"limit": images} | ({} if args.root is None else {"root": str(args.root)})
            settings = merged({"dataset": data}, SMALL, *map(assignment, args.assignments))
            asked = {
                "preset": args.preset,
                "settings": settings,
                "out": str((args.keep or Path(temporary)) / str(size)),
            }
            child = [sys.executable, __file__, "--one", json.dumps(asked)]
            row = json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
            rows.append({"images": images, **row})
            print(
                f"{images:7,} images: {row['seconds']:6.0f} s, {row['megabytes']:6.0f} MB, {row['failures']:,} failures"
            )
    for name in rows[-1]["stages"]:
        print(f"  {name:12} " + " ".join(f"{row['stages'][name]:8.1f}" for row in rows))
    logs = [[math.log(row[name]) for row in rows] for name in ("images", "seconds")]
    figures = {
        "rss_60k_over_6k": ratio(rows[-1]["megabytes"], rows[0]["megabytes"]),
        "exponent": float(np.polyfit(*logs, 1)[0]),
    }
    publish(figures, args, rows=rows)


if __name__ == "__main__":
    main()
