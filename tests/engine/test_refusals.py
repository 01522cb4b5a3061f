"""What cannot work is refused before anything is spent, and leaves no run folder behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modeldebug import ConfigError, InputError, PluginError

from . import misbehaving, planted

PLAIN_GENERATOR = {"use": "modeldebug.testing.problems:PlantedGenerator"}  # a bare class promises no ability

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the searcher needs codes that the generator cannot make": (
        {"generator": PLAIN_GENERATOR},
        "nothing in this run provides 'encode', which the searcher needs",
    ),
    "the auditor is the labeler": (
        {"auditor": planted.SETTINGS["labeler"]},
        "the auditor is the labeler again",
    ),
    "an unknown setting of a component of one's own": (
        {"labeler": {"use": f"{planted.__name__}:Rule", "margn": 1}},
        "there is no setting 'labeler.margn'",
    ),
    "a setting that a component of one's own needs": (
        {"labeler": {"use": f"{misbehaving.__name__}:People"}},
        "the setting 'labeler.answers' is missing",
    ),
    "a module without the attribute": (
        {"searcher": {"use": f"{misbehaving.__name__}:FindNothing"}},
        "has no 'FindNothing'",
    ),
    "a component of another kind": (
        {"searcher": {"use": f"{planted.__name__}:Rule"}},
        "cannot serve as a searcher",
    ),
    "a classifier of other classes": (
        {"dataset": {"use": "datasets:digits"}},
        "has the wrong shape",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_and_leaves_no_folder(case: str, tmp_path: Path) -> None:
    changed, words = REFUSED[case]
    with pytest.raises(InputError, match=words) as caught:
        planted.debug(tmp_path / "run", **changed)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_missing_ability_is_named_with_those_who_have_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        planted.debug(tmp_path / "run", generator=PLAIN_GENERATOR)
    assert "defuse:vae" in str(caught.value)
    assert caught.value.plugin == "defuse:beta-noise"


def test_the_auditor_may_be_of_the_labelers_kind_with_other_settings(planted_run: Any) -> None:
    chosen = planted.settings()
    assert chosen["auditor"]["use"] == chosen["labeler"]["use"]
    assert planted_run.status == "done"


def test_a_component_that_cannot_be_made_late_in_a_run_is_named_and_loses_nothing(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="raised") as caught:
        planted.debug(tmp_path / "run", corrector={"use": f"{misbehaving.__name__}:CannotBeMade"})
    assert caught.value.plugin == f"{misbehaving.__name__}:CannotBeMade"
