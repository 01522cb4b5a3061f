"""Votes are kept one for each image and annotator, with their history, and count for the images that were asked."""

import sqlite3
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modeldebug_labelers.ballots import FILE, NONE, NOT_ASKED, Ballots, NotAskedError
from modeldebug_labelers.people import question

from modeldebug import InputError, RunFolderError

from .boxes import CLASSES, pictures, put, rows


@pytest.fixture
def ballots(tmp_path):
    with Ballots(tmp_path) as made:
        yield made


def ids(ballots, annotator=0):
    return [asked.id for asked in ballots.asked(annotator)]


def answer_all(ballots, annotator, answer=1):
    ballots.vote(annotator, dict.fromkeys(ids(ballots), answer), way="page")


def test_votes_come_back_in_the_order_of_the_request_with_names(ballots):
    put(ballots, 3)
    bob, ann = ballots.join("bob"), ballots.join("ann")
    first, second, third = ids(ballots)
    ballots.vote(ann, {first: 0, third: NONE}, way="page")
    ballots.vote(bob, {second: 2}, way="terminal")
    assert ballots.table("regions") == (("ann", "bob"), [[0, NOT_ASKED], [NOT_ASKED, 2], [NONE, NOT_ASKED]])


def test_change_of_mind_counts_once_and_leaves_history(ballots, tmp_path):
    put(ballots, 1)
    ann, (image,) = ballots.join("ann"), ids(ballots)
    for answer in (0, 2, 2, 1):
        ballots.vote(ann, {image: answer}, way="page")
    assert ballots.table("regions")[1] == [[1]]
    assert rows(tmp_path, "SELECT answer FROM withdrawn ORDER BY id") == [(0,), (2,)]


def test_vote_that_is_taken_back_is_asked_again_and_leaves_history(ballots, tmp_path):
    put(ballots, 2)
    ann = ballots.join("ann")
    image = ballots.upcoming(ann, limit=1)[0].id
    ballots.vote(ann, {image: 0}, way="page")
    assert image not in [asked.id for asked in ballots.upcoming(ann, limit=5)]
    ballots.withdraw(ann, [image])
    ballots.withdraw(ann, [image])  # sent twice
    assert ballots.upcoming(ann, limit=1)[0].id == image
    assert rows(tmp_path, "SELECT answer FROM withdrawn") == [(0,)]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(-2, 2)), max_size=30))
def test_ballots_are_a_table_of_last_answers_whatever_was_said(tmp_path_factory, said):
    folder = tmp_path_factory.mktemp("ballots")
    current, history = {}, []
    with Ballots(folder) as ballots:
        put(ballots, 4, needed=3)
        people, images = ballots.invite(["a", "b", "c"]), ids(ballots)
        for who, which, answer in said:  # -2 takes back
            annotator, key = people["abc"[who]], (which, who)
            if current.get(key, NOT_ASKED) not in (answer, NOT_ASKED):
                history.append((images[which], annotator, current[key]))
            current[key] = answer
            if answer == NOT_ASKED:
                ballots.withdraw(annotator, [images[which]])
            else:
                ballots.vote(annotator, {images[which]: answer}, way="page")
        votes = {key: answer for key, answer in current.items() if answer != NOT_ASKED}
        names, table = ballots.table("regions")
        assert list(names) == sorted({"abc"[who] for _, who in votes})
        assert table == [[votes.get((row, "abc".index(name)), NOT_ASKED) for name in names] for row in range(4)]
        for who, annotator in enumerate(people.values()):
            mine = {images[which] for which, other in votes if other == who}
            assert {asked.id for asked in ballots.upcoming(annotator, limit=9)} == set(images) - mine
            assert ballots.progress(annotator) == (len(mine), 4 - len(mine))
        enough = sum(sum(which == row for which, _ in votes) >= 3 for row in range(4))
        assert ballots.waiting("regions") == ballots.tally().waiting == 4 - enough
    assert rows(folder, "SELECT question, annotator, answer FROM withdrawn ORDER BY id") == history


def test_each_annotator_has_an_order_of_his_own_that_stays(ballots):
    put(ballots, 40)
    orders = [[asked.id for asked in ballots.upcoming(ballots.join(name), limit=40)] for name in ("ann", "bob", "ann")]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(ids(ballots))
    assert orders[0] != ids(ballots)


def test_order_is_shuffled_evenly(ballots):
    """Images of the first half of a request come first as often as those of the second."""
    put(ballots, 200)
    firsts = []
    for name in map(str, range(60)):
        head = ballots.upcoming(ballots.join(name), limit=20)
        firsts += [asked.row < 100 for asked in head]
    assert 0.44 < sum(firsts) / len(firsts) < 0.56  # 1,200 draws: four standard errors


def test_images_with_enough_votes_are_shown_to_nobody_else(ballots):
    put(ballots, 4, needed=2)
    ann, bob, cho = ballots.invite(["ann", "bob", "cho"]).values()
    image = ids(ballots)[2]
    ballots.vote(ann, {image: 0}, way="page")
    assert ballots.progress(cho) == (0, 4)
    ballots.vote(bob, {image: 0}, way="page")
    assert image not in [asked.id for asked in ballots.upcoming(cho, limit=9)]
    assert ballots.progress(cho) == (0, 3)
    ballots.vote(cho, {image: 1}, way="page")  # it was on the screen already: no work is thrown away
    assert ballots.table("regions")[1][2] == [0, 0, 1]


@pytest.mark.parametrize(("invited", "needed"), [([], 3), (["a"], 1), (["a", "b"], 2), (["a", "b", "c", "d"], 3)])
def test_votes_needed_are_as_many_as_there_are_annotators_at_most(ballots, invited, needed):
    put(ballots, 1, needed=3)
    ballots.invite(invited)
    assert ballots.tally().needed == needed


def test_votes_of_former_annotators_count_on(ballots):
    put(ballots, 2)
    answer_all(ballots, ballots.invite(["ann", "bob"])["ann"])
    assert ballots.tally().waiting == 2
    ballots.invite(["cho"])
    assert ballots.tally().waiting == 0
    assert ballots.tally().votes == {"ann": 2, "cho": 0}


def test_case_of_a_name_does_not_make_another_annotator(ballots):
    assert ballots.join("Ann") == ballots.join(" ann ")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x00", "n" * 61])
def test_what_is_no_name_is_refused(ballots, name):
    with pytest.raises(InputError):
        ballots.join(name)


def test_annotator_named_twice_is_refused(ballots):
    with pytest.raises(InputError, match="twice"):
        ballots.invite(["ann", "bob", "ANN"])


def test_other_images_under_the_same_request_have_no_votes(ballots, tmp_path):
    put(ballots, 3)
    ann = ballots.join("ann")
    answer_all(ballots, ann)
    put(ballots, 3, first=2)  # as after --redo: image 2 is the same, 3 and 4 are others
    assert ballots.table("regions")[1] == [[1], [NOT_ASKED], [NOT_ASKED]]
    assert ballots.waiting("regions") == 2
    assert rows(tmp_path, "SELECT count(*) FROM votes") == [(3,)]  # kept, though they count for nothing
    put(ballots, 3)
    assert ballots.waiting("regions") == 0


def closed(ballots, *names, needed=5):
    """A request that these annotators have answered, and that the run has gone on from."""
    put(ballots, 3, needed=needed)
    for annotator in ballots.invite(names).values():
        answer_all(ballots, annotator)
    assert ballots.finish("regions") == 0


def test_annotator_who_comes_later_reopens_no_request_that_is_answered(ballots):
    closed(ballots, "ann", "bob")
    ballots.join("cho")
    assert ballots.waiting("regions") == ballots.tally().waiting == 0
    assert ballots.upcoming(ballots.join("cho"), limit=9) == []
    put(ballots, 3, needed=5)  # the run comes by again, and no later request was put
    assert ballots.waiting("regions") == ballots.finish("regions") == 0
    put(ballots, 3, first=9, needed=5, request="regions-2")
    assert not put(ballots, 3, needed=5)
    assert ballots.waiting("regions") == ballots.finish("regions") == 0
    assert ballots.waiting("regions-2") == 3
    assert ballots.tally().needed == 3


def test_request_that_waits_is_not_closed_by_asking_how_it_stands(ballots):
    put(ballots, 3, needed=5)
    ann, _ = ballots.invite(["ann", "bob"]).values()
    answer_all(ballots, ann)
    assert ballots.finish("regions") == 3
    ballots.join("cho")
    assert ballots.tally().needed == 3


def test_later_request_stays_open_while_an_answered_one_is_read_back(ballots):
    closed(ballots, "ann")
    put(ballots, 3, first=9, request="regions-2")
    shown = ids(ballots)
    assert not put(ballots, 3, needed=5)
    assert ballots.tally().request == "regions-2"
    ballots.vote(ballots.join("ann"), {shown[0]: 1}, way="page")  # a page that was open all the time
    assert ballots.waiting("regions-2") == 2


@pytest.mark.parametrize("change", [{"first": 1}, {"classes": ("a", "b")}, {"needed": 6}, {"group": 1}, {"n": 2}])
def test_closed_request_is_asked_again_once_it_is_another_one(ballots, change):
    closed(ballots, "ann")
    ballots.join("bob")
    assert put(ballots, **({"n": 3, "needed": 5} | change))
    assert ballots.tally().needed == 2
    assert ballots.waiting("regions") > 0


def test_votes_that_the_run_has_gone_on_with_change_no_more(ballots):
    closed(ballots, "ann")
    ann, images = ballots.join("ann"), ids(ballots)
    for change in (lambda: ballots.vote(ann, {images[0]: 2}, way="page"), lambda: ballots.withdraw(ann, images)):
        with pytest.raises(NotAskedError):
            change()
    assert ballots.table("regions") == (("ann",), [[1], [1], [1]])
    assert ballots.latest(ann, limit=9) == []  # nothing to be taken back
    assert ballots.progress(ann) == (3, 0)


def test_numbers_of_images_tell_nothing_of_rows(ballots):
    """They stand in the page's addresses, and rows come cluster by cluster."""
    put(ballots, 40)
    assert [asked.digest for asked in sorted(ballots.asked(), key=lambda one: one.id)] == sorted(
        asked.digest for asked in ballots.asked()
    )
    assert ids(ballots) != sorted(ids(ballots))


def test_transaction_inside_of_another_ends_with_it(ballots):
    def invite_and_fail():
        with ballots.writing():
            ballots.invite(["ann"])
            ballots.invite(["bob", "BOB"])

    with pytest.raises(InputError):
        invite_and_fail()
    assert ballots.invited() == []
    ballots.invite(["bob", "ann"])
    ballots.invite(["ann", "cho"])
    assert ballots.invited() == ["ann", "cho"]


def test_other_classes_make_other_questions(ballots):
    put(ballots, 2)
    answer_all(ballots, ballots.join("ann"))
    put(ballots, 2, classes=("dog", "cat"))
    assert ballots.waiting("regions") == 2


def test_images_that_look_the_same_are_asked_about_once(ballots):
    put(ballots, 2)
    questions = [question(pictures(1, number)[0]) for number in (5, 6, 5)]
    ballots.put("twice", questions, classes=CLASSES, needed=1)
    assert len(ids(ballots)) == ballots.waiting("twice") == 2
    ballots.vote(ballots.join("ann"), {ids(ballots)[0]: 2}, way="page")
    assert ballots.table("twice")[1] == [[2], [NOT_ASKED], [2]]


def test_only_the_request_that_was_put_last_is_shown_and_answered(ballots):
    put(ballots, 2, request="regions-2", first=10)
    old = ids(ballots)
    put(ballots, 3)
    ann = ballots.join("ann")
    assert ballots.tally().request == "regions"
    assert len(ballots.upcoming(ann, limit=9)) == 3
    for refused in (lambda: ballots.vote(ann, {old[0]: 1}, way="page"), lambda: ballots.withdraw(ann, old)):
        with pytest.raises(NotAskedError):
            refused()
    assert ballots.waiting("regions-2") == 2


@pytest.mark.parametrize("answers", [{0: 3}, {0: -2}, {0: 0, 1: 99}])
def test_votes_with_an_answer_that_is_none_are_refused_as_a_whole(ballots, answers):
    put(ballots, 2)
    images = ids(ballots)
    with pytest.raises(ValueError, match="no class"):
        ballots.vote(ballots.join("ann"), {images[i]: answer for i, answer in answers.items()}, way="page")
    assert ballots.table("regions") == ((), [[], []])


def test_groups_hold_their_images_and_the_annotators_answers(ballots):
    put(ballots, 5, group=3)
    ann = ballots.join("ann")
    ballots.vote(ann, {ids(ballots)[4]: 2}, way="group")
    groups = ballots.groups(ann)
    assert {group: [asked.row for asked in images] for group, images in groups.items()} == {0: [0, 1, 2], 1: [3, 4]}
    assert groups[1][1].answer == 2
    assert [asked.row for asked in ballots.latest(ann, limit=3)] == [4]


def test_votes_survive_in_the_file_and_are_written_through(tmp_path):
    with Ballots(tmp_path) as ballots:
        put(ballots, 2)
        answer_all(ballots, ballots.join("ann"))
        assert ballots.read("PRAGMA synchronous") == [(2,)]  # FULL
        assert ballots.read("PRAGMA journal_mode") == [("wal",)]
    with Ballots(tmp_path) as ballots:
        assert ballots.table("regions")[1] == [[1], [1]]


def test_votes_from_several_threads_and_files_all_arrive(tmp_path):
    with Ballots(tmp_path) as first, Ballots(tmp_path) as second:  # as from two processes
        put(first, 20)
        images, faults = ids(first), []

        def work(ballots, name):
            try:
                annotator = ballots.join(name)
                for image in images:
                    ballots.vote(annotator, {image: 0}, way="page")
            except sqlite3.Error as error:
                faults.append(error)

        threads = [threading.Thread(target=work, args=([first, second][i % 2], f"n{i}")) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not faults
        assert sum(first.tally().votes.values()) == 80


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be taken for one" * 20, None])
def test_file_that_is_none_of_ours_is_refused_with_its_path(tmp_path, content):
    path = tmp_path / FILE
    if content is None:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    else:
        path.write_bytes(content)
    with pytest.raises(RunFolderError, match="votes"):
        Ballots(tmp_path)
