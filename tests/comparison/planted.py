"""Measures of cells with what is known about them, as a comparison has them, made without any run."""

import torch

from modeldebug import Component, ComponentConfig
from modeldebug.judging import DRIFT, GENUINE, NOT_ASKED
from modeldebug.store import Saved, prefixed, tensors_of
from modeldebug.testing.problems import PlantedGenerator
from modeldebug.types import Failures

blind = Component("blind", "cannot encode", ComponentConfig, PlantedGenerator, provides=frozenset({"conditional"}))


def failures(z, *, expected, predicted, classes=3):
    """Failures with these codes (n, d); labels are one number for all, or one each."""
    z = torch.as_tensor(z, dtype=torch.float32)
    n = len(z)
    expected = torch.as_tensor(expected).expand(n)
    probs = torch.nn.functional.one_hot(torch.as_tensor(predicted).expand(n), classes).float()
    return Failures(
        x=torch.zeros(n, 1, 2, 2),
        probs=probs,
        allowed=torch.nn.functional.one_hot(expected, classes).bool(),
        expected=expected,
        origin=torch.full((n,), -1),
        log_prior=torch.zeros(n),
        distance=torch.zeros(n),
        step=torch.zeros(n, dtype=torch.int64),
        z=z,
    )


def cell(origin, judged, *, step=None, found=None, queries=1000, trace=None, seconds=2.0, typical=None, scalars=None):
    """The measures of a cell with these failures, of which `judged` says "g" (genuine), "d" (drift) or "-" (not
    asked); genuine ones are its sample."""
    codes = torch.tensor([{"g": GENUINE, "d": DRIFT, "-": NOT_ASKED}[letter] for letter in judged], dtype=torch.int64)
    origin = torch.tensor(origin, dtype=torch.int64)
    n, shown = len(origin), (codes == GENUINE).nonzero()[:, 0]
    step = torch.zeros(n, dtype=torch.int64) if step is None else torch.tensor(step)
    found = n if found is None else found
    trace = torch.tensor([[queries, 0, found]] if trace is None else trace, dtype=torch.int64).reshape(-1, 3)
    asked = int((codes != NOT_ASKED).sum())
    unknown = torch.full((n,), -1)
    tensors = {
        "origin": origin,
        "expected": torch.zeros(n, dtype=torch.int64),
        "predicted": torch.ones(n, dtype=torch.int64),
        "judged": codes,
        "step": step,
        "typical": unknown if typical is None else torch.tensor(typical),
        "near": unknown,
        "shown": shown,
        "trace": trace,
    }
    info = {
        "queries": queries, "guide_queries": None, "steps": len(trace), "stopped": None, "origins": 10, "found": found,
        "kept": n, "genuine": len(shown), "third_class": 0, "drift": int((codes == DRIFT).sum()), "abstained": 0,
        "asked": asked, "seconds": seconds, "memory_mb": None, "scalars": scalars or {},
    }  # fmt: skip
    sample = failures(torch.zeros(len(shown), 2), expected=0, predicted=1)
    return Saved(tensors | prefixed("sample", tensors_of(sample)), info)
