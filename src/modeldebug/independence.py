"""Judges are independent: who confirms an answer must not be the one who gave it. No torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Any

from .errors import ConfigError
from .words import called


def check_judges(chosen: Mapping[str, Mapping[str, Any]], *, exact: Collection[str] = ()) -> None:
    """Refuse judges that are one and the same, and a second auditor without a first.

    Args:
        chosen: of the labeler and each auditor, by role: the component with its settings.
        exact: the roles of others, which repeat what the generator knows, and so have no mistakes to confirm.

    Raises:
        ConfigError: two have the same component with the same settings, or there is no first auditor.
    """
    extra = next((role for role in chosen if role.startswith("auditor_")), None)
    if extra is not None and "auditor" not in {*chosen, *exact}:
        raise ConfigError(
            f"there is a {called(extra)}, but no auditor whose word counts",
            got=f"{extra}: {chosen[extra]['use']}",
            fix="name the first one: --auditor NAME",
        )
    for one, other in combinations(chosen, 2):
        if chosen[one] == chosen[other]:
            raise ConfigError(
                f"the {called(other)} is the {called(one)} again: it would confirm its own mistakes",
                got=f"{chosen[one]['use']} with the same settings in both roles",
                expected="another component, or other settings: another architecture, other augmentation",
                fix=f"for example --set {other}.architecture=residual",
            )
