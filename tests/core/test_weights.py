"""Weights files: what is read, and what is refused without running code from it."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from modeldebug import ClassifierError
from modeldebug.classifier import code_hash, load_weights, model_hash


def make(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3))


@pytest.fixture
def trained():
    return make(seed=1)


def load(path, *, trust=False):
    module = make()
    load_weights(module, path, trust=trust, name="mine")
    return model_hash(module)


class TouchesAFile:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_safetensors_are_read(tmp_path, trained):
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    assert load(tmp_path / "w.safetensors") == model_hash(trained)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict", "model"])
def test_plain_state_dicts_are_read_also_out_of_a_checkpoint(tmp_path, trained, wrapper):
    state = trained.state_dict()
    torch.save(state if wrapper is None else {wrapper: state, "epoch": 3}, tmp_path / "w.pt")
    assert load(tmp_path / "w.pt") == model_hash(trained)


def test_pickle_with_code_is_refused_and_its_code_does_not_run(tmp_path, trained):
    trace = tmp_path / "executed"
    torch.save({**trained.state_dict(), "evil": TouchesAFile(trace)}, tmp_path / "w.pt")
    with pytest.raises(ClassifierError, match="reading that could run code") as caught:
        load(tmp_path / "w.pt")
    assert "--trust" in str(caught.value)
    assert not trace.exists()


def test_whole_pickled_module_is_refused_without_trust_and_read_with_it(tmp_path, trained):
    torch.save(trained, tmp_path / "w.pt")
    with pytest.raises(ClassifierError, match="reading that could run code"):
        load(tmp_path / "w.pt")
    assert load(tmp_path / "w.pt", trust=True) == model_hash(trained)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ClassifierError, match="no weights file") as caught:
        load(tmp_path / "none.pt")
    assert str(tmp_path / "none.pt") in str(caught.value)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_file_that_holds_no_weights_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClassifierError, match=r"cannot be read|something else than tensors"):
        load(tmp_path / name)


@pytest.mark.parametrize("content", [[torch.zeros(2)], {"epoch": 3}, {"weights": torch.zeros(2), "step": 1}])
def test_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ClassifierError, match="holds no state dict"):
        load(tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "1.weight"}, "1.weight is missing"),
        (lambda s: s | {"1.wieght": s["1.weight"]}, "1.wieght is unknown (did you mean '1.weight'?)"),
        (lambda s: s | {"1.weight": torch.zeros(3, 5)}, "1.weight is (3, 5), the module has (3, 4)"),
        (lambda s: {f"net.{k}": v for k, v in s.items()}, "more"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_what_does_not(tmp_path, trained, change, words):
    torch.save(change(dict(trained.state_dict())), tmp_path / "w.pt")
    with pytest.raises(ClassifierError, match="do not fit") as caught:
        load(tmp_path / "w.pt")
    assert words in str(caught.value)


def test_refused_weights_leave_the_module_as_it_was(tmp_path, trained):
    torch.save({**trained.state_dict(), "2.weight": torch.zeros(7)}, tmp_path / "w.pt")
    module = make()
    before = model_hash(module)
    with pytest.raises(ClassifierError):
        load_weights(module, tmp_path / "w.pt", trust=False, name="mine")
    assert model_hash(module) == before


class Doubling(nn.Module):
    def forward(self, x):
        return 2 * x


class Tripling(nn.Module):
    def forward(self, x):
        return 3 * x


def test_networks_of_the_same_weights_that_compute_otherwise_have_another_code():
    two, three = nn.Sequential(nn.Linear(2, 2), Doubling()), nn.Sequential(nn.Linear(2, 2), Tripling())
    three.load_state_dict(two.state_dict())
    assert model_hash(two) == model_hash(three)
    assert code_hash(two) != code_hash(three)
    assert code_hash(two) == code_hash(nn.Sequential(Doubling(), nn.ReLU(), Doubling()))
