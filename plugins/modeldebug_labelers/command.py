"""`modeldebug label`: serves the labelling page of a run that waits for people."""

from __future__ import annotations

import json
import shlex
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import click
from filelock import FileLock, Timeout

from modeldebug import InputError, RunFolderError

from .ballots import FILE, Ballots, Tally

PLUGIN = "labelers:human"
LOCK = "page.lock"  # held while the page is served
WARNING = """\
Anyone who reaches this machine over the network can reach the page now. The
private links are the only key, and they travel unencrypted: in a network that
you do not trust, let a proxy with HTTPS stand before this server.
"""


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--annotators", metavar="NAMES", help="Who labels: ann,bob,cho.  [default: those of last time]")
@click.option("--fewer", is_flag=True, help="Let fewer annotators, and so fewer votes, suffice than before.")
@click.option("--expert", is_flag=True, help="Show whole groups of images too, to be labelled at once.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is all of them.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on.  [default: last time's, or a free one]"
)
@click.option(
    "--allow-host", "allowed", multiple=True, metavar="NAME",
    help="A further name or address by which annotators reach this machine; links show the first. May be repeated.",
)  # fmt: skip
def label(
    run: Path, annotators: str | None, fewer: bool, expert: bool, host: str, port: int, allowed: tuple[str, ...]
) -> None:
    """Let people label a run's images in their browsers.

    Prints a private link for each annotator and serves the page until Ctrl-C. A vote is confirmed to the page once it
    is on disk; the page shows the next image meanwhile, and sends what is not confirmed again as long as it is open.
    The same command goes on where it ended, with new links; pages that are open stay signed in.
    """
    if not all(map(find_spec, ("starlette", "uvicorn"))):
        raise InputError(
            "the labelling page needs packages that are not installed",
            expected="starlette and uvicorn",
            fix="pip install 'modeldebug[label]'",
            plugin=PLUGIN,
        )
    from .server.app import make_app
    from .server.serve import EVERYWHERE, LOCAL, address, bind, host_names, serve, standing, wrapped

    if host in EVERYWHERE and not allowed:
        raise InputError(
            f"--host {host} listens on all addresses, but not by which of them annotators reach this machine",
            expected="that name or address, as they would type it",
            fix=f"add --allow-host {socket.gethostname()}",
            plugin=PLUGIN,
        )
    go_on = f"modeldebug resume {shlex.quote(str(run))}"
    with _ballots(run) as ballots:
        last = int(ballots.fact("port", "0"))
        with _alone(run, last), bind(host, port, last=last) as made:
            port = made.getsockname()[1]
            links, before, tally = _invite(run, ballots, annotators, fewer)
            ballots.note("port", str(port))
            if before.votes and tally.needed < before.needed:
                click.echo(f"Votes that an image needs: {tally.needed}, no longer {before.needed}.")
            if not tally.waiting:
                click.echo(f"All votes are in. Go on with:\n  {go_on}")
                return

            if host not in LOCAL:
                click.echo(WARNING)
            waiting = "1 image waits" if tally.waiting == 1 else f"{tally.waiting:,} images wait"
            click.echo(f"{waiting} for labels. A private link for each annotator:\n")
            width = max(map(len, links))
            for name, token in links.items():
                click.echo(f"  {name:<{width}}  {address(host, port, allowed)}/enter/{token}")
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # to end as by Ctrl-C
            with suppress(KeyboardInterrupt):
                ended = "Links of earlier starts have ended; pages that are open go on.\n" if last else ""
                click.echo(f"\n{ended}Ctrl-C stops; votes are kept.\n")
                app = make_app(ballots, hosts=host_names(host, port, allowed), expert=expert)
                serve(app, made, ballots, say=click.echo, go_on=go_on)

            tally = ballots.tally()
            click.echo("\n" + wrapped(f"Stopped. {standing(tally)}."))
            same = "Go on labelling with the same command; when all votes are in:"
            click.echo(f"{same if tally.waiting else 'All votes are in. Go on with:'}\n  {go_on}")


def _ballots(run: Path) -> Ballots:
    """The ballots of a run that has asked people."""
    if not (run / "manifest.json").is_file():
        raise RunFolderError(f"there is no run in {run}", expected="the folder of a run", fix="modeldebug run --help")
    if not (run / "labels" / FILE).is_file():
        raise _nothing_waits(run, "a run that has not asked people")
    return Ballots(run / "labels")


@contextmanager
def _alone(run: Path, port: int) -> Iterator[None]:
    """Serve a run from one process: a second one would end the links of the first. The lock ends with its process."""
    lock = FileLock(run / "labels" / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"the labelling page of {run} is being served already",
            got=f"a server that is alive, last on port {port}" if port else "a server that is alive",
            expected="one server for a run",
            fix="stop that one with Ctrl-C first, to change who labels, or how",
            plugin=PLUGIN,
        ) from error
    try:
        yield
    finally:
        lock.release()


def _invite(run: Path, ballots: Ballots, named: str | None, fewer: bool) -> tuple[dict[str, str], Tally, Tally]:
    """Links for the annotators, and how far they are, before it and now: the votes that make enough depend on how many
    annotators there are. If it is refused, nobody's link has ended."""
    from .server.auth import Doors

    names = ballots.invited() if named is None else [name.strip() for name in named.split(",")]
    if not names:
        raise InputError(
            f"nobody is known who labels {run}",
            expected="a name for each person, with commas between",
            fix=f"modeldebug label {shlex.quote(str(run))} --annotators ann,bob",
            plugin=PLUGIN,
        )
    with ballots.writing():
        known, before = ballots.invited(), ballots.tally()
        links = Doors(ballots).invite(names)
        tally = ballots.tally()
        if not before.waiting and not tally.waiting:
            raise _nothing_waits(run, f"{tally.images:,} images with enough votes")
        if tally.needed < before.needed and any(before.votes.values()) and not fewer:
            raise InputError(
                f"with fewer annotators, fewer votes would suffice: {tally.needed} in place of {before.needed}",
                got=", ".join(names),
                expected="all who were invited last: " + ", ".join(known),
                fix="name them all, or add --fewer if that is meant",
                plugin=PLUGIN,
            )
    return links, before, tally


def _nothing_waits(run: Path, got: str) -> InputError:
    if _is_done(run):
        return InputError(
            f"nothing in {run} waits for labels: the run is finished",
            expected="a run that has stopped to wait",
            fix=f"see its report: {run / 'report.html'}",
            plugin=PLUGIN,
        )
    return InputError(
        f"nothing in {run} waits for labels",
        got=got,
        expected="a run with --labeler human that has stopped to wait",
        fix=f"modeldebug resume {shlex.quote(str(run))}",
        plugin=PLUGIN,
    )


def _is_done(run: Path) -> bool:
    try:
        return bool(json.loads((run / "manifest.json").read_bytes()).get("status") == "done")
    except (OSError, ValueError, AttributeError):  # `modeldebug resume` says what is wrong with it
        return False
