"""`modeldebug label` as a process that may be killed and started again, and annotators who go on voting."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from .boxes import rows

NAMES = ("ann", "bob", "cho", "dan", "eve")


class Served:
    """The labelling server of a run; a restart takes the same port, and makes new links.

    Args:
        names: who labels; None for those of last time.

    Attributes:
        links: each annotator's, by name.
        said: what it printed until it was ready.
    """

    def __init__(self, run: Path, names: Sequence[str] | None, *more: str) -> None:
        named = [] if names is None else ["--annotators", ",".join(names)]
        self._command = [sys.executable, "-m", "modeldebug", "label", str(run), *named, *more]
        self.links: dict[str, str] = {}
        self.said = ""
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.said = ""
        for line in self._process.stdout:
            self.said += line
            if "/enter/" in line:
                name, link = line.split()
                self.links[name] = link
            if "Ctrl-C" in line:
                return
        raise AssertionError(f"the server ended with {self._process.wait()}")

    @property
    def address(self) -> str:
        return next(iter(self.links.values())).partition("/enter/")[0]

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.communicate()

    def interrupt(self) -> tuple[int, str]:
        """End it as by Ctrl-C: its exit code, and what it said."""
        self._process.terminate()  # as Ctrl-C, but not for whatever else is in this process group
        said, _ = self._process.communicate()
        return self._process.returncode, said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process.poll() is None:
            self.kill()


class Voter(threading.Thread):
    """An annotator who votes on every image that he is shown, and sends a vote again until it is answered.

    Attributes:
        confirmed: the answers that the server has confirmed, by image.
        asked_twice: images that he was shown although their answer had been confirmed.
        retries: how often the server was away.
    """

    def __init__(self, link: str, number: int) -> None:
        super().__init__(daemon=True)
        self._link, self._number = link, number
        self.confirmed: dict[int, int] = {}
        self.asked_twice: list[int] = []
        self.retries = 0

    def answer(self, image: int) -> int:
        return (image + self._number) % 4 - 1

    def run(self) -> None:
        address = self._link.partition("/enter/")[0]
        with httpx2.Client(base_url=address, headers={"origin": address}, timeout=20, trust_env=False) as client:
            client.get(self._link)
            state = self._until_answered(client, "GET", "/api/state")
            while state["next"]:
                image = state["next"][0]["id"]
                answer = self.answer(image)
                body = {"images": [image], "answer": answer, "way": "page"}
                state = self._until_answered(client, "POST", "/api/vote", json=body)
                self.confirmed[image] = answer
                self.asked_twice += [shown["id"] for shown in state["next"] if shown["id"] in self.confirmed]

    def _until_answered(self, client: httpx2.Client, method: str, path: str, **body: object) -> dict:
        while True:
            try:
                response = client.request(method, path, **body)
                response.raise_for_status()
                return response.json()
            except httpx2.TransportError:
                self.retries += 1
                time.sleep(0.02)  # the server is being started


def vote_while_killed(run: Path, *, votes: int, kills: int) -> dict[str, int]:
    """Let all annotators vote in parallel on a run's images while their server is killed and started again, evenly over
    their votes. It gives what `counted` gives, and how many votes were `changed`, which nobody asked for."""
    with Served(run, NAMES) as server:
        voters = [Voter(server.links[name], number) for number, name in enumerate(NAMES)]
        for voter in voters:
            voter.start()
        for kill in range(1, kills + 1):
            while sum(len(voter.confirmed) for voter in voters) < votes * len(NAMES) * kill / (kills + 1):
                time.sleep(0.002)
                assert any(voter.is_alive() for voter in voters), "the annotators have stopped"
            server.kill()
            server.start()
        for voter in voters:
            voter.join()
    kept = rows(run / "labels", "SELECT name, question, answer FROM votes JOIN annotators ON id = annotator")
    changed = rows(run / "labels", "SELECT count(*) FROM withdrawn")[0][0]
    return {**counted(kept, dict(zip(NAMES, voters, strict=True))), "changed": changed}


def counted(kept: Sequence[tuple[str, int, int]], voters: Mapping[str, Voter]) -> dict[str, int]:
    """What became of the votes.

    Args:
        kept: name, image and answer of each vote in the file.
        voters: by name.

    Returns:
        confirmed: votes that the server has confirmed.
        kept: votes in its file.
        lost: confirmed ones that are not there as they were given.
        doubled: votes of one annotator on one image beyond the first.
        asked_twice: times that an image was shown to somebody whose answer had been confirmed.
        retries: requests that met no server.
    """
    answers = {(name, image): answer for name, image, answer in kept}
    given = {(name, image): answer for name, voter in voters.items() for image, answer in voter.confirmed.items()}
    return {
        "confirmed": len(given),
        "kept": len(kept),
        "lost": sum(answers.get(key) != answer for key, answer in given.items()),
        "doubled": len(kept) - len(answers),
        "asked_twice": sum(len(voter.asked_twice) for voter in voters.values()),
        "retries": sum(voter.retries for voter in voters.values()),
    }
