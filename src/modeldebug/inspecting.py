"""Inspections from Python: `inspect`, `open_inspection`, and the `Inspection` that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .batches import in_batches
from .completeness import pursues_targets
from .component import Settings
from .config import Layer, RunConfig, chosen_before, resolve
from .diagnostics import Diagnosis, Samples
from .errors import ConfigError, nearest
from .events import Listener
from .folders import Opened, given_layers, new_folder, plugin_list, restore_config, restored_layer, work_in
from .prepare import make
from .registry import Registry
from .roles import NONE
from .store import RunStore
from .targets import EXAMPLES
from .types import DataSpec

SAMPLER = "smc"  # the one that is taken where none is chosen
PLUGINS = ("bayestrex",)  # those that are loaded where none is named


class Inspection(Opened):
    """A finished or unfinished inspection, read from its folder.

    Attributes:
        path: its folder.

    Raises:
        RunFolderError: there is no inspection, or its manifest cannot be read.

    Example::

        inspection = modeldebug.inspect(model, dataset, targets="ambiguous:4,9")
        inspection.targets[0].reached, inspection.targets[0].confidence
        images = inspection.images("ambiguous:4,9")
    """

    def __init__(self, path: Path, objects: Mapping[str, object] | None = None) -> None:
        super().__init__("inspection", path, objects)

    @property
    def targets(self) -> tuple[Diagnosis, ...]:
        """What became of each target, those included that were not reached.

        Raises:
            RunFolderError: the inspection has not ended, or its files are damaged.
        """
        names = [field.name for field in fields(Diagnosis)]
        found: list[dict[str, Any]] = [
            {name: tuple(v) if isinstance(v := target[name], list) else v for name in names}
            for target in self.results["targets"]
        ]
        return tuple(Diagnosis(**values) for values in found)

    def samples(self, target: str) -> Samples:
        """The samples of a target, in the order of drawing.

        Args:
            target: as the results' `described`, with the names of classes, or else `Diagnosis.target`, with their
                numbers, has it.

        Raises:
            RunFolderError: the inspection has not ended, or its files are damaged.
            ConfigError: there is no such target.
        """
        return self._samples(target)[1]

    def images(self, target: str) -> Tensor:
        """The images (n, c, h, w) of these samples: the generator decodes them once more.

        Raises:
            RunFolderError: the inspection has not ended, or its files are damaged.
            ConfigError: there is no such target; or the inspection was started with objects, and they were not given
                to `resume`.
        """
        stage, samples = self._samples(target)
        data, learnt = self.figures("data"), self._store.load_stage(stage)
        _, config = restore_config(self._store, self._objects)
        spec = DataSpec(tuple(data["shape"]), tuple(learnt.info.get("data", data)["classes"]))
        model = make(config, "generator", spec)
        model.load_state_dict(learnt.tensors)
        batch_size = self._store.manifest["batch_size"]
        return in_batches(model.decode, batch_size, torch.device("cpu"), samples.z, samples.condition)

    def _samples(self, target: str) -> tuple[str, Samples]:
        """The stage of the generator whose samples they are, and the samples."""
        from .stages.search import load_samples

        every = self.results["targets"]
        found = next((t for key in ("described", "target") for t in every if t[key] == target), None)
        if found is None:
            raise ConfigError(
                f"the inspection has no target '{target}'", expected=nearest(target, [t["described"] for t in every])
            )
        stage = found["generator"]
        row = [t["target"] for t in every if t["generator"] == stage].index(found["target"])
        samples = load_samples(self._store.load_stage(stage.replace("generator", "samples")))
        return stage, samples.subset(samples.target == row)

    def _stages(self) -> Sequence[str]:
        return list(self._store.manifest["stages"])

    def _render(self) -> str:
        from .report.inspection import render_inspection

        return render_inspection(self._store)


def inspect(
    model: object = None,
    dataset: object = None,
    *,
    run: str | Path | None = None,
    targets: str | Sequence[str] = (),
    plugins: str | Sequence[str] = PLUGINS,
    preset: str | None = None,
    budget: str | None = None,
    settings: Settings | None = None,
    out: str | Path | None = None,
    reuse: str | Path | None = None,
    trust: bool = False,
    listeners: Sequence[Listener] = (),
) -> Inspection:
    """Sample inputs for which a classifier gives the probabilities that one asks for (Bayes-TrEx).

    Args:
        model, dataset: as in `run`; given again where `run` was started with objects.
        run: a run folder, whose data, classifier and generator are inspected.
        targets: "ambiguous:4,9", "high-confidence:3", "graded:8=.6,9=.4", "uniform", "class-excluded:1",
            "novel-class:3"; a kind alone means all classes, or all pairs.
        plugins: what to load, those of `run` besides.
        preset: the named choice of components; the first plugin's if None. Not together with `run`.
        budget, settings, trust, listeners: as in `run`.
        out: the folder; `runs/DATE-inspect` if None.
        reuse: another folder; its stages that would be the same are taken over; those of `run` if None.

    Raises:
        ModelDebugError: bad input, or a component that fails.

    Example::

        inspection = modeldebug.inspect(run="runs/first", targets=["ambiguous", "class-excluded:1"])
        print([target.target for target in inspection.targets if not target.reached])
    """
    base = None if run is None else RunStore.open(Path(run))
    registry, names = load_plugins(plugin_list(plugins), base)
    layers, objects = given_layers(registry, model, dataset)
    layers.append(Layer("Python", settings or {}, budget))
    named = [targets] if isinstance(targets, str) else list(targets)
    config = inspection_config(registry, names, layers, preset=preset, base=base, objects=objects, targets=named)
    with new_folder(config, out, reuse=reuse or run, kind="inspection") as store:
        work_in(store, registry, config, trust=trust, listeners=listeners)
    return Inspection(store.path, objects)


def open_inspection(path: str | Path) -> Inspection:
    """The folder of an inspection, to be looked at.

    Raises:
        RunFolderError: there is no inspection, but perhaps a run, or its manifest cannot be read.

    >>> open_inspection("no/such/folder")
    Traceback (most recent call last):
    modeldebug.errors.RunFolderError: ...
    """
    return Inspection(Path(path))


def load_plugins(names: Sequence[str], base: RunStore | None) -> tuple[Registry, list[str]]:
    """The plugins of the folder that is inspected, if there is one, and further ones; and all their names."""
    own: list[str] = [] if base is None else base.manifest["plugins"]
    together = list(dict.fromkeys([*own, *names]))
    return Registry.load(together), together


def inspection_config(
    registry: Registry,
    plugins: Sequence[str],
    layers: Sequence[Layer],
    *,
    preset: str | None = None,
    base: RunStore | None = None,
    objects: Mapping[str, object] | None = None,
    targets: Sequence[str] = (),
) -> RunConfig:
    """The configuration of an inspection: that of a run without its guide, with a sampler, and with targets.

    Args:
        base: the folder of the run or inspection whose data, classifier and generator are inspected.
        targets: further layers may name some, too; the last ones count.

    Raises:
        ConfigError: as `config.resolve`; or no target is named, no sampler is loaded, or a guide is chosen.
    """
    before, pursued = [], []
    if base is not None:
        restored = restored_layer(base, objects or {}, go_on="inspect")
        if preset is not None:
            raise ConfigError(
                "a run that is inspected has its preset already", got=f"preset {preset}", fix="leave the preset out"
            )
        preset, pursued = base.manifest["preset"], restored.settings["search"].get("targets", [])
        kept = {name: value for name, value in restored.settings["search"].items() if name != "targets"}
        before = [Layer(restored.source, {**restored.settings, "search": kept}, restored.budget)]
    own: dict[str, dict[str, Any]] = {"guide": {"use": NONE}}
    searcher = chosen_before(registry, "searcher", before, preset=preset)
    if searcher is None or not pursues_targets(searcher):
        own["searcher"] = {"use": _sampler(registry, plugins)}
    named = [Layer("--target", {"search": {"targets": list(targets)}})] if targets else []
    config = resolve(registry, plugins, [*before, Layer("inspect", own), *layers, *named], preset=preset)
    if "guide" in config.choices:
        raise ConfigError(
            "an inspection asks no guide", got=f"guide {config.choices['guide'].registered.name}", fix="--guide none"
        )
    if not config.core.search.targets:
        raise ConfigError(
            "no target is named: what should the classifier answer?",
            got=f"none, and {', '.join(pursued)} of the folder that is inspected count for it alone"
            if pursued
            else None,
            expected="one or more of " + ", ".join(v for k, v in EXAMPLES.items() if k != "misclassified"),
            fix="--target ambiguous:4,9, or --matrix ambiguous for all pairs of classes",
        )
    return config


def _sampler(registry: Registry, plugins: Sequence[str]) -> str:
    """The searcher that pursues targets where none of these was chosen."""
    able = [r for r in registry.components("searcher") if pursues_targets(r)]
    if not able:
        raise ConfigError(
            "no loaded plugin has a sampler",
            got=f"plugins {', '.join(plugins)}",
            expected="a searcher that pursues targets",
            fix=f"--plugins {','.join([*plugins, *PLUGINS])}",
        )
    return next((r for r in able if r.component.name == SAMPLER), able[0]).name
