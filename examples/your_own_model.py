"""Debug a torch model of one's own on data of one's own: about half a minute.

The model is trained here as anybody would train one, with modeldebug not in sight: on real handwritten digits (those
that are easily confused: 3, 5, 8 and 9) in 16 x 16 pixels and colour, normalised by mean and standard deviation. Then
modeldebug finds regions where it errs, and gives back a corrected copy.

    python examples/your_own_model.py [--out DIR]
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset, random_split

import modeldebug

CLASSES = ("three", "five", "eight", "nine")
MEAN, STD = (0.2, 0.2, 0.2), (0.3, 0.3, 0.3)


class ColourDigits(Dataset[tuple[Tensor, int]]):
    """Pairs of an image (3, 16, 16) float32 in [0, 1] and a label, as any torch Dataset gives them."""

    def __init__(self) -> None:
        bunch = load_digits()
        grey = torch.from_numpy(bunch.images).float()[:, None] / 16
        digits = torch.tensor([int(name) for name in bunch.target_names])[[3, 5, 8, 9]]
        target = torch.from_numpy(bunch.target).long()
        chosen = torch.isin(target, digits)
        ink = 0.8 + 0.2 * torch.rand(int(chosen.sum()), 3, 1, 1, generator=torch.Generator().manual_seed(0))
        self.images = nn.functional.interpolate(grey[chosen], size=16, mode="bilinear") * ink
        self.labels = torch.searchsorted(digits, target[chosen])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.images[row], int(self.labels[row])


def normalised(images: Tensor) -> Tensor:
    return (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def train(data: Subset[tuple[Tensor, int]]) -> nn.Module:
    """A small convolutional network, trained on normalised images; it returns logits."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(24 * 4 * 4, len(CLASSES)),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(15):
        for images, labels in DataLoader(data, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(normalised(images)), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, data: Subset[tuple[Tensor, int]]) -> float:
    images, labels = next(iter(DataLoader(data, batch_size=len(data))))
    return float((model(normalised(images)).argmax(1) == labels).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description="Debug a model of one's own.")
    parser.add_argument("--out", help="the run folder; runs/DATE-tiny if not given")
    args = parser.parse_args()

    parts = random_split(ColourDigits(), [0.6, 0.2, 0.2], generator=torch.Generator().manual_seed(0))
    data = dict(zip(("train", "validation", "test"), parts, strict=True))  # the same split as the model was trained on
    model = train(data["train"])

    run = modeldebug.run(
        model,
        data,
        preset="tiny",  # so that the example is quick; leave it out for your own
        settings={
            "dataset": {"names": CLASSES},
            "classifier": {"mean": MEAN, "std": STD},  # modeldebug hands out images in [0, 1]
            "generator": {"epochs": 60},
            "searcher": {"scale": 3.0},
            "regions": {"samples": 32},
            "correction": {"draws": 128},
        },
        out=args.out,
    )

    for region in run.regions:
        assert region.label is not None  # a kept region has one
        print(f"region: {CLASSES[region.label]}, most often classified as {CLASSES[region.predicted]}")
    if not run.regions:
        print("no region was found, so nothing was corrected")
        return
    corrected = run.corrected_model()  # a module like `model`: it too expects normalised images
    regions = run.results["region_accuracy"]
    print(f"test images:    {accuracy(model, data['test']):.1%} before, {accuracy(corrected, data['test']):.1%} after")
    print(f"region samples: {regions['before']:.1%} before, {regions['after']:.1%} after (drawn anew for this)")
    print(f"report: {run.report()}")


if __name__ == "__main__":
    main()
