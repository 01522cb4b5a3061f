"""Commands of plugins: entry points of group `modeldebug.commands`. A module is imported when its command is used, or
when commands are listed; one that cannot be is a command that says so, and no harm to the others."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

import click

from ..errors import PluginError
from ..importing import complaint, importing, remedy

GROUP = "modeldebug.commands"
log = logging.getLogger("modeldebug")


@dataclass(frozen=True)
class Offer:
    """A name, and what is installed under it."""

    name: str
    entries: tuple[EntryPoint, ...]

    @property
    def sources(self) -> list[str]:
        """The distributions that offer it, with their versions."""
        return [_source(entry) for entry in self.entries]

    def command(self) -> click.Command:
        """The command, imported; a `Broken` one where that fails."""
        if len(self.entries) > 1:
            both = " and ".join(self.sources)
            return Broken(self.name, f"more than one distribution offers it: {both}", fix="uninstall all but one")
        (entry,), (source,) = self.entries, self.sources
        try:
            with importing():
                loaded = entry.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a module raises, even one that skips or exits
            return Broken(self.name, f"it {complaint(error)}", source, fix=remedy(error, source), cause=error)
        if not isinstance(loaded, click.Command):
            return Broken(self.name, f"{entry.value} is no click command", source, fix=f"mend or uninstall {source}")
        return loaded


class Broken(click.Command):
    """Stands where a plugin's command should be: it says in one line what is wrong, and is refused when it is used."""

    def __init__(
        self, name: str, why: str, source: str | None = None, *, fix: str, cause: BaseException | None = None
    ) -> None:
        anything = {"ignore_unknown_options": True, "allow_extra_args": True}
        self.why = " ".join(why.split())
        super().__init__(name, short_help=f"broken: {self.why}", add_help_option=False, context_settings=anything)
        self._error = PluginError(f"the command '{name}' does not work: {self.why}", got=source, fix=fix)
        self._cause = cause

    def invoke(self, ctx: click.Context) -> None:
        if self._cause is not None:
            log.error("the command '%s' cannot be imported", self.name, exc_info=self._cause)
        raise self._error


def _source(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"


def offers() -> dict[str, Offer]:
    """What plugins offer, by name; nothing of it is imported."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        by_source = found.setdefault(entry.name, {})
        by_source.setdefault(_source(entry), entry)
    return {name: Offer(name, tuple(by_source.values())) for name, by_source in sorted(found.items())}


def status(offer: Offer, own: Mapping[str, click.Command]) -> str:
    """`ok`, or why a command cannot be used.

    Args:
        own: modeldebug's own commands, which always win.
    """
    if offer.name in own:
        return f"ignored: '{offer.name}' is a command of modeldebug itself"
    command = offer.command()
    return f"broken: {command.why}" if isinstance(command, Broken) else "ok"
