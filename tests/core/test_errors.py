import pickle

import numpy as np
import pytest
import torch

from modeldebug.errors import (
    BatchTooLargeError,
    ConfigError,
    ModelDebugError,
    PluginError,
    RunFolderError,
    WaitingForPeople,
    nearest,
    ran_out_of_memory,
)


def test_message_says_what_got_expected_plugin_and_what_to_do_in_this_order():
    error = PluginError("it is wrong", got="a", expected="b", fix="type c", plugin="mine:search")
    assert str(error).splitlines() == [
        "it is wrong",
        "  got:      a",
        "  expected: b",
        "  plugin:   mine:search",
        "  do:       type c",
    ]


def test_message_leaves_out_what_is_not_known_but_keeps_zero_and_false():
    assert str(ModelDebugError("what", got=0, expected=False)) == "what\n  got:      0\n  expected: False"
    assert str(ModelDebugError("what")) == "what"


@pytest.mark.parametrize(
    ("error", "code"),
    [(ModelDebugError, 1), (ConfigError, 2), (RunFolderError, 2), (PluginError, 2), (WaitingForPeople, 3)],
)
def test_each_error_knows_its_exit_code(error, code):
    assert error("what", fix="do this").exit_code == code


def test_a_worker_can_send_that_a_batch_was_too_large():
    error = BatchTooLargeError(512, "tried to allocate 2 GiB")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.size, str(again)) == (BatchTooLargeError, 512, str(error))


def test_advice_is_half_the_batch_and_for_one_image_no_batch_at_all():
    assert "run.batch_size=256" in BatchTooLargeError(512).fix
    assert "batch_size" not in BatchTooLargeError(1).fix


def numpy_has_no_memory():
    np.empty(2**62, dtype=np.int8)


def torch_has_no_memory():
    torch.empty(2**62, dtype=torch.int8)


@pytest.mark.parametrize("allocate", [numpy_has_no_memory, torch_has_no_memory])
def test_allocators_are_known_by_what_they_raise(allocate):
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        allocate()
    assert ran_out_of_memory(caught.value)


def test_other_errors_are_no_lack_of_memory():
    assert not ran_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not ran_out_of_memory(ValueError("DefaultCPUAllocator"))


def test_nearest_known_name_is_offered():
    assert nearest("drawz", ["draws", "scale"]) == "did you mean 'draws'?"


def test_without_a_near_name_all_are_listed():
    assert nearest("zzz", ["scale", "draws"]) == "known: draws, scale"
    assert nearest("zzz", []) == "known: none"
