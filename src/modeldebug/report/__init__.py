"""The report of a run: one HTML file, drawn from the run folder alone."""

from __future__ import annotations

from ..store import RunStore


def render(store: RunStore) -> str:
    """The report as one self-contained HTML page."""
    return f"<!doctype html><title>{store.path.name}</title>"
