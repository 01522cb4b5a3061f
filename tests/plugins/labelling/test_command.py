"""`modeldebug label`: what it says, what it refuses, and how it ends."""

import socket

import pytest
from click.testing import CliRunner
from modeldebug_labelers import command
from modeldebug_labelers.ballots import Ballots

from modeldebug.cli import program

from .boxes import waiting_run
from .served import Served


@pytest.fixture
def run(tmp_path):
    return waiting_run(tmp_path / "run")


def label(run, *more, annotators="ann,bob"):
    return CliRunner().invoke(program, ["label", str(run), "--annotators", annotators, *more])


def refused(done, *words):
    assert done.exit_code == 2
    for word in words:
        assert word in done.stderr
    return True


def test_folder_that_is_no_run_is_refused(tmp_path):
    assert refused(label(tmp_path / "nowhere"), "there is no run in", "nowhere")


def test_run_that_has_not_asked_people_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    assert refused(label(tmp_path), "waits for labels", "--labeler human", f"modeldebug resume {tmp_path}")
    assert not (tmp_path / "labels").exists()


def test_run_with_all_its_votes_is_refused_with_what_to_type(run):
    with Ballots(run / "labels") as ballots:
        images = [asked.id for asked in ballots.asked()]
        for name in ("ann", "bob"):
            ballots.vote(ballots.join(name), dict.fromkeys(images, 1), way="page")
    assert refused(label(run), "6 images with enough votes", f"modeldebug resume {run}")


def test_more_annotators_reopen_a_run_whose_votes_were_in(run):
    with Ballots(run / "labels") as ballots:
        ballots.vote(ballots.join("ann"), {asked.id: 1 for asked in ballots.asked()}, way="page")
        assert not ballots.tally().waiting
    with Served(run, ["ann", "bob"]) as server:
        assert set(server.links) == {"ann", "bob"}


@pytest.mark.parametrize("annotators", ["", "ann,,bob", "ann,Ann"])
def test_names_that_are_none_are_refused(run, annotators):
    assert refused(label(run, annotators=annotators), "annotator")


def test_port_in_use_is_refused(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(label(run, "--port", str(port)), f"port {port}", "in use", "leave --port out")


def test_address_of_another_machine_is_refused(run):
    assert refused(label(run, "--host", "192.0.2.1"), "192.0.2.1")


def test_all_addresses_need_a_name_that_annotators_type(run):
    assert refused(label(run, "--host", "0.0.0.0"), "--allow-host")


def test_missing_extra_is_named(run, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert refused(label(run), "pip install 'modeldebug[label]'")


def test_damaged_file_of_votes_is_refused(run):
    for file in (run / "labels").iterdir():
        file.write_bytes(b"no votes " * 1000)
    assert refused(label(run), "votes.sqlite")


def test_server_ends_cleanly_and_says_how_to_go_on(run):
    with Served(run, ["ann", "bob"]) as server:
        code, said = server.interrupt()
    assert code == 0
    assert "Stopped. 0 of 6 images have their 2 votes (ann 0, bob 0)." in said
    assert f"modeldebug resume {run}" in said


def test_restart_takes_the_same_port_and_makes_other_links(run):
    with Served(run, ["ann", "bob"]) as server:
        before, address = dict(server.links), server.address
        server.kill()
        server.start()
        assert server.address == address
        assert not set(before.values()) & set(server.links.values())


def test_restart_takes_another_port_where_its_own_is_in_use(run):
    with Served(run, ["ann"]) as one, Served(run, ["ann"]) as other:
        assert one.address != other.address


def test_open_to_the_network_is_said_plainly(run):
    with Served(run, ["ann"], "--host", "0.0.0.0", "--allow-host", "label.local") as server:
        assert server.address.startswith("http://label.local:")
        assert "Anyone who reaches this machine" in server.said
