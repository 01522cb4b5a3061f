"""Do the rivals behave as they were published? `natural` (Zhao et al. 2018) and `genetic` (SINVAD) on MNIST.

    python benchmarks/rivals.py --dataset mnist --root DIR [--json FILE] [--keep DIR]

Zhao, Dua & Singh (ICLR 2018) search around digits for a random forest of five trees (90.45 % of the test images right)
and for LeNet (98.71 %), and find that the more accurate classifier has its nearest adversaries farther away (section
4.1); their hybrid search is about four times as fast as the iterative one (section 2.3). Here both classifiers are
searched around the same training images: `farther` is the share of the images that both get right whose adversary is
farther for the network, with a sign test; `speedup` the ratio of queries.

Kang, Feldt & Yoo (SINVAD, 2020; replication package of the extended paper) find that images optimised in pixels end
farther from the training images than those optimised in latent space (notebook RQ1). Here the same genetic algorithm
searches in both; `nearest` is the median distance to the nearest training image (l2, of pixels; they measure it in
activations), of test images too. And they asked people how much an image at the boundary looks like its own class, and
how much like the one that the classifier takes it for (notebook RQ2): between the two lay 2.83 points for real digits,
and 0.76 for SINVAD, whose images mislead people as well. Here an auditor stands in for people: `lean` is the share of
the images that it gives the class that they should have, less the share that it gives the classifier's.

What differs: the paper of Zhao et al. searches in the latent space of a WGAN with an inverter, around test images; here
it is the preset's VAE, around training images. So distances are in other units, and only their order can be compared.

Run folders are temporary unless `--keep` names a new folder for them; without `--root` the data are downloaded;
`--samples` is N (the paper: 5000); `--quick` is the same code on a fraction of everything.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from baselines import Forest
from figures import publish, ratio
from layers import Settings, assignment, loaded, merged
from scipy.stats import binomtest
from search_yield import QUICK as QUICK_RUN
from torch import Tensor

import modeldebug
from modeldebug import ImageSet, Splits

PRESETS = {"mnist": "defuse-mnist", "fashion-mnist": "defuse-fashion"}
TREES = 5
SHOWN = 500  # test images, held against the training images
PUBLISHED = {
    "forest_accuracy": 0.9045, "network_accuracy": 0.9871, "speedup": 4.0,
    "lean_real": 2.832, "lean_latent": 0.755,
}  # fmt: skip
QUICK: Settings = {name: values for name, values in QUICK_RUN.items() if name != "guide"} | {
    "classifier": {"epochs": 2}
}
QUICK_SEARCH: dict[str, Settings] = {
    "natural": {"searcher": {"delta_r": 0.2, "radius": 4.0, "extra": 1}},
    "genetic": {"searcher": {"population": 10, "parents": 4, "generations": 8}},
}


class Rows:
    """Runs up to the audit, each in a folder of its own. Later ones take over what the first has trained."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.first: Path | None = None

    def given(self) -> Settings:
        """Settings of every run."""
        args = self.args
        root: Settings = {"dataset": {"root": str(args.root)}} if args.root else {}
        return merged(root, QUICK if args.quick else {}, *map(assignment, args.assignments))

    def data(self) -> Splits:
        """The data of every run."""
        return loaded(self.args.dataset, self.args.seed, **self.given().get("dataset", {}))

    def run(self, name: str, searcher: str, *layers: Settings, model: Any = None) -> modeldebug.Run:
        """Search around as many training images as are asked for, of those that the classifier gets right."""
        args = self.args
        common: Settings = {"search": {"origins": args.origins, "start": "right"}, "run": {"seed": args.seed}}
        rival: Settings = {"searcher": {"use": f"rivals:{searcher}"}}
        if searcher == "natural":
            rival["searcher"]["samples"] = args.samples
        settings = merged(common, rival, QUICK_SEARCH[searcher] if args.quick else {}, self.given(), *layers)
        if model is not None:
            settings.pop("classifier", None)
        if "use" in settings.get("generator", {}):
            settings["generator"] = {"use": settings["generator"]["use"]}
        run = modeldebug.run(
            model, plugins="defuse,rivals", preset=PRESETS[args.dataset], settings=settings, out=self.folder / name,
            reuse=self.first, until="audit",
        )  # fmt: skip
        self.first = self.first or run.path
        search = run.figures("search")
        print(f"{name}: {search['found']} of {search['origins']}, {search['queries']:,} queries", flush=True)
        return run


def accuracy(run: modeldebug.Run) -> float:
    test: float = run.figures("classifier")["accuracy"]["test"]
    return test


def distances(run: modeldebug.Run) -> dict[int, float]:
    """Of each training image, how far its nearest adversary's code is from its own."""
    failures = run.failures
    return dict(zip(failures.origin.tolist(), failures.distance.tolist(), strict=True))


def found(run: modeldebug.Run) -> float | None:
    """The share of the training images around which a failure was found."""
    search = run.figures("search")
    return ratio(search["distinct_origins"], search["origins"])


def each(run: modeldebug.Run) -> float | None:
    """Queries for a training image."""
    search = run.figures("search")
    return ratio(search["queries"], search["origins"])


def lean(run: modeldebug.Run) -> float | None:
    """The share of the failures that the auditor gives the class that they should have, less the classifier's."""
    shares = {kind: share["share"] for kind, share in run.figures("audit")["shares"].items()}
    return None if shares["genuine"] is None else shares["genuine"] - shares["drift"]


def lean_of_real(run: modeldebug.Run) -> float | None:
    """The same of test images: right less wrong answers of the auditor, of all images."""
    auditor = run.figures("auditor")
    if auditor["accuracy"] is None:
        return None
    answered: float = 1 - auditor["abstained"]
    return answered * (2 * auditor["accuracy"] - 1)


def natural(rows: Rows) -> dict[str, float | None]:
    """Two classifiers, the same training images; and both search algorithms."""
    args = rows.args
    network = rows.run("network", "natural")
    data = rows.data()
    trees = Forest(data.train, trees=TREES, classes=data.spec.num_classes, seed=args.seed)
    forest = rows.run("forest", "natural", model=trees)
    fewer: Settings = {"search": {"origins": max(1, args.origins // 5)}, "searcher": {"search": "iterative"}}
    growing = rows.run("network-iterative", "natural", fewer)
    ours, theirs = distances(network), distances(forest)
    both = ours.keys() & theirs.keys()
    farther = sum(ours[row] > theirs[row] for row in both)
    return {
        "network_accuracy": accuracy(network),
        "forest_accuracy": accuracy(forest),
        "network_found": found(network),
        "forest_found": found(forest),
        "network_distance": ratio(sum(ours[row] for row in both), len(both)),
        "forest_distance": ratio(sum(theirs[row] for row in both), len(both)),
        "farther": ratio(farther, len(both)),
        "farther_p": float(binomtest(farther, len(both)).pvalue) if both else None,
        "speedup": ratio(each(growing), each(network)),
    }


def nearest(images: Tensor, training: ImageSet) -> float | None:
    """The median l2 distance of images to the nearest training image."""
    parts = [
        torch.cdist(images.flatten(1), training.batch(rows)[0].flatten(1))
        for rows in torch.arange(len(training)).split(4096)
    ]
    return float(torch.cat(parts, 1).amin(1).median()) if len(images) else None


def genetic(rows: Rows) -> dict[str, float | None]:
    """The same genetic algorithm in latent space and in pixels."""
    latent = rows.run("latent", "genetic")
    pixels = rows.run("pixels", "genetic", {"generator": {"use": "baselines:pixels"}})
    data = rows.data()
    return {
        "latent_found": found(latent),
        "pixels_found": found(pixels),
        "nearest_real": nearest(data.test.batch(slice(0, SHOWN))[0], data.train),
        "nearest_latent": nearest(latent.failures.x, data.train),
        "nearest_pixels": nearest(pixels.failures.x, data.train),
        "lean_real": lean_of_real(latent),
        "lean_latent": lean(latent),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", choices=PRESETS, default="mnist")
    parser.add_argument("--root", type=Path, help="the folder of the IDX files; downloaded if not given")
    parser.add_argument("--origins", type=int, help="training images that are searched around  [100, quick: 20]")
    parser.add_argument("--samples", type=int, help="N, codes drawn around each at a time  [500, quick: 100]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--keep", type=Path)
    args = parser.parse_args()
    args.origins = args.origins or (20 if args.quick else 100)
    args.samples = args.samples or (100 if args.quick else 500)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = Rows(args, folder)
        figures = natural(rows) | genetic(rows)
    publish(figures, args, published=PUBLISHED)


if __name__ == "__main__":
    main()
