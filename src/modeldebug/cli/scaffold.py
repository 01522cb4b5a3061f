"""`modeldebug plugins new`: a distribution with one working component, to start from. Imports no torch."""

from __future__ import annotations

import builtins
import re
import shlex
import shutil
import tempfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import click

from ..component import KINDS
from ..errors import ConfigError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

OFFERED = (*KINDS, "preset")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_IMPORTED = {"Field", "Tensor", "Mapping", "Sequence", "None", "True", "False"}  # by the templates, or Python's own


@click.command()
@click.argument("kind", type=click.Choice(OFFERED))
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="The folder to write to.  [default: NAME]")
def new(kind: str, name: str, out: Path | None) -> None:
    """Write a plugin to start from: a distribution with one small component that works, and its tests.

    NAME is the name of the plugin, and of what it offers: lower case, with hyphens.
    """
    folder = Path(name) if out is None else out
    check_name(kind, name)
    write(folder, render(kind, name))
    click.echo(f"Wrote a plugin with one {kind} to {folder}. Type next:\n")
    commands = (f"pip install -e {shlex.quote(str(folder))}", f"modeldebug plugins check {name}", run_of(kind, name))
    click.echo("\n".join(f"  {command}" for command in commands))


def class_name(name: str) -> str:
    """The class of a component.

    >>> class_name("my-search")
    'MySearch'
    """
    return "".join(word.capitalize() for word in name.split("-"))


def check_name(kind: str, name: str) -> None:
    """Refuse a name that cannot be one, or that something else has already.

    Raises:
        ConfigError: it is no name, or taken.
    """
    import modeldebug

    from ..registry import Registry, installed, source_of

    if not NAME.fullmatch(name):
        raise ConfigError(
            "this is no name for a plugin",
            got=repr(name),
            expected="lower case with hyphens, a letter first, like 'my-search'",
            fix=f"modeldebug plugins new {kind} {_nearest_name(name)}",
        )
    taken = [f"the plugin of {source_of(entry).distribution}" for entry in installed().get(name, [])]
    if not taken and find_spec(package_of(name)) is not None:
        taken = [f"the package {package_of(name)}"]
    if not taken:
        registry = Registry.load(["defuse"])
        offered = [*registry.presets, *(r.component.name for k in KINDS for r in registry.components(k))]
        taken = [f"a component or preset of the default plugins, '{name}'"] if name in offered else []
    cls = class_name(name)
    if not taken and ({cls, f"{cls}Config"} & {*dir(modeldebug), *dir(builtins), *_IMPORTED}):
        taken = [f"a name that the plugin imports, {cls} or {cls}Config"]
    if taken:
        other = f"{name}-2" if name.startswith("my-") else f"my-{name}"
        raise ConfigError(f"the name '{name}' is taken", got=taken[0], fix=f"choose another, such as {other}")


def _nearest_name(text: str) -> str:
    words = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text).lower())
    name = "-".join(words)
    return name if NAME.fullmatch(name) else f"my-{name}".removesuffix("-") if name else "my-plugin"


def package_of(name: str) -> str:
    """The Python package of a plugin.

    >>> package_of("my-search")
    'modeldebug_my_search'
    """
    return f"modeldebug_{name.replace('-', '_')}"


def run_of(kind: str, name: str) -> str:
    """The command of a run that uses the component, in which all else is as small as can be.

    >>> run_of("searcher", "my-search")
    'modeldebug run --plugins defuse,my-search --searcher my-search --preset tiny'
    """
    if kind == "preset":
        return f"modeldebug run --plugins {name} --preset {name}"
    return f"modeldebug run --plugins defuse,{name} --{kind} {name} --preset tiny"


def render(kind: str, name: str) -> dict[str, str]:
    """What the distribution consists of: the text of each file, by its path.

    >>> sorted(render("searcher", "my-search"))[3:5]
    ['src/modeldebug_my_search/__init__.py', 'src/modeldebug_my_search/plugin.py']
    """
    from .. import __version__

    package = package_of(name)
    values = {
        "kind": kind,
        "name": name,
        "cls": class_name(name),
        "module": name.replace("-", "_"),
        "package": package,
        "distribution": f"modeldebug-{name}",
        "plugins": name if kind == "preset" else f"defuse,{name}",
        "run": run_of(kind, name),
        "version": __version__,
        "tested": "every budget of it resolves" if kind == "preset" else "modeldebug's conformance kit, applied to it",
    }
    templates = files("modeldebug.cli") / "templates"
    test = templates / kind / "test.py.template"
    sources = {
        "pyproject.toml": templates / "shared" / "pyproject.toml.template",
        "README.md": templates / "shared" / "README.md.template",
        ".gitignore": templates / "shared" / "gitignore.template",
        f"src/{package}/__init__.py": templates / "shared" / "init.py.template",
        f"src/{package}/plugin.py": templates / kind / "plugin.py.template",
        f"src/{package}/{kind}.py": templates / kind / f"{kind}.py.template",
        f"tests/test_{values['module']}.py": test if test.is_file() else templates / "shared" / "test.py.template",
    }
    return {path: _filled(source, values) for path, source in sources.items()}


def _filled(source: Traversable, values: dict[str, str]) -> str:
    return Template(source.read_text(encoding="utf-8")).substitute(values)


def write(folder: Path, texts: dict[str, str]) -> None:
    """Write files to a folder that is new or empty: all of them, or none.

    Raises:
        ConfigError: the folder holds something, or cannot be written to.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(
            "the plugin would be written over what is there",
            got=f"{folder} {'is a file' if folder.is_file() else 'is not empty'}",
            expected="a new or an empty folder",
            fix="choose another: --out DIR",
        )
    missing = [path for path in (folder, *folder.parents) if not path.exists()]  # from the folder upward
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".modeldebug-") as made:
            for path, text in texts.items():
                file = Path(made, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            for part in sorted(Path(made).iterdir()):
                part.rename(folder / part.name)
    except BaseException as error:
        _remove(folder, missing, {Path(path).parts[0] for path in texts})
        if not isinstance(error, OSError):
            raise
        raise ConfigError(
            f"the plugin cannot be written: {error.strerror}", got=folder, fix="choose another folder: --out DIR"
        ) from error


def _remove(folder: Path, missing: list[Path], parts: set[str]) -> None:
    """Leave things as they were: the folder empty, if it was there before, and else not there."""
    for path in (folder / part for part in parts):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.exists():
            path.unlink()
    for path in missing:
        if path.is_dir():
            path.rmdir()
