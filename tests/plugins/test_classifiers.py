"""The classifiers that a run can train: networks, names of weights, and where they start from."""

import sys
import types

import pytest
import torch
from modeldebug_classifiers.examples_cnn import ExamplesCnn
from modeldebug_classifiers.plugin import ExamplesCnnConfig, ResNet18Config
from modeldebug_classifiers.resnet18 import ResNet18
from torch import nn

from modeldebug import Classifier, ClassifierError, Context, DataSpec
from modeldebug.classifier import load_weights
from modeldebug.testing import known_problem

TEN = tuple(map(str, range(10)))


def examples_cnn(shape=(1, 28, 28), **settings):
    return ExamplesCnn(ExamplesCnnConfig(**settings), DataSpec(shape, TEN))


def resnet18(channels=3, classes=TEN, **settings):
    return ResNet18(ResNet18Config(**settings), DataSpec((channels, 32, 32), classes))


@pytest.fixture(autouse=True)
def _without_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)


class PyTorchExample(nn.Module):
    """The network of the PyTorch examples' script mnist/main.py, in its own order of operations."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, 1), nn.Conv2d(32, 64, 3, 1)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv2(self.conv1(x).relu()).relu(), 2)
        x = self.fc1(self.dropout1(x).flatten(1)).relu()
        return self.fc2(self.dropout2(x)).log_softmax(1)


def test_examples_cnn_takes_the_weights_of_the_pytorch_examples_and_answers_alike():
    theirs, ours = PyTorchExample().eval(), examples_cnn()._make().eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x).log_softmax(1), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 20, 33)])
def test_examples_cnn_follows_the_image_size(shape):
    assert examples_cnn(shape)._make().eval()(torch.zeros(2, *shape)).shape == (2, 10)


def test_training_normalises_as_the_wrapper_does():
    """Asked without the normalisation that it was trained with, it is lost: here that turns black into white."""
    k = known_problem()
    source = ExamplesCnn(ExamplesCnnConfig(epochs=4, mean=(1.0,), std=(-1.0,)), k.spec)
    torch.manual_seed(0)
    module = source._make()
    source._train(module, k.splits, Context.quiet(seed=0))
    asked = Classifier(module, k.spec, mean=(1.0,), std=(-1.0,))
    assert asked.accuracy(k.splits.test) > 0.9
    assert Classifier(module, k.spec).accuracy(k.splits.test) < 0.5


def test_resnet18_has_torchvisions_size_and_names():
    network = resnet18(classes=tuple(map(str, range(1000))))._make()
    assert sum(p.numel() for p in network.parameters()) == 11_689_512  # as torchvision's documentation says
    names = network.state_dict().keys()
    assert len(names) == 122
    assert {
        "conv1.weight",
        "bn1.running_mean",
        "layer1.0.bn2.num_batches_tracked",
        "layer2.0.downsample.0.weight",
        "layer4.1.conv2.weight",
        "fc.bias",
    } <= names
    assert not any(name.startswith("layer1.0.downsample") for name in names)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_resnet18_takes_any_number_of_channels(channels):
    assert resnet18(channels)._make().eval()(torch.zeros(2, channels, 32, 32)).shape == (2, 10)


def test_resnet18_starts_from_weights_for_other_classes_but_for_its_last_layer(tmp_path):
    pretrained = resnet18(classes=tuple(map(str, range(20))))._make()
    torch.save(pretrained.state_dict(), tmp_path / "w.pt")
    source = resnet18()
    network = source._make()
    load_weights(network, tmp_path / "w.pt", trust=False, name="resnet18", head=source.head)
    assert network.fc.weight.shape == (10, 512)
    for name, value in pretrained.state_dict().items():
        assert name.startswith("fc.") or torch.equal(network.state_dict()[name], value), name


@pytest.mark.parametrize("broken", ["missing", "shape"])
def test_weights_that_do_not_fit_but_for_the_last_layer_are_refused(tmp_path, broken):
    state = resnet18()._make().state_dict()
    if broken == "missing":
        del state["layer3.0.conv1.weight"]
    else:
        state["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ClassifierError, match="do not fit the classifier"):
        load_weights(resnet18()._make(), tmp_path / "w.pt", trust=False, name="resnet18", head="fc.")


def test_the_last_layer_is_taken_from_the_file_where_it_fits(tmp_path):
    state = resnet18()._make().state_dict()
    torch.save(state, tmp_path / "w.pt")
    network = resnet18()._make()
    load_weights(network, tmp_path / "w.pt", trust=False, name="resnet18", head="fc.")
    assert torch.equal(network.fc.weight, state["fc.weight"])


def test_torchvisions_network_is_taken_where_it_is_installed(monkeypatch):
    class Theirs(nn.Module):
        def __init__(self, num_classes):
            super().__init__()
            self.fc = nn.Linear(1, num_classes)

    models = types.ModuleType("torchvision.models")
    models.resnet18 = Theirs
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    network = resnet18()._make()
    assert isinstance(network, Theirs)
    assert network.fc.out_features == 10


def test_a_torchvision_that_does_not_fit_the_installed_torch_is_left_alone(monkeypatch, tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision/__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.delitem(sys.modules, "torchvision")
    monkeypatch.syspath_prepend(tmp_path)
    assert type(resnet18()._make()).__module__ == "modeldebug_classifiers.resnet18"
