"""Small classifiers that count objects in rendered scenes, trained together, for `bayestrex_clevr.py`.

    python benchmarks/clevr_classifiers.py --out DIR [--epochs 40] [--quick] [--json FILE]

One network for all questions ("how many cubes?", "how many blue spheres?", ...): the convolutions of `clevr:counter`,
and for each question an answer of its own. While it learns, it is also asked how many objects there are of every shape
in every colour: so much more is known of each scene that it learns in a fraction of the epochs. What is written for a
question, `DIR/cubes.safetensors`, is a `clevr:counter` with that question's answer, to be given as
`classifier.weights`; `DIR/accuracy.json` has how often each is right on validation and test scenes.

It trains on the training scenes of a run with this seed. Convolutions multiply in bfloat16 where that is asked for.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from figures import publish
from modeldebug_clevr.counter import Counter
from modeldebug_clevr.dataset import RenderedScenes, question_of, scenes_of
from modeldebug_clevr.objects import Pattern
from modeldebug_clevr.settings import CounterConfig, ScenesConfig
from modeldebug_clevr.words import COLOUR, COLOURS, SHAPE, SHAPES
from safetensors.torch import save_file
from torch import Tensor, nn

from modeldebug import DataSpec, ImageSet, Splits, rng_for

QUESTIONS = {"cubes": 6, "spheres": 6, "cylinders": 6, "blue spheres": 3}  # and the largest number that is told
KINDS = [Pattern(((COLOUR, c), (SHAPE, s))) for s, c in product(range(len(SHAPES) - 1), range(len(COLOURS)))]
KINDS_WEIGHT, WARMUP = 10.0, 0.15  # of their squared error; the share of steps in which the learning rate rises
QUICK = {"train": 1200, "validation": 50, "test": 50, "size": 32}


def accuracy(images: ImageSet, answers: Tensor, features: nn.Module, head: nn.Module) -> float:
    right = 0
    with torch.no_grad():
        for rows in torch.arange(len(images)).split(250):
            said = head(features(images.batch(rows)[0]).mean((2, 3))).argmax(1)
            right += int((said == answers[rows]).sum())
    return right / len(images)


@dataclass(frozen=True)
class Scenes:
    """The images of a run with this seed, and what is known of all scenes that they are drawn from.

    Attributes:
        answers: to each question, (n,) int64.
        kinds: how many objects there are of each of `KINDS`, (n, kinds) float32.
    """

    splits: Splits
    answers: dict[str, Tensor]
    kinds: Tensor

    @staticmethod
    def loaded(configs: dict[str, ScenesConfig], seed: int) -> Scenes:
        config = configs["cubes"]
        n = config.train + config.validation + config.test
        z = scenes_of(config).sample(n, torch.Generator().manual_seed(config.seed))
        answers = {question: question_of(of).answers(z) for question, of in configs.items()}
        kinds = torch.stack([kind.count(z) for kind in KINDS], 1).float()
        return Scenes(RenderedScenes(config).load(rng_for(seed, "data")), answers, kinds)

    def rows(self, part: str) -> Tensor:
        """Which scenes a split holds."""
        rows: Tensor | None = getattr(self.splits, part).rows
        assert rows is not None  # all splits are views of the same images
        return rows


def learn(features: nn.Module, heads: nn.ModuleDict, scenes: Scenes, args: argparse.Namespace) -> None:
    """Train convolutions and answers together, on images and their mirror images."""
    images, of, epochs = scenes.splits.train, scenes.rows("train"), 1 if args.quick else args.epochs
    adam = torch.optim.AdamW([*features.parameters(), *heads.parameters()], lr=args.learning_rate, fused=True)
    batches = -(-len(of) // args.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        adam, args.learning_rate, total_steps=batches * epochs, pct_start=WARMUP
    )
    began, rng = time.monotonic(), rng_for(args.seed, "order")
    features.train()
    for epoch in range(epochs):
        total = 0.0
        for part in torch.randperm(len(of), generator=rng).split(args.batch_size):
            x, here = images.batch(part)[0], of[part]
            mirrored = torch.rand(len(x), 1, 1, 1, generator=rng) < 0.5
            x = torch.where(mirrored, x.flip(3), x).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", enabled=args.bfloat16):
                seen = features(x).float().mean((2, 3))
            loss = KINDS_WEIGHT * nn.functional.mse_loss(heads["kinds"](seen), scenes.kinds[here])
            for question, answers in scenes.answers.items():
                loss = loss + nn.functional.cross_entropy(heads[question](seen), answers[here])
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}: loss {total / batches:.3f}, {time.monotonic() - began:.0f} s", flush=True)
    features.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    began, sizes = time.monotonic(), QUICK if args.quick else {}
    configs = {question: ScenesConfig(count=question, top=top, **sizes) for question, top in QUESTIONS.items()}
    scenes = Scenes.loaded(configs, args.seed)
    torch.manual_seed(args.seed)
    shape = scenes.splits.spec.shape
    networks = {
        q: Counter(CounterConfig(), DataSpec(shape, question_of(c).classes))._make() for q, c in configs.items()
    }
    features: nn.Module = networks["cubes"].features  # type: ignore[assignment]  # a network of this plugin
    heads = nn.ModuleDict({question: network.answer for question, network in networks.items()})
    width = CounterConfig().channels[-1]
    heads["kinds"] = nn.Sequential(nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, len(KINDS)))
    learn(features, heads, scenes, args)
    args.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for question, network in networks.items():
        network.features = features
        found[question] = {
            part: accuracy(
                getattr(scenes.splits, part), scenes.answers[question][scenes.rows(part)], features, heads[question]
            )
            for part in ("validation", "test")
        }
        state = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
        save_file(state, args.out / f"{question.replace(' ', '-')}.safetensors")
        print(f"{question:16} validation {found[question]['validation']:.3f}, test {found[question]['test']:.3f}")
    (args.out / "accuracy.json").write_text(json.dumps(found, indent=1))
    figures = {f"accuracy_{question.replace(' ', '_')}": scores["test"] for question, scores in found.items()}
    publish({**figures, "seconds": time.monotonic() - began}, args)


if __name__ == "__main__":
    main()
