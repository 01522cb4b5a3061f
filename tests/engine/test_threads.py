"""What a run changes of the process that it computes in, and puts back."""

import pytest
import torch

from modeldebug.session import thread_count, threads
from modeldebug.types import DataSpec


def denormal_survives():
    return bool(torch.tensor([1e-40]) * 1)


@pytest.fixture(params=[False, True])
def flushed(request):
    torch.set_flush_denormal(request.param)
    yield request.param
    torch.set_flush_denormal(False)


def test_with_one_thread_numbers_that_are_too_small_are_taken_for_0_inside_and_as_before_outside(flushed):
    assert denormal_survives() is not flushed
    with threads(1):
        assert not denormal_survives()
    assert denormal_survives() is not flushed


def test_with_several_threads_which_would_not_all_get_the_flag_it_is_left_as_it_is(flushed):
    with threads(2):
        assert denormal_survives() is not flushed
    assert denormal_survives() is not flushed


def failing(count):
    with threads(count):
        raise KeyError(torch.get_num_threads())


def test_threads_are_as_before_even_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError, match=str(before + 1)):
        failing(before + 1)
    assert torch.get_num_threads() == before
    assert denormal_survives()


@pytest.mark.parametrize(("side", "asked", "expected"), [(8, None, 1), (16, None, 1), (17, None, None), (8, 3, 3)])
def test_small_images_get_one_thread_unless_another_number_is_asked_for(side, asked, expected):
    assert thread_count(asked, DataSpec((1, side, side), ("a", "b"))) == expected
