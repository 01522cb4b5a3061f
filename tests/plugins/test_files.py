from __future__ import annotations

import base64
import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from asking import CLASSES, history, labeler, request
from modeldebug_labelers.ballots import Ballots
from modeldebug_labelers.files import FileLabeler
from modeldebug_labelers.plugin import FileConfig
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
    asked_by(run).label(request(1))
    fill(folder, "cat")
    asked_by(run).label(request(1))
    fill(folder, "dog")
    assert asked_by(run).label(request(1)).votes.tolist() == [[1]]
    assert history(run) == [0]


def test_other_images_under_the_same_request_go_out_anew_and_former_answers_are_kept_aside(
    run: Path, folder: Path
) -> None:
    asked_by(run).label(request(2))
    fill(folder, "cat", "dog")
    answer = asked_by(run).label(request(2, first=50))
    assert isinstance(answer, Pending)
    assert {given for _, given in table(folder)[1:]} == {""}
    assert [given for _, given in table(folder.with_name("regions-before-1"))[1:]] == ["cat", "dog"]


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


def test_a_table_with_a_mistake_ends_the_wait_with_what_is_wrong(run: Path, folder: Path) -> None:
    answer = asked_by(run).label(request(2))
    fill(folder, "cat", "dgo")
    assert not answer.ready()
    with pytest.raises(DataError, match="cannot be taken in"):
        answer.ready()


# Label Studio


def studio(run: Path, **settings: Any) -> FileLabeler:
    return asked_by(run, format="label-studio", **settings)


def tasks(folder: Path) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((folder / "tasks.json").read_text())
    return loaded


def annotation(who: Any, *choices: str, **more: Any) -> dict[str, Any]:
    """As Label Studio exports it."""
    part = {"id": "Dx_aB91ISN", "type": "choices", "from_name": "class", "to_name": "image", "origin": "manual"}
    result = [{**part, "value": {"choices": list(choices)}}] if choices else []
    times = {"created_at": "2021-03-09T22:16:08.728353Z", "updated_at": "2021-03-09T22:16:08.728378Z"}
    return {
        "id": 1001, "completed_by": who, "result": result, "was_cancelled": False, "ground_truth": False,
        "lead_time": 4.288, "prediction": {}, "result_count": 0, "task": 1, **times, **more,
    }  # fmt: skip


def export(folder: Path, *annotations: list[dict[str, Any]]) -> None:
    """The full JSON export: the tasks as they were imported, with what was annotated."""
    rows = [
        {"id": i, "data": task["data"], "annotations": list(given), "predictions": [], "project": 83, "inner_id": i}
        for i, (task, given) in enumerate(zip(tasks(folder), annotations, strict=True), start=1)
    ]
    (folder / "export.json").write_text(json.dumps(rows))


def test_tasks_hold_the_images_themselves_and_the_configuration_offers_each_class_and_none(
    run: Path, folder: Path
) -> None:
    odd = request(2, classes=('a "b" & c', "<dog>"))
    assert "tasks.json" in studio(run).label(odd).how
    kinds = set()
    for task in tasks(folder):
        head, _, body = task["data"]["image"].partition(",")
        assert head == "data:image/png;base64"
        kinds.add(Image.open(io.BytesIO(base64.b64decode(body))).size)
    assert kinds == {(256, 256)}
    view = ET.fromstring((folder / "labeling_config.xml").read_text())
    choices = view.find("Choices")
    assert choices.get("toName") == view.find("Image").get("name")
    assert view.find("Image").get("value") == "$image"
    assert [choice.get("value") for choice in choices] == ['a "b" & c', "<dog>", "none of the above"]


def test_an_export_in_json_gives_the_votes_of_each_who_annotated(run: Path, folder: Path) -> None:
    studio(run).label(request(2))
    ann = {"id": 7, "email": "ann@example.org", "first_name": "Ann", "last_name": ""}
    export(
        folder,
        [annotation(10, "cat"), annotation(ann, "cat")],
        [annotation(10, "dog"), annotation(ann, "none of the above")],
    )
    answer = studio(run).label(request(2))
    assert answer.annotators == ("ann@example.org", "annotator 10")
    assert sorted(answer.votes.tolist()) == [[-1, 1], [0, 0]]


def test_skipped_and_empty_annotations_are_no_answers(run: Path, folder: Path) -> None:
    studio(run).label(request(3))
    export(folder, [annotation(1, "cat")], [annotation(1, "dog", was_cancelled=True)], [annotation(1)])
    assert studio(run).label(request(3)).waiting == 2


def test_two_annotations_of_one_person_on_an_image_are_refused(run: Path, folder: Path) -> None:
    studio(run).label(request(1))
    export(folder, [annotation(1, "cat"), annotation(1, "dog")])
    with pytest.raises(DataError, match="cannot be taken in"):
        studio(run).label(request(1))


def test_an_export_in_json_min_is_read(run: Path, folder: Path) -> None:
    studio(run).label(request(2))
    rows = [
        {**task["data"], "id": 1, "class": choice, "annotator": 3, "annotation_id": 12, "created_at": "2021-03-09",
         "updated_at": "2021-03-09", "lead_time": 2.7}
        for task, choice in zip(tasks(folder), ("owl", {"choices": ["cat"]}), strict=True)
    ]  # fmt: skip
    (folder / "export.json").write_text(json.dumps(rows))
    answer = studio(run).label(request(2))
    assert answer.annotators == ("annotator 3",)
    assert sorted(answer.votes.tolist()) == [[0], [2]]


def test_an_export_in_csv_is_read_with_images_of_any_size_in_it(run: Path, folder: Path) -> None:
    studio(run).label(request(2))
    columns = ["annotation_id", "annotator", "class", "created_at", "id", "image", "lead_time", "name", "updated_at"]
    with (folder / "export.csv").open("w", newline="") as file:
        out = csv.DictWriter(file, columns)
        out.writeheader()
        for task, choice in zip(tasks(folder), ("owl", "cat"), strict=True):
            out.writerow(
                {"annotator": 3, "class": choice, "id": 1, "name": task["data"]["name"], "image": "x" * 200_000}
            )
    assert sorted(studio(run).label(request(2)).votes.tolist()) == [[0], [2]]


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"annotations": [{}]}]', '{"id": 1}'])
def test_a_file_that_is_no_export_is_refused_by_its_name(run: Path, folder: Path, text: str) -> None:
    studio(run).label(request(1))
    (folder / "export.json").write_text(text)
    with pytest.raises(DataError, match=r"export\.json cannot be read"):
        studio(run).label(request(1))


def test_an_annotator_of_another_labeler_counts_together_with_the_files(run: Path, folder: Path) -> None:
    asked_by(run).label(request(1))
    fill(folder, "cat")
    with Ballots(run / "labels") as ballots:
        ballots.vote(ballots.join("zoe"), {ballots.asked()[0].id: 2}, way="page")
    answer = asked_by(run).label(request(1))
    assert answer.annotators == ("answer", "zoe")
    assert answer.votes.tolist() == [[0, 2]]
