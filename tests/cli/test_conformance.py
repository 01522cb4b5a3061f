"""`modeldebug plugins check`: the conformance kit from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Invoke

CARELESS = """
import torch
from modeldebug import Candidates, ComponentConfig, Component, Preset, Searcher

class Careless(Searcher[ComponentConfig]):
    def _start(self, problem, rng):
        return {"done": len(problem.origins) == 0}

    def _step(self, problem, state):
        print("a searcher that prints")
        origin = torch.arange(len(problem.origins))
        z = problem.origins.z + 0.3 * torch.randn(len(origin), problem.latent_size)  # from torch's global generator
        return {"done": True}, Candidates(z=z, origin=origin)

LOST = Component("lost", "", ComponentConfig, "careless:Lsot")
SEARCHER = {"use": "defuse:beta-noise", "draws": 3}
OPEN = Preset("open", "", {"searcher": SEARCHER}, budgets={"small": {}, "large": {"run": {"batch_size": 64}}})
MISSPELT = Preset("misspelt", "", {"searcher": SEARCHER}, budgets={"a": {}, "b": {"searcher": {"drawz": 3}}})
"""


@pytest.fixture(autouse=True)
def careless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module `careless` in the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "careless", raising=False)
    Path("careless.py").write_text(CARELESS)


def test_each_broken_rule_is_told_with_why_and_what_to_do_and_exit_code_2(invoke: Invoke) -> None:
    done = invoke("plugins", "check", "careless:Careless")
    assert done.exit_code == 2
    text = " ".join(done.stdout.split())
    assert "search_ends_and_can_be_judged pass" in text
    assert "guide_queries_are_metered_apart says nothing: it neither requires a guide nor can use one" in text
    assert "search_repeats fails" in text
    assert "got other candidates for the same seed why the same seed must give the same run do keep a seed" in text
    assert "result 9 of 12 rules kept" in text
    assert "Traceback" not in done.output
    assert "a searcher that prints" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_json_has_the_same_for_programs(invoke: Invoke) -> None:
    done = invoke("plugins", "check", "careless:MISSPELT", "--json")
    assert done.exit_code == 2
    (checked,) = json.loads(done.stdout)["checked"]
    assert (checked["kind"], checked["name"], checked["result"]) == ("preset", "careless:MISSPELT", "fails")
    (rule,) = checked["rules"]
    assert rule["check"] == "every_budget_resolves"
    assert rule["result"] == "fails"
    assert all(rule[name] for name in ("rule", "got", "why", "do"))


def test_preset_is_tried_in_every_budget_with_the_stages_that_it_leaves_open_filled(invoke: Invoke) -> None:
    assert invoke("plugins", "check", "careless:OPEN").exit_code == 0
    done = invoke("plugins", "check", "careless:MISSPELT")
    assert done.exit_code == 2
    assert "no setting 'searcher.drawz' (did you mean 'draws'?), in the budget b" in " ".join(done.stdout.split())


def test_plugin_is_tried_with_all_that_it_offers(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modeldebug.testing.outcomes", lambda kind, component, settings: iter(()))  # takes no time
    done = invoke("plugins", "check", "datasets", "--json")
    by_name = {checked["name"]: checked["result"] for checked in json.loads(done.stdout)["checked"]}
    assert by_name["datasets:digits"] == "pass"
    assert by_name["datasets:arrays"] == "not tried"  # it cannot be without a path
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["beta-nose"], "did you mean 'beta-noise'?"),
        (["beta-noise", "--set", "drawz=3"], "did you mean 'draws'?"),
        (["beta-noise", "--set", "draws"], "needs a section, a name and a value"),
        (["defuse", "--set", "draws=3"], "settings are for one component"),
        (["tiny", "--set", "draws=3"], "settings are for one component"),
        (["arrays"], "the setting 'dataset.path' is missing"),
        (["careless:torch"], "nothing that the conformance kit can try"),
        (["careless:LOST"], "the factory of the component lost cannot be imported: AttributeError"),
        (["careless:Lsot"], "the module 'careless' has no 'Lsot'"),
        (["no_such_module:Search"], "cannot be imported"),
    ],
)
def test_what_cannot_be_tried_is_an_error_that_says_why(arguments: list[str], words: str, invoke: Invoke) -> None:
    done = invoke("plugins", "check", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stdout == ""
