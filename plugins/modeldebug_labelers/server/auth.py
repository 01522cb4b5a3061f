"""Who may come in: a private link for each annotator, and a cookie for each browser that came by one.

Links and cookies are random (256 bits) and kept as hashes alone: who reads the file of votes cannot come in with it.
Every start of the server makes new links, since their text is kept nowhere, and the former ones end. Cookies outlive a
restart, so that a page that is open goes on; they end when the annotator is no longer invited.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..ballots import Ballots

SESSIONS = 20  # browsers of one annotator; beyond, the eldest has to use the link again
COOKIE_DAYS = 30


@dataclass(frozen=True)
class Annotator:
    """Somebody who has come in."""

    id: int
    name: str


class Doors:
    """The links and cookies of one run.

    Attributes:
        cookie: the cookie's name; runs that are served from one machine have cookies of different names.
    """

    def __init__(self, ballots: Ballots) -> None:
        self._ballots = ballots
        self.cookie = "modeldebug-" + ballots.fact("id", secrets.token_hex(4))

    def invite(self, names: Sequence[str]) -> dict[str, str]:
        """A new token for each annotator, by name. Former tokens end, and so do the cookies of whoever is not named.

        Raises:
            InputError: one is no name, or stands there twice.
        """
        tokens = {name: secrets.token_urlsafe(32) for name in names}
        with self._ballots.writing() as connection:
            numbers = self._ballots.invite(names)
            connection.execute("UPDATE annotators SET link = NULL")
            for name, number in numbers.items():
                connection.execute("UPDATE annotators SET link = ? WHERE id = ?", (_hash(tokens[name]), number))
            connection.execute("DELETE FROM sessions WHERE annotator IN (SELECT id FROM annotators WHERE link IS NULL)")
        return tokens

    def enter(self, token: str) -> str | None:
        """A new cookie for whoever has a link's token; None for anybody else."""
        rows = self._ballots.read("SELECT link, id FROM annotators WHERE link IS NOT NULL")
        annotator = _match(token, rows)
        if annotator is None:
            return None
        cookie = secrets.token_urlsafe(32)
        with self._ballots.writing() as connection:
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?)", (_hash(cookie), annotator, time.time()))
            connection.execute(
                "DELETE FROM sessions WHERE annotator = ? AND cookie NOT IN "
                "(SELECT cookie FROM sessions WHERE annotator = ? ORDER BY at DESC LIMIT ?)",
                (annotator, annotator, SESSIONS),
            )
        return cookie

    def who(self, cookie: str | None) -> Annotator | None:
        """Whose cookie it is; None if it is nobody's, or too old."""
        since = time.time() - COOKIE_DAYS * 24 * 3600
        annotator = _match(
            cookie or "", self._ballots.read("SELECT cookie, annotator FROM sessions WHERE at > ?", since)
        )
        if annotator is None:
            return None
        return Annotator(annotator, self._ballots.read("SELECT name FROM annotators WHERE id = ?", annotator)[0][0])


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _match(secret: str, rows: Sequence[tuple[Any, ...]]) -> int | None:
    """The number beside the hash of a secret. All hashes are compared, each in constant time, so that the time taken
    tells nothing of them."""
    found, hashed = None, _hash(secret)
    for known, number in rows:
        if hmac.compare_digest(known, hashed):
            found = number
    return found
