"""Imports run downward only, plugins see the public names only, and the command line starts without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import modeldebug

CORE = Path(modeldebug.__file__).parent
PLUGINS = CORE.parent.parent / "plugins"

# From the bottom to the top. A module may import its own layer and those below it.
LAYERS = (
    ("errors", "words", "foreground"),
    ("component", "tensors", "importing"),
    ("types", "events", "rng", "batches"),
    ("votes",),
    ("context", "data", "judging", "agreement", "hookspecs", "reading"),
    ("classifier", "training"),
    ("contracts",),
    ("problem", "pipeline", "queries", "targets", "diagnostics", "store", "registry", "external"),
    ("config", "completeness", "independence", "roles", "schema", "sections", "survey"),
    ("aims",),
    ("prepare", "stages", "results"),
    ("report", "session", "estimate"),
    ("subject",),
    ("engine", "inspection"),
    ("waiting",),
    ("folders",),
    ("inspecting",),
    ("peak",),
    ("comparison",),
    ("api", "check", "testing"),
    ("cli",),
    ("__init__", "__main__"),
)
HEIGHT = {name: height for height, layer in enumerate(LAYERS) for name in layer}


def unit(path):
    """The layer's name of a file: its module, or the subpackage that it is in."""
    first = path.relative_to(CORE).parts[0]
    return first.removesuffix(".py")


def imported(path, tree=None):
    """Every module that a file imports, absolute; what is imported for annotations alone is left out."""
    package = ["modeldebug", *path.relative_to(CORE).parts[:-1]] if path.is_relative_to(CORE) else []
    tree = tree or ast.parse(path.read_text(encoding="utf-8"))
    annotations = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in annotations:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


def core_units(path):
    """The layers' names of what a file imports from the core."""
    for module, name in imported(path):
        if module == "modeldebug":
            yield name if name in HEIGHT else "__init__"
        elif module.startswith("modeldebug."):
            yield module.split(".")[1]


CORE_FILES = sorted(CORE.rglob("*.py"))
PLUGIN_FILES = sorted(PLUGINS.rglob("*.py"))


def test_every_module_has_a_layer():
    assert {unit(path) for path in CORE_FILES} <= set(HEIGHT)


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda p: str(p.relative_to(CORE)))
def test_core_imports_run_downward_only(path):
    own = unit(path)
    allowed = {"__init__"} if own in ("cli", "__main__") else set()  # for the version
    upward = {other for other in core_units(path) if HEIGHT[other] > HEIGHT[own]} - allowed
    assert not upward, f"{own} imports {', '.join(sorted(upward))}, which stand above it"


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda p: str(p.relative_to(CORE)))
def test_core_imports_no_plugin(path):
    plugins = {folder.name for folder in PLUGINS.iterdir()}
    assert not {module for module, _ in imported(path) if module.split(".")[0] in plugins}


def public_names():
    stub = ast.parse((CORE / "__init__.pyi").read_text(encoding="utf-8"))
    return {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=lambda p: str(p.relative_to(PLUGINS)))
def test_plugins_import_public_names_only(path):
    public = public_names()
    private = [
        f"{module}.{name}"
        for module, name in imported(path)
        if (module == "modeldebug" and name not in public)
        or (module.startswith("modeldebug.") and module != "modeldebug.testing")
    ]
    assert not private


def test_layer_test_sees_an_upward_import():
    path = CORE / "errors.py"
    tree = ast.parse("from .engine import execute\nfrom . import api\nimport modeldebug.cli")
    assert list(imported(path, tree)) == [
        ("modeldebug.engine", "execute"),
        ("modeldebug", "api"),
        ("modeldebug.cli", None),
    ]


def test_public_names_are_all_there():
    assert public_names() <= set(dir(modeldebug))
    for name in public_names():
        getattr(modeldebug, name)


HEAVY = ("torch", "pyro", "sklearn", "matplotlib", "scipy", "PIL")
CHEAP = {
    "the package": "import modeldebug",
    "the command line": "import modeldebug.cli",
    "the default plugins": "from modeldebug.registry import Registry; Registry.load(['defuse'])",
    "a resolved configuration": "from modeldebug.registry import Registry; from modeldebug.config import resolve; "
    "resolve(Registry.load(['defuse']), ['defuse'], [])",
}


@pytest.mark.parametrize("what", CHEAP)
def test_start_imports_nothing_heavy(what):
    code = f"{CHEAP[what]}; import sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
