"""What every request passes before anything else looks at it: host, origin, size; and the headers of every answer."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 64 * 1024  # bytes; a vote on 1,000 images at once takes 10 kB
BODY_SECONDS = 20.0
SAFE = ("GET", "HEAD")

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Shield:
    """Lets a request through if it names a host of ours, comes from our own page if it is to change anything, and is
    small.

    A foreign Host is refused since a web site may let its own name lead to this machine (DNS rebinding) and would then
    read the answers.

    Args:
        hosts: the values of the Host header that are ours, in lower case.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        body: bytes | None = b""
        if refusal is None:
            try:
                body = await asyncio.wait_for(_read(receive), BODY_SECONDS)
            except TimeoutError:
                refusal = PlainTextResponse("the request did not end", 408)
        if body is None:
            refusal = PlainTextResponse("the request is too large", 413)
        if refusal is not None:
            refusal.headers["connection"] = "close"
            await refusal(scope, receive, send_with_headers)
        else:
            await self._app(scope, _replay(body or b"", receive), send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return PlainTextResponse("this is not the host that you look for", 421)
        if method not in SAFE and not _own_page(headers, hosts[0].lower()):
            return PlainTextResponse("only the labelling page itself may do that", 403)
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or len(length) > 9 or int(length) > MAX_BODY:
            return PlainTextResponse("the request is too large", 413)
        return None


def _own_page(headers: Headers, host: str) -> bool:
    """Whether a browser says that our own page sent a request: browsers say so with everything that changes anything,
    and no page can make them lie."""
    origins, sites = headers.getlist("origin"), headers.getlist("sec-fetch-site")
    schemes = ("http://", "https://")  # https where a proxy stands before us
    return (
        len(origins) == 1
        and origins[0].lower() in {scheme + host for scheme in schemes}
        and all(site == "same-origin" for site in sites)
    )


async def _read(receive: Receive) -> bytes | None:
    """The body of a request; None if it is too large, whether it said so or not."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receiver that gives a body that was read already, and then whatever comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
