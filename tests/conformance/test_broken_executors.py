"""Each executor check catches an executor that breaks its rule, and passes one that keeps them all."""

from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest
from twins import LenientConfig, assert_caught, assert_every_check_has_a_twin, component

from modeldebug import ComponentConfig, Executor
from modeldebug.testing import check_executor


class Reference(Executor[ComponentConfig]):
    """One task after another, in this process, though it could do two."""

    width = 2

    def _each(self, work, tasks, shared):
        yield from ((i, work(shared, task)) for i, task in enumerate(tasks))


class HasNoWorkers(Reference):
    width = 0


class CountsFromOne(Reference):
    def _each(self, work, tasks, shared):
        yield from ((i + 1, result) for i, result in super()._each(work, tasks, shared))


class GivesThePlaceOfAnother(Reference):
    def _each(self, work, tasks, shared):
        yield from ((len(tasks) - 1 - i, result) for i, result in super()._each(work, tasks, shared))


class GivesEachWorkerOneTask(Reference):
    width = 6

    def _each(self, work, tasks, shared):
        yield from super()._each(work, tasks[: self.width], shared)


class TakesTheFirst(Reference):
    def _each(self, work, tasks, shared):
        yield 0, work(shared, tasks[0])
        yield from ((i + 1, result) for i, result in super()._each(work, tasks[1:], shared))


class SendsOnce(Reference):
    sent = None

    def _each(self, work, tasks, shared):
        self.sent = self.sent or shared
        yield from super()._each(work, tasks, self.sent)


class SwallowsErrors(Reference):
    def _each(self, work, tasks, shared):
        for i, task in enumerate(tasks):
            try:
                yield i, work(shared, task)
            except ZeroDivisionError:
                yield i, None


class KeepsWhatIsLeft(Reference):
    def __init__(self, config):
        super().__init__(config)
        self.left = []

    def _each(self, work, tasks, shared):
        self.left += [(i, work(shared, task)) for i, task in enumerate(tasks)]
        while self.left:
            yield self.left.pop(0)


class ClosesOnce(Reference):
    workers = ()

    def _each(self, work, tasks, shared):
        self.workers = ("a process",)
        yield from super()._each(work, tasks, shared)

    def close(self):
        if self.workers == "none any more":
            raise ValueError("there is nothing to close")
        self.workers = "none any more"


class Threads(Reference):
    def _each(self, work, tasks, shared):
        with ThreadPoolExecutor(self.width) as pool:
            places = {pool.submit(work, shared, task): i for i, task in enumerate(tasks)}
            yield from ((places[done], done.result()) for done in as_completed(places))


TWINS = {
    "unknown_settings_are_refused": (component(Reference, config=LenientConfig), "was accepted"),
    "width_is_a_number_of_workers": (component(HasNoWorkers), "a width of 0"),
    "each_task_has_its_result": (component(CountsFromOne), "a result that was not waited for"),
    "more_tasks_than_workers_are_done": (component(GivesEachWorkerOneTask), "ended without all results"),
    "no_tasks_are_no_error": (component(TakesTheFirst), "IndexError"),
    "shared_part_arrives": (component(SendsOnce), "something else, the second time"),
    "error_of_a_task_is_raised": (component(SwallowsErrors), "3 results, and no ZeroDivisionError"),
    "results_need_not_all_be_taken": (component(KeepsWhatIsLeft), "a result that was not waited for"),
    "closing_is_no_error": (component(ClosesOnce), "there is nothing to close"),
    "no_process_does_two_tasks_at_once": (component(Threads), "began while another was done in the same process"),
}


def test_reference_executor_passes_every_check():
    check_executor(component(Reference))


@pytest.mark.parametrize("name", TWINS)
def test_broken_executor_fails_its_check(name):
    assert_caught(check_executor, name, *TWINS[name])


def test_executor_broken_in_another_way_fails_the_same_check():
    assert_caught(check_executor, "each_task_has_its_result", component(GivesThePlaceOfAnother), "another result of 4")


def test_every_executor_check_has_a_broken_twin():
    assert_every_check_has_a_twin("executor", TWINS)
