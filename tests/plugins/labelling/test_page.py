"""The labelling page in a browser: with a mouse, with keys, on a phone, for few classes and for many."""

import pytest
from modeldebug_labelers.server.auth import Doors

from .boxes import put
from .conftest import PHONE, TRIES, done, only_answers, until, until_done, until_saved

DIGITS = [str(i) for i in range(10)]
MANY = [f"sign {i}" for i in range(300)] + ["Stop", "Überholverbot"]


def no_sideways_scroll(page):
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_images_are_labelled_by_clicks(page_of):
    page, ballots = page_of(3)
    for count, name in enumerate(("dog", "None of the above", "owl"), 1):
        until_done(page, count, page.get_by_role("button", name=name).click)
    page.get_by_role("heading", name="Thank you").wait_for()
    assert sorted(only_answers(ballots)) == [-1, 1, 2]


def test_images_are_labelled_by_keys_alone(page_of):
    page, ballots = page_of(3)
    until_done(page, 1, lambda: page.keyboard.press("2"))
    until_done(page, 2, lambda: page.keyboard.press("n"))
    until_done(page, 1, lambda: page.keyboard.press("z"))
    until_done(page, 2, lambda: page.keyboard.press("3"))
    until_done(page, 1, lambda: page.keyboard.press("Backspace"))
    until_done(page, 2, lambda: page.keyboard.press("1"))
    page.get_by_role("button", name="cat").focus()
    until_done(page, 3, lambda: page.keyboard.press("Enter"))
    page.get_by_role("heading", name="Thank you").wait_for()
    assert page.evaluate("document.activeElement.tagName") == "H1"  # what has changed is read out
    until_saved(page, 3)
    assert sorted(only_answers(ballots)) == [0, 0, 1]


def test_every_control_is_reached_by_tab_and_shows_its_focus(page_of):
    page, _ = page_of(6, expert=True)
    until_done(page, 1, lambda: page.keyboard.press("1"))
    reached = ["Single images", "Groups", "cat", "dog", "owl", "None of the above", "Undo"]
    for name in reached:
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.innerText.split('\\n')[0]")
        assert focused == name
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_class_names_of_one_character_are_their_own_keys(page_of):
    page, ballots = page_of(2, classes=DIGITS)
    until_done(page, 1, lambda: page.keyboard.press("0"))
    until_done(page, 2, lambda: page.keyboard.press("7"))
    until_saved(page, 2)
    assert sorted(only_answers(ballots)) == [0, 7]


def test_double_click_is_one_vote(page_of):
    page, ballots = page_of(6)
    until_done(page, 1, page.get_by_role("button", name="dog").dblclick)
    until_saved(page, 1)
    assert only_answers(ballots).count(1) == 1


def test_held_key_is_one_vote(page_of):
    page, _ = page_of(6)
    page.get_by_role("button", name="cat").focus()

    def press_and_hold(key):
        page.keyboard.up(key)  # one that came too early for an answer: what follows would be its repetition
        page.keyboard.down(key)

    for key in ("2", "Enter"):
        before = done(page)
        until_done(page, before + 1, lambda key=key: press_and_hold(key))
        until_saved(page, before + 1)  # meanwhile more time passes than anyone needs to see an image
        page.wait_for_timeout(300)
        for _ in range(3):
            page.keyboard.down(key)  # a second one without a key up is a repetition
        page.keyboard.up(key)
        assert done(page) == before + 1


def test_undo_works_on_a_page_opened_anew(page_of):
    page, _ = page_of(3)
    until_done(page, 1, lambda: page.keyboard.press("2"))
    until_saved(page, 1)
    page.reload()
    page.wait_for_selector("#undo:enabled")
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("You had said: dog", exact=True).wait_for()
    until_saved(page, 0)


def test_last_answer_can_be_taken_back_when_all_is_done(page_of):
    page, _ = page_of(1)
    until_done(page, 1, lambda: page.keyboard.press("2"))
    page.get_by_role("button", name="Take the last answer back").click()
    page.get_by_role("img", name="Image 1 of 1, to be labelled").wait_for()
    until_saved(page, 0)


def test_among_hundreds_of_classes_one_is_found_by_typing(page_of):
    page, ballots = page_of(4, classes=MANY)
    chosen = ["Stop", "Überholverbot", "sign 17"]
    for count, words in enumerate(("stop", "uberhol", "17 sign"), 1):
        page.keyboard.type(words)  # the field has the focus from the start
        until_done(page, count, lambda: page.keyboard.press("Enter"))
        assert page.input_value("#query") == ""
    page.keyboard.type("no such sign")
    page.get_by_text("No class has that in its name.").wait_for()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.keyboard.type("none of")
    until_done(page, 4, lambda: page.keyboard.press("Enter"))
    until_saved(page, 4)
    assert sorted(only_answers(ballots)) == sorted([-1, *(MANY.index(name) for name in chosen)])


def test_arrows_choose_among_found_classes_and_empty_enter_does_nothing(page_of):
    page, ballots = page_of(2, classes=MANY)
    until(page, "document.querySelector('#stage img').complete")
    page.keyboard.press("Enter")
    page.keyboard.type("sign 29")
    page.keyboard.press("ArrowDown")
    until_done(page, 1, lambda: page.keyboard.press("Enter"))
    until_saved(page, 1)
    assert MANY.index("sign 129") in only_answers(ballots)


@pytest.mark.parametrize("classes", [DIGITS, MANY, ["a class with quite a long name " * 3, "W" * 70]], ids=len)
def test_phone_shows_image_and_answers_without_sideways_scroll(page_of, classes):
    page, _ = page_of(6, classes=classes, expert=True, **PHONE)
    assert no_sideways_scroll(page)
    stage, none = page.locator("#stage img").bounding_box(), page.locator("#none").bounding_box()
    assert stage["y"] + stage["height"] < none["y"]  # both on the screen at once
    assert none["y"] + none["height"] <= 640
    assert min(page.locator("#classes button:visible").first.bounding_box()["height"], none["height"]) >= 44
    page.get_by_role("button", name="Groups").tap()
    page.locator("#tiles img").first.wait_for()
    assert no_sideways_scroll(page)


def test_small_images_are_enlarged_by_whole_numbers_without_blur(page_of):
    page, _ = page_of(1)
    image = page.locator("#stage img")
    box = image.bounding_box()
    assert image.evaluate("(it) => getComputedStyle(it).imageRendering") == "pixelated"
    assert box["width"] == box["height"] >= 200
    assert box["width"] % 4 == 0  # the images have 4 x 4 pixels


def test_expert_labels_a_group_and_leaves_one_out(page_of):
    page, ballots = page_of(6, expert=True, group=3)
    page.get_by_role("button", name="Groups").click()
    page.get_by_role("button", name="Image 2 of 3, no answer yet").click()
    until_done(page, 2, lambda: page.keyboard.press("3"))
    page.get_by_role("button", name="Image 1 of 3, answered owl").wait_for()
    until_done(page, 3, lambda: page.keyboard.press("n"))
    page.get_by_text("Group 2 of 2", exact=True).wait_for()
    until_saved(page, 3)
    assert only_answers(ballots) == [2, -1, 2, None, None, None]
    until_done(page, 6, lambda: page.keyboard.press("1"))
    page.get_by_role("heading", name="Thank you").wait_for()


def test_answer_to_a_group_is_taken_back_as_one(page_of):
    page, _ = page_of(6, expert=True, group=3)
    page.get_by_role("button", name="Groups").click()
    until_done(page, 3, lambda: page.keyboard.press("2"))
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("Group 1 of 2", exact=True).wait_for()
    until_saved(page, 0)


def test_answer_to_no_chosen_image_says_what_to_do(page_of):
    page, ballots = page_of(6, expert=True)
    page.get_by_role("button", name="Groups").click()
    page.locator("#tiles img").first.wait_for()
    page.get_by_role("button", name="Clear").click()
    hint = page.locator("#group-hint")
    for _ in range(TRIES):
        page.keyboard.press("1")
        if "Choose the images first" in hint.text_content():
            break
    assert "Choose the images first" in hint.text_content()
    assert ballots.tally().votes["ann"] == 0


def test_who_is_no_expert_sees_no_groups(page_of):
    page, _ = page_of(6)
    assert page.get_by_role("button", name="Groups").count() == 0


def test_markup_in_class_names_is_shown_as_text(page_of):
    evil = "<img src=x onerror=alert(1)><b>bold"
    page, _ = page_of(2, classes=(evil, "dog"))
    page.get_by_role("button", name=evil).wait_for()
    assert page.locator("#classes img, #classes b").count() == 0


def test_what_happens_is_read_out(page_of):
    page, _ = page_of(3)
    page.get_by_role("img", name="Image 1 of 3, to be labelled").wait_for()
    until_done(page, 1, lambda: page.keyboard.press("2"))
    assert page.get_by_role("status").text_content() == "dog. 1 of 3 done."
    assert page.get_by_role("progressbar", name="Images that you have labelled").evaluate("(it) => it.value") == 1


def test_link_on_another_site_leads_in(page_of, desk):
    page, ballots = page_of(2)
    address = page.url
    link = address + "enter/" + Doors(ballots).invite(["ann"])["ann"]
    stranger = page.context.browser.new_context().new_page()
    stranger.route(
        "http://mail.example/**",
        lambda route: route.fulfill(body=f"<a href='{link}'>label</a>", content_type="text/html"),
    )
    stranger.goto("http://mail.example/")
    stranger.get_by_role("link").click()
    stranger.wait_for_selector("#work:not([hidden])")
    assert stranger.url == address  # the token is gone


def test_page_goes_on_by_itself_when_there_are_more_images(page_of):
    page, ballots = page_of(1)
    until_done(page, 1, lambda: page.keyboard.press("2"))
    page.get_by_role("heading", name="Thank you").wait_for()
    until_saved(page, 1)
    put(ballots, 3, request="regions-2", first=20)
    page.get_by_role("img", name="Image 1 of 3, to be labelled").wait_for()


def test_image_that_is_no_longer_asked_about_gives_way_to_those_that_are(page_of):
    page, ballots = page_of(2)
    put(ballots, 4, first=30)  # as after --redo, while the page is open
    page.wait_for_timeout(300)  # long enough to have seen the image: one press is one vote
    page.keyboard.press("2")
    until(page, "document.querySelector('#stage img')?.dataset.image > 2")
    assert ballots.tally().votes["ann"] == 0
