"""The command that does a run again, from the run's manifest."""

from __future__ import annotations

import json
import pprint
import shlex
from collections.abc import Mapping
from typing import Any

from ..component import Settings
from ..config import INHERITED, parse_assignment
from ..errors import ConfigError
from ..roles import ROLES

Manifest = Mapping[str, Any]


def own_settings(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """The settings that the user gave, by section: neither defaults nor the preset's, nor what `generator_data` takes
    from the data set. Components come first, since choosing one drops what was set for another."""
    chosen: dict[str, dict[str, Any]] = {}
    sources = manifest["sources"].items()
    given = (name for name, source in sources if source != INHERITED and not source.startswith("preset "))
    for name in sorted(given, key=lambda name: not name.endswith(".use")):
        section, _, setting = name.partition(".")
        chosen.setdefault(section, {})[setting] = manifest["config"][section][setting]
    return chosen


def python_objects(manifest: Manifest) -> list[str]:
    """The roles whose component is a Python object, which no command line can name."""
    return [role for role in ROLES if str(manifest["config"].get(role, {}).get("use", "")).startswith("python:")]


def command(manifest: Manifest, changes: Settings | None = None) -> str:
    """The run as a command line for a shell; with `changes`, another run that differs in these settings."""
    settings = own_settings(manifest)
    for section, changed in (changes or {}).items():
        settings[section] = {**settings.get(section, {}), **changed}
    inspects = manifest["kind"] == "inspection"
    words = ["modeldebug", _verb(manifest), "--plugins", ",".join(manifest["plugins"])]
    if manifest["preset"] is not None:
        words += ["--preset", manifest["preset"]]
    if manifest["budget"] is not None:
        words += ["--set", f"budget={manifest['budget']}"]
    words += ["--seed", str(manifest["config"]["run"]["seed"])]
    for section, given in settings.items():
        for name, value in given.items():
            if (section, name) == ("classifier", "weights") and value is not None:
                words += ["--weights", str(value)]
            elif inspects and (section, name) == ("search", "targets"):
                words += [word for target in value for word in ("--target", target)]
            elif (section, name) != ("run", "seed") and value is not None:
                words += ["--set", assignment(section, name, value)]
    return shlex.join(words)


def assignment(section: str, name: str, value: object) -> str:
    """One setting as the text that `--set` reads back.

    >>> assignment("searcher", "draws", 500), assignment("dataset", "path", "data.npz")
    ('searcher.draws=500', 'dataset.path=data.npz')
    >>> assignment("classifier", "note", "500")
    'classifier.note="500"'
    """
    plain = f"{section}.{name}={value}"
    if isinstance(value, str) and _reads_back(plain, section, name, value):
        return plain
    return f"{section}.{name}={_toml(value)}"


def python_call(manifest: Manifest) -> str:
    """The run as a call from Python, where the model or the data were objects."""
    objects = python_objects(manifest)
    settings = own_settings(manifest)
    for role in objects:
        settings[role] = {name: value for name, value in settings.get(role, {}).items() if name != "use"}
    settings.setdefault("run", {})["seed"] = manifest["config"]["run"]["seed"]
    arguments = [
        *(f"{name}={name}" for role, name in (("classifier", "model"), ("dataset", "dataset")) if role in objects),
        f"plugins={list(manifest['plugins'])!r}",
        f"preset={manifest['preset']!r}",
        *([f"budget={manifest['budget']!r}"] if manifest["budget"] is not None else []),
        f"settings={pprint.pformat({k: v for k, v in settings.items() if v}, width=88, sort_dicts=False)}",
    ]
    written = ",\n    ".join(arguments).replace("\n ", "\n     ")
    return f"modeldebug.{_verb(manifest)}(\n    {written},\n)"


def _verb(manifest: Manifest) -> str:
    return "inspect" if manifest["kind"] == "inspection" else "run"


def _reads_back(text: str, section: str, name: str, value: object) -> bool:
    try:
        return parse_assignment(text).settings == {section: {name: value}}
    except ConfigError:
        return False


def _toml(value: object) -> str:
    """A JSON value as TOML on one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{json.dumps(str(k), ensure_ascii=False)} = {_toml(v)}" for k, v in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
