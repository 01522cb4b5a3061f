"""Where people's votes are kept: one SQLite file in a run's folder, safe against kill -9 at any instant.

Every way of asking people shares it: the labelling page, a terminal, files that are filled in elsewhere. A request's
images are put in once, and asked again under the same id they find the votes that they have::

    with Ballots(run / "labels") as ballots:
        ballots.put("regions", questions, classes=("cat", "dog"), needed=5)  # `People` does this
        ann = ballots.join("ann")
        for asked in ballots.upcoming(ann, limit=1):
            show(ballots.image(asked.id))
            ballots.vote(ann, {asked.id: 1}, way="terminal")  # a class, or NONE; on disk when this returns
        ballots.finish("regions")  # images that have too few votes; if there are none, it is closed
        ballots.table("regions")  # names of the annotators, and a row of answers for each row of the request

An image is known by what it shows (`Question.digest`) within its request: after `--redo` other images come under the
same id, and the votes on the former ones stay in the file but count for nothing.

A run stops at the first request that waits, so one request at a time is open: the one that was put last. Its images are
shown; those of others are not. An image has enough votes with the number that its request needs, or with as many as
there are annotators, if those are fewer. Who was invited last (`invite`), or came of himself since (`join`), is an
annotator; votes of former ones count on.

A request that is answered is closed when the run goes on with its votes: they change no more, and whoever joins later
is not waited for. When the run comes by again, on its way to a later request, it reads them and leaves that one open.

Nothing here imports torch or numpy, so that a server starts fast. Several processes and threads may share a file.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modeldebug import InputError, RunFolderError

from . import ballots_steps as steps
from .ballots_schema import SCHEMA, VERSION
from .ballots_steps import PRIME
from .questions import NONE, NOT_ASKED, Asked, NotAskedError, Question, Tally

__all__ = ["NONE", "NOT_ASKED", "Asked", "Ballots", "NotAskedError", "Question", "Tally"]

FILE = "votes.sqlite"
BUSY_SECONDS = 30  # to wait for another process that writes


class Ballots:
    """The questions and votes of one run.

    Args:
        folder: `labels` in the run's folder; made if it is not there.

    Raises:
        RunFolderError: the file cannot be opened, or is none of this version's.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")  # a vote is on disk before it is acknowledged
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._create()
        except (sqlite3.Error, OSError) as error:
            raise RunFolderError(
                f"the votes in {self.path} cannot be opened: {error}",
                expected="a folder that can be written, and a file that modeldebug made",
            ) from error

    def _create(self) -> None:
        with self.writing() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise RunFolderError(
                    f"the votes in {self.path} were written by another version of modeldebug",
                    got=f"format {version}",
                    expected=f"format {VERSION}",
                )
            if version == 0:
                for statement in SCHEMA:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: what is written inside is on disk, as a whole, when it ends; after an exception none of it.
        One inside of another is a part of it."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows that a query gives."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def fact(self, name: str, otherwise: str) -> str:
        """A fact that is kept with the votes; `otherwise`, from now on, if it was never noted."""
        with self.writing() as connection:
            connection.execute("INSERT INTO facts VALUES (?, ?) ON CONFLICT DO NOTHING", (name, otherwise))
            return str(connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])

    def note(self, name: str, value: str) -> None:
        """Keep a fact with the votes."""
        with self.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # what is asked

    def put(self, request: str, questions: Sequence[Question], *, classes: Sequence[str], needed: int) -> bool:
        """Ask about images, one for each row of a request, instead of what was asked before under its id.

        From now on this is the open request. Two rows that show the same are one image.

        Args:
            classes: their names; answers are positions in it.
            needed: votes that make enough.

        Returns:
            Whether it is open: False if a later one is, and this one is closed with the same images.
        """
        images = [(_with_classes(question.digest, classes), question) for question in questions]
        rows = [(row, image.group, request, digest) for row, (digest, image) in enumerate(images)]
        with self.writing() as connection:
            same = steps.is_same(connection, request, needed, rows)
            if same and self.read("SELECT 1 FROM requests WHERE id = ? AND closed AND NOT open", request):
                return False
            connection.execute("DELETE FROM classes")
            connection.executemany("INSERT INTO classes VALUES (?, ?)", enumerate(classes))
            connection.execute(
                "INSERT INTO requests VALUES (?, ?, 1, 0, NULL) ON CONFLICT DO UPDATE "
                "SET needed = excluded.needed, closed = 0, enough = iif(?, enough, NULL)",
                (request, needed, same),
            )
            connection.execute("UPDATE requests SET open = (id = ?)", (request,))
            connection.execute("DELETE FROM asked WHERE request = ?", (request,))
            for digest, image in sorted(dict(images).items()):  # numbers are seen, and rows come cluster by cluster
                mix = int(digest[:8], 16) % (PRIME - 1) + 1
                connection.execute(
                    "INSERT INTO questions (request, digest, mix, width, height, png) VALUES (?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT DO NOTHING",
                    (request, digest, mix, image.width, image.height, image.png),
                )
            connection.executemany(
                "INSERT INTO asked SELECT request, ?, id, ? FROM questions WHERE request = ? AND digest = ?", rows
            )
            return True

    def finish(self, request: str) -> int:
        """How many images of a request have too few votes; if none has, it is closed."""
        with self.writing() as connection:
            waiting = self.waiting(request)
            if not waiting:
                enough = "(SELECT max(needed) FROM images WHERE request = requests.id)"
                connection.execute(f"UPDATE requests SET closed = 1, enough = {enough} WHERE id = ?", (request,))
            return waiting

    def classes(self) -> tuple[str, ...]:
        """The names of the classes to choose from."""
        return tuple(name for (name,) in self.read("SELECT name FROM classes ORDER BY position"))

    def image(self, question: int) -> bytes | None:
        """The PNG file of an image; None if there is no such image."""
        found = self.read("SELECT png FROM questions WHERE id = ?", question)
        return bytes(found[0][0]) if found else None

    def asked(self, annotator: int = 0) -> list[Asked]:
        """Every image of the open request in the order of its rows, with the annotator's answers."""
        return self._asked("ORDER BY row", annotator)

    def groups(self, annotator: int = 0) -> dict[int, list[Asked]]:
        """The images of each group of the open request; an image that is in two groups stands in the first."""
        found: dict[int, list[Asked]] = {}
        for asked in self.asked(annotator):
            if asked.group >= 0:
                found.setdefault(asked.group, []).append(asked)
        return dict(sorted(found.items()))

    def upcoming(self, annotator: int, *, limit: int) -> list[Asked]:
        """The next images to show to an annotator: without an answer of his own, and with too few votes.

        They come in an order of his own, which stays the same whenever it is asked for.
        """
        seed = self.read("SELECT seed FROM annotators WHERE id = ?", annotator)[0][0]
        return self._asked(
            f"WHERE answer IS NULL AND votes < needed ORDER BY (mix * ?) % {PRIME}, id LIMIT ?", annotator, seed, limit
        )

    def _asked(self, rest: str, annotator: int, *values: Any) -> list[Asked]:
        query = f"""
            SELECT * FROM (
                SELECT id, digest, width, height, row, "group", votes, needed, mix, closed,
                       (SELECT answer FROM votes WHERE question = id AND annotator = ?) AS answer
                FROM images WHERE open
            ) {rest}"""
        return [
            Asked(number, digest, width, height, row, group, votes, answer)
            for number, digest, width, height, row, group, votes, _, _, _, answer in self.read(
                query, annotator, *values
            )
        ]

    # who answers

    def join(self, name: str) -> int:
        """An annotator's number; who is new becomes one of the annotators. Case does not matter: Ann is ann.

        Raises:
            InputError: that is no name.
        """
        with self.writing() as connection:
            return steps.join(connection, name)

    def invited(self) -> list[str]:
        """The names of the annotators, those who came first standing first."""
        return [name for (name,) in self.read("SELECT name FROM annotators WHERE invited ORDER BY id")]

    def invite(self, names: Sequence[str]) -> dict[str, int]:
        """Make these, and nobody else, the annotators from now on: their numbers by name. Votes of others stay.

        Raises:
            InputError: one is no name, or stands there twice.
        """
        if len({name.casefold() for name in names}) < len(names):
            raise InputError("an annotator is named twice", got=", ".join(names), expected="a name for each person")
        with self.writing() as connection:
            connection.execute("UPDATE annotators SET invited = 0")
            return {name: steps.join(connection, name) for name in names}

    # what they say

    def vote(self, annotator: int, answers: Mapping[int, int], *, way: str) -> None:
        """Note an annotator's answers, by image, all or none; they are on disk when this returns.

        The same answer again changes nothing, so that a vote may be sent twice. Another one takes its place, and the
        former is kept as history.

        Args:
            answers: a class or NONE for each image.
            way: how they were given, such as "page".

        Raises:
            NotAskedError: the open request has no such image.
            ValueError: there is no such class.
        """
        with self.writing() as connection:
            classes = connection.execute("SELECT count(*) FROM classes").fetchone()[0]
            for question, answer in answers.items():
                if not NONE <= answer < classes:
                    raise ValueError(f"there is no class {answer}")
                steps.require_asked(connection, question)
                given = steps.given(connection, question, annotator)
                if given != answer:
                    steps.withdraw(connection, question, annotator)
                    values = (question, annotator, answer, way, time.time())
                    connection.execute("INSERT INTO votes VALUES (?, ?, ?, ?, ?)", values)

    def withdraw(self, annotator: int, questions: Sequence[int]) -> None:
        """Take an annotator's answers back, if he gave any: the images are asked again. History is kept.

        Raises:
            NotAskedError: the open request has no such image.
        """
        with self.writing() as connection:
            for question in questions:
                steps.require_asked(connection, question)
                steps.withdraw(connection, question, annotator)

    def latest(self, annotator: int, *, limit: int) -> list[Asked]:
        """The images of the open request that an annotator answered last, the last one first; none if it is closed."""
        order = "(SELECT at FROM votes WHERE question = id AND annotator = ?)"
        return self._asked(
            f"WHERE answer IS NOT NULL AND NOT closed ORDER BY {order} DESC, id DESC LIMIT ?",
            annotator,
            annotator,
            limit,
        )

    def given(self, way: str) -> dict[str, dict[int, int]]:
        """All answers to the open request that came this way, by annotator's name and image."""
        found: dict[str, dict[int, int]] = {}
        for name, question, answer in self.read(
            "SELECT DISTINCT name, question, answer FROM asked JOIN requests ON requests.id = request "
            "JOIN votes USING (question) JOIN annotators ON annotators.id = annotator WHERE open AND way = ?",
            way,
        ):
            found.setdefault(name, {})[question] = answer
        return found

    def replace(self, answers: Mapping[str, Mapping[int, int]], *, way: str) -> None:
        """Make these, by annotator's name and image, all the answers to the open request that came this way.

        Others that came this way are taken back. Who came this way, is not named any more and has no answer left is no
        annotator any more, unless he has a link to the labelling page. All of it happens, or, after an error, nothing.

        Raises:
            InputError: one of the names is none.
            NotAskedError: the open request has no such image.
            ValueError: there is no such class.
        """
        with self.writing() as connection:
            named: dict[int, dict[int, int]] = {}
            for name, given in answers.items():
                named.setdefault(self.join(name), {}).update(given)
            for annotator, given in named.items():
                self.vote(annotator, given, way=way)
            numbers = dict(self.read("SELECT name, id FROM annotators"))
            for name, given in self.given(way).items():
                annotator = numbers[name]
                self.withdraw(annotator, [one for one in given if one not in named.get(annotator, {})])
            came = set(json.loads(self.fact(f"came by {way}", "[]")))
            for annotator in came - named.keys():
                if not self.progress(annotator)[0]:
                    connection.execute("UPDATE annotators SET invited = 0 WHERE id = ? AND link IS NULL", (annotator,))
            self.note(f"came by {way}", json.dumps(sorted(came | named.keys())))

    # how it stands

    def progress(self, annotator: int) -> tuple[int, int]:
        """How many images of the open request an annotator has answered, and how many are left for him."""
        query = """
            SELECT coalesce(sum(mine), 0), coalesce(sum(NOT mine AND votes < needed), 0) FROM (
                SELECT votes, needed, EXISTS (SELECT 1 FROM votes WHERE question = id AND annotator = ?) AS mine
                FROM images WHERE open)"""
        done, left = self.read(query, annotator)[0]
        return int(done), int(left)

    def waiting(self, request: str) -> int:
        """How many images of a request have too few votes."""
        return int(self.read("SELECT count(*) FROM images WHERE request = ? AND votes < needed", request)[0][0])

    def tally(self) -> Tally:
        """How far the open request is."""
        request, images, waiting, needed = self.read(
            "SELECT max(request), count(*), coalesce(sum(votes < needed), 0), coalesce(max(needed), 0) "
            "FROM images WHERE open"
        )[0]
        votes = self.read(
            """
            SELECT name, (SELECT count(*) FROM images JOIN votes ON question = images.id
                          WHERE open AND annotator = annotators.id) AS given
            FROM annotators WHERE invited OR given ORDER BY name"""
        )
        return Tally(request, images, waiting, needed, dict(votes))

    def table(self, request: str) -> tuple[tuple[str, ...], list[list[int]]]:
        """All votes on a request: the names of those who gave any, and a row for each row of the request with a column
        for each of them, NOT_ASKED where there is no vote."""
        names = self.read(
            "SELECT DISTINCT annotators.id, name FROM asked JOIN votes USING (question) "
            "JOIN annotators ON annotators.id = annotator WHERE request = ? ORDER BY name",
            request,
        )
        column = {annotator: i for i, (annotator, _) in enumerate(names)}
        rows = self.read("SELECT count(*) FROM asked WHERE request = ?", request)[0][0]
        answers = [[NOT_ASKED] * len(column) for _ in range(rows)]
        query = "SELECT row, annotator, answer FROM asked JOIN votes USING (question) WHERE request = ?"
        for row, annotator, answer in self.read(query, request):
            answers[row][column[annotator]] = answer
        return tuple(name for _, name in names), answers


def _with_classes(digest: str, classes: Sequence[str]) -> str:
    """A hash of an image and of what may be answered: an answer is a position among the classes."""
    return hashlib.sha256("\0".join([digest, *classes]).encode()).hexdigest()
