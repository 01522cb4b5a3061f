"""Tasks in worker processes."""

import os

import pytest

from modeldebug.errors import InputError
from modeldebug.executors import each


def test_every_task_has_its_result_here_and_in_worker_processes():
    expected = [(0, 3), (1, 1), (2, 2)]
    assert list(each(abs, [-3, 1, -2])) == expected
    assert sorted(each(abs, [-3, 1, -2], workers=2)) == expected


def test_a_worker_that_is_ended_is_told_of():
    with pytest.raises(InputError, match="a worker process ended in the middle of its work"):
        list(each(os._exit, [3, 3], workers=2))
