"""A browser, and labelling pages to open in it."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import uvicorn
from modeldebug_labelers.ballots import Ballots
from modeldebug_labelers.server.app import make_app
from modeldebug_labelers.server.auth import Doors
from modeldebug_labelers.server.serve import bind, host_names

from .boxes import CLASSES, put

TRIES = 300
NO_FAULTS = ("ERR_CONNECTION", "409 (Conflict)")  # the server is away; an image is no longer asked about
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


@pytest.fixture(scope="module")  # playwright keeps an event loop running, which tests of other modules do not expect
def browser():
    """The system's Chromium, without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"there is no browser: none of {', '.join(BROWSERS)}")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield made
        made.close()


class Desk:
    """Pages of annotators, opened by their links; what goes wrong inside of them fails the test."""

    def __init__(self, browser) -> None:
        self._browser = browser
        self.faults: list[str] = []

    def open(self, link: str, **how):
        """A page in a browser of its own, once it shows what is to be done."""
        page = self._browser.new_context(**how).new_page()
        page.set_default_timeout(8_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._heard)
        page.goto(link)
        page.wait_for_selector("#work:not([hidden]), #done:not([hidden])")
        return page

    def _heard(self, said) -> None:
        if said.type == "error" and not any(words in said.text for words in NO_FAULTS):
            self.faults.append(said.text)


@pytest.fixture
def desk(browser) -> Iterator[Desk]:
    before = list(browser.contexts)
    made = Desk(browser)
    yield made
    for context in set(browser.contexts) - set(before):
        context.close()
    assert not made.faults


@pytest.fixture
def page_of(desk, tmp_path) -> Iterator[Callable]:
    """Opens the page of an only annotator, for n images: the page, and the ballots behind it."""
    with ExitStack() as stack:

        def opened(n: int = 6, *, classes: Sequence[str] = CLASSES, expert: bool = False, group: int = 3, **how):
            ballots, link = stack.enter_context(_served(tmp_path, n, classes, expert, group))
            return desk.open(link, **how), ballots

        yield opened


@contextmanager
def _served(folder: Path, n: int, classes: Sequence[str], expert: bool, group: int) -> Iterator[tuple[Ballots, str]]:
    """A server in a thread: its ballots, and the link of its only annotator."""
    with Ballots(folder) as ballots, bind("127.0.0.1", 0) as made:
        put(ballots, n, classes=classes, group=group)
        port = made.getsockname()[1]
        token = Doors(ballots).invite(["ann"])["ann"]
        app = make_app(ballots, hosts=host_names("127.0.0.1", port, []), expert=expert)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([made],))
        thread.start()
        try:
            yield ballots, f"http://127.0.0.1:{port}/enter/{token}"
        finally:
            server.should_exit = True
            thread.join()


def done(page) -> int:
    """How many images the page says are labelled."""
    return int(re.match(r"\d+", page.text_content("#count"))[0])


def until_done(page, count: int, act: Callable[[], object]) -> None:
    """Do something until so many images are labelled. A page takes no answer in the first quarter of a second, in
    which nobody can have seen the image."""
    for _ in range(TRIES):
        if done(page) == count:
            return
        act()
    raise AssertionError(f"{done(page)} images are labelled, not {count}")


def until(page, expression: str) -> None:
    """Wait until a page finds something to be so. Playwright's own way evaluates text in the page, which our policy
    forbids."""
    for _ in range(TRIES):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"it is still not so: {expression}")


def until_saved(page, count: int) -> None:
    """Wait until the server has so many votes of a page's annotator."""
    until(page, f"fetch('/api/state').then((answer) => answer.json()).then((state) => state.done === {count})")


def only_answers(ballots: Ballots) -> list[int | None]:
    """The answers of the only annotator, in the order of the request."""
    return [asked.answer for asked in ballots.asked(ballots.join("ann"))]
