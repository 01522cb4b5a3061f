"""Every snippet in the README, in the documentation and in docstrings runs, in the order of its page.

On a page, Python blocks share their names. A block with a caption is written to that file of the page's own working
folder; others are executed. In console blocks the lines `$ modeldebug ...` are run, and what stands below them must be
what they print; `$ pip install -e FOLDER` makes the plugin in there known. Runs that are not `--preset tiny` would take
too long: their options are resolved by `config show`, and `modeldebug.run` without a preset takes the preset `tiny`. An
inspection is prepared, so that what it refuses is refused, and ends with what another one has found. Of a comparison
every run is planned, and none is done: it ends with a table made by hand.
"""

import doctest
import importlib
import inspect
import os
import pkgutil
import shlex
import shutil
import sys
import textwrap
import tomllib
import types
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from sybil import Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser, SkipParser

import modeldebug
from modeldebug import folders, hookspecs
from modeldebug.aims import inspection_targets
from modeldebug.cli import program
from modeldebug.comparison import comparing
from modeldebug.prepare import prepare
from modeldebug.registry import Registry, Source
from tests.report import comparisons

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("contracts/*.md"))]
OUTPUT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_run = modeldebug.run


def write_or_execute(example):
    caption = example.region.lexemes.get("options", {}).get("caption")
    if caption:
        Path(caption).parent.mkdir(parents=True, exist_ok=True)
        if Path(caption).exists():
            forget(Path(caption).absolute().parent)
        Path(caption).write_text(example.parsed)
    elif example.region.lexemes["arguments"] == "python":
        PythonEvaluator()(example)


def type_commands(example):
    for command, expected in commands(example.parsed):
        words = shlex.split(command)
        if words[:3] == ["pip", "install", "-e"]:
            install(Path(words[3]))
        if words[0] != "modeldebug":
            continue
        if words[1] == "run" and "tiny" not in words:
            words = ["modeldebug", "config", "show", *words[2:]]
        done = CliRunner().invoke(program, words[1:])
        assert done.exit_code == (2 if expected.startswith("Error:") else 0), f"$ {command}\n{done.output}"
        if expected:
            said = doctest.OutputChecker().check_output(expected, done.output, OUTPUT)
            assert said, f"$ {command}\nprints\n{done.output}\nand not\n{expected}"


def install(folder):
    """A plugin's modules are found from now on, and its entry points, here and in processes that are started."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    made = Path(f"{project['name'].replace('-', '_')}-{project['version']}.dist-info")
    made.mkdir()
    (made / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    entries = [
        f"[{group}]\n" + "\n".join(map(" = ".join, own.items())) for group, own in project["entry-points"].items()
    ]
    (made / "entry_points.txt").write_text("\n".join(entries))
    sys.path.insert(0, str((folder / "src").absolute()))
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
    importlib.invalidate_caches()


def forget(folder):
    """The modules in a folder are imported anew when they are next asked for."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(f"{folder}{os.sep}"):
            del sys.modules[name]


def commands(text):
    """The commands of a console block, each with what is printed below it."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            found.append([line.removeprefix("$ "), ""])
        else:
            found[-1][1] += line + "\n"
    return found


SYBIL = Sybil(
    path=str(ROOT),
    parsers=[
        CodeBlockParser("python", write_or_execute),
        CodeBlockParser("toml", write_or_execute),
        CodeBlockParser("console", type_commands),
        SkipParser(),
    ],
)


@pytest.fixture
def folder(tmp_path, monkeypatch, inspected):
    """A working folder with data.npz, my_models.py and w.safetensors; afterwards its modules are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(modeldebug, "run", quick_run)
    monkeypatch.setattr(folders, "execute_inspection", prepare_alone(inspected.folder))
    rng = np.random.default_rng(0)
    np.savez("data.npz", images=rng.integers(0, 256, (90, 1, 8, 8), dtype=np.uint8), labels=np.arange(90) % 3)
    Path("my_models.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))\n"
    )
    save_file({"1.weight": torch.zeros(3, 64), "1.bias": torch.zeros(3)}, "w.safetensors")
    monkeypatch.setattr(comparing, "work_on", planned_alone)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield tmp_path
    forget(tmp_path)


def quick_run(*args, preset=None, **options):
    return _run(*args, preset=preset or "tiny", **options)


def planned_alone(store, objects=None, **options):
    """In place of the work of a comparison, which is planned by now: a table made by hand."""
    request = store.manifest["comparison"]
    table = comparisons.Planted(role=request["role"], names=[entrant["name"] for entrant in request["entrants"]])
    store.write_json("comparison.json", table.results())
    store.manifest["status"] = "done"
    store.save_manifest()
    return comparing.Comparison(store.path, objects)


def prepare_alone(done):
    """In place of the work of an inspection: what can be refused is, and all else is that of a finished one."""

    def execute(store, config, bus, *, trust=False):
        prepare(config, trust=trust, aims=inspection_targets)
        shutil.copytree(done, store.path, dirs_exist_ok=True)

    return execute


def own():
    """A model and a data set, where a page speaks of them without making them."""
    images = torch.rand(150, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(150) % 2
    images[labels == 1, :, :, 4:] /= 4
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    model[1].weight.data = torch.tensor([[-1.0] * 4 + [1.0] * 4, [1.0] * 4 + [-1.0] * 4]).repeat(1, 8) / 32
    model[1].bias.data = torch.tensor([0.0, 0.05])  # wrong about images of one grey: there is a region to be found
    return {"model": model, "dataset": torch.utils.data.TensorDataset(images, labels)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_snippets_of_the_page_run(page, folder, finished, inspected):
    document = SYBIL.parse(page)
    opened = {"run": modeldebug.open_run(finished.folder), "inspection": modeldebug.open_inspection(inspected.folder)}
    document.namespace.update(own(), **opened)
    for example in document.examples():
        example.evaluate()


NEEDED = {
    **{f"modeldebug_trackers.{package}": package for package in ("mlflow", "tensorboard")},
    "modeldebug_clevr.renderer": "mitsuba",
}


def modules():
    packages = [
        "modeldebug",
        *(
            f"modeldebug_{name}"
            for name in (
                "bayestrex",
                "classifiers",
                "clevr",
                "datasets",
                "defuse",
                "executors",
                "gan",
                "labelers",
                "rivals",
                "trackers",
            )
        ),
    ]
    for package in packages:
        yield package
        for _, name, _ in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not name.endswith("__main__") and find_spec(NEEDED.get(name, "modeldebug")):
                yield name


@pytest.mark.parametrize("name", list(modules()))
def test_examples_in_docstrings_run(name):
    outcome = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert outcome.failed == 0


def test_the_plugin_in_the_docstring_of_the_hooks_can_be_registered():
    _, _, example = inspect.getdoc(hookspecs).partition("with one searcher:")
    plugin = types.ModuleType("my_search")
    exec(textwrap.dedent(example), vars(plugin))
    registry = Registry()
    registry.register(plugin, Source("mine", "mine", "1"))
    assert [r.name for r in registry.components("searcher")] == ["mine:my-search"]
