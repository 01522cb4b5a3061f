"""The report of a run: one HTML file, drawn from the run folder alone.

`findings` reads the folder; `outcome`, `regions`, `details` and `reproduce` turn it into what a reader sees, `images`
and `figures` into pictures; `frame` holds what the pages of runs and inspections share, `view` puts the page together,
and the template lays it out, without logic of its own.
"""

from __future__ import annotations

from ..store import RunStore
from . import pages


def render(store: RunStore) -> str:
    """The report of a finished run as one self-contained HTML page: no network, no scripts, no model, no data set."""
    from .view import build

    return pages.fill("template.html.jinja", build(store))
