"""From layers of settings to one resolved configuration, in which each setting knows where it came from. No torch.

Layers, later ones win: defaults, the preset, the configuration file, flags, `--set`. A layer that chooses another
component for a stage drops what earlier layers had set for the old one.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError

from .component import ComponentConfig, Kind
from .errors import ConfigError, nearest
from .registry import Registered, Registry, module_exists

Role = Literal["dataset", "classifier", "generator", "searcher", "clusterer", "labeler", "auditor", "corrector"]
ROLES: tuple[Role, ...] = get_args(Role)
_KIND_OF: dict[Role, Kind] = {"auditor": "labeler"}


def kind_of(role: Role) -> Kind:
    """The kind of component that serves in a role: the auditor is a labeler."""
    return _KIND_OF.get(role, role)  # type: ignore[arg-type]  # every other role is a kind


class RunSection(ComponentConfig):
    """The run as a whole."""

    seed: int = Field(0, ge=0, description="decides every random choice of the run")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where networks run")
    batch_size: int = Field(512, ge=1, le=1_000_000, description="images decoded and classified at a time")
    threads: int | None = Field(
        None,
        ge=1,
        description="processor threads; if unset, 1 for images of at most 16 x 16 pixels, else torch's own choice",
    )


class SearchSection(ComponentConfig):
    """What the core does with what a searcher finds."""

    origins: int | None = Field(
        None, ge=1, description="search from so many training images, drawn at random; all if unset"
    )
    max_failures: int = Field(50_000, ge=1, description="keep at most so many failures, drawn at random (AAAI 4.1)")


class GateSection(ComponentConfig):
    """When reconstructions are so poor that failures would be artefacts of the generator."""

    classifier: float = Field(
        0.8, ge=0, le=1, description="warn below this accuracy of the classifier on reconstructions"
    )
    oracle: float = Field(0.9, ge=0, le=1, description="warn below this accuracy of the oracle on reconstructions")


class AuditSection(ComponentConfig):
    """How single failures are judged."""

    agreement: float = Field(0.5, ge=0, lt=1, description="the winning answer needs more than this share of the votes")


class RegionsSection(ComponentConfig):
    """How clusters are labelled and become regions."""

    samples: int = Field(10, ge=1, description="samples of each cluster that are labelled (AAAI 4.1)")
    tau: float = Field(0.5, gt=0, description="the covariance is multiplied by it when a region is sampled")
    rho: float = Field(
        0.5, ge=0, lt=1, description="a region is kept when more of its labelled samples are misclassified"
    )
    agreement: float = Field(0.5, ge=0, lt=1, description="a sample's label needs more than this share of the votes")
    min_labelled: float = Field(
        0.5, ge=0, le=1, description="clusters with a label for a smaller share of their samples are 'unlabelled'"
    )
    min_purity: float = Field(
        0.8, ge=0, le=1, description="regions with a smaller share of one label are 'mixed': set aside"
    )


class CorrectionSection(ComponentConfig):
    """How the corrected classifier is chosen."""

    draws: int = Field(256, ge=1, description="samples of each region, drawn three times: finetuning, selection, test")
    rule: Literal["regions", "validation"] = Field(
        "regions",
        description="highest region accuracy within the tolerance, or (the paper) highest validation accuracy",
    )
    tolerance: float = Field(
        0.005,
        ge=0,
        le=1,
        description="rule 'regions': validation accuracy that may be lost, unless the control loses it too; and region "
        "accuracy that counts as equal",
    )


class ReportSection(ComponentConfig):
    """What the report shows."""

    samples: int = Field(12, ge=1, description="samples shown of each region")
    tsne: int = Field(600, ge=0, description="training codes and failures in the t-SNE picture, each; 0 for none")
    regions: int = Field(40, ge=1, description="at most so many regions as galleries, the largest first")


class CoreSettings(BaseModel):
    """The core's own sections of a run's configuration."""

    model_config = {"extra": "forbid", "frozen": True}

    run: RunSection = Field(default_factory=lambda: RunSection.model_validate({}))
    search: SearchSection = Field(default_factory=lambda: SearchSection.model_validate({}))
    gate: GateSection = Field(default_factory=lambda: GateSection.model_validate({}))
    audit: AuditSection = Field(default_factory=lambda: AuditSection.model_validate({}))
    regions: RegionsSection = Field(default_factory=lambda: RegionsSection.model_validate({}))
    correction: CorrectionSection = Field(default_factory=lambda: CorrectionSection.model_validate({}))
    report: ReportSection = Field(default_factory=lambda: ReportSection.model_validate({}))


SECTIONS = tuple(CoreSettings.model_fields)


@dataclass(frozen=True)
class Layer:
    """Settings from one place: `{"searcher": {"use": "beta-noise", "draws": 500}}`."""

    source: str
    settings: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Choice:
    """The component of one stage, with its settings."""

    role: Role
    registered: Registered
    config: ComponentConfig

    def to_dict(self) -> dict[str, Any]:
        return {"use": self.registered.name, **self.config.model_dump(mode="json")}


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run.

    Attributes:
        plugins: as they were asked for.
        preset: its name, or None.
        core: the core's own settings.
        choices: the component of each role; a role without one is not filled.
        sources: where each setting that is no default came from, by "section.name".
    """

    plugins: tuple[str, ...]
    preset: str | None
    core: CoreSettings
    choices: Mapping[Role, Choice]
    sources: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The resolved settings as JSON values, and nothing but them."""
        settings = self.core.model_dump(mode="json")
        return settings | {role: choice.to_dict() for role, choice in self.choices.items()}


def parse_assignment(text: str, *, source: str = "--set") -> Layer:
    """`searcher.draws=500` as a layer; the value is read as TOML, and as plain text where it is none.

    >>> parse_assignment("searcher.draws=500").settings
    {'searcher': {'draws': 500}}
    """
    path, equals, value = text.partition("=")
    section, dot, name = path.strip().partition(".")
    if not (equals and dot and section and name):
        raise ConfigError(f"{source} needs a section, a name and a value", got=text, expected="like searcher.draws=500")
    try:
        parsed: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    return Layer(source, {section: {name: parsed}})


def read_file(path: Path) -> tuple[Layer, dict[str, Any]]:
    """A run's TOML file: its settings as a layer, and the top-level keys `plugins` and `preset`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the configuration file cannot be read: {error.strerror}", got=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file is no TOML: {error}", got=path) from error
    top: dict[str, Any] = {k: content.pop(k) for k in ("plugins", "preset") if k in content}
    loose = [k for k, v in content.items() if not isinstance(v, dict)]
    if loose:
        raise ConfigError(
            f"'{loose[0]}' stands outside a section",
            got=path,
            expected=f"plugins and preset at the top, all else in a section: {', '.join((*SECTIONS, *ROLES))}",
        )
    return Layer(path.name, content), dict(top)


def resolve(
    registry: Registry, plugins: Sequence[str], layers: Sequence[Layer], *, preset: str | None = None
) -> RunConfig:
    """One configuration from all layers, checked.

    Raises:
        ConfigError: an unknown section, component or setting (with the nearest known one), a value out of range, a
            stage without a component, or a component that needs what no other provides.
    """
    chosen = _preset(registry, preset)
    if chosen is not None:
        layers = [Layer(f"preset {chosen.name}", chosen.settings), *layers]
    merged, sources = _merge(layers)
    core = _core({name: merged.get(name, {}) for name in SECTIONS})
    choices = {role: _choice(registry, role, merged[role]) for role in ROLES if role in merged}
    config = RunConfig(tuple(plugins), chosen.name if chosen else None, core, choices, sources)
    _check_complete(config, registry)
    return config


def _preset(registry: Registry, name: str | None) -> Any:
    presets = registry.presets
    if name is None:
        return next(iter(presets.values()), None)
    if not isinstance(name, str) or name not in presets:
        raise ConfigError(
            f"there is no preset '{name}'", expected=nearest(str(name), presets), fix="modeldebug plugins list"
        )
    return presets[name]


def _merge(layers: Sequence[Layer]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    merged: dict[str, dict[str, Any]] = {}
    sources: dict[str, str] = {}
    for layer in layers:
        for section, settings in layer.settings.items():
            if section not in (*SECTIONS, *ROLES):
                raise ConfigError(
                    f"there is no section '{section}'",
                    got=f"in {layer.source}",
                    expected=nearest(section, (*SECTIONS, *ROLES)),
                )
            if not isinstance(settings, Mapping):
                raise ConfigError(f"'{section}' is a section", got=repr(settings), expected="names and values")
            known = merged.setdefault(section, {})
            if "use" in settings and not _same_component(known.get("use"), settings["use"]):
                for name in known:
                    sources.pop(f"{section}.{name}", None)
                known.clear()
            known.update(settings)
            sources.update({f"{section}.{name}": layer.source for name in settings})
    return merged, sources


def _same_component(before: object, after: object) -> bool:
    """Whether two names mean one component: `beta-noise` is `defuse:beta-noise` (a clash of bare names is refused)."""
    names = [str(name) for name in (before, after) if name is not None]
    bare = [name.rpartition(":")[2] for name in names]
    return len(set(names)) == 1 or (len(set(bare)) == 1 and any(":" not in name for name in names))


def _core(sections: Mapping[str, Mapping[str, Any]]) -> CoreSettings:
    parsed = {}
    for name, settings in sections.items():
        section = CoreSettings.model_fields[name].annotation
        assert section is not None
        parsed[name] = validated(section, settings, where=name)  # type: ignore[arg-type]  # each is a section
    return CoreSettings(**parsed)


def _choice(registry: Registry, role: Role, settings: Mapping[str, Any]) -> Choice:
    use = settings.get("use")
    if not isinstance(use, str) or not use:
        raise ConfigError(
            f"no component is chosen for the {role}", got=f"settings {dict(settings)}", fix=f"add --{role} NAME"
        )
    registered = _find(registry, kind_of(role), use)
    own = {k: v for k, v in settings.items() if k != "use"}
    return Choice(role, registered, validated(registered.component.config, own, where=role, plugin=registered.name))


def _find(registry: Registry, kind: Kind, use: str) -> Registered:
    """The component behind a name: a loaded plugin's where it has it, else a module's attribute."""
    before, colon, _ = use.rpartition(":")
    if not colon or any(r.name == use for r in registry.components(kind)):
        return registry.find(kind, use)
    add_working_folder(Path.cwd())
    if not module_exists(before) and registry.knows_plugin(before):
        return registry.find(kind, use)
    from .external import component_from

    return component_from(registry, kind, use)


def add_working_folder(folder: Path) -> None:
    """Let `module:attribute` name modules of the working folder, as `python -m` does."""
    if str(folder) not in sys.path and not ("" in sys.path and folder == Path.cwd()):
        sys.path.insert(0, str(folder))


def validated(model: type[BaseModel], settings: Mapping[str, Any], *, where: str, plugin: str | None = None) -> Any:
    """Settings as a pydantic model; its complaints as one ConfigError that names the setting."""
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                f"there is no setting '{where}.{name}'",
                expected=nearest(name, model.model_fields),
                fix=f"'modeldebug plugins info {plugin}' explains its settings" if plugin else "modeldebug config show",
                plugin=plugin,
            ) from error
        if first["type"] == "missing":
            raise ConfigError(
                f"the setting '{where}.{name}' is missing",
                expected=model.model_fields[name].description,
                fix=f"--set {where}.{name}=...",
                plugin=plugin,
            ) from error
        raise ConfigError(
            f"the setting '{where}.{name}' is not usable",
            got=repr(first.get("input")),
            expected=first["msg"],
            plugin=plugin,
        ) from error


def _check_complete(config: RunConfig, registry: Registry) -> None:
    for role in ROLES:
        if role not in config.choices and role != "auditor":
            raise ConfigError(
                f"no component is chosen for the {role}",
                got=f"plugins {', '.join(config.plugins)}, preset {config.preset}",
                expected="one of: "
                + (", ".join(r.name for r in registry.components(kind_of(role))) or "none is loaded"),
                fix=f"add --{role} NAME, or load a plugin with a preset: --plugins defuse,...",
            )
    judges = [config.choices[role] for role in ("labeler", "auditor") if role in config.choices]
    if len(judges) == 2 and judges[0].to_dict() == judges[1].to_dict():
        raise ConfigError(
            "the auditor is the labeler again: it would confirm its own mistakes",
            got=f"{judges[0].registered.name} with the same settings in both roles",
            expected="another component, or other settings: another architecture, other augmentation",
            fix="for example --set auditor.architecture=residual",
        )
    provided = {p for choice in config.choices.values() for p in choice.registered.component.provides}
    for choice in config.choices.values():
        missing = choice.registered.component.requires - provided
        if missing:
            able = [
                r.name for role in ROLES for r in registry.components(kind_of(role)) if missing <= r.component.provides
            ]
            raise ConfigError(
                f"nothing in this run provides '{', '.join(sorted(missing))}', which the {choice.role} needs",
                got=", ".join(c.registered.name for c in config.choices.values()),
                expected=f"for example {', '.join(able)}" if able else None,
                fix=f"choose another {choice.role}, or a component that provides it",
                plugin=choice.registered.name,
            )
