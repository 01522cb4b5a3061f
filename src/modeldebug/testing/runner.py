"""What a check is, what it is run on, and the error that says which rule was broken, why it matters, how to mend it."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..classifier import Classifier
from ..component import KINDS, Component, Kind
from ..errors import ConfigError, nearest
from ..problem import Problem
from ..rng import isolated_global_rng
from ..targets import Target
from ..types import Origins
from .problems import ABILITIES, SPEC, KnownProblem, known_guide, known_problem

Factory = Callable[..., Any]
"""Makes a component: called with the `DataSpec` of the known problem, for a data set or an executor with nothing."""


class CheckFailed(AssertionError):  # noqa: N818  # the name that a test's reader looks for
    """A component breaks a rule of its contract.

    Attributes:
        check: the check's name.
        got: what was found.
    """

    def __init__(self, check: Check, component: str, got: str) -> None:
        self.check, self.got = check.name, got
        rows = [("rule", check.says), ("got", got), ("why", check.why), ("do", check.do)]
        lines = [f"  {label + ':':<6}{text}" for label, text in rows]
        super().__init__("\n".join([f"{component} fails the check {check.name}", *lines]))


class NotApplicable(Exception):  # noqa: N818  # no error: there is nothing to check
    """The rule says nothing about this component."""


class _Complaint(Exception):  # noqa: N818  # never leaves this module
    """What a check found wrong."""


def require(condition: object, got: str) -> None:
    """Inside a check: complain with what was got instead."""
    if not condition:
        raise _Complaint(got)


class Subject:
    """The component under test, made afresh whenever a check asks for it.

    Args:
        kind: which contract it keeps.
        what: a Component, or a function that makes an instance.
        settings: for a Component, settings other than the defaults.
    """

    def __init__(self, kind: Kind, what: Component | Factory, settings: Mapping[str, Any] | None = None) -> None:
        self.kind = kind
        self.component = what if isinstance(what, Component) else None
        self.settings = dict(settings or {})
        self.name = what.name if isinstance(what, Component) else getattr(what, "__name__", repr(what))
        self._what = what
        self._remembered: dict[str, Any] = {}
        able = ABILITIES | {"conditional", "guide", "labelled-draws", "targets", "test-images", "truth"}
        if self.component is not None and not self.component.requires <= able:
            raise ConfigError(
                f"the kit's known problem cannot serve {self.name}",
                got=f"requires {', '.join(sorted(self.component.requires))}",
                expected=f"nothing but {', '.join(sorted(able))}",
            )

    @property
    def known(self) -> KnownProblem:
        """The known problem; with a conditional generator for a component that requires one, or draws with a label."""
        required = frozenset() if self.component is None else self.component.requires
        return known_problem(conditional=bool(required & {"conditional", "labelled-draws"}))

    @property
    def targets(self) -> tuple[Target, ...]:
        """For a searcher that pursues targets: the classes of the known problem's failures, predicted as others."""
        if not self.samples:
            return ()
        return tuple(Target("misclassified", (label,)) for label in sorted({ball.label for ball in self.known.balls}))

    @property
    def samples(self) -> bool:
        """Whether it is a searcher that pursues targets."""
        return self.component is not None and "targets" in self.component.requires

    def problem(self, origins: Origins | None = None) -> Problem:
        """A fresh problem; with a guide for a searcher that requires one or can use one, and with targets for one that
        pursues some."""
        return self.known.problem(origins, guide=self.guide(), targets=self.targets)

    def guide(self) -> Classifier | None:
        """The guide of its problems: the truth, where the component requires a guide or can use one, else None."""
        used = self.component is not None and "guide" in self.component.requires | self.component.optional
        return known_guide() if used else None

    def provides(self, ability: str) -> bool:
        """Whether an ability is declared; one made by a factory is taken to declare nothing."""
        return self.component is not None and ability in self.component.provides

    def make(self, *, seed: int = 0) -> Any:
        """A new instance; as in a run, the global generators are seeded around its making."""
        arguments = () if self.kind in ("dataset", "executor") else (SPEC,)
        with isolated_global_rng(seed):
            if isinstance(self._what, Component):
                made = self._what.make(self._what.config.model_validate(self.settings), *arguments)
            else:
                made = self._what(*arguments)
        made.name = self.name
        return made

    def once(self, name: str, work: Callable[[], Any]) -> Any:
        """Do something costly once for all checks of this component."""
        if name not in self._remembered:
            self._remembered[name] = work()
        return self._remembered[name]


@dataclass(frozen=True)
class Check:
    """One rule of a contract, and the function that tries it on a component.

    Attributes:
        name: of the check, like `resumed_search_equals_straight_run`.
        says: the rule.
        why: what goes wrong in a run where it is broken.
        do: how to mend a component that breaks it.
        function: complains through `require`, or raises; it is given the `Subject`, or what `run` is given.
        first: whether no other rule can be tried where this one is broken.
    """

    name: str
    says: str
    why: str
    do: str
    function: Callable[[Any], None]
    first: bool = False

    def run(self, subject: Any) -> None:
        """Try the rule.

        Raises:
            CheckFailed: it is broken.
            NotApplicable: it says nothing about this component.
        """
        try:
            with _globals_restored():
                self.function(subject)
        except _Complaint as complaint:
            raise CheckFailed(self, subject.name, str(complaint)) from None
        except NotApplicable:
            raise
        except (Exception, SystemExit) as error:
            got = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise CheckFailed(self, subject.name, got) from error


UNUSUAL_SEED = 0x5EED_0F_C0DE  # so that a component that seeds with 0 does not go unnoticed
CHECKS: dict[Kind, list[Check]] = {kind: [] for kind in KINDS}


def rule(
    *kinds: Kind, says: str, why: str, do: str, first: bool = False
) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Make a function a check of these kinds of component; its name is the check's name."""

    def register(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        for kind in kinds:
            CHECKS[kind].append(Check(function.__name__, says, why, do, function, first))
        return function

    return register


def run_checks(
    kind: Kind, what: Component | Factory, settings: Mapping[str, Any] | None, only: Collection[str] | None
) -> None:
    """Run the checks of a kind, in order; the first that fails raises."""
    names = [check.name for check in CHECKS[kind]]
    for name in only or ():
        if name not in names:
            raise ConfigError(f"there is no check '{name}' of a {kind}", expected=nearest(name, names))
    subject = Subject(kind, what, settings)
    for check in CHECKS[kind]:
        if only is None or check.name in only:
            try:
                check.run(subject)
            except NotApplicable:
                continue


def same(a: object, b: object) -> bool:
    """Whether two values are equal to the last bit; looks into lists, mappings and frozen dataclasses."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        alike = a.dtype == b.dtype and a.shape == b.shape and bool(torch.equal(a.isnan(), b.isnan()))
        return alike and bool(torch.equal(a.nan_to_num(), b.nan_to_num()))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__") and type(a) is type(b):
        return same(vars(a), vars(b))
    return bool(a == b)


def _globals() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state()
    return {
        "Python's random state": random.getstate(),
        "numpy's random state": (kind, torch.from_numpy(np.array(keys)).long(), rest),
        "torch's random state": torch.get_rng_state(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's number of threads": torch.get_num_threads(),
    }


@contextmanager
def globals_noted() -> Iterator[list[str]]:
    """A list that names, in the end, the global state that was changed inside."""
    before, changed = _globals(), list[str]()
    yield changed
    after = _globals()
    changed += [name for name in before if not same(before[name], after[name])]


@contextmanager
def globals_watched() -> Iterator[None]:
    """Complain about global state that is changed inside."""
    with globals_noted() as changed:
        yield
    left_alone(changed)


def left_alone(changed: Sequence[str]) -> None:
    """Inside a check: complain about global state that was noted as changed."""
    require(not changed, f"{', '.join(changed)} changed")


@contextmanager
def _globals_restored() -> Iterator[None]:
    grad, dtype, threads = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()
    try:
        with isolated_global_rng(UNUSUAL_SEED):
            yield
    finally:
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
