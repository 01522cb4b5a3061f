"""What transactions on the file of votes are made of."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Sequence

from modeldebug import InputError

from .questions import NotAskedError

PRIME = 2**31 - 1  # orders are products modulo it: SQLite's integers have 64 bits


def is_same(
    connection: sqlite3.Connection, request: str, needed: int, rows: Sequence[tuple[int, int, str, str]]
) -> bool:
    """Whether a request was put with these rows before, and needs no more votes now."""
    query = "SELECT 1 FROM requests WHERE id = ? AND needed >= ?"
    if connection.execute(query, (request, needed)).fetchone() is None:
        return False
    query = (
        'SELECT row, "group", asked.request, digest FROM asked JOIN questions ON id = question '
        "WHERE asked.request = ? ORDER BY row"
    )
    return connection.execute(query, (request,)).fetchall() == rows


def join(connection: sqlite3.Connection, name: str) -> int:
    """An annotator's number; who is new, or was not invited any more, is one of the annotators from now on."""
    name = name.strip()
    if not name or len(name) > 60 or not name.isprintable():
        raise InputError(
            "that is no name for an annotator", got=repr(name[:80]), expected="1 to 60 printable characters"
        )
    seed = int(hashlib.sha256(name.casefold().encode()).hexdigest()[:8], 16) % (PRIME - 1) + 1
    connection.execute(
        "INSERT INTO annotators (name, seed, invited) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET invited = 1",
        (name, seed),
    )
    return int(connection.execute("SELECT id FROM annotators WHERE name = ?", (name,)).fetchone()[0])


def require_asked(connection: sqlite3.Connection, question: int) -> None:
    """Refuse an image that the open request does not have, or whose votes the run has gone on with."""
    query = "SELECT 1 FROM asked JOIN requests ON requests.id = request WHERE open AND NOT closed AND question = ?"
    if connection.execute(query, (question,)).fetchone() is None:
        raise NotAskedError(f"image {question} is not asked about")


def given(connection: sqlite3.Connection, question: int, annotator: int) -> int | None:
    """An annotator's answer on an image; None if there is none."""
    query = "SELECT answer FROM votes WHERE question = ? AND annotator = ?"
    found = connection.execute(query, (question, annotator)).fetchone()
    return None if found is None else int(found[0])


def withdraw(connection: sqlite3.Connection, question: int, annotator: int) -> None:
    """Move a vote, if there is one, to the history."""
    which = "question = ? AND annotator = ?"
    connection.execute(
        "INSERT INTO withdrawn (question, annotator, answer, way, at, until) "
        f"SELECT question, annotator, answer, way, at, ? FROM votes WHERE {which}",
        (time.time(), question, annotator),
    )
    connection.execute(f"DELETE FROM votes WHERE {which}", (question, annotator))
