"""The report of a run: one HTML file, drawn from the run folder alone.

`findings` reads the folder; `outcome`, `regions`, `details` and `reproduce` turn it into what a reader sees, `images`
and `figures` into pictures; `view` puts the page together, and the template lays it out, without logic of its own.
"""

from __future__ import annotations

from ..store import RunStore


def render(store: RunStore) -> str:
    """The report of a finished run as one self-contained HTML page: no network, no scripts, no model, no data set."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from .view import build

    environment = Environment(
        loader=PackageLoader("modeldebug", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("template.html.jinja").render(page=build(store))
