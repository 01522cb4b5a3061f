from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from asking import CLASSES, history, labeler, request
from modeldebug_labelers.ballots import Ballots
from modeldebug_labelers.files import FileLabeler
from modeldebug_labelers.plugin import FileConfig
from modeldebug_labelers.server.auth import Doors
from PIL import Image

from modeldebug import Answers, DataError, Pending


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def folder(run: Path) -> Path:
    return run / "labels" / "regions"


def asked_by(run: Path, **settings: Any) -> FileLabeler:
    made: FileLabeler = labeler(FileLabeler, FileConfig(**settings), run)
    return made


def table(folder: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO((folder / "questions.csv").read_text("utf-8-sig"))))


def fill(folder: Path, *answers: str, column: int = 1) -> None:
    """Write answers into the first rows of the table."""
    rows = table(folder)
    for row, answer in zip(rows[1:], answers, strict=False):
        row[column] = answer
    write(folder, rows)


def write(folder: Path, rows: list[list[str]], *, delimiter: str = ",", encoding: str = "utf-8") -> None:
    with (folder / "questions.csv").open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def grey(file: Path) -> int:
    """Which image of the request a picture shows."""
    return round(picture(file).getpixel((0, 0)) / 2.55)


def picture(file: Path) -> Image.Image:
    return Image.open(io.BytesIO(file.read_bytes()))


def test_first_it_writes_a_picture_for_each_image_a_table_with_empty_answers_and_what_to_do(
    run: Path, folder: Path
) -> None:
    answer = asked_by(run).label(request())
    assert isinstance(answer, Pending)
    assert answer.waiting == 4
    assert str(folder / "questions.csv") in answer.how
    heading, *rows = table(folder)
    assert heading == ["image", "answer"]
    assert sorted(grey(folder / name) for name, _ in rows) == [0, 1, 2, 3]
    assert {given for _, given in rows} == {""}
    about = (folder / "README.txt").read_text()
    for name in (*CLASSES, "none", "questions.csv"):
        assert name in about


def test_small_images_are_enlarged_crisply_or_left_as_they_are(run: Path, tmp_path: Path) -> None:
    asked_by(run, enlarge=64).label(request())
    asked_by(tmp_path / "other", enlarge=0).label(request())
    files = [next(tmp_path.glob(f"{name}/labels/regions/*.png")) for name in ("run", "other")]
    assert [picture(file).size for file in files] == [(64, 64), (2, 2)]
    assert len(picture(files[0]).getcolors()) == 1, "an enlarged pixel is a square of one colour"


def test_filled_in_the_answers_are_votes_in_the_order_of_the_request(run: Path, folder: Path) -> None:
    asked_by(run).label(request())
    names = [CLASSES[grey(folder / name) % 3] for name, _ in table(folder)[1:]]
    fill(folder, *names)
    answer = asked_by(run).label(request())
    assert isinstance(answer, Answers)
    assert answer.votes.tolist() == [[0], [1], [2], [0]]
    assert answer.annotators == ("answer",)


def test_partly_filled_in_it_waits_with_the_number_that_is_left_and_keeps_what_there_is(
    run: Path, folder: Path
) -> None:
    asked_by(run).label(request())
    fill(folder, "cat")
    answer = asked_by(run).label(request())
    assert isinstance(answer, Pending)
    assert answer.waiting == 3
    assert table(folder)[1][1] == "cat", "the table was written again"


def test_each_further_column_is_an_annotator(run: Path, folder: Path) -> None:
    asked_by(run, annotators=("ann", "bob")).label(request(2))
    assert table(folder)[0] == ["image", "ann", "bob"]
    fill(folder, "cat", "cat")
    assert asked_by(run, annotators=("ann", "bob")).label(request(2)).waiting == 2
    fill(folder, "dog", "none", column=2)
    answer = asked_by(run, annotators=("ann", "bob")).label(request(2))
    assert answer.annotators == ("ann", "bob")
    assert sorted(answer.votes.tolist()) == [[0, -1], [0, 1]]


@pytest.mark.parametrize(
    ("typed", "vote"),
    [("dog", 1), (" Dog ", 1), ("none", -1), ("None of the above", -1)],
)
def test_names_are_read_in_any_case_and_none_is_an_answer(run: Path, folder: Path, typed: str, vote: int) -> None:
    asked_by(run).label(request(1))
    fill(folder, typed)
    assert asked_by(run).label(request(1)).votes.tolist() == [[vote]]


def test_numbers_that_a_spreadsheet_has_rewritten_are_still_their_classes(run: Path, folder: Path) -> None:
    signs = request(2, classes=("00000", "00007"))
    asked_by(run).label(signs)
    fill(folder, "7", "7.0")
    assert asked_by(run).label(signs).votes.tolist() == [[1], [1]]


def test_a_class_that_is_called_none_is_that_class(run: Path, folder: Path) -> None:
    odd = request(1, classes=("some", "none"))
    asked_by(run).label(odd)
    fill(folder, "none")
    assert asked_by(run).label(odd).votes.tolist() == [[1]]


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "cp1252"), ("\t", "utf-8-sig"), (",", "utf-8")])
def test_tables_are_read_as_spreadsheet_programs_of_several_countries_save_them(
    run: Path, folder: Path, delimiter: str, encoding: str
) -> None:
    animals = request(1, classes=("hund", "kätzchen"))
    asked_by(run).label(animals)
    rows = table(folder)
    rows[1][1] = "kätzchen"
    write(folder, rows, delimiter=delimiter, encoding=encoding)
    assert asked_by(run).label(animals).votes.tolist() == [[1]]


def test_what_cannot_be_taken_in_is_refused_with_its_line_and_the_nearest_name(run: Path, folder: Path) -> None:
    asked_by(run).label(request())
    heading, one, two, three, four = table(folder)
    one[1], two[1] = "dgo", "cat"
    write(folder, [heading, one, two, [*two[:1], "owl"], ["0009-nothing.png", "cat"], three, four])
    with pytest.raises(DataError) as error:
        asked_by(run).label(request())
    said = str(error.value)
    assert "line 2: 'dgo' is no class (did you mean 'dog'?)" in said
    assert f"line 4: answer has answered '{two[0].removesuffix('.png')}' in line 3 already" in said
    assert "line 5: no image '0009-nothing' is asked about" in said
    assert f"modeldebug resume {run}" in said
    with Ballots(run / "labels") as ballots:
        assert ballots.waiting("regions") == 4, "some of a refused table was taken in"


@pytest.mark.parametrize("heading", [["image"], ["picture", "answer"], ["image", "ann", "ann"], []])
def test_a_table_with_other_columns_is_refused_with_what_it_should_have(
    run: Path, folder: Path, heading: list[str]
) -> None:
    asked_by(run).label(request())
    write(folder, [heading])
    with pytest.raises(DataError, match="other columns"):
        asked_by(run).label(request())


def test_a_changed_answer_counts_and_the_former_one_is_history(run: Path, folder: Path) -> None:
    asked_by(run).label(request(2))
    fill(folder, "cat")
    asked_by(run).label(request(2))
    fill(folder, "dog", "dog")
    assert asked_by(run).label(request(2)).votes.tolist() == [[1], [1]]
    assert history(run) == [0]


def test_an_emptied_cell_takes_its_answer_back(run: Path, folder: Path) -> None:
    asked_by(run).label(request(2))
    fill(folder, "cat")
    assert asked_by(run).label(request(2)).waiting == 1
    fill(folder, "", "cat")
    assert asked_by(run).label(request(2)).waiting == 1
    assert history(run) == [0]
    with Ballots(run / "labels") as ballots:
        assert len(ballots.given("file")["answer"]) == 1


@pytest.mark.parametrize("filled", [0, 2])
def test_a_column_under_another_heading_is_one_annotator_not_two(run: Path, folder: Path, filled: int) -> None:
    asked_by(run).label(request())
    fill(folder, *["cat"] * filled)
    assert asked_by(run).label(request()).waiting == 4 - filled
    heading, *rows = table(folder)
    write(folder, [[heading[0], "ann"], *([image, "dog"] for image, _ in rows)])
    answer = asked_by(run).label(request())
    assert isinstance(answer, Answers), "it waits for the votes of somebody who is not there"
    assert answer.annotators == ("ann",)
    assert answer.votes.tolist() == [[1]] * 4
    assert history(run) == [0] * filled


def test_votes_that_came_another_way_and_invited_annotators_stay_whatever_the_table_says(
    run: Path, folder: Path
) -> None:
    asked_by(run, annotators=("answer", "zoe")).label(request(2))
    with Ballots(run / "labels") as ballots:
        first, _ = ballots.asked()
        ballots.vote(ballots.join("zoe"), {first.id: 2}, way="page")
        Doors(ballots).invite(["answer", "ann", "zoe"])
    _, *rows = table(folder)
    write(folder, [["image", "bob"], *([image, ""] for image, _, _ in rows)])
    asked_by(run).label(request(2))
    with Ballots(run / "labels") as ballots:
        assert ballots.tally().votes == {"ann": 0, "answer": 0, "bob": 0, "zoe": 1}
    assert history(run) == []


def test_two_headings_that_are_one_name_are_refused(run: Path, folder: Path) -> None:
    asked_by(run).label(request(1))
    write(folder, [["image", "ann", "Ann"]])
    with pytest.raises(DataError, match="other columns"):
        asked_by(run).label(request(1))


def test_a_filled_table_counts_whatever_else_of_its_folder_is_lost(run: Path, folder: Path) -> None:
    asked_by(run).label(request(2))
    fill(folder, "cat", "dog")
    for file in folder.iterdir():
        if file.name != "questions.csv":
            file.unlink()
    answer = asked_by(run).label(request(2))
    assert isinstance(answer, Answers), "other questions were written in place of those that were answered"
    assert sorted(answer.votes.tolist()) == [[0], [1]]


def test_questions_are_known_by_their_pictures_and_without_their_table_the_run_does_not_go_on(
    run: Path, folder: Path
) -> None:
    asked_by(run).label(request(2))
    (folder / ".exported.json").unlink()
    (folder / "questions.csv").unlink()
    with pytest.raises(DataError, match="the table cannot be read"):
        asked_by(run).label(request(2))


def test_a_folder_that_is_lost_is_written_again_with_the_answers_that_had_come_in(run: Path, folder: Path) -> None:
    asked_by(run).label(request(3))
    heading, *rows = table(folder)
    write(
        folder,
        [[*heading, "bob"], *([*row, "none"] for row in rows[:1]), *([row[0], "cat", "dog"] for row in rows[1:])],
    )
    assert asked_by(run).label(request(3)).waiting == 1
    shutil.rmtree(folder)
    assert asked_by(run).label(request(3)).waiting == 1
    assert table(folder) == [
        ["image", "answer", "bob"],
        [rows[0][0], "", "none of the above"],
        *([row[0], "cat", "dog"] for row in rows[1:]),
    ]
    assert asked_by(run).label(request(3)).waiting == 1
    assert history(run) == []


def test_other_images_under_the_same_request_go_out_anew_and_former_answers_are_kept_aside(
    run: Path, folder: Path
) -> None:
    asked_by(run).label(request(2))
    fill(folder, "cat", "dog")
    answer = asked_by(run).label(request(2, first=50))
    assert isinstance(answer, Pending)
    assert {given for _, given in table(folder)[1:]} == {""}
    aside = folder.with_name("regions-before-1")
    assert [given for _, given in table(aside)[1:]] == ["cat", "dog"]
    assert answer.how.endswith(f"what was there, with its answers, is in {aside} now")


def test_files_whose_writing_was_interrupted_are_written_again(run: Path, folder: Path) -> None:
    draft = folder.with_name(".regions.tmp")
    draft.mkdir(parents=True)
    (draft / "questions.csv").write_text("image,ans")
    asked_by(run).label(request(2))
    assert len(table(folder)) == 3
    assert not draft.exists()


def test_a_run_that_waits_takes_in_a_table_once_it_is_saved_and_left_alone(run: Path, folder: Path) -> None:
    answer = asked_by(run).label(request(2))
    assert [answer.ready() for _ in range(3)] == [False] * 3
    fill(folder, "cat", "dog")
    assert [answer.ready() for _ in range(2)] == [False, True]
    assert isinstance(asked_by(run).label(request(2)), Answers)


def test_a_table_with_a_mistake_is_refused_once_and_waited_for_until_it_is_corrected(run: Path, folder: Path) -> None:
    answer = asked_by(run).label(request(2))
    fill(folder, "cat", "dgo")
    assert not answer.ready()
    with pytest.raises(DataError, match="cannot be taken in"):
        answer.ready()
    with Ballots(run / "labels") as ballots:
        ballots.vote(ballots.join("answer"), {one.id: 2 for one in ballots.asked()}, way="page")
    assert not answer.ready(), "the run would end with what is wrong with the table"
    fill(folder, "cat", "dog")
    assert [answer.ready() for _ in range(2)] == [False, True]


def test_paths_in_what_is_to_be_typed_are_quoted_for_a_shell(tmp_path: Path) -> None:
    run = tmp_path / "my runs" / "first"
    asked_by(run).label(request(1))
    folder = run / "labels" / "regions"
    resume = f"modeldebug resume '{run}'"
    assert resume in (folder / "README.txt").read_text()
    fill(folder, "dgo")
    with pytest.raises(DataError) as error:
        asked_by(run).label(request(1))
    assert resume in str(error.value)


def test_an_annotator_of_another_labeler_counts_together_with_the_files(run: Path, folder: Path) -> None:
    asked_by(run).label(request(1))
    fill(folder, "cat")
    with Ballots(run / "labels") as ballots:
        ballots.vote(ballots.join("zoe"), {ballots.asked()[0].id: 2}, way="page")
    answer = asked_by(run).label(request(1))
    assert answer.annotators == ("answer", "zoe")
    assert answer.votes.tolist() == [[0, 2]]
