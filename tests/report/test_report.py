from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from modeldebug.report import render
from modeldebug.report.wording import count, percent
from modeldebug.results import summarise
from modeldebug.store import RunStore

from .folders import Made
from .pages import Page

SIGNS = tuple(f"Sign number {i}: a long name, with <b>marks</b> & more" for i in range(43))
RUNS = {
    "kept and corrected": Made(),
    "no failures": Made(failures=0),
    "no regions": Made(statuses=("correct", "mixed", "unlabelled")),
    "no clusters": Made(statuses=()),
    "no auditor": Made(auditor=False),
    "two auditors": Made(second_auditor=True),
    "no encoder": Made(encodes=False),
    "nothing misclassified in training": Made(misclassified=0),
    "one failure": Made(failures=1, statuses=("kept",)),
    "people label": Made(people=True),
    "large colour images, many classes": Made(
        shape=(3, 128, 128), classes=SIGNS, failures=120, statuses=("kept",) * 40 + ("correct",) * 20, samples=12,
        report={"samples": 12},
    ),
    "people judged a sample": Made(judged=20),
    "mixed clusters were split": Made(
        statuses=("split", "correct", "kept", "mixed"), parents=(None, None, 0, 0), misclassified=0
    ),
    "people voted, and one alone judged": Made(people=True, annotators=1, judged=1),
    "regions open to doubt": Made(drifted=(0,), of_one_image=(0, 1), chosen=0),
    "two channels, not square": Made(shape=(2, 5, 9)),
    "told the class": Made(conditional=True, screened=True),
    "told one of many classes": Made(shape=(3, 64, 64), classes=SIGNS, conditional=True),
    "draws from the prior": Made(drawn=60),
    "plain images": Made(plain=60),
    "made from all that there is": Made(drawn=7, plain=3),
    "wrong answers that were not proposed": Made(failures=0, failing=99, guide_accuracy=0.9),
}  # fmt: skip


@pytest.fixture(scope="module", params=list(RUNS.values()), ids=list(RUNS))
def any_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, str]:
    made: Made = request.param
    store = made.store(tmp_path_factory.mktemp("any") / "run")
    return store, render(store)


def page_of(made: Made, folder: Path) -> Page:
    return Page(render(made.store(folder / "run")))


def test_every_report_is_self_contained_and_without_scripts(any_run: tuple[RunStore, str]) -> None:
    page = Page(any_run[1])
    addresses = [
        v for _, attributes in page.tags for k, v in attributes.items() if k in ("src", "href", "srcset") and v
    ]
    assert all(address.startswith(("data:image/", "#")) for address in addresses)
    assert not re.findall(r"url\((?!#)", any_run[1])
    assert "@import" not in any_run[1]
    assert not page.all("script")
    assert not page.all("link")


def test_every_report_is_under_five_megabytes(any_run: tuple[RunStore, str]) -> None:
    assert len(any_run[1].encode()) < 5_000_000


def test_every_report_is_a_function_of_its_folder(any_run: tuple[RunStore, str]) -> None:
    assert render(RunStore.open(any_run[0].path)) == any_run[1]


def test_every_image_has_words_for_those_who_cannot_see_it(any_run: tuple[RunStore, str]) -> None:
    images = Page(any_run[1]).all("img")
    assert all(image.get("alt") for image in images)


def test_every_number_that_was_measured_is_on_the_page(any_run: tuple[RunStore, str]) -> None:
    store, html = any_run
    text, results = Page(html).text, summarise(store)
    rates: list[Any] = [*results["test_accuracy"].values(), *results["region_accuracy"].values()]
    rates += [results["oracle_accuracy"], results["oracle_abstained"]]
    rates += [auditor[k] for auditor in results["auditors"] for k in ("error", "abstained", "error_rate")]
    rates += results["reconstruction_accuracy"].values()
    assert [percent(rate) for rate in rates if rate is not None and percent(rate) not in text] == []
    kinds = ("genuine", "third_class", "drift", "abstained")
    if results["search"]["failures"]:
        counts = [results["search"][kind] for kind in kinds if results["search"][kind] is not None]
        assert [n for n in counts if f"({n:,})" not in text] == []
    assert count(results["search"]["queries"], "query") in text


def test_every_section_of_the_contents_exists(any_run: tuple[RunStore, str]) -> None:
    page = Page(any_run[1])
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = {str(a["href"]).removeprefix("#") for a in page.all("a")}
    assert links <= places
    assert len(links) >= 7


def test_the_headline_says_what_was_found_and_what_correction_changed(tmp_path: Path) -> None:
    headline = page_of(Made(), tmp_path).text.replace("\u00a0", " ")
    assert (
        "2 regions found; corrected: region accuracy 21.3 % \u2192 94.6 %, test accuracy 96.5 % \u2192 96.0 % "
        "(control 97.0 %)" in headline
    )
    assert "gets 2 images (1.0 points) fewer right than the control" in headline


@pytest.mark.parametrize(("after", "verdict"), [(0.6, "partly corrected"), (0.22, "correction did not help")])
def test_a_correction_that_falls_short_is_not_praised(after: float, verdict: str, tmp_path: Path) -> None:
    assert f"2 regions found; {verdict}: region accuracy" in page_of(Made(after=after), tmp_path).text.replace(
        "\u00a0", " "
    )


def test_zero_failures_are_a_good_outcome_and_said_to_be_one(tmp_path: Path) -> None:
    text = page_of(Made(failures=0), tmp_path).text
    assert "No failure was found" in text
    assert "That is a good outcome." in text
    assert "Correction was skipped: no failures were found" in text


def test_zero_regions_are_explained(tmp_path: Path) -> None:
    text = page_of(Made(statuses=("correct", "correct", "mixed", "unlabelled")), tmp_path).text.replace("\u00a0", " ")
    assert "No region was kept: 60 failures in 4 clusters" in text
    assert "2 agree with their labels on the whole" in text
    assert "1 hold samples of several classes; 1 could not be labelled" in text
    assert "Correction was skipped: no cluster was kept as a region" in text


def test_warnings_stand_above_everything_else(tmp_path: Path) -> None:
    text = page_of(Made(warning="reconstructions are poor"), tmp_path).text
    assert text.index("Reconstructions are poor.") < text.index("The search found")


def test_without_an_auditor_nothing_is_said_about_what_failures_are(tmp_path: Path) -> None:
    page = page_of(Made(auditor=False), tmp_path)
    assert "how many are genuine is not known" in page.text
    assert not any("genuine" in str(span.get("class")) for span in page.all("span"))


def test_every_share_has_its_interval_and_the_auditor_its_error(tmp_path: Path) -> None:
    store = Made().store(tmp_path / "run")
    text = Page(render(store)).text.replace("\u00a0", " ").replace("\u2013", "-")
    for kind, share in summarise(store)["search"]["shares"].items():
        between = f"{100 * share['low']:.1f}-{100 * share['high']:.1f} %"
        assert f"{kind.replace('_', ' ')} {100 * share['share']:.1f} % {between}" in text
    assert "genuine failures come from 15 training images." in text
    assert "by the auditor, who is wrong on 0.4 % of the answers on real test images." in text
    assert (
        "Wrong on 0.4 % of its answers on test images, abstains on 1.2 %; threshold 0.53 for at most 0.5 % errors on "
        "validation images." in text
    )
    assert "Agreement:" not in text


def test_agreement_is_shown_where_several_judge(tmp_path: Path) -> None:
    text = page_of(Made(second_auditor=True), tmp_path).text.replace("\u00a0", " ")
    assert (
        "Agreement: auditor and second auditor judge 91.3 % of 60 failures alike; where both answer (44) 97.5 % get "
        "the same label." in text
    )
    assert text.count("Wrong on 0.4 % of its answers") == 2


def test_an_oracle_is_never_called_human_and_people_are_never_called_an_oracle(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    oracle, people = page_of(Made(), tmp_path / "a").text, page_of(Made(people=True), tmp_path / "b").text
    wrong = "labelled by an oracle that is wrong on 0.9\u00a0% of its answers on real test images (labelers:oracle)"
    assert wrong in oracle
    assert "human" not in oracle
    assert "people" not in oracle
    assert "labelled by people (labelers:human)" in people
    assert "the oracle that labelled" not in people


def test_purity_of_rounds_stands_beside_the_error_of_who_labelled(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    split = {"statuses": ("split", "correct", "kept", "mixed"), "parents": (None, None, 0, 0)}
    oracle, people = (
        page_of(Made(people=who, **split), tmp_path / name).text for who, name in ((False, "a"), (True, "b"))
    )
    said = "Purity is the median over what was labelled in the round, by the labels of"
    assert f"{said} an oracle that is wrong on 0.9\u00a0% of its answers on real test images." in oracle
    assert f"{said} people." in people


def test_a_part_that_was_split_again_is_counted_by_its_parts(tmp_path: Path) -> None:
    made = Made(statuses=("split", "kept", "split", "kept", "kept", "mixed"), parents=(None, None, 0, 0, 2, 2))
    store = made.store(tmp_path / "run")
    found = summarise(store)["splits"]
    assert (found["split"], found["parts"], found["kept"]) == (1, 3, 2)
    assert "of 4 clusters and parts (1 of 2 clusters was split into 3)" in Page(render(store)).text


def test_names_of_classes_cannot_become_markup(tmp_path: Path) -> None:
    names = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "a & b")
    page = page_of(Made(classes=names), tmp_path)
    assert not page.all("script")
    assert not any("onerror" in image for image in page.all("img"))
    assert all(name in page.text for name in names)


def test_each_kept_region_is_a_gallery_in_the_order_of_weight(tmp_path: Path) -> None:
    page = page_of(Made(report={"samples": 4}), tmp_path)
    assert [a["id"] for a in page.all("article")] == ["region-1", "region-0"]
    marks = [a.get("class") for a in page.all("li") if a.get("class") in ("right", "wrong", "unlabelled")]
    assert marks == ["wrong", "unlabelled", "wrong", "wrong"] * 2
    assert page.text.count("\u2717 says") == 2 * 3 + 2  # and the two nearest training images
    assert "10.4\u00a0% \u2192 93.7\u00a0%" in page.text


def test_regions_that_the_auditor_disputes_are_counted_and_marked_in_words(tmp_path: Path) -> None:
    page = page_of(Made(drifted=(1,)), tmp_path)
    text = page.text.replace("\u00a0", " ")
    assert "2 regions found (1 disputed by the auditor); corrected" in text
    assert "Disputed by the auditor: 1 of 2 regions." in text
    assert "kept of 5 clusters; 1 disputed by the auditor" in text
    why = "of its 12 failures it calls 12 drift and 0 genuine or third class, and abstains on 0:"
    marked = text.split(f"Disputed by the auditor: {why}")
    assert len(marked) == 2
    assert marked[0].rindex("one taken for two") > marked[0].index("Regions (2)")
    assert len([p for p in page.all("p") if p.get("class") == "disputed"]) == 1


def test_regions_of_one_training_image_are_counted_and_each_says_how_many_it_comes_from(tmp_path: Path) -> None:
    text = page_of(Made(of_one_image=(0,)), tmp_path).text.replace("\u00a0", " ")
    assert "From one training image: 1 of 2 regions." in text
    assert "kept of 5 clusters; 1 from one training image" in text
    assert text.count("training images 1 all its failures started from it") == 1
    assert text.count("training images 5 its failures started from") == 1


def test_where_no_region_is_open_to_doubt_none_is_mentioned(tmp_path: Path) -> None:
    text = page_of(Made(), tmp_path).text.lower()
    assert "disputed" not in text
    assert "from one training image" not in text


def test_a_disputed_region_without_a_gallery_is_marked_in_its_row(tmp_path: Path) -> None:
    made = Made(statuses=("kept",) * 3 + ("correct",), drifted=(0, 3), report={"regions": 1})
    page = page_of(made, tmp_path)
    assert not [p for p in page.all("p") if p.get("class") == "disputed"]
    assert len(re.findall(r"\b0 disputed by the auditor", page.text)) == 1
    assert not re.findall(r"\b3 disputed by the auditor", page.text)  # it was set aside: there is nothing to dispute


def test_what_the_papers_rule_would_have_chosen_stands_beside_the_choice(tmp_path: Path) -> None:
    text = page_of(Made(), tmp_path).text.replace("\u00a0", " ")
    assert "would have chosen \u03bb = 0.1, with a region accuracy of 77.0 % and a test accuracy of 97.5 %." in text
    assert re.search(r"0\.1 98\.5 % 97\.5 % 77\.0 % by the paper's rule", text)
    assert re.search(r" 1 97\.0 % 96\.0 % 94\.6 % chosen", text)


@pytest.mark.parametrize(("rule", "said"), [("regions", True), ("validation", False)])
def test_where_both_rules_choose_alike_nothing_is_held_against_the_choice(
    tmp_path: Path, rule: str, said: bool
) -> None:
    text = page_of(Made(chosen=0, rule=rule), tmp_path).text
    assert ("chooses the same \u03bb." in text) is said
    assert "would have chosen" not in text
    assert "by the paper's rule" not in text


def test_no_more_galleries_are_shown_than_asked_for_and_the_rest_is_listed(tmp_path: Path) -> None:
    page = page_of(Made(statuses=("kept",) * 5, report={"regions": 2}), tmp_path)
    assert [a["id"] for a in page.all("article")] == ["region-4", "region-3"]
    assert re.search(r"Further regions\s+\(3\)", page.text)


def test_the_same_style_is_shown_as_every_class_where_the_generator_is_told_it(tmp_path: Path) -> None:
    page = page_of(Made(conditional=True), tmp_path)
    assert "The same style as every class" in page.text
    shown = [str(image["alt"]) for image in page.all("img") if str(image.get("alt")).startswith("its style as ")]
    assert shown == [f"its style as {name}" for name in ("zero", "one", "two", "three")] * 2
    assert [i for i, cell in enumerate(c for c in page.all("td") if c.get("class") == "own")] == [0, 1]
    originals = [i for i in page.all("img") if i.get("alt") in ("an image of zero", "an image of one")]
    assert len(originals) == 2


def test_nothing_is_said_of_styles_where_the_generator_is_told_no_class(tmp_path: Path) -> None:
    assert "same style" not in page_of(Made(), tmp_path).text


def test_what_was_searched_from_is_said(tmp_path: Path) -> None:
    for name in ("all", "right", "prior"):
        (tmp_path / name).mkdir()
    every = page_of(Made(), tmp_path / "all").text
    right = page_of(Made(screened=True), tmp_path / "right").text.replace("\u00a0", " ")
    prior = page_of(Made(drawn=60), tmp_path / "prior").text
    assert "those were searched from" not in every
    assert "of 320 training images, those were searched from that the classifier gets right" in right
    assert "(630 further queries)" in right
    assert "of the classifier, starting from the prior." in prior
    assert "all of them draws from the prior" in prior
    assert "starting from 300" not in prior


def words_of(made: Made, folder: Path) -> str:
    folder.mkdir()
    return page_of(made, folder).text.replace("\u00a0", " ")


def test_failures_without_an_origin_are_called_what_they_are(tmp_path: Path) -> None:
    plain = words_of(Made(plain=60), tmp_path / "plain")
    assert "all of them plain images" in plain
    assert "from no training image" in plain
    assert "draws from the prior" not in plain
    assert "starting from the prior" not in plain
    mixed = words_of(Made(drawn=7, plain=3), tmp_path / "mixed")
    assert "50 of 300 training images led to one" in mixed
    assert "7 draws from the prior and 3 plain images" in mixed
    assert "starting from 300 training images and from the prior" in mixed
    assert "each with all its failures, and failures made from none, each by itself" in mixed
    assert "that were made from training images come from" in mixed
    assert "made from none" not in words_of(Made(), tmp_path / "all")


def test_wrong_answers_that_were_not_proposed_are_no_good_outcome(tmp_path: Path) -> None:
    held = words_of(Made(failures=0, failing=99), tmp_path / "held")
    assert "99 answers were wrong, but none was proposed" in held
    assert "good outcome" not in held
    assert "every answer was as expected" not in held
    assert "the guide was not sure" not in held
    guided = words_of(Made(failures=0, failing=99, guide_accuracy=0.99), tmp_path / "guided")
    assert "or the guide was not sure of the image" in guided


@pytest.mark.parametrize("poor", [{"guide_accuracy": 0.9}, {"warning": "reconstructions are poor"}])
def test_nothing_found_with_a_weak_guide_or_poor_generator_is_not_praised(poor: dict[str, Any], tmp_path: Path) -> None:
    assert "good outcome" not in words_of(Made(failures=0, **poor), tmp_path / "poor")


def test_a_search_with_nothing_to_start_from_says_what_it_took_to_find_that_out(tmp_path: Path) -> None:
    screened = words_of(Made(failures=0, queries=0, origins=0, screened=True), tmp_path / "screened")
    assert "of 320 training images none is right from the start; to find that out took 630 queries" in screened
    idle = words_of(Made(failures=0, queries=0), tmp_path / "idle")
    assert "Nothing was searched: the search put no image to the classifier." in idle


def test_small_images_are_kept_exactly_and_large_ones_are_reduced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    small = page_of(Made(), tmp_path / "a").all("img")
    large = page_of(Made(shape=(3, 128, 128)), tmp_path / "b").all("img")
    crisp = [i for i in small if i.get("class") == "crisp"]
    assert crisp
    assert all(str(i["src"]).startswith("data:image/png") and int(str(i["width"])) % 8 == 0 for i in crisp)
    assert not [i for i in large if i.get("class") == "crisp"]


def test_a_page_with_many_large_galleries_shows_fewer_samples_of_each(tmp_path: Path) -> None:
    made = Made(shape=(3, 96, 96), statuses=("kept",) * 24, samples=24, report={"samples": 24})
    store = made.store(tmp_path / "run")
    html = render(store)
    shown = Page(html).text.split("Of each region the first ")[1].split(" ")[0]
    assert 1 <= int(shown) < 24
    assert len(html) < 5_000_000


def test_the_report_survives_a_change_of_matplotlibs_settings(tmp_path: Path) -> None:
    import matplotlib as mpl

    store = Made().store(tmp_path / "run")
    plain = render(store)
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "svg.fonttype": "path"}):
        assert render(store) == plain


def test_the_report_needs_no_file_but_the_stages(tmp_path: Path) -> None:
    store = Made().store(tmp_path / "run")
    html = render(store)
    for file in (tmp_path / "run").glob("*.json"):
        manifest = json.loads(file.read_text())
        assert file.name == "manifest.json"
        assert str(tmp_path) not in json.dumps(manifest)
    assert str(tmp_path) not in html
