"""Clusters of failing scenes: a pattern, a right answer and a place each; samples keep all three."""

from dataclasses import replace

import pytest
import torch
from modeldebug_clevr.objects import PARTS, ROTATION, Pattern, X, Y, present, unpacked
from modeldebug_clevr.patterns import ANY, Patterns
from modeldebug_clevr.settings import PatternsConfig
from planted_scenes import CYLINDERS, SPEC, failing, failures

from modeldebug import Context, PluginError, rng_for
from modeldebug.testing import CHECKS, known_problem
from modeldebug.testing.runner import Subject

BLUE = Pattern.read("blue cylinders")
FIXED = [column for column, _ in enumerate(PARTS) if column not in (X, Y, ROTATION)]


def clusterer(**settings):
    return Patterns(PatternsConfig(**settings), SPEC)


def fit(z, seed=0, **settings):
    return clusterer(**{"components": 1, **settings}).fit(failures(z), Context.quiet(seed))


def sample(clustering, cluster, n=50, *, tau=0.5, seed=0):
    z, condition = clusterer().sample(clustering, cluster, n, tau=tau, rng=rng_for(seed))
    assert condition is None
    return z


def objects_of(z):
    """What scenes hold, as one row of numbers each, wherever it is."""
    return unpacked(z)[..., FIXED].flatten(1)


@pytest.fixture(scope="module")
def z():
    return failing(["blue cylinders"], 300, 0)


@pytest.fixture(scope="module")
def clustering(z):
    return fit(z, components=4)


def test_planted_pattern_is_the_first_cluster_and_the_heaviest(clustering):
    assert clustering.names[0] == "blue cylinders (right answer: 2 or more cylinders)"
    assert int(clustering.weights.argmax()) == 0
    assert clustering.note.startswith("blue cylinders are in ")
    assert clustering.converged


def test_clusters_are_of_one_pattern_and_one_right_answer(z, clustering):
    for cluster, name in enumerate(clustering.names):
        members = z[clustering.assignment == cluster]
        assert bool((BLUE.count(members) > 0).all()) == name.startswith("blue cylinders")
        (answer,) = CYLINDERS.answers(members).unique().tolist()
        assert name.endswith(f"(right answer: {CYLINDERS.classes[answer]})")
        assert float(clustering.weights[cluster]) == pytest.approx(len(members) / 300)
    assert len(set(clustering.names)) == len(clustering)
    assert any(name.startswith("other scenes") for name in clustering.names)


def test_samples_are_new_valid_scenes_with_the_pattern_and_the_answer_of_their_cluster(z, clustering):
    for cluster in range(len(clustering)):
        members, drawn = z[clustering.assignment == cluster], sample(clustering, cluster)
        assert bool(ANY.valid(drawn).all())
        assert set(CYLINDERS.answers(drawn).tolist()) == set(CYLINDERS.answers(members).tolist())
        known = {tuple(row) for row in objects_of(members).tolist()}
        assert {tuple(row) for row in objects_of(drawn).tolist()} <= known
        assert not bool((drawn[:, None] == members).all(2).any())


def test_one_object_goes_anywhere_in_its_cluster_and_the_others_hardly_move(z, clustering):
    members, drawn = z[clustering.assignment == 0], sample(clustering, 0, 200, tau=1.0)
    moved = (unpacked(drawn)[:, None, :, [X, Y]] - unpacked(members)[..., [X, Y]]).norm(dim=3)
    same = (objects_of(drawn)[:, None] == objects_of(members)).all(2)
    moved = moved[torch.arange(200), same.int().argmax(1)].masked_fill(~present(drawn), 0)
    farthest = moved.argmax(1)
    far = moved.amax(1) > 1
    assert float(far.float().mean()) > 0.5
    assert bool(BLUE.matches(drawn)[torch.arange(200), farthest][far].all())
    others = moved.scatter(1, farthest[:, None], 0)[far]
    assert float(others.max()) < 1
    assert float(others[others > 0].mean()) < 0.3


def test_tau_scales_how_far_from_each_other_samples_are(z, clustering):
    one = z[(BLUE.count(z) == 1) & (present(z).sum(1) == 3)][:1]
    slots = BLUE.matches(one).int().argmax(1)
    members = {"scenes": one, "slots": slots, "cluster": torch.zeros(1, dtype=torch.int64)}
    of_one = replace(clustering, parameters=clustering.parameters | members)
    wide, narrow = (unpacked(sample(of_one, 0, 400, tau=tau))[:, slots, X].var() for tau in (1.0, 0.1))
    assert float(narrow / wide) < 0.35


def test_a_cluster_off_the_middle_is_named_by_its_place_and_sampled_there():
    clustering = fit(failing(["blue cylinders"], 400, 1, where=lambda x, y: x < -1))
    assert ", around x -" in clustering.names[0]
    drawn = sample(clustering, 0, 200)
    there = unpacked(drawn)[..., X][BLUE.matches(drawn)]
    assert float((there < -1).float().mean()) > 0.6  # of all floor, that is a third


def test_failures_at_two_places_are_two_clusters():
    z = failing(
        ["blue cylinders"], 500, 0, where=lambda x, y: (x.sign() == y.sign()) & (x.abs() > 1.5) & (y.abs() > 1.5)
    )
    clustering = clusterer(components=4).fit(replace(failures(z), expected=torch.zeros(500).long()), Context.quiet(0))
    assert sum(name.startswith("blue cylinders") for name in clustering.names) >= 2
    first, second = (
        unpacked(z[clustering.assignment == i])[..., X][BLUE.matches(z[clustering.assignment == i])].mean()
        for i in (0, 1)
    )
    assert float((first - second).abs()) > 2


def test_rotations_about_zero_are_one_cluster_and_drawn_there():
    z = failing(["blue cylinders"], 300, 0)
    blue = BLUE.matches(z)
    turned = (0.03 * torch.randn(z.shape[0], 10, generator=rng_for(0))) % 1.0 % 1.0
    unpacked(z)[..., ROTATION] = torch.where(blue, turned, unpacked(z)[..., ROTATION])
    clustering = fit(z, components=4)
    assert sum(name.startswith("blue cylinders (right answer: 2 or more") for name in clustering.names) == 1
    drawn = sample(clustering, 0, tau=1.0)
    rotation = unpacked(drawn)[..., ROTATION][BLUE.matches(drawn)]
    assert float(torch.minimum(rotation, 1 - rotation).max()) < 0.2


def test_clusters_and_samples_repeat_with_their_seeds(z, clustering):
    again = fit(z, components=4)
    assert again.names == clustering.names
    assert all(torch.equal(value, again.parameters[name]) for name, value in clustering.parameters.items())
    assert torch.equal(sample(again, 0), sample(clustering, 0))
    assert not torch.equal(sample(again, 0), sample(clustering, 0, seed=1))


def test_small_parts_and_codes_of_no_valid_scene_are_noise(z):
    broken = z.clone()
    unpacked(broken)[:7, :, X] = 4
    clustering = fit(broken, least=30)
    assert clustering.assignment[:7].tolist() == [-1] * 7
    sizes = clustering.assignment[clustering.assignment >= 0].bincount()
    assert int(sizes.min()) >= 30
    assert clustering.note.endswith(f"{300 - int(sizes.sum())} of 300 failures are in no cluster")


@pytest.mark.parametrize("rows", [[0], [0, 1], [0] * 20])
def test_few_or_equal_failures_are_no_error(z, rows):
    clustering = fit(z[rows])
    assert len(clustering) == (len(rows) == 20)
    for cluster in range(len(clustering)):
        assert bool(ANY.valid(sample(clustering, cluster, 3)).all())


def test_failures_that_several_answers_fit_are_named_without_one(z):
    several = replace(failures(z), expected=torch.full((300,), -1))
    clustering = clusterer(components=1).fit(several, Context.quiet(0))
    assert clustering.names == ("blue cylinders", "other scenes")


def test_codes_that_are_no_scenes_are_refused():
    with pytest.raises(PluginError, match="no scenes") as refused:
        clusterer().fit(known_problem().failures(per_ball=5), Context.quiet(0))
    assert "2 numbers" in str(refused.value)
    assert "defuse:dp-gmm" in str(refused.value)


class Planted:
    """What the conformance kit asks of its known problem, with failing scenes for failures."""

    @staticmethod
    def failures(per_ball):
        return failures(failing(["blue cylinders"], 2 * per_ball, 0))

    @staticmethod
    def ball_of(z):
        return (BLUE.count(z) > 0).long()


class OnScenes(Subject):
    known = Planted


OWN = [check for check in CHECKS["clusterer"] if check.function.__module__.endswith("checks_clusterer")]
KEPT = [check for check in OWN if check.name != "tau_scales_the_covariance"]  # it does, of one object's place alone


@pytest.mark.parametrize("check", KEPT, ids=lambda check: check.name)
def test_clusterer_keeps_the_contract_on_scenes(check):
    check.run(OnScenes("clusterer", lambda spec: Patterns(PatternsConfig(components=1), spec)))
