from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from modeldebug.cli.options import Options, configure, run_options
from modeldebug.config import parse_assignment
from modeldebug.report.reproduce import assignment, command, own_settings, python_call

from .folders import Made


def manifest_of(tmp_path: Path, **own: Any) -> dict[str, Any]:
    return Made(own={name.replace("__", "."): value for name, value in own.items()}).store(tmp_path / "run").manifest


@pytest.mark.parametrize(
    "value",
    [5, -1, 0.5, 1e-10, 1000.0, True, False, "plain", "5", "true", "[1]", 'a "quoted" \\ word', " spaces ", "a=b",
     "", "é\n", [1e-10, 1.0], ["a", "b"], [], [[1, 2], [3]], {"a": 1, "b c": "d"}],
)  # fmt: skip
def test_an_assignment_reads_back_as_the_same_value(value: object) -> None:
    text = assignment("searcher", "name", value)
    read = parse_assignment(shlex.split(shlex.join([text]))[0]).settings["searcher"]["name"]
    assert read == value
    assert type(read) is type(value)


def test_only_the_users_own_settings_are_in_the_command(tmp_path: Path) -> None:
    words = shlex.split(command(manifest_of(tmp_path, searcher__draws=500, dataset__path="my data.npz")))
    assert words[:8] == ["modeldebug", "run", "--plugins", "defuse", "--preset", "defuse", "--seed", "7"]
    assert words[8:] == ["--set", "searcher.draws=500", "--set", "dataset.path=my data.npz"]


def test_a_component_is_chosen_before_its_settings(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, searcher__draws=500, searcher__use="other:search")
    assert list(own_settings(manifest)["searcher"]) == ["use", "draws"]


def test_weights_have_a_flag_of_their_own_and_give_way_to_others(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, classifier__weights="old.safetensors")
    assert "--weights old.safetensors" in command(manifest)
    changed = command(manifest, {"classifier": {"weights": "new.safetensors", "train": False}})
    assert "--weights new.safetensors --set classifier.train=false" in changed
    assert "old.safetensors" not in changed


def test_the_command_resolves_to_the_same_configuration() -> None:
    import click

    def resolved(words: list[str]) -> Any:
        got: dict[str, Any] = {}
        click.command()(run_options(lambda **given: got.update(given))).main(words, standalone_mode=False)
        return configure(Options.of(got))[1]

    first = resolved(
        ["--preset", "tiny", "--seed", "3", "--set", "searcher.draws=11", "--set", "corrector.lambdas=[0.5, 2]"]
    )
    manifest = {
        "kind": "run",
        "plugins": first.plugins, "preset": first.preset, "budget": first.budget,
        "config": first.to_dict(), "sources": first.sources,
    }  # fmt: skip
    again = resolved(shlex.split(command(manifest))[2:])
    assert again.to_dict() == first.to_dict()
    assert (again.plugins, again.preset) == (first.plugins, first.preset)


def test_the_budget_is_in_the_command_and_in_the_call(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path) | {"budget": "paper"}
    assert "--preset defuse --set budget=paper --seed 7" in command(manifest)
    assert "budget='paper'" in python_call(manifest)


def test_a_run_with_python_objects_is_a_python_call(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, classifier__use="python:Net", classifier__mean=[0.5], searcher__draws=500)
    called: dict[str, Any] = {}
    names = {"modeldebug": type("modeldebug", (), {"run": staticmethod(lambda **given: called.update(given))})}
    exec(python_call(manifest), names | {"model": "the model"})
    assert called == {
        "model": "the model",
        "plugins": ["defuse"],
        "preset": "defuse",
        "settings": {"classifier": {"mean": [0.5]}, "searcher": {"draws": 500}, "run": {"seed": 7}},
    }
