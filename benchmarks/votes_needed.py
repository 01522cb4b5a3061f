"""How many votes a budget needs: what is labelled rightly, and what stays without a label, for 1 to 9 annotators.

    python benchmarks/votes_needed.py [--images 4000] [--classes 10] [--spread 0.15] [--quick] [--json FILE]

A pure simulation: annotators are right with a known probability, else they give any other answer, "none of the above"
included, with equal probability. First all are equally good; then the best is better than the mean by `--spread`, and
the last is as much worse. A cell is the share of labels that are right, and the share of images without a label.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from modeldebug.agreement import Aggregate, labels_from
from modeldebug.rng import rng_for

ANNOTATORS = range(1, 10)
ACCURACIES = (0.7, 0.8, 0.9)
AGGREGATES: tuple[Aggregate, ...] = ("majority", "one-coin")
AGREEMENT = 0.5  # as `regions.agreement`


def votes_of(accuracy: float, spread: float, annotators: int, images: int, classes: int) -> tuple[Tensor, Tensor]:
    """Votes (n, annotators) of images whose classes (n,) are known."""
    rng = rng_for(0, f"{accuracy}", f"{spread}", annotators)
    truth = torch.randint(classes, (images,), generator=rng)
    among = torch.linspace(1, -1, annotators) if annotators > 1 else torch.zeros(1)
    right = torch.rand(images, annotators, generator=rng) < (accuracy + spread * among).clamp(0, 1)
    other = (truth[:, None] + 1 + torch.randint(1, classes + 1, right.shape, generator=rng)) % (classes + 1) - 1
    return torch.where(right, truth[:, None], other), truth


def measured(votes: Tensor, truth: Tensor, classes: int, aggregate: Aggregate) -> dict[str, float]:
    labels = labels_from(votes, classes, aggregate=aggregate, agreement=AGREEMENT)
    given = labels >= 0
    return {
        "right": float((labels == truth)[given].double().mean()) if bool(given.any()) else 0.0,
        "abstained": float((~given).double().mean()),
    }


def table(figures: Sequence[dict[str, float | str | int]], spread: float) -> str:
    """The figures of one spread as Markdown."""
    heads = [f"{a:g}, {how}" for a in ACCURACIES for how in AGGREGATES]
    lines = ["| annotators | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    here = {(f["annotators"], f["accuracy"], f["aggregate"]): f for f in figures if f["spread"] == spread}
    for n in ANNOTATORS:
        cells = [here[n, a, how] for a in ACCURACIES for how in AGGREGATES if (n, a, how) in here]
        if cells:
            shown = (f"{100 * float(c['right']):.1f} %, {100 * float(c['abstained']):.1f} %" for c in cells)
            lines.append(f"| {n} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--spread", type=float, default=0.15)
    parser.add_argument("--quick", action="store_true", help="few images, up to 3 annotators")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    images, most = (200, 3) if args.quick else (args.images, max(ANNOTATORS))
    figures: list[dict[str, float | str | int]] = []
    for spread in (0.0, args.spread):
        for n in range(1, most + 1):
            for accuracy in ACCURACIES:
                votes, truth = votes_of(accuracy, spread, n, images, args.classes)
                for aggregate in AGGREGATES:
                    found = measured(votes, truth, args.classes, aggregate)
                    figures.append(
                        {"spread": spread, "annotators": n, "accuracy": accuracy, "aggregate": aggregate, **found}
                    )
        print(f"spread {spread:g}: right of those labelled, without a label\n\n{table(figures, spread)}\n")
    if args.json:
        args.json.write_text(json.dumps({"figures": figures}, indent=2))


if __name__ == "__main__":
    main()
