"""What stands between a command and its user when something goes wrong: one message and an exit code, no traceback."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
import tempfile
import textwrap
import traceback
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ..errors import InputError, ModelDebugError, WaitingForPeople, not_enough_memory, ran_out_of_memory
from .commands import offers

FAULT, INTERRUPTED = 1, 130
LABELS = 12  # columns before the text in an error's lines
SMALLER_BATCHES = "use smaller batches (--set run.batch_size=64), or --device cpu"
_RUN = "modeldebug.run"  # where the run folder of this call is kept in click's context


class Program(click.Group):
    """A group whose commands, its own and those of plugins, end with modeldebug's messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *self._of_plugins()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        offer = offers().get(cmd_name)
        return None if offer is None else offer.command()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        for heading, listed in (("Commands", super().list_commands(ctx)), ("Commands of plugins", self._of_plugins())):
            found = [(name, command) for name in listed if (command := self.get_command(ctx, name)) is not None]
            rows = [(name, _one_line(command, limit)) for name, command in found if not command.hidden]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def _of_plugins(self) -> list[str]:
        return [name for name in offers() if name not in self.commands]

    def invoke(self, ctx: click.Context) -> Any:
        log = _Memory()
        logger = logging.getLogger("modeldebug")
        logger.addHandler(log)
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:  # whoever read the output (`| head`) has seen enough: that is no error
            drop_output()
            ctx.exit(0)
        except KeyboardInterrupt:
            tell("Interrupted.", _how_to_go_on(ctx))
            ctx.exit(INTERRUPTED)
        except ModelDebugError as error:
            _tell_error(error, log.place(run_of(ctx)), then=_then(ctx, error))
            ctx.exit(error.exit_code)
        except Exception as error:
            if ran_out_of_memory(error):
                _tell_error(not_enough_memory(error, SMALLER_BATCHES), None)
                ctx.exit(InputError.exit_code)
            path = _write_log(run_of(ctx), log.text() + traceback.format_exc())
            tell(
                f"modeldebug itself failed: {type(error).__name__}: {error}",
                f"  log:      {path}\n  do:       report it with this log. {_how_to_go_on(ctx)}",
            )
            ctx.exit(FAULT)
        finally:
            logger.removeHandler(log)


def _one_line(command: click.Command, limit: int) -> str:
    return textwrap.shorten(command.get_short_help_str(limit), limit, placeholder="...")


def works_on(path: Path) -> None:
    """Remember the run folder, for messages."""
    click.get_current_context().meta[_RUN] = path


def run_of(ctx: click.Context) -> Path | None:
    """The run folder that this call works on, if there is one (still)."""
    path: Path | None = ctx.meta.get(_RUN)
    return path if path is not None and path.is_dir() else None


def tell(first: str, rest: str = "") -> None:
    """A message on standard error; on a terminal the first line is bold, and long lines go on under their text."""
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else 0
    for number, line in enumerate([*first.splitlines(), *rest.splitlines()]):
        click.secho(_wrapped(line, width) if width > 2 * LABELS else line, err=True, bold=number == 0)


def _wrapped(line: str, width: int) -> str:
    hang = " " * LABELS if line.startswith("  ") else ""
    return textwrap.fill(line, width, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False)


def _tell_error(error: ModelDebugError, log: Path | None, then: str | None = None) -> None:
    first, *rest = str(error).splitlines()
    if then is not None:
        rest.append(f"  then:     {then}")
    if log is not None:
        rest.append(f"  log:      {log}")
    tell(f"Error: {first}" if isinstance(error, InputError) else first, "\n".join(rest))


def _how_to_go_on(ctx: click.Context) -> str:
    path = run_of(ctx)
    if path is None:
        return ""
    return f"What was finished is kept; go on with: modeldebug resume {shlex.quote(str(path))}"


def _then(ctx: click.Context, error: ModelDebugError) -> str | None:
    """What to type once people have answered, where they are waited for and it is not what they are to type anyway."""
    path = run_of(ctx)
    if path is None or not isinstance(error, WaitingForPeople) or "modeldebug resume" in (error.fix or ""):
        return None
    return f"modeldebug resume {shlex.quote(str(path))}"


def _write_log(run: Path | None, text: str) -> Path:
    """Add a traceback to the run's log; without a run, or where that fails, to a file in the temporary folder."""
    if run is not None:
        with suppress(OSError):
            log = run / "log.txt"
            with log.open("a", encoding="utf-8") as file:
                file.write(text)
            return log
    handle, name = tempfile.mkstemp(prefix="modeldebug-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)


class _Memory(logging.Handler):
    """Keeps the last errors that were logged, until it is known whether they are needed."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._lines: deque[str] = deque(maxlen=50)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    def text(self) -> str:
        return "".join(line + "\n" for line in self._lines)

    def place(self, run: Path | None) -> Path | None:
        """Where the errors can be read: the run's log, else a new file; None if there were none."""
        if not self._lines:
            return None
        return run / "log.txt" if run is not None else _write_log(None, self.text())


def drop_output() -> None:
    """Let whatever is still printed go nowhere: nobody reads standard output any more."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)  # sys.stdout may be redirected at the moment
        os.close(nowhere)
