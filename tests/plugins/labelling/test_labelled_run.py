"""People label a run in their browsers, through a server that dies in between, and the run goes on to its end."""

from click.testing import CliRunner

import modeldebug
from modeldebug.cli import program

from .boxes import rows
from .conftest import done, until_done, until_saved
from .served import Served

NAMES = ("ann", "bob", "cho")
SHORT = [
    f"--set={setting}"
    for setting in (
        "dataset.limit=300", "classifier.epochs=4", "generator.epochs=8", "generator.channels=8", "generator.hidden=64",
        "search.origins=60", "clusterer.components=1", "regions.samples=1", "auditor.members=1", "auditor.epochs=3",
        "auditor.width=8",
    )
]  # fmt: skip
WAITING = 3


def test_three_annotators_label_a_run_while_its_server_is_killed(tmp_path, desk):
    folder = tmp_path / "run"
    stopped = CliRunner().invoke(
        program, ["run", "--preset", "tiny", "--labeler", "human", *SHORT, "--out", str(folder), "--quiet"]
    )
    assert stopped.exit_code == WAITING
    assert f"modeldebug label {folder}" in stopped.stderr
    with Served(folder, NAMES) as server:
        pages = [desk.open(server.links[name]) for name in NAMES]
        _label(pages, server)
        resumed = CliRunner().invoke(program, ["resume", str(folder), "--quiet"])
    assert resumed.exit_code == 0, resumed.output
    assert modeldebug.open_run(folder).status == "done"
    images = len(rows(folder / "labels", "SELECT DISTINCT question FROM asked"))
    given = rows(folder / "labels", "SELECT name, count(*) FROM votes JOIN annotators ON id = annotator GROUP BY name")
    assert given == [(name, images) for name in NAMES]
    assert rows(folder / "labels", "SELECT count(*) FROM withdrawn") == [(0,)]  # nobody was asked twice


def _label(pages, server):
    """All say that everything is a 3, at once: ann with the mouse, bob with keys, cho with both in turn."""
    ann, bob, cho = pages
    total = ann.evaluate("document.getElementById('bar').max")
    for count in range(1, int(total) + 1):
        if count == total // 2:
            server.kill()
        until_done(ann, count, ann.get_by_role("button", name="3").click)
        until_done(bob, count, lambda: bob.keyboard.press("3"))
        by_mouse = cho.get_by_role("button", name="3").click
        until_done(cho, count, by_mouse if count % 2 else lambda: cho.keyboard.press("3"))
        if count == total // 2:
            for page in pages:  # all have voted on what they had before them, and know that it is not sent yet
                page.get_by_text("Your answers are kept here").wait_for()
                assert done(page) == count
            server.start()
    for page in pages:
        page.get_by_role("heading", name="Thank you").wait_for()
        until_saved(page, int(total))
        assert page.get_by_role("alert").count() == 0
