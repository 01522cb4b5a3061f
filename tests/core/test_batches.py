import pytest
import torch
from torch import nn

from modeldebug import in_batches
from modeldebug.errors import BatchTooLargeError

CPU = torch.device("cpu")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10)
    ).eval()


@pytest.fixture
def images():
    return torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_answer_to_an_image_does_not_depend_on_the_images_after_it(network, images):
    together = in_batches(network, 16, CPU, images)
    for n in (1, 2, 15, 16, 17, 33):
        assert torch.equal(in_batches(network, 16, CPU, images[:n]), together[:n])


def test_answer_to_an_image_does_not_depend_on_its_place(network, images):
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    assert torch.equal(in_batches(network, 16, CPU, images[order]), in_batches(network, 16, CPU, images)[order])


def test_every_call_has_the_same_shape(images):
    seen = []

    def remember(x):
        seen.append(tuple(x.shape))
        return x

    assert torch.equal(in_batches(remember, 16, CPU, images), images)
    assert seen == [(16, 1, 8, 8)] * 4


def test_no_rows_give_no_answers_of_the_right_shape(network, images):
    answer = in_batches(network, 16, CPU, images[:0])
    assert answer.shape == (0, 10)
    assert answer.dtype == torch.float32


def test_several_tensors_are_cut_alike_and_none_is_passed_on():
    def add(a, b, c):
        assert c is None
        return a + b

    a, b = torch.arange(7.0)[:, None], torch.arange(7)
    assert in_batches(lambda a, b, c: add(a[:, 0], b, c), 3, CPU, a, b, None).tolist() == [0, 2, 4, 6, 8, 10, 12]


def test_answers_carry_no_gradients(images):
    weight = torch.ones((), requires_grad=True)
    assert not in_batches(lambda x: x * weight, 16, CPU, images).requires_grad
    assert torch.is_grad_enabled()


def test_memory_that_runs_out_says_how_large_the_batch_was_and_other_errors_stay(images):
    def explode(error):
        raise error

    with pytest.raises(BatchTooLargeError) as caught:
        in_batches(lambda x: explode(torch.OutOfMemoryError("tried to allocate 2 GiB")), 16, CPU, images)
    assert (caught.value.size, caught.value.got) == (16, "tried to allocate 2 GiB")
    with pytest.raises(RuntimeError, match="shapes"):
        in_batches(lambda x: explode(RuntimeError("shapes cannot be multiplied")), 16, CPU, images)
