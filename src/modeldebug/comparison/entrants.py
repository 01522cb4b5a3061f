"""What is compared, as it is typed: components with settings, and what each may spend. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..component import Settings
from ..config import parse_assignment
from ..errors import ConfigError, nearest
from ..roles import flag

Compared = Literal["generator", "searcher", "clusterer", "labeler", "corrector"]
COMPARED: tuple[Compared, ...] = get_args(Compared)

OWN: Mapping[Compared, tuple[str, ...]] = {
    "generator": ("generator_data", "searcher", "guide", "search"),
    "searcher": ("guide", "search"),
    "clusterer": ("regions",),
    "labeler": ("regions",),
    "corrector": ("correction",),
}
"""Sections, besides its component's, in which an entrant may differ: what else decides its row is the same for all."""
EQUAL = ("queries", "seconds", "repeat")  # of the search: what no entrant has for itself
_COUNTS = {"": 1, "k": 1_000, "M": 1_000_000}
_SECONDS = {"s": 1, "min": 60, "h": 3600}


@dataclass(frozen=True)
class Entrant:
    """A component of the role that is compared, with settings of its own.

    Attributes:
        name: as it was typed; it names its row.
        settings: by section, over everything that all entrants share.
    """

    name: str
    settings: Settings

    @property
    def slug(self) -> str:
        """Its name as that of a folder.

        >>> parse_entrant("searcher", "defuse:beta-noise,scale=16").slug
        'defuse-beta-noise-scale-16'
        """
        return re.sub(r"[^A-Za-z0-9.]+", "-", self.name.replace("=-", "=minus-")).strip("-.")


def parse_entrant(role: Compared, text: str) -> Entrant:
    """A component with settings after it: its own by their names, others by section and name.

    >>> parse_entrant("searcher", "beta-noise,scale=16,search.start=all").settings
    {'searcher': {'use': 'beta-noise', 'scale': 16}, 'search': {'start': 'all'}}

    Raises:
        ConfigError: no name, or a setting without a value.
    """
    use, *given = (part.strip() for part in re.split(r",(?![^\[]*\])", text))
    if not use or "=" in use:
        raise ConfigError(
            "an entrant begins with the name of a component",
            got=f"{flag(role)} {text!r}",
            expected=f"like {flag(role)} NAME or {flag(role)} NAME,SETTING=VALUE",
        )
    settings: dict[str, dict[str, Any]] = {role: {"use": use}}
    for part in given:
        name = part.partition("=")[0]
        layer = parse_assignment(part if "." in name else f"{role}.{part}", source=flag(role))
        for section, values in layer.settings.items():
            settings.setdefault(section, {}).update(values)
    return Entrant(text, settings)


def check_entrants(role: Compared, entrants: Sequence[Entrant]) -> None:
    """Refuse a comparison with nothing to compare, in which two rows could not be told apart, or in which an entrant
    changes what is to be equal.

    Raises:
        ConfigError: fewer than two entrants, two of one name, or a setting of something that all share.
    """
    slugs = [entrant.slug for entrant in entrants]
    twice = next((e.name for e in entrants if slugs.count(e.slug) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"two entrants would share a folder: '{twice}' and another one",
            fix="give one of them other settings, or leave it out",
        )
    if len(entrants) < 2:
        named = flag(role)
        raise ConfigError(
            "there is nothing to compare",
            got=f"{len(entrants)} {role}{'' if len(entrants) == 1 else 's'}",
            expected="two or more",
            fix=f"name each of them: {named} ONE {named} OTHER",
        )
    for entrant in entrants:
        _check_equal(role, entrant)


def _check_equal(role: Compared, entrant: Entrant) -> None:
    for section, settings in entrant.settings.items():
        for name in settings:
            if section in (role, *OWN[role]) and not (section == "search" and name in EQUAL):
                continue
            own = [role, *(other for other in OWN[role] if other != "search")]
            raise ConfigError(
                f"an entrant changes what is the same for all: '{section}.{name}'",
                got=f"{flag(role)} {entrant.name}",
                expected=f"settings of {', '.join(own)}"
                + (f", and of the search but for {', '.join(EQUAL)}" if "search" in OWN[role] else ""),
                fix="--budget AMOUNT, which all may spend alike"
                if section == "search" and name != "repeat"
                else f"for all alike: --set {section}.{name}=VALUE",
            )


def parse_role(name: str) -> Compared:
    """A role that can be compared.

    Raises:
        ConfigError: it cannot be.
    """
    for role in COMPARED:
        if role == name:
            return role
    raise ConfigError(f"a {name} cannot be compared", got=name, expected=nearest(name, COMPARED))


@dataclass(frozen=True)
class Budget:
    """What each search may spend: queries to the classifier or seconds, until the end of the step in which it is spent.

    >>> Budget(queries=200_000).settings
    {'search': {'queries': 200000}}
    """

    queries: int | None = None
    seconds: float | None = None

    @property
    def settings(self) -> Settings:
        """As settings of a run."""
        given = {"queries": self.queries, "seconds": self.seconds}
        own: Mapping[str, Any] = {name: value for name, value in given.items() if value is not None}
        return {"search": own} if own else {}


def parse_budget(text: str) -> Budget:
    """`200k` or `1.5M` queries, `90s`, `5min` or `1h`.

    >>> parse_budget("200k"), parse_budget("5min")
    (Budget(queries=200000, seconds=None), Budget(queries=None, seconds=300.0))

    Raises:
        ConfigError: neither.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    number, unit = (float(found[1]), found[2]) if found else (0.0, "")
    if number > 0 and unit in _COUNTS:
        return Budget(queries=round(number * _COUNTS[unit]))
    if number > 0 and unit in _SECONDS:
        return Budget(seconds=number * _SECONDS[unit])
    raise ConfigError(
        "the budget is neither a number of queries nor a time",
        got=repr(text),
        expected="queries, like 200k or 1.5M, or a time, like 90s, 5min or 1h",
    )
