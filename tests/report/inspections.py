"""Folders of inspections made by hand: samples as they are wished for, with the evidence that the stage gathers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from modeldebug import Classifier, ComponentConfig, Context, DataSpec, Generator, ImageSet, Splits, Target
from modeldebug.diagnostics import Samples, diagnose
from modeldebug.rng import isolated_global_rng, rng_for
from modeldebug.sections import CoreSettings
from modeldebug.stages.look import Shown, look
from modeldebug.store import RunStore, Saved
from modeldebug.targets import read_targets

SIGMA = 0.05


class Painter(Generator[ComponentConfig]):
    """Images of one shade in each channel."""

    @property
    def latent_size(self) -> int:
        return 3

    def _fit(self, data: ImageSet, context: Context) -> None:
        return None

    def _decode(self, z: Tensor, condition: Tensor | None) -> Tensor:
        c, h, w = self.spec.shape
        return z.sigmoid()[:, :1].repeat(1, c)[:, :, None, None].expand(-1, c, h, w).contiguous()

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        return None

    def to(self, device: torch.device) -> None:
        return None


@dataclass(frozen=True)
class Inspected:
    """What is to be in the folder of an inspection.

    Attributes:
        targets: as they are written.
        missed: targets, by their number, whose samples are far from what is wanted.
        empty: targets without a sample.
        report: settings of the report.
    """

    targets: tuple[str, ...] = ("ambiguous:0,1",)
    shape: tuple[int, int, int] = (1, 8, 8)
    classes: tuple[str, ...] = ("zero", "one", "two", "three")
    missed: tuple[int, ...] = ()
    empty: tuple[int, ...] = ()
    warning: str | None = None
    report: tuple[tuple[str, int], ...] = (("draws", 24), ("images", 6), ("tsne", 0))

    def store(self, path: Path) -> RunStore:
        """A finished inspection."""
        spec = DataSpec(self.shape, self.classes)
        targets = read_targets(self.targets, spec)
        core = CoreSettings.model_validate({"report": dict(self.report), "search": {"targets": list(self.targets)}})
        store = RunStore.create(path, _manifest(core))
        data = _data(spec)
        stages: dict[str, Saved] = {
            "data": Saved({}, {
                "shape": list(spec.shape), "classes": list(spec.classes), "sha256": "5ha256" * 8,
                "images": {part: len(data.train) for part in ("train", "validation", "test")},
            }),
            "classifier": Saved({}, {
                "trained": True, "output": "logits",
                "accuracy": {"train": 0.995, "validation": 0.98, "test": 0.965},
            }),
        }  # fmt: skip
        shown = []
        excluded = sorted({-1 if t.excluded is None else t.excluded for t in targets})
        for number in excluded:
            suffix = "" if number < 0 else f"-without-{number}"
            own = tuple(t for t in targets if (-1 if t.excluded is None else t.excluded) == number)
            samples = self._samples(own, targets)
            found = diagnose(samples, own, sigma=SIGMA, moves=_moves(len(own)))
            tensors = {f"samples/{name}": value for name, value in vars(samples).items() if value is not None}
            info = {"queries": 1234, "stopped": None, "targets": [asdict(d) for d in found]}
            stages[f"generator{suffix}"] = Saved({}, {"latent_size": 3, "warning": self.warning})
            stages[f"samples{suffix}"] = Saved(tensors, info)
            generator = Painter(ComponentConfig(), spec)
            shown.append(Shown(f"samples{suffix}", generator, own, samples))
        stages["evidence"] = look(data, data, _classifier(spec), shown, Context.quiet(0), settings=core.report)
        for name, saved in stages.items():
            store.save_stage(name, "key", saved, seconds=1.5)
        return store

    def _samples(self, own: Sequence[Target], targets: Sequence[Target]) -> Samples:
        """Four chains of 150 draws of each target, whose predictions are as wanted, up to a little noise."""
        parts = []
        for t, target in enumerate(own):
            number, n, k = targets.index(target), 600, len(self.classes)
            if number in self.empty:
                continue
            rng = rng_for(0, number)
            probs = _wanted(target, k, missed=number in self.missed).repeat(n, 1)
            probs = (probs + 0.01 * torch.randn(n, k, generator=rng)).clamp_min(1e-4)
            z = torch.randn(n, 3, generator=rng)
            whole = torch.full((n,), t)
            parts.append(Samples(z, probs / probs.sum(1, keepdim=True), whole, torch.arange(n) % 4))
        none = torch.empty(0, dtype=torch.int64)
        return Samples.concatenate([Samples(torch.empty(0, 3), torch.empty(0, len(self.classes)), none, none), *parts])


def _wanted(target: Target, k: int, *, missed: bool) -> Tensor:
    wanted = torch.full((k,), 1 / k)
    if not missed and target.kind != "uniform":
        wanted = torch.zeros(k)
        for c, share in zip(target.classes, target.wanted, strict=True):
            wanted[c] = share
    if missed and target.kind == "uniform":
        wanted = torch.eye(k)[0]
    return wanted


def _moves(targets: int) -> dict[str, Tensor]:
    return {"acceptance": torch.full((targets,), 0.81), "divergences": torch.full((targets,), 3)}


def _data(spec: DataSpec) -> Splits:
    n = 3 * spec.num_classes
    images = ImageSet(torch.rand(n, *spec.shape, generator=rng_for(0)), torch.arange(n) % spec.num_classes)
    return Splits(spec, images, images, images)


def _classifier(spec: DataSpec) -> Classifier:
    with isolated_global_rng(0):
        pixels = spec.shape[0] * spec.shape[1] * spec.shape[2]
        return Classifier(nn.Sequential(nn.Flatten(), nn.Linear(pixels, spec.num_classes)), spec)


def _manifest(core: CoreSettings) -> dict[str, Any]:
    config = {name: section.model_dump(mode="json") for name, section in core}
    config |= {
        "dataset": {"use": "datasets:arrays", "path": "data.npz"},
        "classifier": {"use": "classifiers:cnn", "weights": None, "train": True},
        "generator": {"use": "bayestrex:vae-fc", "latent": 3},
        "searcher": {"use": "bayestrex:smc", "particles": 64},
    }
    return {
        "kind": "inspection",
        "status": "done",
        "folder": "/where/it/was/started",
        "created": "2026-01-02T03:04:05+0000",
        "plugins": ["bayestrex"],
        "preset": "bayestrex",
        "budget": None,
        "advice": "",
        "reuse": None,
        "config": config,
        "sources": {"search.targets": "--target", "searcher.use": "preset bayestrex"},
        "versions": {"python": "3.11.0", "modeldebug": "0.1.0", "torch": "2.13.0"},
        "machine": {"system": "Linux", "processors": 2, "threads": 2},
        "batch_size": 512,
    }
