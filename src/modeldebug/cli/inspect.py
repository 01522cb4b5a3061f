"""`modeldebug inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .guard import works_on
from .options import INSPECTING_PLUGINS, Options, asked_for, inspection_options

MATRICES = ("high-confidence", "ambiguous", "class-excluded", "novel-class", "misclassified")


EXPLAINED = """\b
Targets name classes by name or number:
  high-confidence:3     sure that it is a 3
  ambiguous:4,9         torn between 4 and 9
  uniform               torn between all classes
  graded:8=.6,9=.4      these probabilities
  class-excluded:1      sure that it is a 1, of a generator without 1s
  novel-class:3         sure that it is a 3, of a generator of other things

\b
Examples:
  modeldebug inspect --target ambiguous:4,9 --target uniform
  modeldebug inspect runs/first --matrix ambiguous
"""


@click.command(epilog=EXPLAINED)
@click.argument("folder", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option("--target", "targets", multiple=True, metavar="TARGET", help="A prediction to trigger; may be repeated.")
@click.option(
    "--matrix",
    "matrices",
    multiple=True,
    type=click.Choice(MATRICES),
    metavar="KIND",
    help=f"Such a target for every class or pair of classes: one of {', '.join(MATRICES)}.",
)
@inspection_options
@click.option(
    "--reuse",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Take over the stages of a folder that stay the same.  [default: RUN]",
)
def inspect(
    folder: Path | None, targets: tuple[str, ...], matrices: tuple[str, ...], reuse: Path | None, **given: Any
) -> None:
    """Show inputs for which the classifier gives the probabilities that you ask for (Bayes-TrEx).

    RUN is a run folder, whose data, classifier and generator are inspected; without one, the options choose them, as in
    'modeldebug run'.
    """
    from ..folders import new_folder, work_in
    from ..inspecting import Inspection, inspection_config, load_plugins
    from ..store import RunStore
    from .console import make_console

    options = Options.of(given)
    with make_console(quiet=options.quiet, json=options.json) as console:
        base = None if folder is None else RunStore.open(folder)
        plugins, layers, preset = asked_for(options, default=INSPECTING_PLUGINS)
        registry, names = load_plugins(plugins, base)
        config = inspection_config(registry, names, layers, preset=preset, base=base, targets=[*targets, *matrices])
        with new_folder(config, options.out, reuse=reuse or folder, kind="inspection") as store:
            works_on(store.path)
            work_in(store, registry, config, trust=options.trust, listeners=[console])
    console.finish(store.path, Inspection(store.path).results)
