"""The command that makes a comparison again, or goes on with it, from what was asked for."""

from __future__ import annotations

import pprint
import shlex
from collections.abc import Mapping
from typing import Any

from ...roles import flag
from ..reproduce import assignment

Asked = Mapping[str, Any]  # `settings` of the results


def command(asked: Asked, *, more: int | None = None, out: str | None = None) -> str:
    """The comparison as a command line for a shell, or as a call from Python where no command line can say it.

    Args:
        more: so many seeds in place of those that it has.
        out: the folder that it extends.
    """
    seeds = list(range(more)) if more is not None else list(asked["seeds"])
    if objects(asked) or seeds != list(range(len(seeds))):
        return _call(asked, seeds, out)
    words = ["modeldebug", "compare", "--plugins", ",".join(asked["plugins"])]
    if asked["preset"] is not None:
        words += ["--preset", asked["preset"]]
    words += _layers(asked)
    words += [word for name in entrants(asked) for word in (flag(asked["role"]), name)]
    words += ["--seeds", str(len(seeds))]
    if (budget := amount(asked)) is not None:
        words += ["--budget", budget]
    if asked["retrain"]:
        words.append("--retrain")
    if asked["role"] == "searcher" and asked["baseline"] != "reconstruct":
        words += ["--baseline", asked["baseline"] or "none"]
    return shlex.join(words if out is None else [*words, "--out", out])


def objects(asked: Asked) -> dict[str, str]:
    """The arguments of a call for components that are objects from Python, by role."""
    settings = [layer["settings"] for layer in asked["layers"]]
    return {
        role: name
        for role, name in (("classifier", "model"), ("dataset", "dataset"))
        if any(str(given.get(role, {}).get("use", "")).startswith("python:") for given in settings)
    }


def entrants(asked: Asked) -> list[str]:
    """What has to be named: a baseline that stands last comes by itself."""
    names = [entrant["name"] for entrant in asked["entrants"]]
    by_itself = asked["role"] == "searcher" and names[-1:] == [asked["baseline"]]
    return names[:-1] if by_itself else names


def amount(asked: Asked) -> str | None:
    """A budget as it is typed; None where there is none.

    >>> [amount({"budget": {"queries": queries, "seconds": None}}) for queries in (200_000, 1234)]
    ['200k', '1234']
    >>> amount({"budget": {"queries": None, "seconds": 90.0}})
    '90s'
    """
    queries, seconds = asked["budget"]["queries"], asked["budget"]["seconds"]
    if queries is not None:
        return f"{queries // 1000}k" if queries % 1000 == 0 else str(queries)
    return None if seconds is None else f"{seconds:g}s"


def _layers(asked: Asked) -> list[str]:
    """Settings that all entrants share, in the order in which later ones win, components before what is set of them."""
    words = []
    for layer in asked["layers"]:
        if layer["budget"] is not None:
            words += ["--set", f"budget={layer['budget']}"]
        for section, given in layer["settings"].items():
            for name, value in sorted(given.items(), key=lambda pair: pair[0] != "use"):
                if value is not None:
                    words += ["--set", assignment(section, name, value)]
    return words


def _call(asked: Asked, seeds: list[int], out: str | None) -> str:
    settings: dict[str, dict[str, Any]] = {}
    for layer in asked["layers"]:
        for section, given in layer["settings"].items():
            own = {name: value for name, value in given.items() if not str(value).startswith("python:")}
            settings[section] = {**settings.get(section, {}), **own}
    settings = {section: given for section, given in settings.items() if given}
    numbers = len(seeds) if seeds == list(range(len(seeds))) else seeds
    arguments = [
        *(f"{name}={name}" for name in objects(asked).values()),
        f"entrants={entrants(asked)!r}",
        f"role={asked['role']!r}",
        f"seeds={numbers!r}",
        *([f"budget={amount(asked)!r}"] if amount(asked) is not None else []),
        *(["retrain=True"] if asked["retrain"] else []),
        *([f"baseline={asked['baseline']!r}"] if asked["role"] == "searcher" else []),
        f"plugins={list(asked['plugins'])!r}",
        f"preset={asked['preset']!r}",
        *([f"settings={pprint.pformat(settings, width=88, sort_dicts=False)}"] if settings else []),
        *([f"out={out!r}"] if out is not None else []),
    ]
    written = ",\n    ".join(arguments).replace("\n ", "\n     ")
    return f"modeldebug.compare(\n    {written},\n)"
