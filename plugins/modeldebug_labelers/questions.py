"""What is asked of people, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

NONE, NOT_ASKED = -1, -2  # "none of the above", and no vote at all: as in `Answers.votes`


@dataclass(frozen=True)
class Question:
    """An image to be labelled.

    Attributes:
        digest: hash of what it shows.
        png: the image as a file, in its own size.
        width: in pixels.
        height: in pixels.
        group: images of one group (a region) belong together; -1 for none.
    """

    digest: str
    png: bytes
    width: int
    height: int
    group: int = -1


@dataclass(frozen=True)
class Asked:
    """An image of the open request, without its content.

    Attributes:
        id: names the image in votes and in addresses.
        digest: hash of what it shows.
        width: in pixels.
        height: in pixels.
        row: the first of its rows in the request.
        group: of that row.
        votes: how many it has.
        answer: what the annotator who asks has said of it; None for nothing, or if nobody in particular asks.
    """

    id: int
    digest: str
    width: int
    height: int
    row: int
    group: int
    votes: int
    answer: int | None


@dataclass(frozen=True)
class Tally:
    """How far the open request is.

    Attributes:
        request: its id; None if nothing was ever asked.
        images: how many different ones it has.
        waiting: how many of them have too few votes.
        needed: votes that make enough.
        votes: how many each annotator has given to it, by name; those who are invited stand here with 0.
    """

    request: str | None
    images: int
    waiting: int
    needed: int
    votes: dict[str, int]


class NotAskedError(LookupError):
    """A vote on an image that the open request does not have."""
