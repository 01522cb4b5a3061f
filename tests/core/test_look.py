"""What an inspection compares its samples with has known answers, and missing extras are named, not fatal."""

import pytest
import torch
from torch import nn

from modeldebug import Classifier, Context, DataSpec, ImageSet, Splits, Target
from modeldebug.diagnostics import Samples
from modeldebug.rng import isolated_global_rng, rng_for
from modeldebug.sections import ReportSection
from modeldebug.stages import explain as explaining
from modeldebug.stages import quality as measuring
from modeldebug.stages.explain import explain, smooth_grad
from modeldebug.stages.look import Shown, look
from modeldebug.stages.quality import Codes, Images, distances, quality
from modeldebug.testing import known_problem

SPEC = DataSpec((1, 1, 3), ("cat", "dog", "owl"))
ANSWERS = ((0.9, 0.05, 0.05), (0.05, 0.9, 0.05), (0.5, 0.45, 0.05), (0.45, 0.5, 0.05), (0.05, 0.8, 0.15))
LABELS = (0, 0, 0, 1, 2)


class Given(nn.Module):
    """Images that are their own predictions."""

    def forward(self, x):
        return x.flatten(1)


@pytest.fixture(autouse=True)
def without_extras(request, monkeypatch):
    """As if neither extra were installed, unless a test is about them: they take seconds to import."""
    if "extras" not in request.fixturenames:
        for module in (explaining, measuring):
            monkeypatch.setattr(module, "find_spec", lambda name: None)


@pytest.fixture
def extras():
    """The test is about what the extras measure."""


def settings(**own):
    return ReportSection.model_validate({"draws": 20, "images": 6, "tsne": 0} | own)


def planted(targets, rows, chains=2, n=40):
    """Samples of the known problem: prior draws, each said to be of one of the targets."""
    known = known_problem()
    z = known.generator.sample(n, rng_for(0))
    probs = known.classifier.probs(known.generator.decode(z))
    target = torch.arange(n) % rows
    return known, Shown("samples", known.generator, targets, Samples(z, probs, target, torch.arange(n) % chains))


def looked_at(shown, **own):
    known = known_problem()
    return look(known.splits, known.splits, known.classifier, [shown], Context.quiet(0), settings=settings(**own))


def judged():
    images = torch.tensor(ANSWERS).view(-1, 1, 1, 3)
    data = ImageSet(images, torch.tensor(LABELS))
    classifier = Classifier(Given(), SPEC, output="probabilities")
    return look(Splits(SPEC, data, data, data), Splits(SPEC, data, data, data), classifier, [], Context.quiet(0),
                settings=settings())  # fmt: skip


def test_the_test_set_is_counted_as_it_is():
    test = judged().info["test_set"]
    assert test["confusion"] == [[2, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert (test["images"], test["confident_errors"], test["confident_errors_as"]) == (5, 1, [0, 1, 0])
    assert (test["ambiguous"], test["ambiguous_pairs"]) == (2, [[0, 1, 2]])


def test_confident_errors_and_ambiguous_images_are_kept_with_what_they_are():
    tensors = judged().tensors
    assert tensors["test/errors/labels"].tolist() == [0]
    assert tensors["test/errors/x"].flatten().tolist() == [13, 230, 13]
    assert tensors["test/torn/labels"].tolist() == [0, 1]


def test_a_class_is_shown_by_a_real_image_of_it():
    tensors, info = judged().tensors, judged().info
    assert info["known"] == [True, True, True]
    bytes_of = (torch.tensor(ANSWERS) * 255).round().byte()
    for c, image in enumerate(tensors["typical/x"]):
        rows = [row for row, label in zip(bytes_of.tolist(), LABELS, strict=True) if label == c]
        assert image.flatten().tolist() in rows


def test_images_of_samples_are_decoded_from_them_evenly_over_chains():
    targets = (Target("high-confidence", (0,), (1.0,)), Target("ambiguous", (0, 1), (0.5, 0.5)))
    known, shown = planted(targets, rows=2, chains=4)
    found = looked_at(shown).tensors
    rows, samples = found["0/rows"], shown.samples
    assert samples.target[rows].bincount().tolist() == [6, 6]
    for t in (0, 1):
        chains = samples.chain[rows[samples.target[rows] == t]].bincount(minlength=4)
        assert sorted(chains.tolist()) == [0, 0, 3, 3]  # each target's samples are of two of the chains
    again = (known.generator.decode(samples.z[rows]) * 255).round().byte()
    assert torch.equal(found["0/x"], again)


def test_prior_draws_come_with_their_predictions():
    known, shown = planted((Target("uniform"),), rows=1)
    found = looked_at(shown).tensors
    drawn = known.classifier.probs(known.generator.decode(found["0/draws.z"]))
    assert len(drawn) == 20
    assert torch.equal(found["0/draws.probs"], drawn)


def test_a_boundary_is_drawn_where_samples_are_near_it_and_nowhere_else():
    pair, n = Target("ambiguous", (0, 1), (0.5, 0.5)), 40
    near = torch.tensor([0.49, 0.5, 0.01, 0.0]).repeat(n, 1)
    known, shown = planted((pair,), rows=1, n=n)
    z, chain = shown.samples.z, shown.samples.chain
    close = Shown("samples", known.generator, (pair,), Samples(z, near, torch.zeros(n).long(), chain))
    found = looked_at(close, tsne=15)
    assert found.info["maps"] == [{"group": 0, "target": 0, "draws": 15, "samples": 15}]
    assert found.tensors["map0/xy"].shape == (30, 2)
    assert looked_at(shown, tsne=15).info["maps"] == []


def test_the_stopping_curve_ends_at_all_samples():
    target = Target("high-confidence", (0,), (1.0,))
    _, shown = planted((target,), rows=1)
    (curve,) = looked_at(shown).info["curves"]
    assert [point["samples"] for point in curve["points"]] == list(range(4, 41, 4))
    mean = float(shown.samples.probs[:, 0].mean())
    assert curve["points"][-1]["confidence"] == pytest.approx([mean], abs=1e-5)


def test_the_stopping_curve_takes_as_many_samples_of_every_chain():
    target, n = Target("high-confidence", (0,), (1.0,)), 40
    known, shown = planted((target,), rows=1, n=n)
    chain = torch.tensor([0] * 20 + [1] * 16 + [2] * 4)  # one after the other, as a sampler may give them
    probs = torch.eye(4)[(chain > 0).long()]
    own = Shown("samples", known.generator, (target,), Samples(shown.samples.z, probs, torch.zeros(n).long(), chain))
    (curve,) = looked_at(own).info["curves"]
    assert [p["samples"] for p in curve["points"]] == [6, 12, 16, 20, 24, 28, 32, 36, 38, 40]
    assert curve["points"][0]["confidence"] == pytest.approx([1 / 3], abs=1e-5)
    assert curve["points"][0]["rhat"] is None
    assert curve["points"][4]["confidence"] == pytest.approx([10 / 24], abs=1e-5)


def test_targets_whose_samples_are_near_come_first():
    targets = tuple(Target("high-confidence", (c,), (1.0,)) for c in range(4))
    known, shown = planted(targets, rows=4)
    near = torch.eye(4)[shown.samples.target] * (shown.samples.target >= 2)[:, None] + 1e-3
    samples = Samples(shown.samples.z, near, shown.samples.target, shown.samples.chain)
    found = looked_at(Shown("samples", known.generator, targets, samples), galleries=3).info
    assert found["foremost"] == [[0, 0], [0, 2], [0, 3]]
    assert [curve["target"] for curve in found["curves"]] == [0, 2, 3]


def test_a_target_without_samples_is_looked_at_too():
    none = torch.empty(0, dtype=torch.int64)
    known = known_problem()
    empty = Samples(torch.empty(0, 2), torch.empty(0, 4), none, none)
    found = looked_at(Shown("samples", known.generator, (Target("uniform"),), empty), tsne=15)
    assert len(found.tensors["0/x"]) == 0
    assert found.info["curves"][0]["points"] == []


def test_the_same_seed_gives_the_same_bits():
    _, shown = planted((Target("uniform"),), rows=1)
    one, other = looked_at(shown, tsne=15), looked_at(shown, tsne=15)
    assert one.info == other.info
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_missing_extras_are_named():
    _, shown = planted((Target("uniform"),), rows=1)
    found = looked_at(shown).info
    assert "pip install 'modeldebug[explain]'" in found["saliency"]["reason"]
    assert "pip install 'modeldebug[metrics]'" in found["quality"]["reason"]
    assert "--redo evidence" in found["saliency"]["reason"]
    assert "--redo evidence" in found["quality"]["reason"]
    assert found["fid"] is None
    assert found["kid"] is None


def linear(channels=1, output="logits"):
    spec = DataSpec((channels, 4, 4), ("cat", "dog", "owl"))
    with isolated_global_rng(0):
        module = nn.Sequential(nn.Flatten(), nn.Linear(16 * channels, 3))
    return Classifier(module, spec), module[1].weight.detach().view(3, channels, 4, 4)


@pytest.mark.usefixtures("extras")
@pytest.mark.parametrize("channels", [1, 3])
def test_smooth_grad_of_a_linear_model_is_the_size_of_its_weights(channels):
    pytest.importorskip("captum", reason="the extra explain is not installed")
    classifier, weights = linear(channels)
    x, classes = torch.rand(5, channels, 4, 4, generator=rng_for(0)), torch.tensor([0, 1, 2, 2, 1])
    torch.testing.assert_close(smooth_grad(classifier, x, classes), weights[classes].abs().amax(1))


class Ridge(nn.Module):
    """In the first pixel the score of the one class has a slope of 1 on both sides of a half, of either sign; in the
    second the slope is a tenth everywhere."""

    def forward(self, x):
        score = (x[:, 0, 0, 0] - 0.5).abs() + 0.1 * x[:, 0, 0, 1]
        return torch.stack([score, -score], 1)


@pytest.mark.usefixtures("extras")
def test_slopes_that_change_their_sign_with_the_noise_cancel():
    pytest.importorskip("captum", reason="the extra explain is not installed")
    classifier = Classifier(Ridge(), DataSpec((1, 1, 2), ("up", "down")))
    with isolated_global_rng(0):
        found = smooth_grad(classifier, torch.full((2, 1, 1, 2), 0.5), torch.tensor([0, 1]), repeats=400)
    assert found[:, 0, 0].max() < 0.2  # about 1 / sqrt(400) where they cancel, 1 where sizes are added
    torch.testing.assert_close(found[:, 0, 1], torch.full((2,), 0.1))


@pytest.mark.usefixtures("extras")
def test_maps_stand_in_the_order_of_what_was_asked():
    pytest.importorskip("captum", reason="the extra explain is not installed")
    classifier, weights = linear()
    asked = [({"class": c}, torch.rand(1, 4, 4)) for c in (2, 0)]
    maps, info = explain(classifier, asked, Context.quiet(0))
    assert info["of"] == [{"class": 2}, {"class": 0}]
    for image, c in zip(maps["saliency/x"], (2, 0), strict=True):
        assert int(image.flatten().argmax()) == int(weights[c].abs().flatten().argmax())


@pytest.mark.usefixtures("extras")
def test_a_classifier_without_gradients_has_no_maps_and_that_is_said():
    class Wall(nn.Module):
        def forward(self, x):
            return x.detach().flatten(1)[:, :3]

    pytest.importorskip("captum", reason="the extra explain is not installed")
    classifier = Classifier(Wall(), DataSpec((1, 4, 4), ("cat", "dog", "owl")))
    maps, info = explain(classifier, [({"class": 0}, torch.rand(1, 4, 4))], Context.quiet(0))
    assert maps == {}
    assert info["of"] == []
    assert "no gradient goes back" in info["reason"]


@pytest.mark.usefixtures("extras")
def test_a_set_is_at_no_distance_from_itself_and_a_shifted_one_at_its_shift():
    pytest.importorskip("torchmetrics", reason="the extra metrics is not installed")
    features = torch.randn(400, 4, generator=rng_for(0))
    with isolated_global_rng(0):
        same, (fid, kid, _) = distances(features, features), distances(features, features + 2)
    assert same[0] == pytest.approx(0, abs=1e-4)
    assert abs(same[1]) < 0.05
    assert fid == pytest.approx(4 * 2**2, abs=1e-3)
    assert kid > 1


@pytest.mark.usefixtures("extras")
def test_distances_are_measured_in_the_inputs_of_the_last_linear_layer():
    pytest.importorskip("torchmetrics", reason="the extra metrics is not installed")
    known = known_problem()
    with isolated_global_rng(0):
        module = nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 4))
    deep = Classifier(module, known.spec)
    made = [Images("generator", known.generator, Codes(known.generator.sample(60, rng_for(0))))]
    found = quality(known.splits, deep, made, Context.quiet(0), most=50)
    assert found["quality"]["features"] == "the 5 inputs of the last linear layer"
    assert found["quality"]["images"] == {"data": 50, "generator": 50}
    assert 0 <= found["fid"]["data"] < found["fid"]["generator"] + 1
    plain = quality(known.splits, known.classifier, made, Context.quiet(0), most=50)
    assert plain["quality"]["features"] == "log-probabilities"
