from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from modeldebug import open_inspection
from modeldebug.report.inspection import render_inspection
from modeldebug.report.reproduce import python_call
from modeldebug.stages import explain, quality
from modeldebug.store import RunStore

from .inspections import Inspected
from .pages import Page

SIGNS = tuple(f"Sign number {i}: a long name, with <b>marks</b> & more" for i in range(12))
STRIP = ("graded:0=1,1=0", "graded:0=.7,1=.3", "graded:0=.3,1=.7", "graded:0=0,1=1")
FOLDERS = {
    "one pair": Inspected(),
    "one pair, not reached": Inspected(missed=(0,)),
    "without a sample": Inspected(empty=(0,)),
    "all pairs": Inspected(("ambiguous",), missed=(1,), empty=(5,)),
    "all kinds": Inspected(
        ("high-confidence:2", "ambiguous:1,3", "uniform", "class-excluded:1", "class-excluded:3", *STRIP), missed=(2,)
    ),
    "all pairs of many classes with long names": Inspected(("ambiguous",), (3, 16, 16), SIGNS),
    "large colour images": Inspected(("ambiguous",), (3, 96, 96), report=(("draws", 12), ("images", 30), ("tsne", 0))),
    "two channels, not square": Inspected(("uniform",), (2, 5, 9)),
    "with maps of boundaries": Inspected(("ambiguous",), report=(("draws", 24), ("images", 6), ("tsne", 20))),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def without_extras() -> object:
    """As if neither extra were installed: they take seconds to import, and have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (explain, quality):
            patch.setattr(module, "find_spec", lambda name: None)
        yield


@pytest.fixture(scope="module", params=list(FOLDERS.values()), ids=list(FOLDERS))
def any_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, str]:
    made: Inspected = request.param
    store = made.store(tmp_path_factory.mktemp("any") / "run")
    return store, render_inspection(store)


def page_of(made: Inspected, folder: Path) -> Page:
    return Page(render_inspection(made.store(folder / "run")))


def words_of(made: Inspected, folder: Path) -> str:
    return page_of(made, folder).text.replace("\u00a0", " ")


def test_every_report_is_self_contained_and_without_scripts(any_folder: tuple[RunStore, str]) -> None:
    page = Page(any_folder[1])
    addresses = [
        v for _, attributes in page.tags for k, v in attributes.items() if k in ("src", "href", "srcset") and v
    ]
    assert all(address.startswith(("data:image/", "#")) for address in addresses)
    assert not re.findall(r"url\((?!#)", any_folder[1])
    assert not page.all("script")
    assert not page.all("link")


def test_every_report_is_under_five_megabytes(any_folder: tuple[RunStore, str]) -> None:
    assert len(any_folder[1].encode()) < 5_000_000


def test_every_report_is_a_function_of_its_folder(any_folder: tuple[RunStore, str]) -> None:
    assert render_inspection(RunStore.open(any_folder[0].path)) == any_folder[1]


def test_every_image_has_words_for_those_who_cannot_see_it(any_folder: tuple[RunStore, str]) -> None:
    assert all(image.get("alt") for image in Page(any_folder[1]).all("img"))


def test_every_link_leads_somewhere_and_no_place_is_named_twice(any_folder: tuple[RunStore, str]) -> None:
    page = Page(any_folder[1])
    places = [str(attributes["id"]) for _, attributes in page.tags if "id" in attributes]
    assert {str(a["href"]).removeprefix("#") for a in page.all("a")} <= set(places)
    assert len(places) == len(set(places))


def test_how_many_targets_were_reached_is_the_headline_and_those_missed_are_named(tmp_path: Path) -> None:
    text = words_of(Inspected(("ambiguous",), missed=(1,), empty=(5,)), tmp_path)
    assert "4 of 6 targets reached" in text
    missed = text.split("Not reached:")[1].split("Targets reached")[0]
    assert "Torn between zero and two : predictions are 0.5" in missed.replace("two:", "two :")
    assert "Torn between two and three : there is no sample of it." in missed.replace("three:", "three :")
    assert "zero and one" not in missed


def test_a_single_target_says_what_was_found(tmp_path: Path) -> None:
    text = words_of(Inspected(), tmp_path)
    assert re.search(r"Torn between zero and one: reached, 0\.49\d / 0\.49\d on average", text)
    assert "Not reached" not in text


def test_every_target_has_its_diagnosis(tmp_path: Path) -> None:
    store = Inspected(("high-confidence",)).store(tmp_path / "run")
    text = Page(render_inspection(store)).text.replace("\u00a0", " ")
    for diagnosis in store.load_stage("samples").info["targets"]:
        assert f"{diagnosis['error']:.3f} {diagnosis['rhat']:.2f} {diagnosis['ess']:.0f} 600 81.0 % 3" in text


def test_pairs_that_were_not_reached_are_black_and_others_are_images(tmp_path: Path) -> None:
    page = page_of(Inspected(("ambiguous",), missed=(1,), empty=(5,)), tmp_path)
    black = [cell["title"] for cell in page.all("td") if cell.get("class") == "black" and "title" in cell]
    own = [title for title in black if str(title).endswith("not reached")]
    assert own == [
        "zero and two: not reached",
        "zero and two: not reached",
        "two and three: not reached",
        "two and three: not reached",
    ]
    shown = [image for image in page.all("img") if str(image["alt"]).startswith("torn between")]
    assert len([i for i in shown if i["alt"] == "torn between zero and one"]) >= 2
    assert not [i for i in shown if i["alt"] == "torn between zero and two"]


def test_the_matrix_of_confidences_says_the_mean_in_the_class_of_the_column(tmp_path: Path) -> None:
    store = Inspected(("ambiguous",)).store(tmp_path / "run")
    html = render_inspection(store)
    table = re.search(r'<table class="confusion shares.*?</table>', html, re.S)
    assert table is not None
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in table.group(0).split("<tr>")[2:]]
    first = store.load_stage("samples").info["targets"][0]["confidence"]  # of the pair zero and one
    assert rows[0][1] == f"{first[1]:.2f}"[1:]
    assert rows[1][0] == f"{first[0]:.2f}"[1:]
    assert [rows[i][i] for i in range(4)] == [""] * 4


def test_two_pairs_make_no_matrix(tmp_path: Path) -> None:
    page = page_of(Inspected(("ambiguous:0,1", "ambiguous:0,2")), tmp_path)
    assert not [t for t in page.all("table") if str(t.get("class", "")).startswith("pairs")]


def test_the_way_between_two_classes_is_in_order(tmp_path: Path) -> None:
    page = page_of(Inspected((STRIP[2], STRIP[0], STRIP[3], STRIP[1])), tmp_path)
    heads = re.findall(r"(\d\S*) / (\d\S*)", page.text.split("dashed lines at what was wanted; means.")[1])[:4]
    assert heads == [("1", "0"), ("0.7", "0.3"), ("0.3", "0.7"), ("0", "1")]


def test_a_class_that_the_generator_never_learnt_is_named_with_what_else_it_could_be(tmp_path: Path) -> None:
    text = words_of(Inspected(("class-excluded:1",)), tmp_path)
    assert "Taken for one, by a generator that never learnt one" in text
    assert "The second most probable class is" in text


def test_a_stage_without_a_class_is_called_by_the_name_of_the_class(tmp_path: Path) -> None:
    text = words_of(Inspected(("class-excluded:1",)), tmp_path)
    assert "train the generator without class one" in text


def test_a_graded_target_may_name_every_one_of_many_classes(tmp_path: Path) -> None:
    target = "graded:0=.12," + ",".join(f"{c}=.08" for c in range(1, 12))
    classes = tuple(f"sign {i}" for i in range(12))
    text = words_of(Inspected((target,), classes=classes), tmp_path)
    assert "sign 11 0.0" in text
    assert "others" not in text


def test_a_target_is_found_by_the_names_of_its_classes_first_and_else_by_their_numbers(tmp_path: Path) -> None:
    store = Inspected(("high-confidence",), classes=("0", "1", "3", "cat")).store(tmp_path / "run")
    found = open_inspection(store.path)
    assert [(d["target"], d["described"]) for d in found.results["targets"]][2:] == [
        ("high-confidence:2", "high-confidence:3"),
        ("high-confidence:3", "high-confidence:cat"),
    ]
    sure = {
        text: int(found.samples(f"high-confidence:{text}").probs.mean(0).argmax()) for text in ("0", "3", "cat", "2")
    }
    assert sure == {"0": 0, "3": 2, "cat": 3, "2": 2}


def test_more_targets_than_galleries_are_folded(tmp_path: Path) -> None:
    report = (("draws", 24), ("images", 6), ("tsne", 0), ("galleries", 2))
    page = page_of(Inspected(("ambiguous",), report=report), tmp_path)
    assert [a["id"] for a in page.all("article")] == ["target-0-0", "target-0-1"]
    folded = [d["id"] for d in page.all("details") if "id" in d]
    assert folded == ["target-0-2", "target-0-3", "target-0-4", "target-0-5"]


def test_missing_extras_are_named_with_how_to_install_them(tmp_path: Path) -> None:
    text = words_of(Inspected(), tmp_path)
    redo = "then modeldebug resume FOLDER --redo evidence."
    assert f"No SmoothGrad maps: captum is not installed: pip install 'modeldebug[explain]', {redo}" in text
    torchmetrics = "torchmetrics is not installed: pip install 'modeldebug[metrics]'"
    assert f"FID and KID were not measured: {torchmetrics}, {redo}" in text


def test_warnings_stand_above_everything_else(tmp_path: Path) -> None:
    text = words_of(Inspected(warning="the generator collapsed"), tmp_path)
    assert text.index("the generator collapsed") < text.index("drew 600 samples")


def test_the_command_inspects_the_same_targets(tmp_path: Path) -> None:
    text = words_of(Inspected(("ambiguous:0,1", "uniform")), tmp_path)
    assert "modeldebug inspect --plugins bayestrex --preset bayestrex" in text
    assert "--target ambiguous:0,1 --target uniform" in text


def test_an_inspection_of_python_objects_is_a_python_call(tmp_path: Path) -> None:
    manifest = Inspected().store(tmp_path / "run").manifest
    manifest["config"]["classifier"]["use"] = "python:Net"
    called: dict[str, Any] = {}
    names = {"modeldebug": type("modeldebug", (), {"inspect": staticmethod(lambda **given: called.update(given))})}
    exec(python_call(manifest), names | {"model": "the model"})
    assert called["model"] == "the model"
    assert called["settings"]["search"] == {"targets": ["ambiguous:0,1"]}


def test_names_of_classes_cannot_become_markup(tmp_path: Path) -> None:
    names = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "a & b")
    targets = ("ambiguous", "class-excluded:0", "graded:0=1,1=0", "graded:0=.5,1=.5", "graded:0=0,1=1")
    page = page_of(Inspected(targets, classes=names), tmp_path)
    assert not page.all("script")
    assert not any("onerror" in image for image in page.all("img"))
    assert all(name in page.text for name in names)


def test_the_report_survives_a_change_of_matplotlibs_settings(tmp_path: Path) -> None:
    import matplotlib as mpl

    store = FOLDERS["with maps of boundaries"].store(tmp_path / "run")
    plain = render_inspection(store)
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "svg.fonttype": "path"}):
        assert render_inspection(store) == plain
