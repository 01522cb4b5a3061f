"""How the classifier of a case gets its bugs: by what it is taught, and by a patch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...context import Context
from ...rng import isolated_global_rng, rng_for
from ...training import train_network
from ...types import ImageSet
from .bugs import Ball, BallBug, StyleBug, about
from .images import balls, jittered, styled
from .suite import Case

_PARTS = ("mean", "components", "centre")  # of a ball, as tensors
STRENGTH = 0.1  # of the harder images: so much a pixel changes
STEEPNESS = 6.0  # nats that the wrong class gains from the surface of a ball to its centre


class Confused(nn.Module):
    """A network whose logits are patched in balls: there the wrong class is as likely as the right one on the surface,
    and the likelier the nearer the centre. Where the network does not take an image for the class, nothing changes."""

    def __init__(self, network: nn.Module, patches: list[tuple[BallBug, Ball]]) -> None:
        super().__init__()
        self.network = network
        self.bugs = tuple(bug for bug, _ in patches)
        for i, (_, ball) in enumerate(patches):
            for name in _PARTS:
                self.register_buffer(f"{name}{i}", getattr(ball, name))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        columns = list(logits.unbind(1))
        for i, bug in enumerate(self.bugs):
            wrong = columns[bug.label] + STEEPNESS * _ball(dict(self.named_buffers()), i, bug).depth(x)
            columns[bug.taught] = torch.maximum(columns[bug.taught], wrong)
        return torch.stack(columns, 1)


def balls_in(case: Case, state: Mapping[str, Tensor]) -> dict[str, Ball]:
    """The balls of a case's bugs, by the bug's name, as they stand among the weights of its classifier."""
    patched = [bug for bug in case.bugs if isinstance(bug, BallBug)]
    return {bug.name: _ball(state, i, bug) for i, bug in enumerate(patched)}


def _ball(state: Mapping[str, Tensor], i: int, bug: BallBug) -> Ball:
    mean, components, centre = (state[f"{name}{i}"] for name in _PARTS)
    return Ball(mean, components, centre, bug.radius)


def network_of(case: Case, images: ImageSet) -> nn.Module:
    """The network of a case, not taught yet; the same weights each time."""
    _, h, w = images.shape
    strides = (1, 2) if h <= 16 else (2, 2)
    shrunk = [-(-side // (strides[0] * strides[1])) for side in (h, w)]
    with isolated_global_rng(case.seed):
        network = nn.Sequential(
            nn.Conv2d(1, 24, 3 if h <= 16 else 5, stride=strides[0], padding=1 if h <= 16 else 2),
            nn.ReLU(),
            nn.Conv2d(24, 48, 3, stride=strides[1], padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(48 * shrunk[0] * shrunk[1], 96),
            nn.ReLU(),
            nn.Linear(96, 10),
        )
    found = balls(case, images)
    patches = [(bug, found[bug.name]) for bug in case.bugs if isinstance(bug, BallBug)]
    return Confused(network, patches) if patches else network


def teach(case: Case, module: nn.Module, images: ImageSet, context: Context, *, epochs: int | None = None) -> None:
    """Train the network of a case in place, on all images of its base in the case's styles, drawn anew in each pass:
    without those that are withheld, and with wrong labels where they are mislabelled."""
    rng, network = context.rng, module.network if isinstance(module, Confused) else module

    def loss(x: Tensor, y: Tensor, step: int) -> Tensor:
        shown, taught = lesson(case, x, y, rng)
        shown = torch.cat([shown, harder(network, shown, taught)])
        return nn.functional.cross_entropy(network(shown), taught.repeat(2))

    train_network(
        network,
        loss,
        images,
        optimizer=torch.optim.Adam(network.parameters(), lr=3e-3, fused=True),
        epochs=case.epochs if epochs is None else epochs,
        batch_size=128,
        context=context,
        what="planted classifier",
        cosine=True,
    )


def harder(network: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Images (n, 1, h, w) changed by the fast gradient sign method (Goodfellow et al. 2015). A network that learns
    them, too, has few errors of its own where a search could find some, so that what is found is what was planted."""
    x = x.clone().requires_grad_()
    loss = nn.functional.cross_entropy(network(x), labels)
    (slope,) = torch.autograd.grad(loss, x)
    return (x + STRENGTH * slope.sign()).clamp(0, 1).detach()


def lesson(case: Case, x: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """What the classifier is taught of images (n, 1, h, w): images in the case's styles, with labels. Those that a bug
    withholds are shown plain instead."""
    plain = jittered(x, rng)
    found, taught = styled(case, plain, rng), labels.clone()
    for bug in case.bugs:
        if not isinstance(bug, StyleBug):
            continue
        inside = bug.holds(found, labels)
        if bug.taught is None:
            hidden = inside & (torch.rand(len(x), generator=rng) >= bug.seen)
            found[hidden] = plain[hidden]
        else:
            taught[inside] = bug.taught
    return found, taught


def activity(case: Case, module: nn.Module, images: ImageSet, *, copies: int = 1) -> dict[str, dict[str, float]]:
    """How active each bug is: the accuracy on images that it is about, on those that no bug is about, and how many of
    the first there are; on images of the base, in styles drawn anew, with right labels."""
    x, y = images.batch(slice(None))
    x, y = styled(case, x.repeat(copies, 1, 1, 1), rng_for(case.seed, "planted", "activity")), y.repeat(copies)
    with torch.no_grad():
        right = torch.cat([module(part).argmax(1) for part in torch.split(x, 1024)]) == y
    found = balls_in(case, module.state_dict())
    inside = {bug.name: about(bug, x, y, found.get(bug.name)) for bug in case.bugs}
    outside = ~torch.stack(list(inside.values())).any(0)
    return {
        name: {
            "inside": float(right[rows].double().mean()),
            "outside": float(right[outside].double().mean()),
            "images": int(rows.sum()),
        }
        for name, rows in inside.items()
    }
