import random

import numpy as np
import torch

from modeldebug.rng import derive_seed, isolated_global_rng, rng_for, spawn


def draw_from_globals():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_same_path_gives_the_same_seed_and_another_path_another():
    assert derive_seed(1, "search", 3) == derive_seed(1, "search", 3)
    paths = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, "a", "b")]
    assert len({derive_seed(*path) for path in paths}) == len(paths)


def test_seeds_fit_every_generator():
    assert all(0 <= derive_seed(0, i) < 2**63 for i in range(50))
    assert 0 <= spawn(rng_for(0)) < 2**31


def test_spawn_advances_its_generator():
    rng = rng_for(0)
    assert spawn(rng) != spawn(rng)


def test_isolation_restores_all_three_global_generators():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = draw_from_globals()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    with isolated_global_rng(5):
        draw_from_globals()
    assert draw_from_globals() == expected


def test_isolation_seeds_all_three_global_generators():
    drawn = []
    for _ in range(2):
        draw_from_globals()
        with isolated_global_rng(2**62):
            drawn.append(draw_from_globals())
    assert drawn[0] == drawn[1]


def test_isolation_restores_after_an_error():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    try:
        with isolated_global_rng(5):
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.get_rng_state(), before)
