"""Problems in the latent plane of the known problem whose class boundary is a line: margins are linear there, so every
distance, step and price is known exactly. Gradients are there for torch, or hidden from it."""

from __future__ import annotations

import io

import torch
from torch import nn

from modeldebug import Classifier, ComponentConfig, DataSpec, Origins, Problem, rng_for
from modeldebug.testing.problems import PlantedGenerator, codes_of

SPEC = DataSpec((1, 8, 8), ("below", "above"))
SLOPE = 2.0  # nats of margin for a unit of the code
EDGE = 1.0  # images are "above" where the first number of the code is larger


class Line(nn.Module):
    """Logits (n, 2) of images; the margin of "below" is SLOPE (direction . z - edge)."""

    def __init__(self, direction=(1.0, 0.0), edge=EDGE, slope=SLOPE):
        super().__init__()
        self.normal = nn.Parameter(slope * torch.tensor(direction))
        self.offset = slope * edge

    def forward(self, x):
        value = codes_of(x) @ self.normal - self.offset
        return torch.stack([torch.zeros_like(value), value], 1)


class Opaque(Line):
    """The same behind numpy: probabilities, and nothing that torch could differentiate."""

    def forward(self, x):
        return torch.from_numpy(super().forward(x.detach()).softmax(1).detach().numpy().copy())


def classifier(module=None, **settings):
    return Classifier((module or Line()).eval(), SPEC, name="mine:line", batch_size=64, **settings)


def opaque(**settings):
    return classifier(Opaque(**settings), output="probabilities")


def origins(codes, spread=None, label=0):
    """Training images of class "below" at these codes."""
    z = torch.as_tensor(codes, dtype=torch.float32)
    unit = None if spread is None else torch.tensor(spread).expand_as(z)
    return Origins(torch.arange(len(z)) + 100, torch.full((len(z),), label), z, spread=unit)


def problem(codes, spread=None, tested=None, guide=None):
    return Watched(origins(codes, spread), tested or classifier(), guide)


def below(n, seed=0):
    """Codes (n, 2) of "below", between 0.2 and 2.2 from the edge."""
    z = torch.rand(n, 2, generator=rng_for(seed, "below"))
    return torch.stack([EDGE - 0.2 - 2 * z[:, 0], 2 * z[:, 1] - 1], 1)


class Watched(Problem):
    """Remembers all codes that it was asked about, call by call."""

    def __init__(self, origins, tested, guide=None):
        super().__init__(PlantedGenerator(ComponentConfig(), SPEC), tested, origins, guide=guide, batch_size=64)
        self.asked = []

    def _told(self, z, asked):
        self.asked.append((z.clone(), asked.origin.clone()))
        return super()._told(z, asked)


def run(searcher, problem, seed=0):
    """The candidates of a whole search, step by step, and the failures among them."""
    state, proposed, failures = searcher.start(problem, rng_for(seed)), [], []
    while not state["done"]:
        state, candidates = searcher.step(problem, state)
        proposed.append(candidates)
        failures.append(problem.judge(candidates, step=len(failures), searcher="defuse"))
    return proposed, failures


def found(searcher, problem, seed=0):
    """Codes (n, 2) and rows (n,) of all that a search proposes; all of them have to be failures."""
    proposed, failures = run(searcher, problem, seed)
    assert sum(map(len, failures)) == sum(map(len, proposed))
    empty = [torch.empty(0, problem.latent_size)], [torch.empty(0, dtype=torch.int64)]
    return torch.cat([c.z for c in proposed] + empty[0]), torch.cat([c.origin for c in proposed] + empty[1])


def resumed(make, problem, seed=0):
    """The same search, by a new searcher and from a saved state in every step."""
    state, proposed = make().start(problem(), rng_for(seed)), []
    while not state["done"]:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        buffer.seek(0)
        state, candidates = make().step(problem(), torch.load(buffer, weights_only=True))
        proposed.append(candidates)
    return proposed
