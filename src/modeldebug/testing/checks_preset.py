"""What a preset must do: resolve, in each of its budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..component import Preset, Settings
from ..config import Layer, merge, preset_layers, resolve
from ..errors import InputError
from ..hookspecs import hookimpl
from ..registry import Registry, Source
from ..roles import OPTIONAL, ROLES
from .outcome import Outcome, tried
from .runner import Check, require

FILLING, SMALL = "defuse", "tiny"  # the plugin and its preset that fill the stages that a preset leaves open
_NAME = "preset-under-test"  # so that no plugin's preset of the same name goes before it


@dataclass(frozen=True)
class PresetSubject:
    """The preset under test, and the plugins that bring its components."""

    preset: Preset
    plugins: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.preset.name


def every_budget_resolves(subject: PresetSubject) -> None:
    preset = replace(subject.preset, name=_NAME)
    registry = Registry.load(list(dict.fromkeys([*subject.plugins, FILLING])))
    registry.register(_Offer(preset), Source(_NAME, "the kit", "0"))
    small = next(p.settings for p in registry.presets_of(FILLING) if p.name == SMALL)
    for budget in preset.budgets or (None,):
        try:
            chosen, _ = merge(preset_layers(preset, budget))
            filled: Settings = {role: small[role] for role in ROLES if role not in chosen and role not in OPTIONAL}
            resolve(registry, subject.plugins, [Layer("the kit", filled, budget)], preset=_NAME)
        except InputError as error:
            require(False, f"{error.what}{_more(error)}" + ("" if budget is None else f", in the budget {budget}"))


class _Offer:
    """A plugin that offers one preset."""

    def __init__(self, preset: Preset) -> None:
        self._preset = preset

    @hookimpl
    def modeldebug_presets(self) -> list[Preset]:
        return [self._preset]


def _more(error: InputError) -> str:
    rows = [text for text in (error.got, error.expected) if text is not None]
    return f" ({'; '.join(' '.join(str(text).split()) for text in rows)})" if rows else ""


PRESET_CHECKS = (
    Check(
        "every_budget_resolves",
        says="in every budget of a preset, sections, components and settings exist, and fit each other",
        why="a run would be refused before it begins",
        do="compare with 'modeldebug plugins info tiny', and name the plugins that bring the components in"
        " requires_plugins",
        function=every_budget_resolves,
    ),
)


def check_preset(preset: Preset, *, plugins: Sequence[str] = (FILLING,)) -> None:
    """Resolve each budget of a preset; the first that fails raises `CheckFailed`. Stages that a preset leaves open are
    filled from Defuse's preset `tiny`.

    Args:
        plugins: those that bring the preset's components.
    """
    for check in PRESET_CHECKS:
        check.run(PresetSubject(preset, tuple(plugins)))


def preset_outcomes(preset: Preset, *, plugins: Sequence[str] = (FILLING,)) -> Iterator[Outcome]:
    """Try every rule of a preset, as `outcomes` does with a component's."""
    return tried(PRESET_CHECKS, PresetSubject(preset, tuple(plugins)))
