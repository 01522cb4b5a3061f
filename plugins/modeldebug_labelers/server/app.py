"""The labelling page's server: a page, the images, and an answer to each vote once it is on disk.

What an annotator sees of an image is the image: neither the prediction of the classifier under test nor the label that
was expected is in the file that this server reads. No part of a request is ever used as a path: the page's own files
are read once at the start, and images come from the file of votes by number.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, Template
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..ballots import Asked, Ballots, NotAskedError
from .auth import COOKIE_DAYS, Annotator, Doors
from .shield import Shield

AHEAD = 8  # images that a page fetches before they are shown
UNDO = 30  # answers that a page which is opened anew can take back
MOST = 1000  # images in one vote
MOST_DIGITS = 18  # of an image's number: what a database can hold
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
WAYS = {False: ("page",), True: ("page", "group")}  # whether groups are shown, and how a vote may then be given

Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(ballots: Ballots, *, hosts: frozenset[str], expert: bool = False) -> ASGIApp:
    """The server as an ASGI application.

    Args:
        hosts: values of the Host header that are answered.
        expert: whether annotators may see and label whole groups.
    """
    page = _Page(ballots, Doors(ballots), expert, _assets())
    routes = [
        Route("/", page.show),
        Route("/enter/{token}", page.enter),
        Route("/assets/{name}", page.asset),
        Route("/image/{number}", page.known(page.image)),
        Route("/api/state", page.known(page.state)),
        Route("/api/vote", page.known(page.vote), methods=["POST"]),
        Route("/api/undo", page.known(page.undo), methods=["POST"]),
    ]
    if expert:
        routes.append(Route("/api/groups", page.known(page.groups)))
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return Shield(app, hosts=hosts)


def _assets() -> dict[str, tuple[str, bytes]]:
    """The page's own files by name: their kind and content."""
    found = {}
    for file in files(__package__).joinpath("assets").iterdir():
        kind = KINDS.get(file.name[file.name.rfind(".") :])
        if kind is not None:
            found[file.name] = (kind, file.read_bytes())
    return found


@dataclass(frozen=True)
class _Page:
    ballots: Ballots
    doors: Doors
    expert: bool
    assets: Mapping[str, tuple[str, bytes]]

    def known(self, endpoint: Callable[[Request, Annotator], Awaitable[Response]]) -> Endpoint:
        """An endpoint for those alone who have come in."""

        async def guarded(request: Request) -> Response:
            annotator = await self._who(request)
            if annotator is None:
                return JSONResponse({"error": "no valid link"}, 401)
            return await endpoint(request, annotator)

        return guarded

    async def _who(self, request: Request) -> Annotator | None:
        return await run_in_threadpool(self.doors.who, request.cookies.get(self.doors.cookie))

    async def show(self, request: Request) -> Response:
        annotator = await self._who(request)
        if annotator is not None:
            return HTMLResponse(_render("page.html", annotator=annotator.name, expert=self.expert))
        if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            # A link in a mail or chat leads here by way of another site, and to that browsers add no strict cookie,
            # not even after our own redirect. A page of ours that loads this address again makes them add it.
            return HTMLResponse(_render("again.html"))
        return _denied(401)

    async def enter(self, request: Request) -> Response:
        cookie = await run_in_threadpool(self.doors.enter, request.path_params["token"])
        if cookie is None:
            return _denied(403)
        answer = RedirectResponse("/", 303)
        seconds = COOKIE_DAYS * 24 * 3600
        answer.set_cookie(self.doors.cookie, cookie, max_age=seconds, path="/", httponly=True, samesite="strict")
        return answer

    async def asset(self, request: Request) -> Response:
        found = self.assets.get(request.path_params["name"])
        return Response(status_code=404) if found is None else Response(found[1], media_type=found[0])

    async def image(self, request: Request, annotator: Annotator) -> Response:
        number = request.path_params["number"]
        known = number.isascii() and number.isdigit() and len(number) <= MOST_DIGITS
        png = await run_in_threadpool(self.ballots.image, int(number)) if known else None
        return Response(status_code=404) if png is None else Response(png, media_type="image/png")

    async def state(self, request: Request, annotator: Annotator) -> Response:
        return await run_in_threadpool(self._state, annotator)

    async def groups(self, request: Request, annotator: Annotator) -> Response:
        groups = await run_in_threadpool(self.ballots.groups, annotator.id)
        return JSONResponse([[_image(asked) for asked in images] for images in groups.values()])

    async def vote(self, request: Request, annotator: Annotator) -> Response:
        given = await _json(request)
        way, ways = given.get("way"), WAYS[self.expert]
        if way not in ways:
            raise HTTPException(422, f"a vote is given in one of the ways {', '.join(ways)}")
        answers = dict.fromkeys(_images(given), _whole(given.get("answer")))
        return await self._changed(annotator, lambda: self.ballots.vote(annotator.id, answers, way=way))

    async def undo(self, request: Request, annotator: Annotator) -> Response:
        images = _images(await _json(request))
        return await self._changed(annotator, lambda: self.ballots.withdraw(annotator.id, images))

    async def _changed(self, annotator: Annotator, change: Callable[[], None]) -> Response:
        """Do a change, and only then say how it stands."""
        try:
            await run_in_threadpool(change)
        except NotAskedError as error:
            raise HTTPException(409, str(error)) from error
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return await run_in_threadpool(self._state, annotator)

    def _state(self, annotator: Annotator) -> Response:
        ballots = self.ballots
        done, left = ballots.progress(annotator.id)
        return JSONResponse(
            {
                "classes": ballots.classes(),
                "done": done,
                "left": left,
                "next": [_image(asked) for asked in ballots.upcoming(annotator.id, limit=AHEAD)],
                "latest": [_image(asked) for asked in ballots.latest(annotator.id, limit=UNDO)],
            }
        )


def _image(asked: Asked) -> dict[str, Any]:
    return {"id": asked.id, "width": asked.width, "height": asked.height, "answer": asked.answer}


async def _json(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "JSON is expected")
    try:
        given = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "that is no JSON") from error
    if not isinstance(given, dict):
        raise HTTPException(400, "a JSON object is expected")
    return given


def _images(given: Mapping[str, Any]) -> list[int]:
    images = given.get("images")
    if not isinstance(images, list) or not 1 <= len(images) <= MOST:
        raise HTTPException(422, f"1 to {MOST} images are expected")
    return [_whole(image) for image in images]


def _whole(value: object) -> int:
    """A value, once it is known to be a whole number of a size that a database can hold."""
    if type(value) is not int or abs(value) >= 2**63:
        raise HTTPException(422, "a whole number is expected")
    return value


def _denied(status: int) -> Response:
    return HTMLResponse(_render("denied.html"), status)


def _render(name: str, **values: object) -> str:
    return _template(name).render(values)


@cache
def _template(name: str) -> Template:
    source = files(__package__).joinpath("assets", name).read_text(encoding="utf-8")
    return Environment(autoescape=True).from_string(source)
