"""`modeldebug label`: what it says, what it refuses, and how it ends."""

import json
import shutil
import socket

import pytest
from click.testing import CliRunner
from modeldebug_labelers import command
from modeldebug_labelers.ballots import Ballots
from modeldebug_labelers.questions import Tally
from modeldebug_labelers.server.auth import Doors
from modeldebug_labelers.server.serve import standing, wrapped

from modeldebug.cli import program

from .boxes import rows, waiting_run
from .served import Served


@pytest.fixture
def run(tmp_path):
    return waiting_run(tmp_path / "run")


def label(run, *more, annotators="ann,bob"):
    named = [] if annotators is None else ["--annotators", annotators]
    return CliRunner().invoke(program, ["label", str(run), *named, *more])


def answered_by(run, *names, invited):
    """Everything is answered by some of those who were invited."""
    with Ballots(run / "labels") as ballots:
        links = Doors(ballots).invite(invited)
        for name in names:
            ballots.vote(ballots.join(name), {asked.id: 1 for asked in ballots.asked()}, way="page")
    return links


def lets_in(run, links):
    with Ballots(run / "labels") as ballots:
        return [name for name, token in links.items() if Doors(ballots).enter(token)]


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


def test_run_with_all_its_votes_is_refused_with_what_to_type_and_ends_no_links(run):
    links = answered_by(run, "ann", "bob", invited=["ann", "bob"])
    assert refused(label(run), "6 images with enough votes", f"modeldebug resume {run}")
    assert lets_in(run, links) == ["ann", "bob"]


@pytest.mark.parametrize("asked", [True, False])
def test_finished_run_is_refused_with_its_report(run, asked):
    if asked:
        answered_by(run, "ann", invited=["ann"])
    else:
        shutil.rmtree(run / "labels")
    (run / "manifest.json").write_text(json.dumps({"status": "done"}))
    done = label(run, annotators="ann")
    assert refused(done, "the run is finished", str(run / "report.html"))
    assert "modeldebug resume" not in done.stderr


@pytest.mark.parametrize("manifest", ["[]", "{", "{}"])
def test_run_with_a_manifest_that_says_nothing_is_to_be_resumed(run, manifest):
    shutil.rmtree(run / "labels")
    (run / "manifest.json").write_text(manifest)
    assert refused(label(run), f"modeldebug resume {run}")


def test_those_of_last_time_are_invited_where_nobody_is_named(run):
    answered_by(run, invited=["cho", "ann"])
    with Served(run, None) as server:
        assert list(server.links) == ["cho", "ann"]


def test_nobody_named_and_nobody_known_is_refused_with_what_to_type(run):
    assert refused(label(run, annotators=None), "nobody is known", f"modeldebug label {run} --annotators ann,bob")


def test_fewer_annotators_need_a_flag_once_there_are_votes(run):
    links = answered_by(run, "ann", invited=["ann", "bob"])
    assert refused(label(run, annotators="ann"), "1 in place of 2", "ann, bob", "--fewer")
    assert lets_in(run, links) == ["ann", "bob"]
    with Ballots(run / "labels") as ballots:
        assert ballots.tally().waiting == 6
    done = label(run, "--fewer", annotators="ann")
    assert done.exit_code == 0
    assert "Votes that an image needs: 1, no longer 2." in done.stdout
    assert f"All votes are in. Go on with:\n  modeldebug resume {run}" in done.stdout
    assert rows(run / "labels", "SELECT name FROM annotators WHERE invited") == [("ann",)]


def test_fewer_annotators_need_no_flag_before_there_are_votes(run):
    answered_by(run, invited=["ann", "bob"])
    with Served(run, ["ann"]) as server:
        assert "Votes that an image needs: 1, no longer 2." in server.said


def test_second_server_of_a_run_is_refused_and_ends_no_links(run):
    with Served(run, ["ann", "bob"]) as server:
        port = server.address.rpartition(":")[2]
        assert refused(label(run), "is being served already", f"port {port}", "Ctrl-C")
        tokens = {name: link.rpartition("/")[2] for name, link in server.links.items()}
        assert lets_in(run, tokens) == ["ann", "bob"]
        server.kill()
        server.start()  # the lock has gone with its process


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
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Ballots(run / "labels") as ballots:
            ballots.note("port", str(port))
        with Served(run, ["ann"]) as server:
            assert server.address != f"http://127.0.0.1:{port}"


def test_links_of_earlier_starts_are_mentioned_where_there_are_any(run):
    with Served(run, ["ann"]) as server:
        assert "earlier" not in server.said
        server.kill()
        server.start()
        assert "Links of earlier starts have ended" in server.said


def test_what_is_said_fits_a_terminal(run):
    many = wrapped(standing(Tally("regions", 4000, 2800, 5, {f"annotator-{i}": 100 for i in range(12)})), indent=10)
    with Served(run, ["ann"], "--host", "0.0.0.0", "--allow-host", "a.b") as server:
        server.kill()
        server.start()
        said = server.said
    assert all(len(line) < 80 for line in [*many.splitlines(), *said.splitlines()])
    assert len(many.splitlines()) > 1
    listed = CliRunner().invoke(program, ["--help"], terminal_width=80).stdout
    assert "Let people label a run's images in their browsers." in listed


def test_open_to_the_network_is_said_plainly(run):
    with Served(run, ["ann"], "--host", "0.0.0.0", "--allow-host", "label.local") as server:
        assert server.address.startswith("http://label.local:")
        assert "Anyone who reaches this machine" in server.said
