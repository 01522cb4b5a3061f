"""The page of a comparison: one HTML file, drawn from its table and the failures that it kept.

`words` says what each figure is called and means, `reading` what the table comes to; `outcome`, `numbers`, `matrices`,
`galleries` and `cells` turn it into what a reader sees, `figures` draws curves, `again` writes the command; `view` puts
the page together, and the template lays it out, without logic of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...types import Failures
from .. import pages


def render_comparison(results: Mapping[str, Any], samples: Mapping[str, Failures], *, folder: str) -> str:
    """The page of a comparison as one self-contained HTML file: no network, no scripts.

    Args:
        results: the contents of `comparison.json`.
        samples: genuine failures of each entrant, of the first seed.
        folder: where the comparison lies.
    """
    from .view import build

    return pages.fill("comparison/template.html.jinja", build(results, samples, folder))
