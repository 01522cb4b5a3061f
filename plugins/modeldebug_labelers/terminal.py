"""One person who labels on the terminal that the run was started from: for a quick look."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable

import click
from rich.console import Console

from modeldebug import LabelRequest, foreground

from .ballots import NONE, Asked, Ballots
from .half_blocks import drawn
from .keys import Keys
from .people import People
from .plugin import TerminalConfig

NOTHING, UNDO, QUIT = "n", "u", "q"


class Terminal(People[TerminalConfig]):
    """Shows one image after another; each answer is on disk before the next one is shown.

    Without a terminal, as in a job that runs in the background, the images wait until the run is resumed on one.
    """

    def _collect(self, ballots: Ballots, request: LabelRequest) -> None:
        if on_terminal():
            with foreground():
                Dialogue(ballots, ballots.join(self.config.annotator or login_name()), Console(highlight=False)).hold()

    def _how(self, run: str) -> str:
        where = "" if on_terminal() else ", on a terminal"
        return f"modeldebug resume {run}{where}"


def on_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def login_name() -> str:
    """Who is logged in, as far as the system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, as in some containers
        return "terminal"


class Dialogue:
    """Asks one annotator about the open request, image by image.

    Args:
        key: waits for a key, and gives it.
        line: waits for a line, and gives it; for more classes than there are keys.
    """

    def __init__(
        self,
        ballots: Ballots,
        annotator: int,
        console: Console,
        *,
        key: Callable[[], str] = click.getchar,
        line: Callable[[], str] = input,
    ) -> None:
        self._ballots, self._annotator, self._console = ballots, annotator, console
        self._keys = Keys(ballots.classes(), reserved=NOTHING + UNDO + QUIT)
        self._read = key if self._keys.single else line
        self._said = ""

    def hold(self) -> None:
        """Ask until every image has enough votes, or the annotator leaves."""
        if not self._ballots.upcoming(self._annotator, limit=1):
            return
        with self._console.screen(hide_cursor=False):
            while (left := self._ballots.upcoming(self._annotator, limit=1)) and self._ask(left[0]):
                pass

    def _ask(self, asked: Asked) -> bool:
        """Show an image and note the answer; whether to go on."""
        self._show(asked)
        answer = self._answer()
        if answer == QUIT:
            return False
        if answer == UNDO:
            back = self._ballots.latest(self._annotator, limit=1)
            self._ballots.withdraw(self._annotator, [one.id for one in back])
            self._said = "taken back;" if back else "there is nothing to take back;"
        elif isinstance(answer, int):
            self._ballots.vote(self._annotator, {asked.id: answer}, way="terminal")
            self._said = ""
        return True

    def _answer(self) -> int | str:
        """A class, NONE, UNDO or QUIT; an empty text where no key was understood."""
        try:
            typed = self._read()
        except EOFError:  # Ctrl-D
            return QUIT
        command = typed.removeprefix(self._keys.prefix) if typed.startswith(self._keys.prefix) else ""
        if command == NOTHING:
            return NONE
        if command in (UNDO, QUIT):
            return command
        found = self._keys.class_of(typed)
        if found is None:
            self._said = f"'{typed}' is no answer;" if typed.isprintable() else "that key is no answer;"
            return ""
        return found

    def _show(self, asked: Asked) -> None:
        console = self._console
        given = sum(one.answer is not None for one in self._ballots.asked(self._annotator))
        legend = self._keys.legend(console.width)
        console.clear()
        console.print(f"{given} labelled, {self._ballots.tally().waiting} wait", style="bold")
        height = max(4, console.height - len(legend) - 6)
        console.print(drawn(self._ballots.image(asked.id) or b"", console.width, height, console.color_system))
        console.print()
        for line in legend:
            console.print(line, markup=False)
        p = self._keys.prefix
        console.print(f"{p}{NOTHING} none of the above   {p}{UNDO} undo   {p}{QUIT} save and leave", style="dim")
        how = "" if self._keys.single else " (the beginning of its name, and Enter)"
        console.print(f"{self._said} which class is it?{how}".strip().capitalize(), end=" ", markup=False)
