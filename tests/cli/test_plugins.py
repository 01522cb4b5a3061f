from __future__ import annotations

import pytest

from modeldebug import survey
from modeldebug.cli.plugins import type_in_words
from modeldebug.survey import Row

from .conftest import Invoke


def test_list_shows_each_plugin_with_its_distribution_and_what_it_offers(invoke: Invoke) -> None:
    text = " ".join(invoke("plugins", "list").stdout.split())
    for expected in (
        "defuse modeldebug 0.1.0 ok",
        "searcher beta-noise",
        "preset defuse, defuse-conditional, tiny,",
        "mnist, fashion-mnist,",
    ):
        assert expected in text


def test_a_broken_plugin_is_a_row_with_its_reason_within_80_columns(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "the plugin 'broken' fails when it is imported: ModuleNotFoundError: No module named 'no_such_package'"
    monkeypatch.setattr(survey, "survey", lambda: [Row("broken", "some-distribution", "12.0.1", reason, ())])
    done = invoke("plugins", "list")
    assert done.exit_code == 0
    assert "ModuleNotFoundError" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", ["beta-noise", "defuse:beta-noise"])
def test_info_of_a_component_gives_type_default_and_meaning_of_its_settings(name: str, invoke: Invoke) -> None:
    done = invoke("plugins", "info", name)
    assert done.exit_code == 0, done.output
    assert "searcher" in done.stdout
    assert "integer >= 1" in done.stdout
    assert "around each training code" in " ".join(done.stdout.split())
    assert "dp-gmm" not in done.stdout


def test_info_of_a_plugin_shows_all_that_it_offers(invoke: Invoke) -> None:
    text = invoke("plugins", "info", "defuse").stdout
    for name in ("defuse:vae", "defuse:beta-noise", "defuse:dp-gmm", "defuse:lambda", "tiny"):
        assert name in text


def test_info_of_a_preset_shows_its_settings(invoke: Invoke) -> None:
    assert '"defuse:beta-noise"' in invoke("plugins", "info", "tiny").stdout


def test_info_of_an_unknown_name_gives_the_nearest(invoke: Invoke) -> None:
    done = invoke("plugins", "info", "beta-nose")
    assert done.exit_code == 2
    assert "'beta-noise'" in done.stderr


def test_types_are_told_in_words() -> None:
    assert type_in_words({"type": "number", "minimum": 0, "maximum": 1}) == "number >= 0, <= 1"
    assert type_in_words({"enum": ["a", "b"]}) == "a or b"
    assert type_in_words({"type": "array", "items": {"type": "string"}}) == "list of string"
    pair = {"type": "array", "prefixItems": [{"type": "integer"}] * 2}
    assert type_in_words(pair) == "list of 2 integer"
