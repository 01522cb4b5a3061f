"""The example of domain shift: what it measures is held against known answers, and the script runs as it stands."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torch import nn

import modeldebug
from modeldebug import ImageSet, rng_for
from tests.examples.test_benchmarks import write_digits

FOLDER = Path(__file__).parents[2] / "examples" / "domain_shift"
MODULES = ("adda", "compare", "confident", "domains")


@pytest.fixture(scope="module")
def example():
    """The example's modules, as a script in its folder finds them."""
    sys.path.insert(0, str(FOLDER))
    found = {name: importlib.import_module(name) for name in MODULES}
    sys.path.remove(str(FOLDER))
    yield type("Example", (), found)
    for name in MODULES:
        del sys.modules[name]


def accuracy(example, right, wrong, abstained=None, seed=0):
    """Of verdicts of populations x classes."""
    right, wrong = torch.tensor(right), torch.tensor(wrong)
    none = torch.zeros_like(right)
    abstained = none if abstained is None else torch.tensor(abstained)
    return example.confident.Accuracy.of(example.confident.Judged(right, wrong, abstained, none[0], 0), seed=seed)


def test_samples_of_a_population_count_together(example):
    # the same 200 of 400 right: all or none of a population, or half of each
    torn = accuracy(example, [[40], [0]] * 5, [[0], [40]] * 5).mean(torch.tensor([0]))
    even = accuracy(example, [[20]] * 10, [[20]] * 10).mean(torch.tensor([0]))
    assert torn.share == even.share == 0.5
    assert even.high - even.low == 0
    assert (torn.low, torn.high) == pytest.approx((0.2, 0.8), abs=0.01)  # of ten coins: 0.5 +- 1.96 * 0.158
    wilson = example.confident.Rate.of(200, 400)
    assert torn.high - torn.low > 5 * (wilson.high - wilson.low)


def test_what_is_not_judged_is_left_out_and_classes_count_alike(example):
    few = accuracy(example, [[30, 2, 0, 2]] * 4, [[0, 2, 0, 0]] * 4, [[0, 900, 10, 0]] * 4)
    assert few.classes().tolist() == [0, 1], "of the last there are too few"
    assert few.share[:2].tolist() == [1.0, 0.5]
    assert few.mean(few.classes()).share == 0.75
    assert few.mean(torch.tensor([0])).low == pytest.approx(0.51, abs=0.01), "Wilson's, of four populations"
    assert str(few.mean(torch.tensor([], dtype=torch.int64))) == "-"


def test_models_are_compared_in_classes_that_both_are_sure_of(example):
    one = accuracy(example, [[9, 5, 0]] * 4, [[1, 5, 0]] * 4)
    other = accuracy(example, [[9, 0, 10], [7, 0, 10]] * 2, [[1, 0, 0], [3, 0, 0]] * 2, seed=1)
    gain = other.less(one)  # class 0 alone; by their own classes it would be 0.9 less 0.7
    assert gain.share == pytest.approx(-0.1)
    assert gain.low < gain.share < gain.high <= 1e-9


class Brightest(nn.Module):
    """Sure of the class whose column is the brightest; of the last class too, where it is bright below."""

    def forward(self, x):
        columns = x[:, 0, :14].mean(1).unflatten(1, (4, 7)).mean(2)
        columns[:, 3] += 2 * x[:, 0, 14:].mean((1, 2))
        return 400 * columns


class Truth:
    """An auditor that reads the upper half alone, and abstains where it is dark."""

    spec = modeldebug.DataSpec((1, 28, 28), ("a", "b", "c", "d"))

    def labels(self, x, name):
        columns = x[:, 0, :14].mean(1).unflatten(1, (4, 7)).mean(2)
        return torch.where(columns.amax(1) > 0.02, columns.argmax(1), -1)


def bars(n, seed):
    """Images with a bright bar in the upper half, whose column is the class, and now and then a glow below."""
    rng = rng_for(seed, "bars")
    labels = torch.arange(n) % 4
    x = 0.1 * torch.rand(n, 1, 28, 28, generator=rng)
    for row, label in enumerate(labels.tolist()):
        x[row, :, :14, 7 * label : 7 * label + 7] += 0.8
    x[torch.rand(n, generator=rng) < 0.3, :, 14:] += 0.6
    return ImageSet(x, labels)


def test_confident_errors_that_were_planted_are_found_in_their_class_alone(example, tmp_path):
    images = bars(400, 0)
    data = modeldebug.Splits(Truth.spec, images, images, bars(100, 1))
    domains = example.domains.Domains("bars", images, images, data)
    settings = {
        "generator": {"use": "vae-fc", "epochs": 20, "hidden": 64, "batch_size": 32, "learning_rate": 3e-3},
        "searcher": {"populations": 3, "particles": 12, "pool": 512, "moves": 2},
        "report": {"tsne": 0, "maps": 0, "draws": 10, "images": 2},
    }
    inspection = example.confident.sampled(Brightest(), domains, settings=settings, out=tmp_path / "it")
    found = example.confident.judged(inspection, Truth())
    rates = example.confident.Accuracy.of(found, seed=0)
    assert rates.share[:3].tolist() == [1, 1, 1]
    assert rates.mean(torch.tensor([3])).high < 0.8, "the glow makes anything a d"


def test_an_encoder_is_adapted_without_a_label_to_images_that_it_gets_wrong(example):
    data = example.domains.make("digits-shifted", root=None, shift="rotated:50", images=400, seed=0)
    source, target, test = (part.subset(part.labels < 3) for part in (data.source, data.target, data.labelled.test))
    model = example.adda.trained(source, 3, epochs=6, seed=0, batch_size=16)
    settings = {"steps": 40, "seed": 0, "rate": 2e-4, "batch_size": 32}
    adapted = example.adda.adapted(model, source.images, target.images, **settings)
    before, after = (float(example.confident.answers(of, test)[1].float().mean()) for of in (model, adapted))
    assert after > before + 0.05
    assert torch.equal(model.head.weight, adapted.head.weight)


def test_an_auditor_learns_from_images_that_nothing_else_sees(example):
    data = example.domains.make("digits-shifted", root=None, shift="blurred:1", images=1000, seed=0)
    parts = (data.target, data.labelled.train, data.labelled.validation, data.labelled.test)
    pixels = [{image.numpy().tobytes() for image in part.images} for part in parts]
    assert sum(map(len, pixels)) == len(set.union(*pixels))
    upright = {example.domains.blurred(image[None], 1)[0].numpy().tobytes() for image in data.source.images}
    assert not upright & pixels[0], "nor is a target image one of the source, shifted"


def test_a_turn_back_restores_and_inverting_twice_does(example):
    x = torch.zeros(1, 1, 28, 28)
    x[:, :, 4, 14] = 1  # above the middle: turned anticlockwise it is on the left
    turned = example.domains.shifted("rotated:90")[1](x)
    assert divmod(int(turned.argmax()), 28)[1] < 6
    assert torch.allclose(example.domains.rotated(turned, -90), x, atol=1e-4)
    invert = example.domains.shifted("inverted")[1]
    assert torch.equal(invert(invert(x)), x)
    with pytest.raises(ValueError, match="no shift 'upside'"):
        example.domains.shifted("upside")


def test_the_papers_pair_is_read_where_its_files_are(example, tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        x = rng.integers(0, 256, (32, 32, 3, 60), dtype=np.uint8)
        savemat(tmp_path / f"{part}_32x32.mat", {"X": x, "y": np.arange(60)[:, None] % 10 + 1})
    write_digits(tmp_path, 150, 40)
    data = example.domains.make("svhn-mnist", root=tmp_path, shift="", images=50, seed=0)
    assert data.source.shape == data.target.shape == (1, 28, 28)
    assert (len(data.source), data.title) == (50, "svhn to mnist")


def test_the_script_prints_what_it_writes_and_the_benchmark_reads_it(example, tmp_path, monkeypatch, capsys):
    small = {"images": 120, "source": 600, "steps": 2, "judge": 400, "generator": 600, "populations": 2, "particles": 4}
    scale = replace(example.compare.QUICK, **small, pool=32, stages=2)
    monkeypatch.setattr(example.compare, "QUICK", scale)
    file = tmp_path / "digits-shifted-rotated-40-vae-fc-0.json"
    monkeypatch.setattr(sys, "argv", ["compare.py", "--quick", "--json", str(file)])
    example.compare.main()
    printed, figures = capsys.readouterr().out, json.loads(file.read_text())["figures"]
    assert max(map(len, printed.splitlines())) <= 80
    test = figures["baseline"]["test"]
    assert f"test images             {100 * test['share']:.1f} % (" in printed
    assert printed.endswith(f"{figures['answer']}\n")
    assert len(figures["adapted"]["classes"]) == 10

    monkeypatch.syspath_prepend(FOLDER.parents[1] / "benchmarks")
    monkeypatch.setattr(sys, "argv", ["domain_shift.py", "--quick", "--keep", str(tmp_path), "--json", f"{file}.all"])
    importlib.import_module("domain_shift").main()
    written = json.loads(Path(f"{file}.all").read_text())
    assert written["figures"]["baseline_test"] == test["share"]
    assert written["figures"]["test_gain"] == pytest.approx(figures["adapted"]["test"]["share"] - test["share"])
    assert f"({100 * test['low']:.1f} to {100 * test['high']:.1f})" in capsys.readouterr().out
    del sys.modules["domain_shift"], sys.modules["figures"]
