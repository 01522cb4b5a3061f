"""Serves the labelling page until Ctrl-C, and says now and then how far the annotators are."""

from __future__ import annotations

import socket
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from modeldebug import InputError

from ..ballots import Ballots, Tally

EVERY = 5.0  # seconds between lines of progress, while there is any
LOCAL = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = ("0.0.0.0", "::", "")  # bound to only where the user asks for it


def bind(host: str, port: int, *, last: int = 0) -> socket.socket:
    """A socket to listen on. For port 0 the one of `last` time is tried first, so that open pages find the server
    again, and any free one taken otherwise.

    Raises:
        InputError: the port is in use, or there is no such address here.
    """
    if port == 0 and last:
        with suppress(OSError):
            return _listening(host, last)
    try:
        return _listening(host, port)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"nothing can be served on port {port} of {host or 'this machine'}: {error}",
            expected="an address of this machine, and a port that is free",
            fix="leave --port out to take any that is free",
        ) from error


def _listening(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # right after a server that was killed
        made.bind(address)
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made


def host_names(host: str, port: int, others: Sequence[str]) -> frozenset[str]:
    """The values of the Host header that are ours: where we listen, and further names, which may stand without a port
    as a proxy passes them on.

    >>> sorted(host_names("127.0.0.1", 8000, ["label.example.org"]))
    ['127.0.0.1:8000', 'label.example.org', 'label.example.org:8000', 'localhost:8000']
    """
    own = {host, "localhost"} if host in LOCAL else {host}
    given = [name.strip().lower() for name in others]
    names = {f"{_bracketed(name)}:{port}" for name in own - set(EVERYWHERE)}
    return frozenset(names | {_bracketed(name) for name in given} | {f"{_bracketed(name)}:{port}" for name in given})


def address(host: str, port: int, others: Sequence[str]) -> str:
    """What annotators type: the first further name if there is any, else where we listen.

    >>> address("127.0.0.1", 8000, []), address("::1", 8000, []), address("0.0.0.0", 8000, ["label.local"])
    ('http://127.0.0.1:8000', 'http://[::1]:8000', 'http://label.local:8000')
    """
    return f"http://{_bracketed(others[0].strip() if others else host)}:{port}"


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def serve(app: ASGIApp, made: socket.socket, ballots: Ballots, *, say: Callable[[str], None], go_on: str) -> None:
    """Answer requests on a socket until the process is interrupted.

    Args:
        say: prints a line.
        go_on: what to type when all votes are in.

    Raises:
        KeyboardInterrupt: once everything that was under way is answered.
    """
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,  # addresses of links are secrets
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        http="h11",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        limit_concurrency=500,
        h11_max_incomplete_event_size=16 * 1024,
    )
    stopped = threading.Event()
    watch = threading.Thread(target=_watch, args=(ballots, say, go_on, stopped), daemon=True)
    watch.start()
    try:
        uvicorn.Server(config).run(sockets=[made])
    finally:
        stopped.set()
        watch.join()


def _watch(ballots: Ballots, say: Callable[[str], None], go_on: str, stopped: threading.Event) -> None:
    before = ballots.tally()
    while not stopped.wait(EVERY):
        now = ballots.tally()
        if now != before:
            say(wrapped(f"{time.strftime('%H:%M:%S')}  {standing(now)}", indent=10))
            if now.images and not now.waiting:
                say(f"          All votes are in. Go on with:\n          {go_on}")
        before = now


def standing(tally: Tally) -> str:
    """How far the annotators are, in one line.

    >>> standing(Tally("regions", 40, 28, 2, {"ann": 30, "bob": 13}))
    '12 of 40 images have their 2 votes (ann 30, bob 13)'
    """
    votes = "vote" if tally.needed == 1 else "votes"
    by = ", ".join(f"{name} {given}" for name, given in tally.votes.items())
    return f"{tally.images - tally.waiting:,} of {tally.images:,} images have their {tally.needed} {votes} ({by})"


def wrapped(text: str, indent: int = 0) -> str:
    """A text in lines that a terminal of 80 columns shows as they are, those after the first one indented."""
    return textwrap.fill(text, 79, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
