import pytest
import torch

from modeldebug import DataError, PluginError
from modeldebug.tensors import check_tensor, describe


def check(x, **changes):
    wanted = {"shape": ("n", 2), "dtype": torch.float32, "low": 0, "high": 1, "plugin": "mine:search"}
    return check_tensor("z", x, **(wanted | changes))


def test_fitting_tensor_is_given_back_itself():
    x = torch.rand(3, 2)
    assert check(x) is x


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([1.0, 2.0], "got:      list"),
        (torch.rand(3, 2).double(), "got:      float64 (3, 2)"),
        (torch.rand(3), "got:      float32 (3,)"),
        (torch.rand(3, 4), "wrong shape"),
        (torch.tensor([[0.0, torch.nan]]), "1 of 2 values"),
        (torch.tensor([[0.0, torch.inf]]), "NaN or infinite"),
        (torch.tensor([[0.0, 1.5]]), "values above 1 (for example 1.5)"),
        (torch.tensor([[0.0, -0.5]]), "values below 0 (for example -0.5)"),
    ],
)
def test_misfit_is_refused_with_what_was_got(x, words):
    with pytest.raises(PluginError) as caught:
        check(x)
    assert words in str(caught.value)
    assert "mine:search" in str(caught.value)


def test_bounds_themselves_are_in_range():
    check(torch.tensor([[0.0, 1.0]]))


def test_empty_tensor_has_no_range():
    check(torch.empty(0, 2))


def test_error_class_is_the_callers_choice():
    with pytest.raises(DataError):
        check(torch.rand(3), error=DataError)


def test_tensor_that_takes_gradients_is_checked_without_a_warning():
    check(torch.rand(3, 2, requires_grad=True))


def test_description_names_type_and_shape():
    assert describe(torch.zeros(2, 3, dtype=torch.uint8)) == "uint8 (2, 3)"
    assert describe("text") == "str"
