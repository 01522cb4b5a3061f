from __future__ import annotations

import base64
import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from asking import history, labeler, request
from modeldebug_labelers.files import FileLabeler
from modeldebug_labelers.plugin import FileConfig
from PIL import Image

from modeldebug import DataError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def folder(run: Path) -> Path:
    return run / "labels" / "regions"


def studio(run: Path, **settings: Any) -> FileLabeler:
    made: FileLabeler = labeler(FileLabeler, FileConfig(format="label-studio", **settings), run)
    return made


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


def test_an_annotation_that_a_later_export_has_no_more_is_taken_back(run: Path, folder: Path) -> None:
    studio(run).label(request(2))
    export(folder, [annotation(1, "cat")], [])
    assert studio(run).label(request(2)).waiting == 1
    export(folder, [], [annotation(2, "dog")])
    assert studio(run).label(request(2)).waiting == 1
    assert history(run) == [0]
    (folder / "export.json").unlink()
    assert studio(run).label(request(2)).waiting == 1, "without an export there is nothing to go by"


def test_tasks_are_known_by_what_they_are_about(run: Path, folder: Path) -> None:
    studio(run).label(request(1))
    export(folder, [annotation(1, "cat")])
    (folder / ".exported.json").unlink()
    assert studio(run).label(request(1)).votes.tolist() == [[0]]


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
