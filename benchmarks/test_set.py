"""What a test set shows by itself, beside Bayes-TrEx (section 4.10, tables 4, 5 and 12): MNIST and Fashion-MNIST.

    python benchmarks/test_set.py --dataset mnist --root DIR [--seeds N] [--epochs 1,3] [--json FILE] [--keep DIR]

The classifier is the paper's, that of the PyTorch examples, which is also that of the preset (three epochs). How many
test images it gets wrong with confidence depends on how long it was trained; so there is a row for each of `--epochs`.
The paper does not say how accurate its classifiers were: 84 confident errors of 10,000 mean at most 99.16 % right.

Likely label errors are wrong test images to which the preset's auditor, which was trained apart from the classifier,
gives the class that was predicted. The paper's authors looked at each image, and called mislabelled what is not
genuine; the auditor abstains where it is not sure, which is often among these images. Figures are means over seeds, of
the preset's three epochs or, where these are not among `--epochs`, of the last.

The run trains no generator: what stands for it has nothing to learn. Folders are temporary unless `--keep` names one
for them; what is finished there is not done again. Without `--root` the data are downloaded. `--quick` is the same code
on a fraction of everything: its figures mean nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from baselines import pixels
from figures import publish, shown
from layers import Settings, merged

import modeldebug

PRESETS = {"mnist": "bayestrex-mnist", "fashion-mnist": "bayestrex-fashion"}
PRESET_EPOCHS = 3
PAPER = {
    "mnist": "ambiguous 12 (10 pairs); confident errors 84, of which 24 genuine and 60 mislabelled",
    "fashion-mnist": "ambiguous 162 (12 pairs); confident errors 802; of 93 looked at 51 genuine (table 4; by other "
    "passages 41), the others mislabelled",
}
BARE: Settings = {
    "generator": {"use": f"{Path(__file__).stem}:unused"},
    "searcher": {"use": "rivals:test-set"},
    "search": {"origins": 10},
    "labeler": {"members": 1, "epochs": 1, "width": 4},  # labels regions, of which there are none
    "report": {"tsne": 0},
}
QUICK: Settings = {
    "dataset": {"limit": 1500, "validation": 200},
    "auditor": {"members": 1, "epochs": 1},
    "run": {"batch_size": 64},
}
COUNTS: Mapping[str, str] = {
    "test_accuracy": "right", "wrong": "wrong", "confident_errors": "confident errors", "ambiguous": "ambiguous",
    "ambiguous_pairs": "pairs", "likely_label_errors": "likely label errors", "unsure": "auditor unsure",
    "confident_genuine": "confident: genuine", "confident_label_errors": "label error",
    "confident_third_class": "third class", "confident_unsure": "unsure",
}  # fmt: skip

unused = replace(pixels, name="unused", provides=frozenset())


def inspected(args: argparse.Namespace, folder: Path, epochs: int, seed: int, reuse: Path | None) -> Any:
    """The run that inspects the test set with a classifier of so many epochs, done or read back if it is finished."""
    out = folder / f"{args.dataset}-{epochs}-epochs-seed-{seed}"
    if (out / "results.json").exists():
        return modeldebug.open_run(out)
    layers = [{"dataset": {"root": str(args.root)}} if args.root else {}, BARE]
    layers += [{"classifier": {"epochs": epochs}, "run": {"seed": seed}}]
    layers += [QUICK] if args.quick else []
    return modeldebug.run(
        plugins="bayestrex,defuse,rivals", preset=PRESETS[args.dataset], settings=merged(*layers), out=out, reuse=reuse
    )


def counts_of(run: Any) -> dict[str, float]:
    """The counts of a run, by the names of `COUNTS`."""
    found = run.results["test_set"]
    every, sure = (found["judged"][of] for of in ("wrong", "confident_errors"))
    return {
        "test_accuracy": run.results["test_accuracy"]["before"],
        **{name: found[name] for name in ("wrong", "confident_errors", "ambiguous")},
        "ambiguous_pairs": len(found["ambiguous_pairs"]),
        "likely_label_errors": every["label_error"],
        "unsure": every["abstained"],
        "confident_genuine": sure["genuine"],
        "confident_label_errors": sure["label_error"],
        "confident_third_class": sure["third_class"],
        "confident_unsure": sure["abstained"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=PRESETS, default="mnist", help="%(default)s by default")
    parser.add_argument("--root", type=Path, help="the folder with the IDX files")
    parser.add_argument("--seeds", type=int, default=1, help="so many runs of each, with seeds from 0 (%(default)s)")
    parser.add_argument("--epochs", default="1,3", help="of the classifier, a row for each (%(default)s)")
    parser.add_argument("--json", type=Path, help="write figures and settings to this file")
    parser.add_argument("--keep", type=Path, help="a folder for the runs")
    parser.add_argument("--quick", action="store_true", help="a fraction of everything: its figures mean nothing")
    args = parser.parse_args()
    every = [int(number) for number in args.epochs.split(",")]
    rows: dict[int, list[dict[str, float]]] = {epochs: [] for epochs in every}
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        for seed in range(args.seeds):
            before = None
            for epochs in every:
                run = inspected(args, folder, epochs, seed, before)
                before = run.path
                rows[epochs].append(counts_of(run))
            auditor = run.results["test_set"]["auditor"]
            error, abstained = (shown(auditor[name], ".2%") for name in ("error", "abstained"))
            print(f"seed {seed}: on test images the auditor abstains on {abstained}, and errs on {error} of the others")
    means = {epochs: {name: mean(row[name] for row in found) for name in COUNTS} for epochs, found in rows.items()}
    print(f"\n{'epochs':20}" + "".join(f"{epochs:>10}" for epochs in every))
    for name, said in COUNTS.items():
        form = "10.2%" if name == "test_accuracy" else "10.4g"
        print(f"{said:20}" + "".join(format(means[epochs][name], form) for epochs in every))
    print(f"the paper: {PAPER[args.dataset]}\n")
    by_epochs = {str(epochs): found for epochs, found in means.items()}
    publish(means[PRESET_EPOCHS if PRESET_EPOCHS in every else every[-1]], args, by_epochs=by_epochs)


if __name__ == "__main__":
    main()
