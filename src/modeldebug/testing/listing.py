"""What it takes to list a plugin: tried in a process of its own, since torch is imported in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from importlib.metadata import EntryPoint
from operator import attrgetter

from ..component import KINDS, Component, Kind
from ..registry import installed

HEAVY = ("torch", "torchvision", "sklearn", "scipy", "matplotlib", "pandas", "tensorflow", "jax")
SECONDS = 60.0
_CODE = """
import json, os, sys
from importlib.metadata import EntryPoint
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the plugin prints is no answer
before = set(sys.modules)
plugin = EntryPoint("plugin", sys.argv[1], "modeldebug").load()
for kind in sys.argv[2].split(","):
    hook = getattr(plugin, f"modeldebug_{kind}s", None)
    if hook is not None:
        list(hook())
json.dump(sorted(set(sys.modules) - before), out)
"""


def offering(component: Component, kind: Kind) -> EntryPoint | None:
    """The installed plugin that offers the component; only among those that are imported already."""
    for entry in (entry for entries in installed().values() for entry in entries):
        module = sys.modules.get(entry.module)
        if module is not None:
            plugin = attrgetter(entry.attr)(module) if entry.attr else module
            hook = getattr(plugin, f"modeldebug_{kind}s", None)
            if hook is not None and component in hook():
                return entry
    return None


@cache
def heavy_imports(value: str) -> tuple[str, ...]:
    """What the import of a plugin, and a call of its hooks, brings with it that is heavy.

    Args:
        value: of its entry point: `module`, or `module:attribute`.

    Raises:
        RuntimeError: it cannot be imported there.
    """
    done = subprocess.run(
        [sys.executable, "-c", _CODE, value, ",".join([*KINDS, "preset"])],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"{value} cannot be imported by itself: {(done.stderr.strip() or 'no message').splitlines()[-1]}"
        )
    brought = set(json.loads(done.stdout))
    return tuple(name for name in HEAVY if name in brought)
