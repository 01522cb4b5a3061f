"""The page of a comparison: all that the template needs, in frozen values, so that no logic stands in the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...roles import ROLES, Role
from ...types import Failures
from ...words import error_of, preset_named
from ..details import plain
from ..wording import unbroken
from . import again, matrices, numbers
from .cells import Cells, cells
from .galleries import Gallery, galleries
from .matrices import Course, Differences, Overlap
from .numbers import Group, Row
from .outcome import Outcome, outcome
from .reading import budget_named
from .tones import Tone, tones
from .words import Results, foremost, searches


@dataclass(frozen=True)
class Component:
    """A component that all entrants share, or that is compared, with its settings."""

    role: str
    name: str
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Again:
    """How to make the comparison again, and how to go on with it."""

    command: str
    more: str
    is_python: bool
    versions: tuple[tuple[str, str], ...]
    machine: str


@dataclass(frozen=True)
class Page:
    """The page."""

    over: str
    role: str
    searches: bool
    outcome: Outcome
    legend: tuple[tuple[str, Tone], ...]
    headings: tuple[tuple[str, str], ...]  # of the figures in the first table: title and meaning
    rows: tuple[Row, ...]
    groups: tuple[Group, ...]
    kinds: tuple[tuple[str, str, str], ...]
    differences: tuple[Differences, ...]
    courses: tuple[Course, ...]
    overlap: Overlap | None
    galleries: tuple[Gallery, ...]
    first_seed: int
    tile: int
    cells: Cells
    about: tuple[tuple[str, str], ...]
    components: tuple[Component, ...]
    engine: tuple[tuple[str, str], ...]
    again: Again


def build(results: Results, samples: Mapping[str, Failures], folder: str) -> Page:
    """The page of a comparison."""
    names = [row["name"] for row in results["rows"]]
    looks = tones(names, results["baseline"])
    settings, base = results["settings"], results["settings"]["base"]
    shown = galleries(samples, results["classes"], names, looks) if searches(results) else ()
    widest = max((shot.picture.width for gallery in shown for shot in gallery.shots), default=0)
    over = f"{base['classifier']['use']} on {base['dataset']['use']}"
    return Page(
        over=f"{over} \u00b7 {results['created'][:16].replace('T', ' ')}",
        role=results["role"],
        searches=searches(results),
        outcome=outcome(results),
        legend=tuple(looks.items()),
        headings=tuple((one.title, one.meaning) for one in foremost(results)),
        rows=numbers.rows(results, looks),
        groups=numbers.groups(results, looks),
        kinds=numbers.meanings(),
        differences=matrices.differences(results, looks),
        courses=matrices.courses(results, looks) if searches(results) else (),
        overlap=matrices.overlap(results, looks),
        galleries=shown,
        first_seed=settings["seeds"][0],
        tile=max(64, widest + 8),
        cells=cells(results),
        about=_about(results),
        components=_components(results),
        engine=tuple((f"{s}.{n}", plain(v)) for s in base if s not in ROLES for n, v in base[s].items()),
        again=_again(results, folder),
    )


def _about(results: Results) -> tuple[tuple[str, str], ...]:
    settings, shared = results["settings"], results["shared"]
    sizes = " / ".join(f"{shared['images'][part]:,}" for part in ("train", "validation", "test"))
    varied = (
        "everything, the models too" if settings["retrain"] else "the search and what follows; the models are shared"
    )
    return (
        ("Data", f"{sizes} images (train / validation / test), {len(results['classes'])} classes"),
        ("Auditor", unbroken(error_of(shared["auditor"]))),
        ("Budget", budget_named(settings)),
        ("Seeds", f"{', '.join(map(str, settings['seeds']))}: each decides {varied}"),
        ("Plugins", ", ".join(settings["plugins"])),
        ("Preset", preset_named(settings["preset"], None)),
    )


def _components(results: Results) -> tuple[Component, ...]:
    """What all share, role by role, with the entrants in their place."""
    base = results["settings"]["base"]
    found = []
    for role in (role for role in ROLES if role in base):
        if role == results["role"]:
            found += [_entrant(role, entrant) for entrant in results["settings"]["entrants"]]
        else:
            found.append(_component(role, base[role]))
    return tuple(found)


def _component(role: Role, given: Mapping[str, Any]) -> Component:
    return Component(
        role.replace("_", " "), given["use"], tuple((name, plain(v)) for name, v in given.items() if name != "use")
    )


def _entrant(role: Role, entrant: Mapping[str, Any]) -> Component:
    settings = [
        (name if section == role else f"{section}.{name}", plain(value))
        for section, given in entrant["settings"].items()
        for name, value in given.items()
        if (section, name) != (role, "use")
    ]
    return Component(role, entrant["settings"][role]["use"], tuple(settings))


def _again(results: Results, folder: str) -> Again:
    settings, machine = results["settings"], results["machine"]
    seeds = len(settings["seeds"])
    return Again(
        command=again.command(settings),
        more=again.command(settings, more=2 * max(5, seeds), out=folder),
        is_python=bool(again.objects(settings)),
        versions=tuple(results["versions"].items()),
        machine=f"{machine['system']}, {machine['processors']} processors",
    )
