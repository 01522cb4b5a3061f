"""The options that decide a run, shared by `run`, `check` and `config show`, and the configuration made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import ConfigError
from ..words import called

if TYPE_CHECKING:
    from ..config import Layer, RunConfig
    from ..registry import Registry

DEFAULT_PLUGINS = ("defuse",)
INSPECTING_PLUGINS = ("bayestrex",)
ROLES = (
    "dataset", "classifier", "generator_data", "generator", "searcher", "guide", "clusterer", "labeler", "auditor",
    "auditor_2", "auditor_3", "corrector", "executor",
)  # fmt: skip
COMPARED = ("generator", "searcher", "clusterer", "labeler", "corrector")
_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Options:
    """What was typed, as it was typed; None where nothing was."""

    plugins: tuple[str, ...]
    preset: str | None
    stages: dict[str, str]
    config: Path | None
    assignments: tuple[str, ...]
    seed: int | None
    device: str | None
    weights: str | None
    trust: bool
    out: Path | None
    quiet: bool
    json: bool
    workers: int | None = None

    @staticmethod
    def of(given: dict[str, Any]) -> Options:
        """From click's parameters."""
        stages = {name: given.pop(name) for name in ROLES}
        return Options(stages={k: v for k, v in stages.items() if v is not None}, **given)


def run_options(command: _Command) -> _Command:
    """Add every option of `modeldebug run` to a command."""
    return _with_options(workers_option(command), plugins_option, "The run folder.  [default: runs/DATE-NAME]")


def inspection_options(command: _Command) -> _Command:
    """The same, with the defaults of `modeldebug inspect`."""
    return _with_options(command, _plugins_option(INSPECTING_PLUGINS), "The folder.  [default: runs/DATE-inspect]")


def comparison_options(command: _Command) -> _Command:
    """The same, with as many components as one likes of a role that can be compared."""
    out = "The folder; one that holds the same comparison is extended.  [default: runs/DATE-compare]"
    return _with_options(command, plugins_option, out, several=COMPARED)


def _with_options(
    command: _Command, plugins: Callable[[_Command], _Command], out: str, *, several: Sequence[str] = ()
) -> _Command:
    flags = [
        click.option(
            f"--{name.replace('_', '-')}",
            metavar="NAME[,SETTING=VALUE...]" if name in several else "NAME",
            multiple=name in several,
            help=f"A {called(name)} to compare; may be repeated."
            if name in several
            else f"The {called(name)}: a component, or MODULE:ATTRIBUTE.",
        )
        for name in ROLES
    ]
    options: list[Callable[[Any], Any]] = [
        plugins,
        click.option("--preset", metavar="NAME", help="A named choice of all components, with settings."),
        click.option(
            "--config", type=click.Path(path_type=Path), metavar="FILE", help="Read settings from a TOML file."
        ),
        *flags,
        click.option("--weights", metavar="FILE", help="Weights of the classifier: .safetensors, or a state dict."),
        click.option("--trust", is_flag=True, help="Read weights that may run code: only files that you made."),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="SECTION.NAME=VALUE",
            help="A setting, or budget=NAME, a scale of the preset; may be repeated.",
        ),
        click.option("--seed", type=int, help="Decides every random choice.  [default: 0]"),
        click.option(
            "--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where networks run.  [default: auto]"
        ),
        click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help=out),
        *output_options,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _plugins_option(default: tuple[str, ...]) -> Callable[[_Command], _Command]:
    told = f"Plugins to load ({', '.join(default)}); no:NAME blocks one."
    return click.option("--plugins", multiple=True, metavar="NAME,...", help=told)


plugins_option = _plugins_option(DEFAULT_PLUGINS)
workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes that do side by side what can be: --executor local --set executor.workers=N.",
)
output_options = (
    click.option("--quiet", is_flag=True, help="No progress: only warnings and the result."),
    click.option("--json", is_flag=True, help="JSON for programs instead of text for people."),
)


def split_names(values: Sequence[str]) -> tuple[str, ...]:
    """Names that were given one by one, or with commas between them."""
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def plugin_names(
    typed: Sequence[str], in_file: Any = None, *, default: tuple[str, ...] = DEFAULT_PLUGINS
) -> tuple[str, ...]:
    """The plugins to load: from the command line, else from the file, else the default ones.

    >>> plugin_names(["gan,no:labelers"])
    ('gan', 'no:labelers')
    >>> plugin_names(["no:labelers"])
    ('defuse', 'no:labelers')
    """
    names = split_names(typed)
    if not names and in_file is not None:
        listed = [in_file] if isinstance(in_file, str) else in_file
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise ConfigError("'plugins' in the configuration file is no list of names", got=repr(in_file))
        names = split_names(listed)
    if all(name.startswith("no:") for name in names):
        names = (*default, *names)
    return names


def configure(options: Options) -> tuple[Registry, RunConfig]:
    """The plugins and the configuration that the options ask for."""
    from ..config import resolve
    from ..registry import Registry

    names, layers, preset = asked_for(options)
    registry = Registry.load(names)
    return registry, resolve(registry, names, layers, preset=preset)


def asked_for(
    options: Options, *, default: tuple[str, ...] = DEFAULT_PLUGINS
) -> tuple[tuple[str, ...], list[Layer], str | None]:
    """Plugins, layers and preset, from the options and the configuration file."""
    from ..config import read_file, with_executors

    top: dict[str, Any] = {}
    layers = []
    if options.config is not None:
        layer, top = read_file(options.config)
        layers.append(layer)
    names = plugin_names(options.plugins, top.get("plugins"), default=default)
    if options.workers is not None:
        names = with_executors(names)
    return names, [*layers, *_flags(options)], options.preset or top.get("preset")


def _flags(options: Options) -> list[Layer]:
    """One layer for each option, so that every setting knows which it came from."""
    from ..config import Layer, parse_assignment, workers_layer
    from ..roles import flag

    layers = [Layer(flag(role), {role: {"use": name}}) for role, name in options.stages.items()]
    for name, section in (("seed", "run"), ("device", "run"), ("weights", "classifier")):
        value = getattr(options, name)
        if value is not None:
            layers.append(Layer(flag(name), {section: {name: value}}))
    if options.workers is not None:
        layers.append(workers_layer(options.workers, chosen="executor" in options.stages))
    return [*layers, *map(parse_assignment, options.assignments)]
