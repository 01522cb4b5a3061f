"""What every component must do, of whatever kind."""

from __future__ import annotations

from pydantic import ValidationError

from ..component import KINDS
from ..external import CONTRACTS
from .listing import heavy_imports, offering
from .runner import NotApplicable, Subject, require, rule


@rule(
    *KINDS,
    says="the factory makes what the component's hook says: an instance of that contract's class",
    why="a run would stop in the middle, at the first method that is not there",
    do="derive the class from modeldebug's, name it in the factory as 'module:Class', and take settings and spec as the"
    " class does",
    first=True,
)
def factory_makes_its_kind(subject: Subject) -> None:
    made, contract = subject.make(), CONTRACTS[subject.kind]
    require(isinstance(made, contract), f"{type(made).__name__}, which is no {contract.__name__}")


@rule(
    *KINDS,
    says="settings that do not exist are refused",
    why="a misspelt setting would be ignored, and the run would not be what its user asked for",
    do="derive the settings from modeldebug.ComponentConfig, and leave `extra` as it is",
)
def unknown_settings_are_refused(subject: Subject) -> None:
    if subject.component is None:
        raise NotApplicable("a factory has no settings")
    try:
        subject.component.config.model_validate({**subject.settings, "no_such_setting": 1})
    except ValidationError as error:
        kinds = {e["type"] for e in error.errors()}
        require(kinds == {"extra_forbidden"}, f"the given settings are refused: {error}")
        return
    require(False, "'no_such_setting' was accepted")


@rule(
    *KINDS,
    says="a plugin's module, its hooks and its settings import neither torch nor anything as heavy",
    why="every command would wait for it, 'modeldebug --help' and 'plugins list' too",
    do="name the factory as text, like 'my_plugin.search:MySearch', and keep hooks and settings in a module that"
    " imports no torch",
)
def plugin_is_listed_without_torch(subject: Subject) -> None:
    entry = None if subject.component is None else offering(subject.component, subject.kind)
    if entry is None:
        raise NotApplicable("no installed plugin offers it")
    heavy = heavy_imports(entry.value)
    require(not heavy, f"{entry.value} imports {', '.join(heavy)}")
