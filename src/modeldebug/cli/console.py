"""What a run shows while it works and when it ends: for a terminal, for a file, or for a program."""

from __future__ import annotations

import json
import logging
import shlex
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import click

from ..events import Event
from ..foreground import gives_way
from .guard import drop_output
from .words import stage_label, stage_result, time_left

if TYPE_CHECKING:
    from rich.progress import Progress

LABEL = 11  # columns for a stage's name


class RunConsole(ABC):
    """Listens to a run, and says at its end what came of it. A context manager around the whole command."""

    def __enter__(self) -> RunConsole:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.showwarning = _to_log
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._warnings.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        try:
            self.show(event)
        except BrokenPipeError:  # nobody reads any more: the run itself goes on
            drop_output()

    @abstractmethod
    def show(self, event: Event) -> None:
        """Show one event."""

    def open(self) -> None:
        """The command starts."""
        return

    def close(self) -> None:
        """The run has ended, well or not."""
        return

    def stopped(self, run: Path, stage: str, figures: dict[str, Any]) -> None:
        """Say that a run was stopped after a stage, as was asked."""
        click.echo(f"Stopped after the stage {stage}. To go on: modeldebug resume {shlex.quote(str(run))}")

    def finish(self, folder: Path, results: dict[str, Any]) -> None:
        """Show what came of a run, an inspection, a comparison, or comparisons on planted bugs."""
        kinds = {
            "run": self._finish_run,
            "inspection": self._finish_inspection,
            "comparison": self._finish_comparison,
            "planted": self._finish_planted,
        }
        kinds[results["kind"]](folder, results)

    def _finish_run(self, run: Path, results: dict[str, Any]) -> None:
        from .screen import draw, facts, table
        from .summary import COLUMNS, controls, intervals, next_steps, summarise

        summary = summarise(results)
        accuracies = table(("accuracy", *COLUMNS.values()), summary.accuracies, right=range(1, 5), whole=range(5))
        draw(
            facts([("result", summary.headline)], indent=LABEL),
            accuracies,
            *([explained] if (explained := controls(results)) else []),
            table(
                ("failures", "count", "share (95 %)", "what they are"), summary.failures, right=(1,), whole=(0, 1, 2)
            ),
            *([rest] if (rest := intervals(results)) else []),
            *([table(*rows, right=range(1, 13), whole=range(13))] if (rows := summary.confusions) else []),
            facts([*summary.facts, *next_steps(results, run)], indent=LABEL),
        )

    def _finish_inspection(self, folder: Path, results: dict[str, Any]) -> None:
        from . import inspected
        from .screen import draw, facts, table

        targets = results["targets"]
        pairs, (headings, missed) = inspected.triangle(targets, results["classes"]), inspected.missed(targets)
        if len(targets) <= inspected.MOST:
            shown = [table(inspected.COLUMNS, inspected.rows(targets), right=range(1, 6), whole=range(1, 7))]
        else:
            shown = [table(inspected.KINDS, inspected.by_kind(targets), right=range(1, 6), whole=range(6))]
        if pairs is not None:
            shown += ["pairs of classes: + reached, x not reached", table(*pairs, whole=range(len(pairs[0])))]
        draw(
            facts([("result", inspected.headline(results))], indent=LABEL),
            *shown,
            inspected.rule(results),
            *([table(headings, missed, whole=(0,))] if missed else []),
            facts(inspected.facts_of(results, folder), indent=LABEL),
        )

    def _finish_comparison(self, folder: Path, results: dict[str, Any]) -> None:
        from . import compared
        from .screen import draw, facts, table

        tables = [compared.first(results), *compared.further(results)]
        matrix = compared.differences(results)
        draw(
            facts([("result", compared.said(results))], indent=LABEL),
            *(table(names, rows, right=range(1, 9), whole=range(1, 9)) for names, rows in tables),
            *([matrix[0], table(*matrix[1:], right=range(2, 12), whole=range(2, 12))] if matrix is not None else []),
            facts(compared.facts_of(results, folder), indent=LABEL),
        )

    def _finish_planted(self, folder: Path, results: dict[str, Any]) -> None:
        from . import planted
        from .screen import draw, facts, table

        draw(
            table(*planted.rows(results), right=range(1, 8), whole=range(1, 8)),
            table(planted.BUGS, planted.bugs(results), right=range(1, 4), whole=range(1, 4)),
            facts(planted.facts_of(results, folder), indent=LABEL),
        )


def _to_log(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """What libraries warn of is for the run's log: a reader of the console can do nothing about it."""
    logging.getLogger("modeldebug").warning("%s:%s: %s: %s", filename, lineno, category.__name__, message)


def _wait(event: Event) -> str:
    return f"{event.message}: {event.data['do']}"


class _Once:
    """What a run says from its start says itself again when it goes on after a wait: for people, once is enough."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def again(self, event: Event) -> bool:
        """Whether this has been said already."""
        if event.kind not in ("run_started", "warning"):
            return False
        known = (event.kind, event.message) in self._said
        self._said.add((event.kind, event.message))
        return known


class PlainConsole(RunConsole):
    """One line for each finished stage, without escape codes; quiet, nothing but warnings and the result."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._once = _Once()

    def show(self, event: Event) -> None:
        if self._once.again(event):
            return
        if event.kind == "warning":
            click.echo(f"Warning: {event.message}", err=True)
        elif event.kind == "waiting":
            if event.data["goes_on"]:
                click.echo(f"{'waiting':<{LABEL}} {_wait(event)}", err=self.quiet)
        elif self.quiet:
            return
        elif event.kind == "run_started":
            click.echo(f"{'run':<{LABEL}} {event.run}")
        elif event.kind == "stage_finished" and event.stage is not None:
            click.echo(f"{stage_label(event.stage):<{LABEL}} {stage_result(event.stage, event.data)}")
        elif event.kind == "run_finished":
            click.echo()


class LiveConsole(RunConsole):
    """One progress bar for the whole run, with the time left; finished stages leave a line above it."""

    def __init__(self) -> None:
        self._progress = _progress_bar()
        self._task = self._progress.add_task("", total=1.0, stage="", left="")
        self._once = _Once()
        self._gives_way = gives_way(self._aside)

    def open(self) -> None:
        self._gives_way.__enter__()

    def close(self) -> None:
        self._gives_way.__exit__(None, None, None)
        self._progress.stop()

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Without the bar inside."""
        drawn = self._progress.live.is_started
        self._progress.stop()
        yield
        if drawn:
            self._progress.start()

    def show(self, event: Event) -> None:
        if event.kind == "run_started":
            if not self._once.again(event):
                self._leave("run", event.run)
            self._progress.start()
        elif event.kind == "stage_started":
            self._progress.update(self._task, completed=event.overall, stage=stage_label(event.stage), description="")
        elif event.kind == "progress":
            self._progress.update(
                self._task,
                completed=event.overall,
                stage=stage_label(event.stage),
                description=event.message,
                left=time_left(event.eta),
            )
        elif event.kind == "stage_finished" and event.stage is not None:
            self._leave(stage_label(event.stage), stage_result(event.stage, event.data))
            self._progress.update(self._task, completed=event.overall)
        elif event.kind == "warning":
            if not self._once.again(event):
                self._leave("warning", event.message)
        elif event.kind == "waiting":
            self._progress.stop()
            if event.data["goes_on"]:
                self._leave("waiting", _wait(event))
        elif event.kind == "run_finished":
            self._progress.update(self._task, visible=False)
            self._progress.stop()

    def _leave(self, label: str, text: str) -> None:
        from .screen import facts

        self._progress.console.print(facts([(label, text)], indent=LABEL))


def _progress_bar() -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Column

    from .screen import screen

    return Progress(
        TextColumn("{task.fields[stage]}", table_column=Column(width=LABEL - 1, no_wrap=True)),
        BarColumn(bar_width=20),
        TaskProgressColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)),
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        console=screen(),
        refresh_per_second=4,
        expand=True,
        transient=True,
    )


class JsonConsole(RunConsole):
    """Events as JSON lines on standard output, the last line being the results; whatever else is printed goes to
    standard error."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._out = sys.stdout
        self._others = redirect_stdout(sys.stderr)

    def open(self) -> None:
        self._others.__enter__()

    def close(self) -> None:
        self._others.__exit__(None, None, None)

    def show(self, event: Event) -> None:
        if not self.quiet:
            self._write(asdict(event))

    def stopped(self, run: Path, stage: str, figures: dict[str, Any]) -> None:
        self._write({"stopped_after": stage, "figures": figures})

    def finish(self, folder: Path, results: dict[str, Any]) -> None:
        self._write(results)

    def _write(self, value: dict[str, Any]) -> None:
        self._out.write(json.dumps(value, ensure_ascii=False) + "\n")
        self._out.flush()


def make_console(*, quiet: bool, json: bool) -> RunConsole:
    """The console that fits where standard output goes."""
    if json:
        return JsonConsole(quiet=quiet)
    if quiet or not sys.stdout.isatty():
        return PlainConsole(quiet=quiet)
    return LiveConsole()
