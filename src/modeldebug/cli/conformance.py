"""`modeldebug plugins check`: the conformance kit on what a plugin offers, without pytest."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from ..errors import ConfigError
from .plugins import look_up

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..component import Component, Kind, Preset
    from ..testing import Outcome

BROKEN = 2  # the exit code: the plugin is what was given, and something is wrong with it


@click.command("check")
@click.argument("name")
@click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A setting of the component; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of text for people.")
def check_plugin(name: str, assignments: tuple[str, ...], as_json: bool) -> None:
    """Try what a plugin offers on problems with known answers: the conformance kit, without pytest.

    NAME is a plugin (defuse), a component or preset (beta-noise), both (defuse:beta-noise), or MODULE:ATTRIBUTE. The
    exit code is 2 where a rule is broken. What trains may take minutes with its own settings: --set epochs=5.
    """
    with redirect_stdout(sys.stderr):  # what a component prints
        offered = list(_offered(name))
        if assignments and (len(offered) > 1 or offered[0].kind == "preset"):
            raise ConfigError(
                "settings are for one component",
                got=f"{name}: {', '.join(f'{one.kind} {one.name}' for one in offered)}",
                fix="name the component: modeldebug plugins check PLUGIN:COMPONENT --set NAME=VALUE",
            )
        tried = [_tried(one, assignments, alone=len(offered) == 1) for one in offered]
    if as_json:
        click.echo(json.dumps({"checked": [one.to_dict() for one in tried]}, ensure_ascii=False, indent=1))
    else:
        _show(tried)
    if any(one.result == "fails" for one in tried):
        click.get_current_context().exit(BROKEN)


@dataclass(frozen=True)
class Offered:
    """A component, or a preset and the plugins that it belongs to."""

    kind: str
    name: str
    what: Component | Preset
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tried:
    """What came of each rule, or why none was tried."""

    kind: str
    name: str
    outcomes: Sequence[Outcome] = ()
    not_tried: str | None = None

    @property
    def result(self) -> str:
        if self.not_tried is not None:
            return "not tried"
        return "fails" if any(outcome.result == "fails" for outcome in self.outcomes) else "pass"

    def to_dict(self) -> dict[str, Any]:
        rules = [asdict(outcome) for outcome in self.outcomes]
        return {
            "kind": self.kind, "name": self.name, "result": self.result, "not_tried": self.not_tried, "rules": rules,
        }  # fmt: skip


def _offered(name: str) -> Iterator[Offered]:
    """What is behind a name."""
    from ..component import Component
    from ..config import add_working_folder
    from ..registry import installed

    module, colon, _ = name.rpartition(":")
    if colon and module not in installed():
        from ..testing.kinds import found_at

        add_working_folder(Path.cwd())
        kind, what = found_at(name)
        yield Offered(kind, name, what, () if isinstance(what, Component) else ("defuse",))
        return
    row, components, presets, _ = look_up(name)
    if not (components or presets):
        raise ConfigError(f"there is nothing to try: the plugin '{name}' offers no components and no presets")
    yield from (Offered(r.kind, r.name, r.component) for r in components)
    yield from (Offered("preset", preset.name, preset, (row.plugin,)) for preset in presets)


def _tried(one: Offered, assignments: Sequence[str], *, alone: bool) -> Tried:
    """Every rule. Of one among many, what cannot be tried as it stands is passed over."""
    try:
        return Tried(one.kind, one.name, list(_watched(_outcomes(one, assignments), f"{one.kind} {one.name}")))
    except ConfigError as error:
        if alone:
            raise
        return Tried(one.kind, one.name, not_tried=" ".join(str(error.what).split()))


def _outcomes(one: Offered, assignments: Sequence[str]) -> Iterator[Outcome]:
    from ..component import Preset
    from ..config import parse_assignment, validated
    from ..testing import outcomes, preset_outcomes

    if isinstance(one.what, Preset):
        return preset_outcomes(one.what, plugins=one.plugins)
    settings: dict[str, Any] = {}
    for text in assignments:
        layer = parse_assignment(f"{one.kind}.{text.removeprefix(f'{one.kind}.')}")
        settings |= layer.settings[one.kind]
    validated(one.what.config, settings, where=one.kind, plugin=one.name)
    return outcomes(cast("Kind", one.kind), one.what, settings)


def _watched(outcomes: Iterable[Outcome], what: str) -> Iterator[Outcome]:
    """The same; on a terminal a line says which rule was tried last."""
    if not sys.stderr.isatty():
        yield from outcomes
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        for outcome in outcomes:
            status.update(f"{what}: {outcome.check} {outcome.result}")
            yield outcome


def _show(tried: Sequence[Tried]) -> None:
    from .screen import draw, facts

    parts = [part for one in tried for part in _parts(one)]
    results = [outcome.result for one in tried for outcome in one.outcomes]
    kept, broken = (results.count(result) for result in ("pass", "fails"))
    draw(*parts, facts([("result", f"{kept} of {kept + broken} rules kept")]))


def _parts(one: Tried) -> Iterator[RenderableType]:
    """The rules in a table, then what is to be known of each that is broken."""
    from .screen import facts, table

    yield facts([(one.kind, one.name), *([("not tried", one.not_tried)] if one.not_tried is not None else [])])
    if one.outcomes:
        rows = [(f"  {o.check}", o.result + (f": {o.got}" if o.result == "says nothing" else "")) for o in one.outcomes]
        yield table(("  rule", "result"), rows, whole=(0,))
    for outcome in one.outcomes:
        if outcome.result == "fails":
            rows = [("rule", outcome.rule), ("got", outcome.got), ("why", outcome.why), ("do", outcome.do)]
            yield facts([("broken", outcome.check), *rows])
