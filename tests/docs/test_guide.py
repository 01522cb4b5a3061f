"""The guide to plugins shows what `plugins new` writes, and its examples are as small as it says."""

import re
from pathlib import Path

import pytest

from modeldebug.cli.scaffold import render

DOCS = Path(__file__).parents[2] / "docs"
CONTRACTS = ("searcher", "generator", "clusterer", "labeler", "corrector")
MOST = 40  # lines of an example
MOST_OF_AN_OBSERVER = 30
BLOCK = re.compile(r"^```\{code-block\} python\n:caption: (\S+)\n(?::[^\n]*\n)*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    return BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", CONTRACTS)
def test_each_contract_has_one_complete_example_of_at_most_40_lines(kind):
    ((_, code),) = blocks(f"contracts/{kind}.md")
    assert len(code.splitlines()) <= MOST
    assert "Component(" in code


@pytest.mark.parametrize("kind", CONTRACTS)
def test_each_contract_says_how_its_example_is_compared(kind):
    text = (DOCS / f"contracts/{kind}.md").read_text(encoding="utf-8")
    ((file, code),) = blocks(f"contracts/{kind}.md")
    (component,) = re.findall(r"^([A-Z_]+) = Component\(", code, re.MULTILINE)
    assert re.search(rf"\$ modeldebug compare .*--{kind} {Path(file).stem}:{component}", text)


def test_the_guide_begins_with_the_searcher_that_is_written():
    shown = [(file, code) for file, code in blocks("writing-plugins.md") if file.startswith("my-search/")]
    written = {f"my-search/{path}": text for path, text in render("searcher", "my-search").items()}
    file, first = shown[0]
    assert first == written[file]
    assert all(file in written for file, _ in shown)


def test_the_searcher_that_the_guide_makes_of_it_has_at_most_40_lines_and_only_other_settings():
    shown = dict(blocks("writing-plugins.md"))
    written = {f"my-search/{path}": text for path, text in render("searcher", "my-search").items()}
    searcher, plugin = (f"my-search/src/modeldebug_my_search/{name}.py" for name in ("searcher", "plugin"))
    assert shown[searcher] != written[searcher]
    assert len(shown[searcher].splitlines()) <= MOST
    assert without_settings(shown[plugin]) == without_settings(written[plugin])


def without_settings(code):
    return [line for line in code.splitlines() if not re.match(r"    \w+: \w+ = Field\(", line)]


def test_the_observer_of_the_guide_is_short():
    (code,) = [code for _, code in blocks("writing-plugins.md") if "modeldebug_event" in code]
    assert len(code.splitlines()) < MOST_OF_AN_OBSERVER
