"""The runs of a comparison: trunks that entrants share, and a cell for each entrant with each seed. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product
from typing import Any

from ..component import Settings
from ..config import Layer, RunConfig, chosen_before, merge, resolve
from ..errors import ConfigError
from ..registry import Registry
from ..roles import NONE
from .entrants import Budget, Compared, Entrant, check_entrants

UNTIL: Mapping[Compared, str] = {
    "generator": "audit", "searcher": "audit", "clusterer": "regions", "labeler": "regions", "corrector": "correction"
}  # fmt: skip
SHARED: Mapping[Compared, str] = {"clusterer": "audit", "labeler": "audit", "corrector": "regions"}
"""What the entrants of a role share with each seed, where that is more than data, models and origins."""


@dataclass(frozen=True, eq=False)
class Job:
    """One run of a comparison.

    Attributes:
        folder: in the comparison's folder.
        config: what it does.
        until: its last stage.
        reuse: the folder of the run whose stages it takes over.
        entrant: the name of the entrant whose cell it is; None for a trunk.
        seed: of the cell.
    """

    folder: str
    config: RunConfig
    until: str
    reuse: str | None = None
    entrant: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Request:
    """What is to be compared, as it was asked for; from it alone a comparison goes on.

    Attributes:
        plugins: to load.
        preset: its name; the first plugin's if None.
        layers: settings that all entrants share, later ones winning.
        role: what is compared.
        entrants: in the order of the rows.
        seeds: numbers of the repeats.
        budget: what each search may spend.
        retrain: whether a seed decides everything, the models that are trained too, or the search and what follows it.
        baseline: the name of the entrant that the others are held against, if there is one.
        until: the last stage of each cell; that which the role needs if None.
    """

    plugins: tuple[str, ...]
    preset: str | None
    layers: tuple[Layer, ...]
    role: Compared
    entrants: tuple[Entrant, ...]
    seeds: tuple[int, ...]
    budget: Budget
    retrain: bool = False
    baseline: str | None = None
    until: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return json.loads(json.dumps(asdict(self), default=dict))  # type: ignore[no-any-return]  # mappings as objects

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> Request:
        """What `to_dict` gave."""
        return Request(
            plugins=tuple(stored["plugins"]),
            preset=stored["preset"],
            layers=tuple(Layer(**layer) for layer in stored["layers"]),
            role=stored["role"],
            entrants=tuple(Entrant(**entrant) for entrant in stored["entrants"]),
            seeds=tuple(stored["seeds"]),
            budget=Budget(**stored["budget"]),
            retrain=stored["retrain"],
            baseline=stored["baseline"],
            until=stored["until"],
        )

    def extended(self, other: Request) -> Request:
        """The same with the entrants and seeds of another request, too, and with the plugins that these need.

        Raises:
            ConfigError: they differ in something else, so that their cells could not stand side by side.
        """
        ours, theirs = self._shared(), other._shared()
        differing = next((name for name in ours | theirs if ours.get(name) != theirs.get(name)), None)
        if differing is not None:
            raise ConfigError(
                "the folder holds another comparison, whose cells cannot stand beside these",
                got=f"{differing} {theirs.get(differing)}",
                expected=f"{differing} {ours.get(differing)}, as it has; only entrants and seeds may be added",
                fix="give the same again, or another --out",
            )
        entrants = [*self.entrants, *(entrant for entrant in other.entrants if entrant not in self.entrants)]
        entrants.sort(key=lambda entrant: entrant.name == self.baseline)  # which is the last row
        return replace(
            self,
            layers=(*_of_executor(self.layers, False), *_of_executor(other.layers, True)),
            plugins=tuple(dict.fromkeys((*self.plugins, *other.plugins))),
            entrants=tuple(entrants),
            seeds=tuple(sorted({*self.seeds, *other.seeds})),
        )

    def _shared(self) -> dict[str, Any]:
        """What is the same for all cells, by name."""
        own = self.to_dict()
        merged, _ = merge([Layer(**layer) for layer in own["layers"]])
        scales = [layer["budget"] for layer in own["layers"] if layer["budget"] is not None]
        return {
            **{name: own[name] for name in ("role", "preset", "budget", "baseline", "retrain")},
            **{f"{s}.{name}": v for s, given in merged.items() if s != "executor" for name, v in given.items()},
            "budget of the preset": scales[-1] if scales else None,
        }


def _of_executor(layers: Sequence[Layer], chosen: bool) -> list[Layer]:
    """The layers without their choice of an executor, or that alone: who does the runs is said anew each time."""
    parts = [
        (layer, {name: given for name, given in layer.settings.items() if (name == "executor") == chosen})
        for layer in layers
    ]
    return [replace(layer, settings=settings) for layer, settings in parts if settings or not chosen]


@dataclass(frozen=True, eq=False)
class Plan:
    """The runs of a comparison.

    Attributes:
        request: what they are for.
        rounds: jobs; those of a round need the ones before it, and nothing of each other.
        base: the configuration of what all entrants share.
    """

    request: Request
    rounds: tuple[tuple[Job, ...], ...]
    base: RunConfig

    @property
    def cells(self) -> tuple[Job, ...]:
        """The jobs that are compared."""
        return self.rounds[-1]


def make_plan(registry: Registry, request: Request) -> Plan:
    """Resolve the configuration of every run, so that whatever is wrong is found before anything is spent.

    Raises:
        ConfigError: as `resolve`; nothing to compare; or nobody to judge it.
    """
    role, seeds, entrants = request.role, request.seeds, request.entrants
    check_entrants(role, entrants)
    configs = {(e.slug, seed): _configured(registry, request, e, seed) for e in entrants for seed in seeds}
    _check_different([(entrant, configs[entrant.slug, seeds[0]]) for entrant in entrants])
    trunk = {seed: _trunk_of([configs[e.slug, seed] for e in entrants]) for seed in seeds}
    _check_judged(trunk[seeds[0]])
    shared = {seed: trunk_of_all(request, seed) for seed in seeds}
    own = {(e.slug, seed): f"trunks/{e.slug}-{_of_seed(seed, request)}" for e, seed in product(entrants, seeds)}
    first = {shared[seed]: Job(shared[seed], trunk[seed], _common(role, trunk[seed])) for seed in reversed(seeds)}
    second: dict[str, Job] = {}
    if role in SHARED:
        for seed in seeds:
            folder = f"trunks/seed-{seed}-{SHARED[role]}"
            own |= {(e.slug, seed): folder for e in entrants}
            second[folder] = Job(folder, trunk[seed], SHARED[role], shared[seed])
    else:
        for entrant, seed in product(entrants, reversed(seeds)):
            if set(entrant.settings) != {"searcher"}:  # something that is done before the search is its own
                folder = own[entrant.slug, seed]
                second[folder] = Job(folder, configs[entrant.slug, seed], "origins", shared[seed])
    cells = []
    for entrant, seed in product(entrants, seeds):
        folder = own[entrant.slug, seed]
        reuse = folder if folder in second else shared[seed]
        config = configs[entrant.slug, seed]
        cells.append(
            Job(f"cells/{entrant.slug}/seed-{seed}", config, request.until or UNTIL[role], reuse, entrant.name, seed)
        )
    rounds = tuple(tuple(jobs) for jobs in (first.values(), second.values(), cells) if jobs)
    return Plan(request, rounds, trunk[seeds[0]])


def trunk_of_all(request: Request, seed: int) -> str:
    """The folder of the run whose stages all entrants share."""
    return f"trunks/{_of_seed(seed, request)}"


def _configured(registry: Registry, request: Request, entrant: Entrant, seed: int) -> RunConfig:
    layers = [*request.layers, Layer("--budget", request.budget.settings), Layer(entrant.name, entrant.settings)]
    layers += _without_guide(registry, request, entrant, layers)
    try:
        base = resolve(registry, request.plugins, layers, preset=request.preset)
    except ConfigError as error:
        if entrant.name == request.baseline:  # which nobody may have asked for
            error.fix = f"compare with another searcher or none (--baseline NAME, or none); or {error.fix}"
        raise
    repeated: Settings = {"search": {"repeat": seed}}
    if request.retrain:
        repeated = {"run": {"seed": base.core.run.seed + seed}}
    config = resolve(registry, request.plugins, [*layers, Layer("--seeds", repeated)], preset=request.preset)
    choices = dict(config.choices)
    choices.pop("executor", None)  # it does runs side by side; within a run there is no other
    return replace(config, choices=choices)


def _without_guide(registry: Registry, request: Request, entrant: Entrant, layers: Sequence[Layer]) -> list[Layer]:
    """Of searchers that are compared, some ask a guide and others do not: one that is chosen for all is left out for
    those who would ask it nothing."""
    shared, _ = merge(request.layers)
    if request.role != "searcher" or "guide" in entrant.settings or "guide" not in shared:
        return []
    searcher = chosen_before(registry, "searcher", layers, preset=request.preset)
    if searcher is None or "guide" in searcher.component.requires | searcher.component.optional:
        return []
    return [Layer(entrant.name, {"guide": {"use": NONE}})]


def _of_seed(seed: int, request: Request) -> str:
    return f"seed-{seed}" if request.retrain else "shared"


def _trunk_of(configs: Sequence[RunConfig]) -> RunConfig:
    """The configuration that has everything that any of the others has: one with a guide, where some have one."""
    return next((config for config in configs if "guide" in config.choices), configs[0])


def _common(role: Compared, config: RunConfig) -> str:
    """The last stage that all entrants have in common whatever the seed of the search."""
    if role != "generator":
        return "origins"
    return next(stage for stage in ("auditor_3", "auditor_2", "auditor", "labeler") if stage in config.choices)


def _check_different(configs: Sequence[tuple[Entrant, RunConfig]]) -> None:
    for (one, first), (other, second) in combinations(configs, 2):
        if first.to_dict() == second.to_dict():
            raise ConfigError(
                f"two entrants are the same, '{one.name}' and '{other.name}'",
                got="equal components and settings",
                fix="give one of them other settings, or leave it out",
            )


def _check_judged(config: RunConfig) -> None:
    if "auditor" not in config.choices:
        raise ConfigError(
            "nobody would judge what is found: the comparison has no auditor",
            got=f"preset {config.preset}, auditor none",
            expected="an auditor, which no entrant sees",
            fix="--auditor NAME (modeldebug plugins list)",
        )
