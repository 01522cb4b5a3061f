"""A template filled with a page's values."""

from __future__ import annotations


def fill(template: str, page: object) -> str:
    """HTML from a template of this package; whatever it prints is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("modeldebug", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(page=page)
