"""Every installed plugin, with what it offers or what is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from .component import KINDS, Preset
from .errors import InputError
from .importing import VARIABLE, import_seconds
from .registry import Registry, installed, source_of

SECONDS = 20.0  # for the import of a plugin; MODELDEBUG_IMPORT_SECONDS may ask for less
STARTING = 10.0  # for the start of the process that imports it


@dataclass(frozen=True)
class Row:
    """One line of `plugins list`."""

    plugin: str
    distribution: str
    version: str
    status: str  # "ok", or what is wrong
    offers: tuple[str, ...]  # "searcher beta-noise", "preset defuse-mnist (laptop or paper)", ...

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def names(self) -> tuple[str, ...]:
        """Of what it offers, the names alone."""
        return tuple(offer.partition(" (")[0].rpartition(" ")[2] for offer in self.offers)


def survey() -> list[Row]:
    """Every installed plugin, with what it offers or why it does not work.

    Plugins of this distribution are loaded here; a third party's in a process of its own with a time limit, so that
    one that hangs, crashes or prints at import is a row with its reason.
    """
    found = installed()
    own = next((source_of(entry).distribution for entry in found.get("defuse", [])), None)
    here = {n for n, entries in found.items() if len(entries) > 1 or source_of(entries[0]).distribution == own}
    with ThreadPoolExecutor(4) as pool:  # its threads only wait: plugins are imported here, or in other processes
        apart = {name: pool.submit(_probe_apart, name) for name in found if name not in here}
        answers = {name: probe(name) for name in sorted(here)} | {name: told.result() for name, told in apart.items()}
    return _rows(found, answers)


def _rows(found: Mapping[str, list[EntryPoint]], answers: Mapping[str, tuple[str, tuple[str, ...]]]) -> list[Row]:
    rows = []
    for name, entries in found.items():
        sources = [source_of(entry) for entry in entries]
        status, offers = answers[name]
        rows.append(Row(name, " and ".join(s.distribution for s in sources), sources[0].version, status, offers))
    return rows


def probe(name: str) -> tuple[str, tuple[str, ...]]:
    """Load one plugin and say what it offers: its status, and its components."""
    try:
        registry = Registry.load([name])
    except InputError as error:
        return " ".join(str(error.what).split()), ()
    offers = [
        f"{r.kind} {r.component.name}" for kind in KINDS for r in registry.components(kind) if r.source.plugin == name
    ]
    offers += [f"preset {_with_budgets(preset)}" for preset in registry.presets_of(name)]
    offers += ["events" for plugin, _ in registry.listeners() if plugin == name]
    return "ok", tuple(offers)


def _with_budgets(preset: Preset) -> str:
    return preset.name + (f" ({' or '.join(preset.budgets)})" if preset.budgets else "")


def _probe_apart(name: str) -> tuple[str, tuple[str, ...]]:
    """`probe` in a process of its own; what the plugin prints at import is not read."""
    code = (
        "import json, os, sys; out = os.fdopen(os.dup(1), 'w'); os.dup2(2, 1); "
        "from modeldebug.survey import probe; json.dump(probe(sys.argv[1]), out)"
    )
    seconds = min(import_seconds() or SECONDS, SECONDS)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, name],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, VARIABLE: str(seconds)},
            timeout=seconds + STARTING,
            stdin=subprocess.DEVNULL,
        )
        status, offers = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"it hangs when it is imported: no answer in {seconds:g} s, and it cannot be interrupted", ()
    except ValueError:
        lines = done.stderr.strip().splitlines()
        last = f": {lines[-1]}" if lines else ""
        return f"it ends the process that imports it (exit code {done.returncode}){last}", ()
    return status, tuple(offers)
