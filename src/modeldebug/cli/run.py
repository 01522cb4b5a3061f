"""`modeldebug run` and `modeldebug resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .guard import works_on
from .options import Options, configure, output_options, run_options, workers_option

wait_option = click.option(
    "--wait", is_flag=True, help="Where people are to label, wait until they have, and go on, instead of ending."
)


@click.command()
@run_options
@click.option(
    "--reuse", type=click.Path(path_type=Path), metavar="RUN", help="Take over the stages of a run that stay the same."
)
@click.option("--until", metavar="STAGE", help="Stop after this stage; 'modeldebug resume' goes on from there.")
@wait_option
def run(reuse: Path | None, until: str | None, wait: bool, **given: Any) -> None:
    """Debug a classifier, from the first stage to the report.

    Later ones win: the preset, its budget, --config, the options for stages, --set. Without options, it runs Defuse on
    a small classifier of handwritten digits.
    """
    from .. import api
    from ..folders import known_stage, new_folder, work_in
    from ..results import STAGES
    from .console import make_console

    options, until = Options.of(given), None if until is None else known_stage(until, STAGES)
    with make_console(quiet=options.quiet, json=options.json) as console:
        registry, config = configure(options)
        api.check_reached(config, until)
        with new_folder(config, options.out, reuse=reuse) as store:
            works_on(store.path)
            work_in(store, registry, config, until=until, wait=wait, trust=options.trust, listeners=[console])
    done = api.Run(store.path)
    if until is None:
        console.finish(done.path, done.results)
    else:
        console.stopped(done.path, until, done.figures(until))


@click.command()
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--redo", metavar="STAGE", help="Do this stage and all later ones again.")
@wait_option
@workers_option
@click.option("--trust", is_flag=True, help="Read weights that may run code: only files that you made.")
@output_options[0]
@output_options[1]
def resume(
    folder: Path, redo: str | None, wait: bool, workers: int | None, trust: bool, quiet: bool, json: bool
) -> None:
    """Go on with a run, an inspection or a comparison that was interrupted. A finished one is left as it is."""
    from .. import api
    from .console import make_console

    nothing_to_do = api.open_folder(folder).status == "done" and redo is None
    works_on(folder)
    with make_console(quiet=quiet, json=json) as console:
        done = api.resume(folder, redo=redo, wait=wait, workers=workers, trust=trust, listeners=[console])
    if nothing_to_do and not json:
        click.echo("This run is finished: there was nothing to do, and nothing was changed.\n")
    console.finish(done.path, done.results)
