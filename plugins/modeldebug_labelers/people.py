"""Labelers that are people: their questions and votes are kept in the run's folder, and the run waits for them.

A labeler of people says what to type (`_how`), and may gather votes itself (`_collect`); those of all of them count
together::

    class Terminal(People[TerminalConfig]):
        def _collect(self, ballots, request):
            me = ballots.join(self.config.name)
            while asked := ballots.upcoming(me, limit=1):
                ballots.vote(me, {asked[0].id: self._answer(ballots.image(asked[0].id))}, way="terminal")

        def _how(self, run):
            return f"modeldebug resume {run}"
"""

from __future__ import annotations

import hashlib
import io
import shlex
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from modeldebug import Answers, Labeler, LabelRequest, Pending

from .ballots import Ballots, Question
from .plugin import PeopleConfig

ConfigT = TypeVar("ConfigT", bound=PeopleConfig)


class People(Labeler[ConfigT]):
    """Puts the images of a request into the ballots, and answers with the votes once every image has enough.
    These are the answers to the request from then on, while a later one waits and whoever joins for that.

    Without a run's folder nobody can be asked: the answer is that all images wait.
    """

    def _label(self, request: LabelRequest) -> Answers | Pending:
        if self.folder is None:
            return Pending(len(request.x), self._how("RUN"))
        with Ballots(self.folder) as ballots:
            questions = [question(x, int(group)) for x, group in zip(request.x, request.group, strict=True)]
            if ballots.put(request.id, questions, classes=request.spec.classes, needed=self.config.votes):
                self._collect(ballots, request)
            with ballots.writing():  # a vote that is taken back between the two would be missing
                waiting = ballots.finish(request.id)
                names, votes = ballots.table(request.id)
            if waiting:
                how = self._how(shlex.quote(str(self.folder.parent)))
                return Pending(waiting, how, self._ready(request.id))
        return Answers(torch.tensor(votes, dtype=torch.int64).view(len(request.x), len(names)), annotators=names)

    def _collect(self, ballots: Ballots, request: LabelRequest) -> None:
        """Gather votes, where the labeler does it by itself while the run goes on; the request is in the ballots."""

    def _ready(self, request: str) -> Callable[[], bool]:
        """Says, whenever it is called, whether every image of a request has enough votes."""
        assert self.folder is not None  # the request waits in it
        return partial(_complete, self.folder, request)

    @abstractmethod
    def _how(self, run: str) -> str:
        """What a person should type next; `run` is the run's folder, quoted for a shell."""


def question(x: Tensor, group: int = -1) -> Question:
    """An image (c, h, w) float32 in [0, 1] as people see it: one or two channels in grey, the first three in colour.

    >>> question(torch.zeros(1, 4, 6)).width
    6
    """
    channels = x[:3] if len(x) >= 3 else x[:1]
    pixels = (channels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels if len(channels) == 3 else pixels[..., 0])
    file = io.BytesIO()
    picture.save(file, "PNG")
    digest = hashlib.sha256(f"{picture.mode} {picture.size}".encode() + picture.tobytes()).hexdigest()
    return Question(digest, file.getvalue(), picture.width, picture.height, group)


def _complete(folder: Path, request: str) -> bool:
    with Ballots(folder) as ballots:
        return ballots.waiting(request) == 0
