"""The labeler that waits for people answers with their votes, once there are enough on every image."""

import subprocess
import sys

import pytest
import torch
from modeldebug_labelers.ballots import Ballots
from modeldebug_labelers.human import Human
from modeldebug_labelers.plugin import HumanConfig

from modeldebug import Answers, DataSpec, LabelRequest, Pending

from .boxes import CLASSES, pictures

SPEC = DataSpec((1, 4, 4), CLASSES)


def request(n=3, first=0, name="regions"):
    return LabelRequest(name, pictures(n, first), SPEC, torch.arange(n) // 2)


@pytest.fixture
def labels(tmp_path):
    """The folder that a run gives to its labelers."""
    return tmp_path / "a run" / "labels"


def human(folder=None, votes=2):
    made = Human(HumanConfig(votes=votes), SPEC)
    made.folder = folder
    return made


def vote(folder, name, answers):
    with Ballots(folder) as ballots:
        images = [asked.id for asked in ballots.asked()]
        ballots.vote(ballots.join(name), dict(zip(images, answers, strict=True)), way="page")


def test_human_waits_until_every_image_has_enough_votes(labels):
    waiting = human(labels).label(request())
    assert waiting.waiting == 3
    assert waiting.how == f"modeldebug label '{labels.parent}' --annotators NAME,NAME"
    assert not waiting.ready()
    with Ballots(labels) as ballots:
        ballots.invite(["ann", "bob"])
    vote(labels, "ann", [0, -1, 2])
    assert human(labels).label(request()).how == f"modeldebug label '{labels.parent}'"  # it knows who labels
    assert not waiting.ready()
    vote(labels, "bob", [0, 1, 1])
    assert waiting.ready()
    answers = human(labels).label(request())
    assert isinstance(answers, Answers)
    assert answers.annotators == ("ann", "bob")
    assert answers.votes.tolist() == [[0, 0], [-1, 1], [2, 1]]
    assert answers.confidence is None


def test_human_asks_again_about_other_images_under_the_same_request(labels):
    human(labels, votes=1).label(request())
    vote(labels, "ann", [0, 0, 0])
    assert human(labels, votes=1).label(request(first=1)).waiting == 1  # two of three are the same
    assert isinstance(human(labels, votes=1).label(request()), Answers)


def test_second_request_waits_for_votes_of_its_own(labels):
    human(labels, votes=1).label(request())
    vote(labels, "ann", [0, 0, 0])
    assert human(labels, votes=1).label(request(name="regions-2")).waiting == 3


def test_annotator_of_a_second_request_reopens_no_first_one(labels):
    """The run comes to the first request again whenever it is resumed, and needs it answered."""
    second = request(first=3, name="regions-2")
    human(labels, votes=5).label(request())
    vote(labels, "ann", [0, 1, 2])
    answers = human(labels, votes=5).label(request())
    assert human(labels, votes=5).label(second).waiting == 3
    with Ballots(labels) as ballots:
        ballots.invite(["ann", "bob"])
    vote(labels, "ann", [0, 0, 0])
    again = human(labels, votes=5).label(request())  # resumed too early
    assert again.votes.tolist() == answers.votes.tolist() == [[0], [1], [2]]
    vote(labels, "bob", [0, 0, 1])  # from the page that was open all the time
    assert human(labels, votes=5).label(request()).annotators == ("ann",)
    assert human(labels, votes=5).label(second).votes.tolist() == [[0, 0], [0, 0], [0, 1]]


def test_human_without_a_run_waits_for_all():
    assert human().label(request()) == Pending(3, "modeldebug label RUN --annotators NAME,NAME")


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_people_see_images_of_any_number_of_channels(labels, channels):
    spec = DataSpec((channels, 4, 4), CLASSES)
    labeler = Human(HumanConfig(), spec)
    labeler.folder = labels
    assert labeler.label(LabelRequest("r", torch.rand(2, channels, 4, 4), spec, torch.zeros(2).long())).waiting == 2
    with Ballots(labels) as ballots:
        assert all(ballots.image(asked.id).startswith(b"\x89PNG") for asked in ballots.asked())


def test_nothing_in_the_ballots_tells_what_the_classifier_said(labels):
    """The labeler is never told; this holds the request to it. What the generator knows is told to labelers that are
    exact, and to no other."""
    assert set(LabelRequest.__dataclass_fields__) == {"id", "x", "spec", "group", "truth"}
    assert not Human.exact


@pytest.mark.parametrize("module", ["ballots", "command", "server.app", "server.serve"])
def test_label_starts_without_torch(module):
    code = (
        f"import modeldebug_labelers.{module}, sys; print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
