"""What a generator says of its training is kept, shown and, where it warns, told."""

from __future__ import annotations

from pathlib import Path

import pytest

from modeldebug import Component, ComponentConfig, Health
from modeldebug.cli.words import stage_result
from modeldebug.store import RunStore
from modeldebug.testing.problems import ABILITIES, PlantedGenerator

from . import planted
from .bits import Watch


class Frail(PlantedGenerator):
    def health(self) -> Health:
        return Health("diversity 0.10", "the planted generator has collapsed.", {"epochs": [0.5, 0.1]})


class Hale(PlantedGenerator):
    def health(self) -> Health:
        return Health("diversity 1.00")


frail = Component("frail", "", ComponentConfig, Frail, provides=ABILITIES)
hale = Component("hale", "", ComponentConfig, Hale, provides=ABILITIES)


def test_a_warning_is_told_once_and_stands_in_results_report_and_run_folder(tmp_path: Path) -> None:
    watch = Watch()
    run = planted.debug(tmp_path / "run", listeners=[watch], generator={"use": f"{__name__}:frail"})
    assert run.results["warnings"] == ["the planted generator has collapsed."]
    assert run.results["warning_stages"] == ["generator"]
    assert [event.message for event in watch.of("warning", "generator")] == run.results["warnings"]
    assert "he planted generator has collapsed." in (run.path / "report.html").read_text()
    info = RunStore.open(run.path).load_stage("generator").info
    assert info["figures"] == {"epochs": [0.5, 0.1]}
    assert stage_result("generator", info) == "trained; 2 latent dimensions; diversity 0.10"


@pytest.mark.parametrize(("name", "said"), [("hale", "; diversity 1.00"), ("", "")])
def test_without_a_warning_none_is_told(name: str, said: str, tmp_path: Path) -> None:
    chosen = {"generator": {"use": f"{__name__}:{name}"}} if name else {}
    run = planted.debug(tmp_path / "run", **chosen)
    assert run.results["warnings"] == []
    info = RunStore.open(run.path).load_stage("generator").info
    assert stage_result("generator", info) == f"trained; 2 latent dimensions{said}"
