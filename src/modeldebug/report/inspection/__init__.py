"""The report of an inspection: one HTML file, drawn from its folder alone.

`found` reads the folder; `galleries`, `pairs`, `strips` and `evidence` turn it into what a reader sees, `figures` draws
violins and maps; `view` puts the page together, and the template lays it out, without logic of its own.
"""

from __future__ import annotations

from ...store import RunStore
from .. import pages


def render_inspection(store: RunStore) -> str:
    """The report of a finished inspection as one self-contained HTML page: no network, no scripts, no model, no data
    set."""
    from .view import build

    return pages.fill("inspection/template.html.jinja", build(store))
