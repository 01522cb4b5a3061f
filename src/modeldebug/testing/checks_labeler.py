"""What a labeler must do; what only a program can be held to is not asked of people."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from ..context import Context
from ..contracts.labeler import Labeler
from ..judging import majority
from ..rng import isolated_global_rng, rng_for
from ..votes import Answers, LabelRequest
from .problems import SPEC, codes_of, truth
from .runner import NotApplicable, Subject, globals_noted, globals_watched, left_alone, require, rule, same

AGREEMENT = 0.5


def _fit(subject: Subject) -> Labeler[Any]:
    labeler: Labeler[Any] = subject.make()
    with isolated_global_rng(0):
        labeler.fit(subject.known.splits, Context.quiet(0))
    return labeler


def _fitted(subject: Subject) -> Labeler[Any]:
    return _noted(subject)[0]


def _noted(subject: Subject) -> tuple[Labeler[Any], list[str]]:
    """The fitted labeler, and what global state its fit left changed."""

    def fit() -> tuple[Labeler[Any], list[str]]:
        with globals_noted() as changed:
            labeler = _fit(subject)
        return labeler, changed

    noted: tuple[Labeler[Any], list[str]] = subject.once("fitted", fit)
    return noted


def _program(subject: Subject) -> Labeler[Any]:
    labeler = _fitted(subject)
    if not labeler.is_program:
        raise NotApplicable("people may answer as they like")
    return labeler


def _ask(labeler: Labeler[Any], x: Tensor) -> Answers | None:
    known = truth(codes_of(x)) if labeler.exact else None
    answer = labeler.label(LabelRequest("conformance", x, SPEC, torch.full((len(x),), -1), known))
    return answer if isinstance(answer, Answers) else None


def _labels(labeler: Labeler[Any], x: Tensor) -> Tensor:
    answer = _ask(labeler, x)
    require(answer is not None, "Pending, from a labeler that says it is a program")
    assert answer is not None  # as required
    return majority(answer.votes, SPEC.num_classes, AGREEMENT)


def _images(subject: Subject, n: int) -> Tensor:
    return subject.known.splits.test.batch(slice(None, n))[0]


@rule(
    "labeler",
    says="there is a row of votes for each image, for one image as for many: classes from 0, -1 for none, -2 not asked",
    why="the core counts the votes",
    do="return Answers(votes) with int64 (n, annotators), or Pending",
)
def votes_fit_the_request(subject: Subject) -> None:
    for n in (1, 7):
        _ask(_fitted(subject), _images(subject, n))


@rule(
    "labeler",
    says="a program labels most held-out images, and at least 80 % of those rightly",
    why="its labels decide what is a model bug",
    do="train longer, or answer more often; the known problem is easy: is each half of the image dark or bright",
)
def labels_known_images(subject: Subject) -> None:
    labeler, (x, y) = _program(subject), subject.known.splits.test.batch(slice(None))
    labels = _labels(labeler, x)
    answered = labels >= 0
    right = float((labels == y)[answered].float().mean()) if bool(answered.any()) else 0.0
    share = float(answered.float().mean())
    require(share >= 0.5 and right >= 0.8, f"{share:.0%} labelled, {right:.0%} of them rightly")


@rule(
    "labeler",
    says="a program abstains more often on noise than on real images",
    why="decoders make images of no class; a label for each of them would be counted as a model bug",
    do="vote -1 where the confidence is low, or where members disagree",
)
def abstains_on_noise(subject: Subject) -> None:
    labeler, real = _program(subject), _images(subject, 200)
    if labeler.exact:
        raise NotApplicable("it repeats what the generator knows")
    noise = torch.rand(real.shape, generator=rng_for(0, "noise"))
    on_real, on_noise = (float((_labels(labeler, x) < 0).float().mean()) for x in (real, noise))
    require(on_noise > on_real, f"{on_noise:.0%} abstentions on noise, {on_real:.0%} on real images")


@rule(
    "labeler",
    says="a program that says how sure it is, is surer of real images than of noise",
    why="an auditor is believed from a confidence on that the core calibrates on real images",
    do="give the calibrated probability of the answer that the votes give, or no confidence at all",
)
def is_surer_of_real_images(subject: Subject) -> None:
    labeler, real = _program(subject), _images(subject, 200)
    noise = torch.rand(real.shape, generator=rng_for(0, "noise"))
    sure = [answer.confidence for x in (real, noise) if (answer := _ask(labeler, x)) and answer.confidence is not None]
    if not sure:
        raise NotApplicable("it gives no confidence")
    require(len(sure) == 2, "a confidence for some requests only")
    on_real, on_noise = (float(s.mean()) for s in sure)
    require(on_real > on_noise, f"mean confidence {on_real:.2f} on real images, {on_noise:.2f} on noise")


@rule(
    "labeler",
    says="a program gives the same answers to the same request, whatever the global generators are",
    why="a resumed run asks again",
    do="switch networks to eval mode; draw nothing while labelling",
)
def labelling_repeats(subject: Subject) -> None:
    labeler, x, labels = _program(subject), _images(subject, 40), []
    for seed in (1, 2):
        with isolated_global_rng(seed):
            labels.append(_ask(labeler, x))
    require(same(*labels), "other votes for the same images")


@rule(
    "labeler",
    says="fitting twice from the same seed gives the same bits",
    why="the same seed must give the same run",
    do="draw from context.rng, or from torch's global generators, which the core seeds",
)
def fitting_repeats(subject: Subject) -> None:
    require(same(_fitted(subject).state_dict(), _fit(subject).state_dict()), "another state")


@rule(
    "labeler",
    says="a new labeler that is given the state gives the same votes",
    why="a resumed run reads the labeler from its folder; tensors that share memory cannot be written there",
    do="put everything that fit learned into state_dict, calibration too",
)
def state_round_trip(subject: Subject) -> None:
    labeler, again = _fitted(subject), subject.make(seed=5)
    again.load_state_dict(load(save({k: v.detach().contiguous() for k, v in labeler.state_dict().items()})))
    x = _images(subject, 100)
    require(same(_ask(labeler, x), _ask(again, x)), "other votes")


@rule(
    "labeler",
    says="it can be moved to a device at any time: as soon as it is made, and once it has its state",
    why="the core moves a labeler before it is fitted, and again afterwards",
    do="let `to` move what there is, which may be nothing yet; make networks in __init__, not in _fit",
)
def can_be_moved_at_any_time(subject: Subject) -> None:
    labeler, again, here = _fitted(subject), subject.make(seed=5), torch.device("cpu")
    again.to(here)
    again.load_state_dict({k: v.clone() for k, v in labeler.state_dict().items()})
    again.to(here)
    if labeler.is_program:
        x = _images(subject, 20)
        require(same(_ask(labeler, x), _ask(again, x)), "other votes after it was moved")


@rule(
    "labeler",
    says="the images that are handed in are left as they were",
    why="the same images are shown in the report and used for correction",
    do="clone before writing",
)
def inputs_are_left_alone(subject: Subject) -> None:
    x, train = _images(subject, 10), subject.known.splits.train
    given, images = x.clone(), train.images.clone()
    _ask(_fit(subject), x)
    require(same(x, given), "changed images of the request")
    require(same(train.images, images), "changed training images")


@rule(
    "labeler",
    says="labelling changes no global state, and fitting none but the seeded generators",
    why="it runs within other stages, whose numbers would change with it",
    do="use `with torch.no_grad():` rather than set_grad_enabled; set no seeds and no threads",
)
def globals_are_left_alone(subject: Subject) -> None:
    labeler, changed = _noted(subject)
    left_alone(changed)
    x = _images(subject, 5)
    with globals_watched():
        _ask(labeler, x)
