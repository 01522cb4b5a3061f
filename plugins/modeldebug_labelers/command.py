"""`modeldebug label`: serves the labelling page of a run that waits for people."""

from __future__ import annotations

import shlex
import signal
import socket
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import click

from modeldebug import InputError, RunFolderError

from .ballots import FILE, Ballots

PLUGIN = "labelers:human"
WARNING = """\
Anyone who reaches this machine over the network can reach the page now. The private links are the only key, and they
travel unencrypted: in a network that you do not trust, let a proxy with HTTPS stand before this server.
"""


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--annotators", metavar="NAMES", required=True, help="Who labels, with commas between: ann,bob,cho.")
@click.option("--expert", is_flag=True, help="Show whole groups of images too, to be labelled at once.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is all of them.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on.  [default: last time's, or a free one]"
)
@click.option(
    "--allow-host", "allowed", multiple=True, metavar="NAME",
    help="A further name or address by which annotators reach this machine; links show the first. May be repeated.",
)  # fmt: skip
def label(run: Path, annotators: str, expert: bool, host: str, port: int, allowed: tuple[str, ...]) -> None:
    """Let people label the images that a run waits for, each in a browser.

    Prints a private link for each annotator and serves the page until Ctrl-C. Every vote is on disk before the page
    goes on. The same command goes on where it ended, with new links; pages that are open stay signed in.
    """
    if not all(map(find_spec, ("starlette", "uvicorn"))):
        raise InputError(
            "the labelling page needs packages that are not installed",
            expected="starlette and uvicorn",
            fix="pip install 'modeldebug[label]'",
            plugin=PLUGIN,
        )
    from .server.app import make_app
    from .server.auth import Doors
    from .server.serve import EVERYWHERE, LOCAL, address, bind, host_names, serve, standing

    if host in EVERYWHERE and not allowed:
        raise InputError(
            f"--host {host} listens on all addresses, but not by which of them annotators reach this machine",
            expected="that name or address, as they would type it",
            fix=f"add --allow-host {socket.gethostname()}",
            plugin=PLUGIN,
        )
    with _ballots(run) as ballots, bind(host, port, last=int(ballots.fact("port", "0"))) as made:
        port = made.getsockname()[1]
        links = Doors(ballots).invite([name.strip() for name in annotators.split(",")])
        tally = ballots.tally()  # now: how many votes make enough depends on how many annotators there are
        if not tally.waiting:
            raise _nothing_waits(run, f"{tally.images:,} images with enough votes")
        ballots.note("port", str(port))
        app = make_app(ballots, hosts=host_names(host, port, allowed), expert=expert)
        go_on = f"modeldebug resume {shlex.quote(str(run))}"

        if host not in LOCAL:
            click.echo(WARNING)
        waiting = "1 image waits" if tally.waiting == 1 else f"{tally.waiting:,} images wait"
        click.echo(f"{waiting} for labels. A private link for each annotator:\n")
        width = max(map(len, links))
        for name, token in links.items():
            click.echo(f"  {name:<{width}}  {address(host, port, allowed)}/enter/{token}")
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # to end as by Ctrl-C
        with suppress(KeyboardInterrupt):
            click.echo(
                "\nLinks of earlier starts have ended; pages that are open go on. Ctrl-C stops; votes are kept.\n"
            )
            serve(app, made, ballots, say=click.echo, go_on=go_on)

        tally = ballots.tally()
        click.echo(f"\nStopped. {standing(tally)}.")
        left = "Go on labelling with the same command; when all votes are in" if tally.waiting else "All votes are in"
        click.echo(f"{left}: {go_on}")


def _ballots(run: Path) -> Ballots:
    """The ballots of a run that has asked people."""
    if not (run / "manifest.json").is_file():
        raise RunFolderError(f"there is no run in {run}", expected="the folder of a run", fix="modeldebug run --help")
    if not (run / "labels" / FILE).is_file():
        raise _nothing_waits(run, "a run that has not asked people")
    return Ballots(run / "labels")


def _nothing_waits(run: Path, got: str) -> InputError:
    return InputError(
        f"nothing in {run} waits for labels",
        got=got,
        expected="a run with --labeler human that has stopped to wait",
        fix=f"modeldebug resume {shlex.quote(str(run))}",
        plugin=PLUGIN,
    )
