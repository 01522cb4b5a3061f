"""How an entrant looks, the same all over the page: a colour, and a dash where colours come round again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

COLOURS = 8  # that the style sheet has
_DASHES = ("", "6 3", "2 3")
_BASELINE = "5 4"


@dataclass(frozen=True)
class Tone:
    """A class of the style sheet, and the dashes of a line."""

    look: str
    dash: str


def tones(names: Sequence[str], baseline: str | None) -> dict[str, Tone]:
    """A look for each entrant; the baseline is grey and dashed.

    >>> tones(["margin", "reconstruct"], "reconstruct")
    {'margin': Tone(look='e0', dash=''), 'reconstruct': Tone(look='floor', dash='5 4')}
    """
    others = [name for name in names if name != baseline]
    found = {name: Tone(f"e{i % COLOURS}", _DASHES[i // COLOURS % len(_DASHES)]) for i, name in enumerate(others)}
    return {name: found.get(name, Tone("floor", _BASELINE)) for name in names}
