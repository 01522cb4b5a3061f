"""The command line: one module for each group of commands. Heavy packages are imported inside the commands."""

from __future__ import annotations

import click

from .. import __version__
from .check import check
from .compare import compare
from .config import config
from .conformance import check_plugin
from .guard import Program
from .inspect import inspect
from .plugins import plugins
from .report import report
from .run import resume, run
from .scaffold import new

EXIT_CODES = """\b
Exit codes:
  0    done
  1    modeldebug itself failed; the message says where the log lies
  2    something that was given is wrong
  3    waiting for people; modeldebug resume RUN goes on
  130  interrupted; modeldebug resume RUN goes on
"""


@click.group(
    cls=Program,
    epilog=EXIT_CODES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="modeldebug %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """Find, group, label and fix the errors of an image classifier that its test set never shows.

    \b
    A first run, which needs no data and no network (a little over a minute):
      modeldebug run --plugins defuse
    Before a run on a model and data of your own:
      modeldebug check --classifier my_models:make --dataset arrays \\
          --set dataset.path=data.npz
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (run, inspect, compare, resume, check, report, config, plugins):
    program.add_command(command)
for command in (new, check_plugin):
    plugins.add_command(command)


def main() -> None:
    """Run the command line."""
    program(prog_name="modeldebug")
