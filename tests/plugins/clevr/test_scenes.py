"""Scenes without pictures: their prior, the steps through them, and which of them cannot be."""

import pytest
import torch
from modeldebug_clevr.objects import LATENT, ROTATION, SHAPE, SIZE, THERE, Pattern, Question, X, Y, present, unpacked
from modeldebug_clevr.scenes import HALF, Scenes, overlapping, summed_up
from modeldebug_clevr.words import attributes, occurs

from modeldebug import rng_for

FEW = Scenes(least=0, most=4)
WIDE = 3.0  # times the paper's deviations: walls are felt at once


def scene(*objects):
    """A code of objects, each (x, y, shape, colour, material, size)."""
    z = torch.zeros(1, LATENT)
    for i, (x, y, *others) in enumerate(objects):
        unpacked(z)[0, i] = torch.tensor([1, x, y, 0, *others])
    return z


def walked(z, *, one, heeded=True, steps=30):
    """Codes after a random walk in the prior; without heeding the log ratio, in what the kernel alone would keep."""
    rng = rng_for(1, "walk")
    for _ in range(steps):
        after, log_ratio = FEW.propose(z, rng, torch.full((len(z),), WIDE), one=one)
        gain = FEW.log_prior(after) - FEW.log_prior(z) + log_ratio * heeded
        accepted = FEW.valid(after) & (torch.rand(len(z), generator=rng).log() < gain)
        z = torch.where(accepted[:, None], after, z)
    return z


def features(z):
    """What is looked at of scenes, (n, 5): how many objects, how many near a wall, cubes, large ones, their turns."""
    objects, there = unpacked(z), present(z)
    wall = (objects[..., [X, Y]].abs() > HALF - 0.5).any(2)
    return torch.stack(
        [
            there.sum(1),
            wall.sum(1),
            (there & (objects[..., SHAPE] == 0)).sum(1),
            (there & (objects[..., SIZE] == 1)).sum(1),
            (objects[..., ROTATION] < 0.25).sum(1),
        ],
        1,
    ).double()


def apart(a, b):
    """By how many standard errors the means of features differ."""
    return (a.mean(0) - b.mean(0)).abs() / (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()


@pytest.fixture(scope="module")
def prior():
    rng = rng_for(0, "prior")
    return FEW.sample(1000, rng), features(FEW.sample(10_000, rng))


@pytest.mark.parametrize("one", [True, False])
def test_a_random_walk_keeps_the_prior(prior, one):
    start, expected = prior
    after = walked(start, one=one)
    assert not torch.equal(after, start)
    assert bool((apart(features(after), expected) < 4.5).all())


def test_a_walk_that_does_not_heed_the_log_ratio_shuns_the_walls(prior):
    start, expected = prior
    assert float(apart(features(walked(start, one=False, heeded=False)), expected)[1]) > 10


def test_a_step_with_one_object_changes_one_and_every_other_time_puts_another_in_its_place(prior):
    start, _ = prior
    after, _ = FEW.propose(start, rng_for(2, "step"), torch.full((len(start),), 0.01), one=True)
    here, there = unpacked(start), unpacked(after)
    changed = (here[..., [X, Y]] != there[..., [X, Y]]).any(2)
    assert changed.sum(1).tolist() == [1] * len(start)
    far = (here[..., [X, Y]] - there[..., [X, Y]]).norm(dim=2).amax(1) > 0.1
    assert float(far.float().mean()) == pytest.approx(0.5, abs=0.05)
    appearing = present(start) != present(after)
    assert float(appearing.any(1).float().mean()) == pytest.approx(0.1, abs=0.03)


def test_scenes_are_summed_up_alike_in_any_order_of_their_objects_and_otherwise_not(prior):
    z = prior[0]
    shuffled = unpacked(z)[:, torch.randperm(10, generator=rng_for(3, "order"))].reshape(z.shape)
    torch.testing.assert_close(summed_up(shuffled), summed_up(z))
    unseen = z.clone()
    unpacked(unseen)[..., X][~present(z)] = 0.0
    assert torch.equal(summed_up(unseen), summed_up(z))
    for column, value in ((X, 2.9), (SHAPE, 2.0), (SIZE, 1.0), (THERE, 0.0)):
        other = z.clone()
        unpacked(other)[..., column] = torch.where(present(z), value, unpacked(z)[..., column])
        some = present(z).any(1) & (other != z).any(1)
        assert bool((summed_up(other) != summed_up(z)).any(1)[some].all()), column


def test_every_number_of_objects_is_about_as_frequent_and_all_scenes_are_valid():
    scenes = Scenes()
    z = scenes.sample(1000, rng_for(0, "scenes"))
    assert bool(scenes.valid(z).all())
    counts = present(z).sum(1).bincount(minlength=11)
    assert counts[:3].sum() == 0
    assert bool((counts[3:] > 80).all())
    # of as many objects each scene is as probable; among ten that are put down anywhere, few have no overlap
    assert float(scenes.log_prior(z).max() - scenes.log_prior(z).min()) > 4


@pytest.mark.parametrize(("distance", "overlap"), [(1.49, True), (1.51, False)])
def test_large_objects_overlap_where_they_are_nearer_than_their_radii_and_a_gap(distance, overlap):
    z = scene((0, 0, 0, 0, 0, 1), (distance, 0, 1, 3, 1, 1))
    assert bool(overlapping(z)) is overlap
    assert bool(Scenes(least=1).valid(z)) is not overlap
    unpacked(z)[0, 1, THERE] = 0
    assert bool(Scenes(least=1).valid(z))


@pytest.mark.parametrize(
    ("column", "value"), [(X, 3.01), (Y, float("nan")), (ROTATION, 1.0), (SHAPE, 3.0), (SIZE, 0.5), (THERE, 0.5)]
)
def test_numbers_that_mean_nothing_are_no_scene(column, value):
    z = scene((0, 0, 0, 0, 0, 1))
    scenes = Scenes(least=1)
    assert bool(scenes.valid(z))
    unpacked(z)[0, 0, column] = value
    assert not bool(scenes.valid(z))


def test_what_never_occurs_is_neither_drawn_nor_valid():
    scenes = Scenes(least=1, most=3, never=(Pattern.read("blue cubes"),))
    assert int(Pattern.read("blue cubes").count(scenes.sample(2000, rng_for(0, "never"))).sum()) == 0
    assert not bool(scenes.valid(scene((0, 0, 0, 2, 0, 1))))
    assert bool(scenes.valid(scene((0, 0, 1, 2, 0, 1))))


def test_truth_is_the_count_by_hand():
    z = scene((0, 0, 0, 2, 0, 1), (2, 0, 0, 2, 1, 0), (-2, 0, 1, 2, 0, 0), (0, 2, 0, 1, 0, 0))
    unpacked(z)[0, 7] = unpacked(z)[0, 0]  # a fifth object, then taken away
    unpacked(z)[0, 7, THERE] = 0
    for words, top, answer in (
        ("cubes", 6, 3), ("cubes", 2, 2), ("blue cubes", 6, 2), ("small blue metal cubes", 6, 1), ("blue things", 6, 3),
        ("things", 6, 4), ("cones", 6, 0),
    ):  # fmt: skip
        assert Question(Pattern.read(words), top).answers(z).tolist() == [answer], words


@pytest.mark.parametrize("words", ["", "dogs", "blue", "red blue cubes", "cubes spheres", "things cubes"])
def test_words_that_name_no_objects_are_refused(words):
    with pytest.raises(ValueError, match="does not name objects"):
        attributes(words)


def test_objects_that_are_all_ruled_out_do_not_occur():
    assert occurs(["cube"], [attributes("blue cubes")], attributes("red cubes"))
    assert not occurs(["cube"], [attributes("blue things")], attributes("blue cubes"))
    assert not occurs(["cube"], [attributes("rubber things"), attributes("metal cubes")])
