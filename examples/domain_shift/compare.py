"""Is a classifier that was adapted to another domain better there, and is it right where it is sure?

A LeNet learns one domain, and its encoder is adapted to images of another by ADDA (Tzeng et al. 2017). Then
modeldebug.inspect samples images of the second domain that either model is sure of, from a generator that learnt that
domain, and an auditor that learnt further images of it says how many of them each model is right about. Bayes-TrEx
(section 4.8) found the adapted model better on test images and worse on these.

    python examples/domain_shift/compare.py --quick               seconds, too few of all for the numbers to mean much
    python examples/domain_shift/compare.py                       MNIST to scikit-learn's digits: some minutes
    python examples/domain_shift/compare.py --pair fashion-shifted --shift rotated:40
    python examples/domain_shift/compare.py --pair svhn-mnist     the paper's pair

The data are downloaded, or read below --root. --quick needs neither: scikit-learn's digits, upright and turned.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from adda import LeNet, adapted, trained
from confident import SURE, Accuracy, Auditor, Judged, Rate, answers, auditor, judged, sampled
from domains import PAIRS, Domains, make

from modeldebug import ImageSet
from modeldebug.rng import derive_seed


@dataclass(frozen=True)
class Scale:
    """How much of everything. Passes are images seen in training, so that small data sets take as long as large ones.

    Attributes:
        images: at most so many of each part of the data.
        source, judge, generator: passes of the LeNet, of each member of the auditor, and of the generator.
        steps: of ADDA.
        populations, particles, pool, moves, stages: of the sampler, for each class.
    """

    images: int = 10_000
    source: int = 20_000
    steps: int = 600
    judge: int = 20_000
    members: int = 3
    generator: int = 100_000
    populations: int = 8
    particles: int = 16
    pool: int = 8192
    moves: int = 3
    stages: int = 30


QUICK = Scale(
    images=400, source=6000, steps=30, judge=6000, members=1, generator=40_000, populations=3, particles=8, pool=256,
    moves=1, stages=8,
)  # fmt: skip
SAMPLER = ("populations", "particles", "pool", "moves", "stages")
TITLES = {"test": "test images", "test_sure": "  those it is sure of", "samples": "confident samples"}
COUNTS: dict[str, Callable[[Judged], int]] = {
    "samples judged": lambda found: int((found.right + found.wrong).sum()),
    "not judged": lambda found: int(found.abstained.sum()),
    "less than sure": lambda found: int(found.doubtful.sum()),
    "classes reached": lambda found: found.reached,
}
ERROR_RATES = {"fashion": 0.05}  # of the auditor's answers that may be wrong, by the source; else
ERROR_RATE = 0.02


@dataclass(frozen=True, eq=False)
class Measured:
    """Of one model.

    Attributes:
        right: (n,) bool, of each of the target's test images.
        sure: (n,) bool, whether it is confident of its answer to it.
        judged: its confident samples.
        accuracy: of these.
    """

    right: torch.Tensor
    sure: torch.Tensor
    judged: Judged
    accuracy: Accuracy

    @staticmethod
    def of(model: LeNet, test: ImageSet, verdicts: Judged, *, seed: int) -> Measured:
        confidence, right = answers(model, test)
        return Measured(right, confidence >= SURE, verdicts, Accuracy.of(verdicts, seed=seed))

    def rates(self) -> dict[str, Rate]:
        """How often it is right: about test images, those of them that it is sure of, and confident samples."""
        return {
            "test": Rate.of(int(self.right.sum()), len(self.right)),
            "test_sure": Rate.of(int(self.right[self.sure].sum()), int(self.sure.sum())),
            "samples": self.accuracy.mean(self.accuracy.classes()),
        }

    def of_class(self, c: int) -> Rate:
        """The same, of confident samples of a class."""
        return self.accuracy.mean(torch.tensor([c] if c in self.accuracy.classes() else [], dtype=torch.int64))

    def share_sure(self) -> Rate:
        """Of how many test images it is sure."""
        return Rate.of(int(self.sure.sum()), len(self.sure))

    def sure_wrong(self) -> Rate:
        """About how many test images it is sure and wrong."""
        return Rate.of(int((self.sure & ~self.right).sum()), len(self.sure))

    def figures(self) -> dict[str, Any]:
        found = self.judged
        return {
            **{name: asdict(rate) for name, rate in self.rates().items()},
            "share_sure": asdict(self.share_sure()),
            "sure_wrong": asdict(self.sure_wrong()),
            "classes": [asdict(self.of_class(c)) for c in range(found.right.shape[1])],
            "right": found.right.tolist(),
            "wrong": found.wrong.tolist(),
            "abstained": found.abstained.tolist(),
            "doubtful": found.doubtful.tolist(),
            "reached": found.reached,
        }


def compare(pair: str, shift: str, *, root: Path | None, seed: int, scale: Scale, generator: str, out: Path) -> Any:
    """Both models of one seed: the domains, the auditor, and what was measured of the baseline and the adapted one."""
    domains = make(pair, root=root, shift=shift, images=scale.images, seed=seed)
    spec = domains.labelled.spec
    base = trained(domains.source, spec.num_classes, epochs=_epochs(scale.source, domains.source), seed=seed)
    after = adapted(base, domains.source.images, domains.target.images, steps=scale.steps, seed=seed)
    train = domains.labelled.train
    members = {"members": scale.members, "epochs": _epochs(scale.judge, train), "stem": 1, "width": 12}
    error_rate = ERROR_RATES.get(pair.partition("-")[0], ERROR_RATE)
    judge = auditor(domains.labelled, settings=members, error_rate=error_rate, seed=derive_seed(seed, "auditor"))
    settings = _settings(scale, generator, domains, seed)
    found, reuse = {}, None
    for name, model in (("baseline", base), ("adapted", after)):
        inspection = sampled(model, domains, settings=settings, out=out / name, reuse=reuse)
        verdicts = judged(inspection, judge)
        found[name] = Measured.of(model, domains.labelled.test, verdicts, seed=derive_seed(seed, name))
        reuse = out / name
    return domains, judge, found


def _epochs(passes: int, data: ImageSet) -> int:
    return max(1, round(passes / len(data)))


def _settings(scale: Scale, generator: str, domains: Domains, seed: int) -> dict[str, Any]:
    """Of the inspections: both models are looked at with the same generator and the same sampler."""
    learning = {"use": generator, "epochs": _epochs(scale.generator, domains.target), "batch_size": 64}
    own = {"beta": 1.0, "learning_rate": 1e-3} if generator.endswith("vae-fc") else {"channels": 64}
    return {
        "generator": learning | own,
        "searcher": {name: getattr(scale, name) for name in SAMPLER},
        "report": {"tsne": 0, "maps": 0, "draws": 100, "images": 10, "galleries": 10},
        "run": {"seed": seed, "batch_size": 128},
    }


def show(domains: Domains, judge: Auditor, found: Mapping[str, Measured]) -> None:
    """The table, and what it says."""
    base, after = found["baseline"], found["adapted"]
    print(f"{domains.title}: {len(domains.source):,} and {len(domains.target):,} training images")
    print(f"auditor: right about {judge.accuracy} of the test images")
    print(f"that it answers, and abstains on {judge.abstained:.1%}; brackets hold intervals of 95 %\n")
    print(f"{'right about':24}{'baseline':27}adapted")
    for name, title in TITLES.items():
        print(f"{title:24}{base.rates()[name]!s:27}{after.rates()[name]}")
    for c, name in enumerate(domains.labelled.spec.classes):
        print(f"{'  of ' + name:24}{base.of_class(c)!s:27}{after.of_class(c)}")
    print(f"\n{'sure of test images':24}{base.share_sure()!s:27}{after.share_sure()}")
    print(f"{'  and wrong':24}{base.sure_wrong()!s:27}{after.sure_wrong()}")
    for title, counts in COUNTS.items():
        print(f"{title:24}{counts(base.judged):<27,}{counts(after.judged):,}")
    test, samples = gains(base, after)
    print(f"\nadapted less baseline   {test} on test images,")
    print(f"{samples} on confident samples of classes that both have")
    print(answer(base, after))


def gains(base: Measured, after: Measured) -> tuple[Rate, Rate]:
    """By how much the adapted model is right more often: about the same test images, and about confident samples of the
    classes that both models have some of."""
    more = after.right.double() - base.right.double()
    mean, half = float(more.mean()), 1.96 * float(more.std()) / len(more) ** 0.5
    return Rate(mean, mean - half, mean + half), after.accuracy.less(base.accuracy)


def answer(base: Measured, after: Measured) -> str:
    """The paper's question, answered."""
    test, samples = map(_word, gains(base, after))
    return f"Adapted, it is {test} on test images,\nand {samples} where it is confident."


def _word(gain: Rate) -> str:
    return "better" if gain.low > 0 else "worse" if gain.high < 0 else "neither better nor worse for certain"


def figures(judge: Auditor, found: Mapping[str, Measured]) -> dict[str, Any]:
    """Everything that was measured, for JSON."""
    base, after = found["baseline"], found["adapted"]
    test, samples = gains(base, after)
    return {
        "baseline": base.figures(),
        "adapted": after.figures(),
        "test_gain": asdict(test),
        "samples_gain": asdict(samples),
        "auditor_accuracy": asdict(judge.accuracy),
        "auditor_abstained": judge.abstained,
        "answer": answer(base, after),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", choices=PAIRS, help="mnist-digits by default; with --quick, digits-shifted")
    parser.add_argument(
        "--shift", default="rotated:40", help="of pairs of one data set: rotated:40, inverted, blurred:2"
    )
    parser.add_argument("--root", type=Path, help="a folder with the data sets' files; downloaded if not given")
    parser.add_argument("--generator", default="vae-fc", choices=("vae-fc", "dcgan"), help="of the target domain")
    parser.add_argument("--steps", type=int, help=f"of ADDA ({Scale.steps:,})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a folder for both inspections, with their reports")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    parser.add_argument("--quick", action="store_true", help="a fraction of everything: the numbers mean little")
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    scale = QUICK if args.quick else Scale()
    if args.steps is not None:
        scale = replace(scale, steps=args.steps)
    pair = args.pair or ("digits-shifted" if args.quick else "mnist-digits")
    with tempfile.TemporaryDirectory() as scratch:
        out = args.out or Path(scratch)
        domains, judge, found = compare(
            pair, args.shift, root=args.root, seed=args.seed, scale=scale, generator=args.generator, out=out
        )
    show(domains, judge, found)
    if args.out:
        print(f"reports: {out / 'baseline' / 'report.html'} and {out / 'adapted' / 'report.html'}")
    if args.json:
        settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
        content = {"figures": figures(judge, found), "settings": {**settings, "pair": pair, "scale": asdict(scale)}}
        args.json.write_text(json.dumps(content, indent=1, allow_nan=False))


if __name__ == "__main__":
    main()
