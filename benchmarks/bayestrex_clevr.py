"""The CLEVR results of Bayes-TrEx, on rendered scenes and small classifiers that count.

    python benchmarks/clevr_classifiers.py --out COUNTERS
    python benchmarks/bayestrex_clevr.py --counters COUNTERS [--workers 2] [--keep DIR] [--json FILE] [--parts ...]

For each question ("how many cubes?") there is a classifier: what `clevr_classifiers.py` has written to a folder, or
else one that the first inspection trains. The scenes are rendered once for all questions. Every part is an inspection
with the renderer as the generator and a random walk (`bayestrex:random-walk`):

- `confident`: five spheres, two blue spheres;
- `excluded`: one cube, one sphere, one cylinder and two cylinders where the scenes hold no object of the kind;
- `novel`: the same for one cube, one sphere, one cylinder and five cubes, with cones among the objects;
- `ambiguous`: torn between two numbers of cubes, which the paper did not find;
- `curve`: the confidence of five cubes among cones over the number of samples (figure 26), in independent chains;
- `removal`: from excluded and novel samples single objects are taken away (appendix K): does SmoothGrad point at the
  object without which the confidence falls most? The object that it points at is the one whose pixels, those that
  change when it is taken away, have the largest mean; or the largest sum; or the largest of all. Beside it stands the
  share by chance, 1 / objects.

What a sample shows is known: no oracle is asked. Confidences are means over all samples of a target, after warm-up.

`--keep` names a folder for the inspections: what is finished there is not done again. `--quick` is the same code on a
fraction of everything. It needs the extras `clevr` and, for `removal`, `explain`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from figures import lowest, publish, ratio, shown
from layers import Settings, assignment, merged
from modeldebug_clevr.objects import THERE, described, present, unpacked
from reference import models
from torch import Tensor

import modeldebug
from modeldebug import Classifier, Generator
from modeldebug.rng import isolated_global_rng
from modeldebug.stages.explain import smooth_grad
from modeldebug.words import rhat_said

QUESTIONS = ("cubes", "spheres", "cylinders", "blue spheres")
TOP = {"blue spheres": 3}  # of other questions the component's own
PAPER = {
    "confident": {"5 spheres": 0.943, "2 blue spheres": 0.892},
    "excluded": {"1 cube": 0.929, "1 sphere": 0.972, "1 cylinder": 0.843, "2 cylinders": 0.545},
    "novel": {"1 cube": 0.983, "1 cylinder": 0.959, "1 sphere": 0.969, "5 cubes": 0.921},
}
WITH_CONES = {"cubes": ("sphere", "cylinder", "cone"), "spheres": ("cube", "cylinder", "cone"),
              "cylinders": ("cube", "sphere", "cone")}  # fmt: skip
QUICK: Settings = {
    "dataset": {"train": 1200, "validation": 50, "test": 50, "size": 32},  # as few as have scenes of every class
    "classifier": {"epochs": 1},
    "generator": {"size": 32},
    "searcher": {"chains": 2, "warmup": 4, "samples": 3, "draws": 8, "parts": 1},
}
LOOKED_AT = 5  # samples of a target from which objects are taken away
CLOSE = 0.02  # of a pixel: what changes by more belongs to the object, or to its shadow


@dataclass(frozen=True)
class Row:
    """A target, and what became of it."""

    part: str
    name: str
    found: Any  # a Diagnosis

    @property
    def paper(self) -> float | None:
        return PAPER.get(self.part, {}).get(self.name)

    @property
    def confidence(self) -> float | None:
        return min(self.found.confidence, default=None)


class Inspections:
    """The inspections, each in a folder of its own; those of a question share its classifier."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.trunks: dict[str, Path] = {}
        self.seconds: dict[str, float] = {}  # of sampling, by inspection
        self.samples: dict[str, int] = {}

    def of(self, name: str, question: str, targets: list[str], **generator: Any) -> Any:
        """The inspection of a question, done or read back if it is finished."""
        args, out = self.args, self.folder / name
        asked = {"count": question, "top": TOP[question]} if question in TOP else {"count": question}
        walk = {"chains": args.chains, "warmup": args.warmup, "samples": args.samples, "draws": args.draws,
                "temperature": args.temperature, "parts": max(1, args.workers)}  # fmt: skip
        settings = merged(
            {"dataset": asked, "generator": {**asked, **generator}, "searcher": walk},
            {}
            if args.counters is None
            else {
                "classifier": {
                    "weights": str(args.counters / f"{question.replace(' ', '-')}.safetensors"),
                    "train": False,
                }
            },
            {"report": {"draws": 50, "tsne": 0, "maps": 0}, "run": {"seed": args.seed}},
            {"executor": {"use": "executors:local", "workers": args.workers}} if args.workers else {},
            QUICK if args.quick else {},
            *args.assignments,
        )
        if (out / "results.json").exists():
            found = modeldebug.open_inspection(out)
        else:
            found = modeldebug.inspect(
                targets=targets, preset="clevr", plugins=["clevr"], settings=settings, out=out,
                reuse=self.trunks.get(question),
            )  # fmt: skip
        self.trunks.setdefault(question, out)
        stages = found.results["seconds"]
        self.seconds[name] = sum(seconds for stage, seconds in stages.items() if stage.startswith("samples"))
        self.samples[name] = sum(target.samples for target in found.targets)
        return found

    def classifier(self, question: str) -> float:
        """Its accuracy on test scenes."""
        found = modeldebug.open_inspection(self.trunks[question])
        accuracy: float = found.figures("classifier")["accuracy"]["test"]
        return accuracy


def rows_of(part: str, names: list[str], found: Any) -> list[Row]:
    return [Row(part, name, target) for name, target in zip(names, found.targets, strict=True)]


def confident(inspections: Inspections) -> list[Row]:
    five = inspections.of("confident-spheres", "spheres", ["high-confidence:5"])
    two = inspections.of("confident-blue-spheres", "blue spheres", ["high-confidence:2"])
    return [*rows_of("confident", ["5 spheres"], five), *rows_of("confident", ["2 blue spheres"], two)]


def excluded(inspections: Inspections) -> list[Row]:
    asked = {"cubes": (1,), "spheres": (1,), "cylinders": (1, 2)}
    rows = []
    for question, numbers in asked.items():
        targets = [f"class-excluded:{n}" for n in numbers]
        found = inspections.of(f"excluded-{question}", question, targets)
        rows += rows_of("excluded", [named(n, question) for n in numbers], found)
    return rows


def novel(inspections: Inspections) -> list[Row]:
    asked = {"cubes": (1, 5), "spheres": (1,), "cylinders": (1,)}
    rows = []
    for question, numbers in asked.items():
        targets = [f"novel-class:{n}" for n in numbers]
        found = inspections.of(f"novel-{question}", question, targets, shapes=WITH_CONES[question])
        rows += rows_of("novel", [named(n, question) for n in numbers], found)
    return rows


def ambiguous(inspections: Inspections) -> list[Row]:
    pairs = [(0, 1), (1, 2), (2, 3)]
    found = inspections.of("ambiguous-cubes", "cubes", [f"ambiguous:{a},{b}" for a, b in pairs])
    return rows_of("ambiguous", [f"{a} or {b} cubes" for a, b in pairs], found)


def named(n: int, question: str) -> str:
    return f"{n} {question.removesuffix('s') if n == 1 else question}"


def shown_rows(rows: list[Row]) -> None:
    heading = f"{'':18}{'confidence':>12}{'spread':>8}{'paper':>8}{'R-hat':>9}{'ESS':>7}{'moved':>7}{'reached':>9}"
    print(f"\n{rows[0].part}\n{heading}")
    for row in rows:
        found = row.found
        mean = ", ".join(f"{p:.3f}" for p in found.confidence) or shown(None)
        spread = shown(max(found.spread, default=None), ".3f")
        numbers = f"{shown(row.paper, '.3f'):>8}{rhat_said(found.rhat):>9}{shown(found.ess, '.0f'):>7}"
        reached = "yes" if found.reached else "no"
        print(f"{row.name:18}{mean:>12}{spread:>8}{numbers}{shown(found.acceptance, '.2f'):>7}{reached:>9}")


def curve(inspections: Inspections) -> dict[str, Any]:
    """Mean confidence of five cubes among cones after so many samples, of every chain by itself."""
    found = inspections.of("novel-cubes", "cubes", ["novel-class:1", "novel-class:5"], shapes=WITH_CONES["cubes"])
    samples = found.samples(found.results["targets"][1]["described"])
    chains = [samples.probs[samples.chain == c, 5] for c in samples.chain.unique().tolist()]
    longest = min(len(chain) for chain in chains)
    points = []
    print(f"\ncurve: five cubes among cones, the mean of the first samples of each of {len(chains)} chains")
    for n in sorted({max(1, longest * i // 8) for i in range(1, 9)}):
        means = torch.stack([chain[:n].mean() for chain in chains])
        points.append(
            {"samples": n, "mean": float(means.mean()), "low": float(means.min()), "high": float(means.max())}
        )
        print(f"{n:6} samples {points[-1]['mean']:.3f}  ({points[-1]['low']:.3f} to {points[-1]['high']:.3f})")
    return {"curve": points}


def removal(inspections: Inspections) -> dict[str, Any]:
    """Whether SmoothGrad points at the object whose removal costs the answer most confidence."""
    folders = [f"{part}-{question}" for part in ("excluded", "novel") for question in WITH_CONES]
    looked: list[dict[str, Any]] = []
    for name in folders:
        if not (inspections.folder / name / "results.json").exists():
            continue
        found = modeldebug.open_inspection(inspections.folder / name)
        for target in found.results["targets"]:
            samples, answer = found.samples(target["described"]), int(target["target"].rpartition(":")[2])
            generator, classifier = models(found.path, {}, stage=target["generator"])
            of_chains = [(samples.chain == c).nonzero()[-1, 0] for c in samples.chain.unique().tolist()]
            for row in of_chains[:LOOKED_AT]:
                one = without_each(generator, classifier, samples.z[row], answer)
                if one["confidence"] >= 0.5:  # else there is no answer to explain
                    looked.append({"target": f"{name}: {target['described']}", **one})
    chance = [1 / one["objects"] for one in looked]
    drops = [one["confidence"] - one["left"] for one in looked]
    print("\nremoval: the object without which the confidence falls most")
    for one in looked:
        print(f"  {one['target']:40.40} {one['confidence']:.3f} -> {one['left']:.3f} without the {one['object']}"
              f"{'' if one['agrees']['mean'] else ': SmoothGrad points at the ' + one['pointed']}")  # fmt: skip

    def mean(values: list[Any]) -> float | None:
        return sum(values) / len(values) if values else None

    return {
        "saliency_agreement": mean([one["agrees"]["mean"] for one in looked]),
        **{f"saliency_agreement_{by}": mean([one["agrees"][by] for one in looked]) for by in ("sum", "peak")},
        "saliency_chance": mean(chance),
        "saliency_samples": len(looked),
        "removal_drop": mean(drops),
    }


def without_each(generator: Generator[Any], classifier: Classifier, z: Tensor, answer: int) -> dict[str, Any]:
    """The confidence in an answer without each single object of a scene, and where SmoothGrad points."""
    there = present(z[None])[0].nonzero()[:, 0]
    codes = z.repeat(1 + len(there), 1)
    for i, slot in enumerate(there.tolist(), start=1):
        unpacked(codes)[i, slot, THERE] = 0
    x = generator.decode(codes)
    sure = classifier.probs(x)[:, answer]
    with isolated_global_rng(0):
        saliency = smooth_grad(classifier, x[:1], torch.tensor([answer]))[0]
    changed = (x[1:] - x[0]).abs().amax(1) > CLOSE  # (objects, h, w)
    found = saliency * changed
    total, peak = found.sum((1, 2)), found.amax((1, 2))
    measures = {"mean": total / changed.sum((1, 2)).clamp_min(1), "sum": total, "peak": peak}
    pointed = {by: int(values.argmax()) for by, values in measures.items()}
    most = int(sure[1:].argmin())
    words = described(z[None])[0].split(", ")
    return {
        "confidence": float(sure[0]),
        "left": float(sure[1 + most]),
        "object": words[most],
        "pointed": words[pointed["mean"]],
        "agrees": {by: most == place for by, place in pointed.items()},
        "objects": len(there),
    }


PARTS: dict[str, Callable[[Inspections], list[Row]]] = {
    "confident": confident, "excluded": excluded, "novel": novel, "ambiguous": ambiguous
}  # fmt: skip
MORE: dict[str, Callable[[Inspections], dict[str, Any]]] = {"curve": curve, "removal": removal}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join([*PARTS, *MORE]))
    parser.add_argument("--counters", type=Path, help="the folder of the classifiers; they are trained if not given")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--workers", type=int, default=0, help="that chains are walked in (%(default)s: here)")
    parser.add_argument("--chains", type=int, default=8, help="of each target (%(default)s; the paper: 1)")
    parser.add_argument("--warmup", type=int, default=500, help="steps that are not kept (%(default)s)")
    parser.add_argument("--temperature", type=float, default=10.0, help="of predictions, at first (%(default)s)")
    parser.add_argument("--samples", type=int, default=250, help="of each chain (%(default)s; the paper: 500 or 1,500)")
    parser.add_argument("--draws", type=int, default=512, help="prior draws to start from (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="assignments", action="append", default=[], type=assignment)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    parts = args.parts.split(",")
    unknown = set(parts) - {*PARTS, *MORE}
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join([*PARTS, *MORE])}")
    with tempfile.TemporaryDirectory() as temporary:
        inspections, rows, more = Inspections(args, args.keep or Path(temporary)), [], {}
        began = time.monotonic()
        for name in parts:
            if name in PARTS:
                found = PARTS[name](inspections)
                shown_rows(found)
                rows += found
            else:
                more |= MORE[name](inspections)
        accuracies = {question: inspections.classifier(question) for question in inspections.trunks}
        for question, accuracy in accuracies.items():
            print(f"accuracy on test scenes: {question:16} {accuracy:.3f}")
        print(f"{time.monotonic() - began:.0f} s in all\n")
    figures = {
        **{f"{kind}_min": lowest(row.confidence for row in rows if row.part == part) for kind, part in (
            ("high_confidence", "confident"), ("class_excluded", "excluded"), ("novel_class", "novel"))},
        "ambiguous_reached": float(sum(row.found.reached for row in rows if row.part == "ambiguous")),
        "targets_reached": float(sum(row.found.reached for row in rows)),
        "targets": float(len(rows)),
        "seconds_per_sample": ratio(sum(inspections.seconds.values()), sum(inspections.samples.values())),
        **{name: value for name, value in more.items() if name != "curve"},
    }  # fmt: skip
    publish(figures, args, accuracies=accuracies, curve=more.get("curve"))


if __name__ == "__main__":
    main()
