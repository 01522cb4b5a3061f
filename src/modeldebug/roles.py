"""The roles that components serve in: which there are, which may be left empty, and their options. No torch."""

from __future__ import annotations

from typing import Literal, get_args

from .component import Kind

Role = Literal[
    "dataset", "classifier", "generator_data", "generator", "searcher", "guide", "clusterer", "labeler", "auditor",
    "auditor_2", "auditor_3", "corrector", "executor",
]  # fmt: skip
ROLES: tuple[Role, ...] = get_args(Role)
AUDITORS: tuple[Role, ...] = ("auditor", "auditor_2", "auditor_3")  # the first one's word counts
OPTIONAL: tuple[Role, ...] = ("generator_data", "guide", *AUDITORS, "executor")
NONE = "none"  # what an optional role uses that is left empty, though the preset fills it
_KIND_OF: dict[Role, Kind] = {"generator_data": "dataset", "guide": "classifier"}
_KIND_OF.update(dict.fromkeys(AUDITORS, "labeler"))


def kind_of(role: Role) -> Kind:
    """The kind of component that serves in a role: the auditor is a labeler, the generator's data are a data set, the
    guide is a classifier."""
    return _KIND_OF.get(role, role)  # type: ignore[arg-type]  # every other role is a kind


def flag(role: str) -> str:
    """The command line's option for a role.

    >>> flag("generator_data")
    '--generator-data'
    """
    return f"--{role.replace('_', '-')}"
