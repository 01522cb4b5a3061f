"""`run.precision`: in which numbers networks multiply while they are trained."""

import pytest
import torch

from modeldebug import Context
from modeldebug.prepare import resolve_precision
from modeldebug.rng import rng_for

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("device", [CPU, CUDA], ids=str)
@pytest.mark.parametrize(("name", "precision"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_a_precision_that_is_named_is_taken_on_every_device(name, precision, device):
    assert resolve_precision(name, device) == precision


@pytest.mark.parametrize(("faster", "precision"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_is_bfloat16_where_that_is_faster(monkeypatch, faster, precision):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: faster)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: not faster)
    assert resolve_precision("auto", CPU) == precision
    assert resolve_precision("auto", CUDA) != precision, "one device is asked about the other"


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_networks_multiply_in_the_precision_of_the_context_and_parts_inherit_it(precision):
    context = Context(rng_for(0), precision=precision)
    for given in (context, context.part(0, of=2)):
        with given.autocast():
            assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == precision
