"""A template filled with a page's values."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


def fill(template: str, page: object) -> str:
    """HTML from a template of this package; whatever it prints is escaped."""
    return _compiled(template).render(page=page)


@cache
def _compiled(template: str) -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("modeldebug", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template)
