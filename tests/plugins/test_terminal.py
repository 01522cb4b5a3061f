from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import CLASSES, history, labeler, request
from modeldebug_labelers import terminal
from modeldebug_labelers.ballots import Ballots
from modeldebug_labelers.half_blocks import drawn
from modeldebug_labelers.keys import Keys
from modeldebug_labelers.plugin import TerminalConfig
from modeldebug_labelers.terminal import Dialogue, Terminal
from PIL import Image
from rich.console import Console

from modeldebug import Answers, Pending

Press = Callable[..., Any]


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Press:
    """Ask ann on a terminal of 80 x 24, where she presses these keys; what the labeler answers."""
    monkeypatch.setattr(terminal, "on_terminal", lambda: True)

    def label(*keys: str, annotator: str | None = "ann", n: int = 4, classes: tuple[str, ...] = CLASSES) -> Any:
        left = iter(keys)
        screen = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=80, height=24)
        monkeypatch.setattr(terminal, "Console", lambda **options: screen)
        monkeypatch.setattr(
            Dialogue.__init__, "__kwdefaults__", {"key": lambda: _next(left), "line": lambda: _next(left)}
        )
        asking = labeler(Terminal, TerminalConfig(annotator=annotator), tmp_path, classes=classes)
        answer = asking.label(request(n, classes=classes))
        assert not list(left), "keys were left over"
        label.shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.file.getvalue())
        return answer

    return label


def _next(keys: Iterator[str]) -> str:
    key = next(keys)
    if key == "^D":
        raise EOFError
    if key == "^C":
        raise KeyboardInterrupt
    return key


def test_one_key_answers_an_image_and_the_votes_are_the_annotators(press: Press) -> None:
    answer = press("1", "3", "n", "2")
    assert isinstance(answer, Answers)
    assert answer.annotators == ("ann",)
    assert sorted(answer.votes.flatten().tolist()) == [-1, 0, 1, 2]


def test_what_is_shown_names_every_class_with_its_key_and_how_far_it_is(press: Press) -> None:
    press("1", "1", "1", "1")
    for text in ("1 cat   2 dog   3 owl", "n none of the above   u undo   q save and leave", "3 labelled, 1 wait"):
        assert text in press.shown


def test_leaving_keeps_what_was_answered_and_says_how_to_go_on(press: Press, tmp_path: Path) -> None:
    answer = press("1", "q")
    assert isinstance(answer, Pending)
    assert (answer.waiting, answer.how) == (3, f"modeldebug resume {tmp_path}")
    assert isinstance(press("1", "1", "1"), Answers), "an answered image was asked again"


@pytest.mark.parametrize("key", ["^C", "^D"])
def test_ctrl_c_and_ctrl_d_keep_what_was_answered(press: Press, key: str) -> None:
    try:
        press("1", key)
    except KeyboardInterrupt:
        assert key == "^C"
    assert isinstance(press("1", "1", "1"), Answers)


def test_undo_takes_the_last_answer_back_and_shows_that_image_again(press: Press, tmp_path: Path) -> None:
    answer = press("u", "1", "1", "u", "2", "3", "3")
    assert sorted(answer.votes.flatten().tolist()) == [0, 1, 2, 2]
    assert history(tmp_path) == [0]
    assert "There is nothing to take back" in press.shown


def test_a_key_that_means_nothing_is_told_and_votes_nothing(press: Press, tmp_path: Path) -> None:
    press("9", "\x1b[A", "q")
    assert "'9' is no answer" in press.shown.lower()
    assert "That key is no answer" in press.shown
    with Ballots(tmp_path / "labels") as ballots:
        assert ballots.waiting("regions") == 4


def test_the_annotator_is_who_is_logged_in_unless_named(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "dora")
    assert press("1", annotator=None, n=1).annotators == ("dora",)


def test_images_that_have_enough_votes_already_are_not_asked(press: Press, tmp_path: Path) -> None:
    press("q")
    with Ballots(tmp_path / "labels") as ballots:
        ballots.invite(["bob"])
        ballots.vote(ballots.join("bob"), {asked.id: 1 for asked in ballots.asked()}, way="page")
        ballots.invite(["bob"])
    answer = press("1", "1", "1", "1")  # ann is an annotator, too, and her vote is needed as well
    assert answer.annotators == ("ann", "bob")
    assert isinstance(press(), Answers)


def test_without_a_terminal_the_images_wait_and_nobody_is_asked(tmp_path: Path) -> None:
    answer = labeler(Terminal, TerminalConfig(), tmp_path).label(request())
    assert isinstance(answer, Pending)
    assert answer.how == f"modeldebug resume {tmp_path}, on a terminal"


def test_progress_displays_give_way_during_the_dialogue(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    monkeypatch.setattr(Dialogue, "hold", lambda self: held.append("dialogue"))

    class Aside:
        def __enter__(self) -> None:
            held.append("aside")

        def __exit__(self, *error: object) -> None:
            held.append("back")

    from modeldebug.foreground import gives_way

    with gives_way(Aside):
        press()
    assert held == ["aside", "dialogue", "back"]


# keys


def test_a_class_whose_name_is_a_character_has_that_key() -> None:
    keys = Keys(tuple("0123456789"), reserved="nuq")
    assert [keys.class_of(digit) for digit in "0123456789"] == list(range(10))
    assert keys.legend(80) == ["0   1   2   3   4   5   6   7   8   9"]


def test_no_class_takes_a_reserved_key_or_anothers() -> None:
    keys = Keys(tuple("nuqab1"), reserved="nuq")
    assert keys.single
    assert [keys.class_of(key) for key in "nuq"] == [None] * 3
    assert len({keys.class_of(key) for key in "abcdefghij1234567890"} - {None}) == 6


def test_the_legend_is_broken_into_lines_of_the_terminals_width() -> None:
    keys = Keys([f"class {i}" for i in range(30)], reserved="nuq")
    lines = keys.legend(40)
    assert max(map(len, lines)) <= 40
    assert sum(line.count("class") for line in lines) == 30


def test_of_more_classes_than_keys_the_beginning_of_a_name_is_typed(press: Press) -> None:
    classes = tuple(f"sign {i:03}" for i in range(100))
    answer = press("sign 04", "sign 042", "SIGN 099", "n", "", "sign 000", n=4, classes=classes)
    assert sorted(answer.votes.flatten().tolist()) == [-1, 0, 42, 99]
    assert "100 classes, from sign 000 to sign 099" in press.shown


def test_commands_have_a_stroke_before_them_where_letters_are_classes() -> None:
    letters = Keys([chr(i) for i in range(ord("A"), ord("z") + 1) if chr(i).isalpha()], reserved="nuq")
    assert letters.prefix == "/"
    assert (letters.class_of("n"), letters.class_of("N")) == (26 + 13, 13)


# pictures


def png(*pixels: int, width: int, mode: str = "L") -> bytes:
    file = io.BytesIO()
    Image.frombytes(mode, (width, len(pixels) // width // len(mode)), bytes(pixels)).save(file, "PNG")
    return file.getvalue()


def rendered(columns: int, rows: int, picture: bytes) -> list[str]:
    screen = Console(file=io.StringIO(), width=columns, height=rows)
    screen.print(drawn(picture, columns, rows, None), end="")
    return screen.file.getvalue().splitlines()


def test_a_small_image_is_enlarged_by_a_whole_factor() -> None:
    assert rendered(10, 4, png(0, 255, 255, 0, width=2)) == ["    @@@@", "    @@@@", "@@@@    ", "@@@@    "]


@pytest.mark.parametrize(("columns", "rows"), [(40, 20), (20, 40), (7, 5)])
def test_a_large_image_is_reduced_to_what_fits(columns: int, rows: int) -> None:
    lines = rendered(columns, rows, png(*[200] * 100 * 150, width=100))
    assert len(lines) <= rows
    assert max(map(len, lines)) <= columns


def test_in_colours_each_character_shows_two_pixels() -> None:
    text = drawn(png(255, 0, 0, 0, 0, 255, width=1, mode="RGB"), 1, 1, "truecolor")
    (span,) = text.spans
    assert text.plain == "▀"
    assert span.style.color.triplet == (255, 0, 0)
    assert span.style.bgcolor.triplet == (0, 0, 255)
