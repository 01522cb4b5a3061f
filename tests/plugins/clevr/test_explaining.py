"""Which patterns of attributes explain failures: planted causes are named, chance is not."""

import pytest
import torch
from modeldebug_clevr import explaining
from modeldebug_clevr.explaining import SMALL, explanations, summary
from modeldebug_clevr.objects import MATERIAL, SHAPE, SHAPES, SIZE, Pattern, present, unpacked
from modeldebug_clevr.scenes import Scenes
from planted_scenes import failing, scenes

from modeldebug import rng_for


def named(z, **settings):
    return [found.pattern.plural for found in explanations(z, **settings)]


CAUSES = ("blue cylinders", "cylinders", "blue things", "small metal things")


@pytest.mark.parametrize(("cause", "n"), [*((cause, 300) for cause in CAUSES), ("blue cylinders", 1000)])
def test_planted_cause_is_named_first_and_no_part_or_kind_of_it(cause, n):
    found = [named(failing([cause], n, seed)) for seed in range(4)]
    assert [names[0] for names in found] == [cause] * 4
    assert sum(len(names) for names in found) <= 5


def test_broken_twin_that_counts_what_is_frequent_names_another(monkeypatch):
    monkeypatch.setattr(explaining, "_chances", lambda odds, fits, covered: torch.full((11, len(fits)), 0.2).double())
    found = {named(failing(["blue cylinders"], 1000, seed))[0] for seed in range(3)}
    assert found <= {"small things", "rubber things", "metal things", "large things", "cylinders"}


def test_two_planted_causes_are_both_named_before_all_others():
    for seed in range(3):
        found = named(failing(["blue cylinders", "large red things"], 600, seed))
        assert set(found[:2]) == {"blue cylinders", "large red things"}


def test_a_cause_of_three_attributes_is_named_where_three_are_allowed():
    z = failing(["small blue cylinders"], 600, 0)
    assert named(z, attributes=3)[0] == "small blue cylinders"
    assert len(named(z, attributes=1)[0].split()) == 2


def test_random_failures_are_explained_by_nothing():
    named_at_random = [named(failing([], 300, seed)) for seed in range(20)]
    assert sum(len(names) > 0 for names in named_at_random) <= 1


def test_failures_of_crowded_scenes_are_not_blamed_on_what_these_hold():
    z, rng = scenes(6000, 0)
    z = z[torch.rand(len(z), generator=rng) < 0.02 * present(z).sum(1).float() ** 1.5]
    assert len(z) > 800
    assert named(z) == []


def test_risk_and_chance_are_those_of_the_planted_cause():
    z = failing(["blue cylinders"], 1000, 0)
    found = explanations(z)[0]
    assert found.risk == pytest.approx(0.8 / 0.05, rel=0.3)
    alike, _ = scenes(10_000, 1)
    holds, numbers = Pattern.read("blue cylinders").count(alike) > 0, present(alike).sum(1)
    share = torch.stack([holds[numbers == n].double().mean() for n in present(z).sum(1)])
    assert found.chance == pytest.approx(float(share.sum()), rel=0.05)
    assert torch.equal(found.rows, (Pattern.read("blue cylinders").count(z) > 0).nonzero()[:, 0])


def test_a_cause_without_which_nothing_fails_explains_everything():
    z = failing(["red cubes"], 300, 0)
    z = z[Pattern.read("red cubes").count(z) > 0]
    (found,) = explanations(z)
    assert (found.pattern.plural, len(found.rows)) == ("red cubes", len(z))
    assert summary([found], len(z)).endswith("no scene without them fails")


def test_small_effects_are_not_named():
    assert named(failing(["cylinders"], 3000, 0, often=0.05 * 1.3)) == []


def test_kinds_of_objects_that_never_occur_are_not_expected(monkeypatch):
    z, rng = scenes(500, 0)
    both = torch.tensor([[0.0, 0], [0, 1], [0, 2], [1, 0]])  # of metal: cubes alone
    unpacked(z)[..., [MATERIAL, SHAPE]] = both[torch.randint(4, (500, 10), generator=rng)]
    assert named(z) == []
    monkeypatch.setattr(explaining, "_occurring", lambda kinds: explaining._KINDS[:, -1] < 3)
    assert len(named(z)) > 0


def test_scenes_of_a_chain_that_stays_where_it_is_count_once():
    z = torch.cat([failing([], 100, 0), failing([], 1, 1).repeat(200, 1)])
    unpacked(z)[100:, :, :3] += 0.01 * torch.rand(200, 10, 3, generator=rng_for(0))
    assert named(z) == []
    assert named(failing(["cubes"], 1, 0).repeat(50, 1)) == []


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_failures_are_explained_by_nothing(n):
    assert explanations(failing(["blue cylinders"], n, 0)) == []


def test_share_of_small_objects_is_that_of_the_prior():
    z = Scenes(most=7).sample(2000, rng_for(0))
    numbers, small = present(z).sum(1), ((unpacked(z)[..., SIZE] == 0) & present(z)).sum(1)
    for n in range(3, 8):
        share = float(small[numbers == n].sum()) / (n * int((numbers == n).sum()))
        assert share == pytest.approx(SMALL[n], abs=4 * (0.25 / n / int((numbers == n).sum())) ** 0.5)


def test_cones_are_named_where_they_occur():
    z, rng = scenes(4000, 0)
    unpacked(z)[..., SHAPE] = torch.randint(4, (4000, 10), generator=rng).float()
    cones = (unpacked(z)[..., SHAPE] == SHAPES.index("cone")) & present(z)
    z = z[torch.rand(4000, generator=rng) < torch.where(cones.any(1), 0.5, 0.05)]
    assert named(z)[0] == "cones"
