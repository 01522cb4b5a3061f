"""`modeldebug report`."""

from __future__ import annotations

from pathlib import Path

import click

from .guard import works_on


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Draw the report of a finished run or inspection again, from its folder; print the file's path."""
    from .. import api

    done = api.open_folder(folder)
    works_on(folder)
    click.echo(done.redraw())
