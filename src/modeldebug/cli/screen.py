"""Tables on standard output, by rich: imported when something is drawn; plain text where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def screen() -> Console:
    """Standard output: colours and bold only on a terminal; text is shown as it is."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def draw(*parts: RenderableType) -> None:
    """Print parts with an empty line between them; no line ends in blanks."""
    out = screen()
    for i, part in enumerate(parts):
        with out.capture() as captured:
            out.print(part)
        text = "\n".join(line.rstrip() for line in captured.get().splitlines())
        click.echo(("\n" if i else "") + text, color=True)


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = (), whole: Sequence[int] = ()
) -> RenderableType:
    """A table without lines: headings in bold; the columns `right` hold numbers, those of `whole` are not broken."""
    from rich.table import Table

    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_header=any(headings), pad_edge=False)
    for i, heading in enumerate(headings):
        made.add_column(heading, justify="right" if i in right else "left", no_wrap=i in whole, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def facts(rows: Iterable[tuple[str, str]], *, indent: int = 11) -> RenderableType:
    """Labels and texts; a long text goes on under its beginning."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 1, 0, 0))
    made.add_column(width=indent, no_wrap=True)
    made.add_column(overflow="fold")
    for label, text in rows:
        made.add_row(Text(label, style="bold"), text)
    return made
