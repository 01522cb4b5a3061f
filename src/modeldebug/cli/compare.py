"""`modeldebug compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from .guard import works_on
from .options import COMPARED, Options, asked_for, comparison_options, workers_option

EXPLAINED = """\b
Entrants are components with settings, each option a row of the table:
  --searcher margin --searcher beta-noise --searcher beta-noise,scale=16
Searchers, generators, clusterers, labelers and correctors compare alike; of
all roles but one there is one component, or the preset's.

\b
Examples:
  modeldebug compare --preset tiny --searcher beta-noise --searcher margin
  modeldebug compare --plugins defuse,bayestrex --budget 200k --seeds 5 \\
      --searcher beta-noise --searcher margin --searcher bayestrex:smc
More seeds or entrants, later:
  modeldebug compare ... --seeds 10 --out runs/DATE-compare
"""


@click.command(epilog=EXPLAINED)
@comparison_options
@click.option(
    "--budget", metavar="AMOUNT", help="Of each search: queries (200k) or a time (90s).  [default: to its end]"
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="How many repeats.")
@click.option("--retrain", is_flag=True, help="Let each repeat train its own models, too.")
@click.option(
    "--baseline",
    metavar="NAME",
    default="reconstruct",
    show_default=True,
    help="The searcher that the others are held against, another row; none for none.",
)
@click.option(
    "--reuse",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Take over the stages of a run or comparison that stay the same.",
)
@click.option(
    "--planted",
    type=click.Choice(["digits", "mnist"]),
    help="On classifiers with known bugs: who finds them? Instead of data and a classifier.",
)
@workers_option
def compare(
    budget: str | None,
    seeds: int,
    retrain: bool,
    baseline: str,
    reuse: Path | None,
    planted: str | None,
    workers: int | None,
    **given: Any,
) -> None:
    """Compare components of one role: same data, models, origins and seeds, same budget.

    What is found is judged by an auditor that none of them sees. A folder that holds the same comparison is extended;
    'modeldebug resume' goes on with one that was interrupted.
    """
    from ..comparison.comparing import new_request, opened_folder, work_on
    from ..folders import free_folder
    from ..testing.planted.comparing import work_on_cases
    from ..testing.planted.suite import Base
    from .console import make_console

    role, entrants = _compared(given)
    if planted is not None and reuse is not None:
        raise ConfigError("planted cases have models of their own", got=f"--planted {planted} --reuse {reuse}")
    options = Options.of(given)
    names, layers, preset = asked_for(options)
    request = new_request(
        names, layers, preset=preset, role=role, entrants=entrants, seeds=seeds, budget=budget, retrain=retrain,
        baseline=None if baseline == "none" else baseline,
    )  # fmt: skip
    if planted is not None:
        out = options.out or free_folder(f"planted-{planted}")
        with make_console(quiet=options.quiet, json=options.json) as console:
            base: Base = "mnist" if planted == "mnist" else "digits"
            found = work_on_cases(request, base, out, workers=workers, trust=options.trust, listeners=[console])
        console.finish(out, found)
        return
    opened = opened_folder(request, options.out, reuse=reuse)
    with make_console(quiet=options.quiet, json=options.json) as console, opened as store:
        works_on(store.path)
        done = work_on(store, workers=workers, trust=options.trust, listeners=[console])
    console.finish(done.path, done.results)


def _compared(given: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The role of which there are several, and they; of every other one, what was typed once stays as it is."""
    several = [name for name in COMPARED if len(given[name]) > 1]
    if len(several) > 1:
        raise ConfigError(
            "components of one role are compared at a time",
            got=" and ".join(f"{len(given[name])} {name}s" for name in several),
            fix="compare them one after the other: name one of all roles but one",
        )
    role = several[0] if several else _role_in(given["out"]) or "searcher"
    entrants: tuple[str, ...] = given[role]
    for name in COMPARED:
        given[name] = None if name == role else next(iter(given[name]), None)
    return role, entrants


def _role_in(folder: Path | None) -> str | None:
    """What the comparison in a folder compares, to which one more entrant can be added; None where there is none."""
    if folder is None or not (folder / "manifest.json").exists():
        return None
    from ..store import RunStore

    compared = RunStore.open(folder).manifest.get("comparison")
    return None if compared is None else str(compared["role"])
