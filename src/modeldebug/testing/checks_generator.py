"""What a generator must do."""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from ..context import Context
from ..contracts.generator import Generator
from ..rng import isolated_global_rng, rng_for
from .problems import SPEC, codes_of, truth
from .runner import NotApplicable, Subject, globals_noted, globals_watched, left_alone, require, rule, same

Model = Generator[Any]

CHANCE = 1 / SPEC.num_classes
DRAWS = 20_000  # of the prior, to see whether steps keep it
RARE = 5.0  # standard errors: what a kernel that keeps the prior shows once in a million times
OBEYED = 0.6  # of the images have to show the class that the decoder was told


def _fit(subject: Subject, seed: int = 0) -> Model:
    model: Model = subject.make(seed=seed)
    with isolated_global_rng(seed):
        model.fit(subject.known.splits.train, Context.quiet(seed))
    return model


def _fitted(subject: Subject) -> Model:
    return _noted(subject)[0]


def _noted(subject: Subject) -> tuple[Model, list[str]]:
    """The fitted generator, and what global state its fit left changed."""

    def fit() -> tuple[Model, list[str]]:
        with globals_noted() as changed:
            model = _fit(subject)
        return model, changed

    noted: tuple[Model, list[str]] = subject.once("fitted", fit)
    return noted


def _codes(model: Model, n: int, seed: int = 0) -> Tensor:
    return model.sample(n, rng_for(seed, "codes"))


def _steps(model: Model, z: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    return model.propose(z, rng_for(seed, "steps"), torch.ones(len(z)))


def _told(subject: Subject, n: int) -> Tensor | None:
    """Classes (n,) in turn for a generator that is told them; None for others."""
    return torch.arange(n) % SPEC.num_classes if subject.provides("conditional") else None


@rule(
    "generator",
    says="images, codes and densities have the shapes, types and ranges of the contract, for one code as for many",
    why="every later stage builds on them",
    do="return float32: images (n, c, h, w) in [0, 1], codes (n, d), densities (n,)",
)
def shapes_and_ranges(subject: Subject) -> None:
    model = _fitted(subject)
    for n in (1, 5):
        z = _codes(model, n)
        model.decode(z, _told(subject, n))
        model.log_prior(z)
        model.summary(z)


@rule(
    "generator",
    says="a generator that declares 'encode' encodes and decodes an image to something near it",
    why="searchers start from the codes of training images; codes of other images make every failure an artefact",
    do="implement _encode, and train until reconstructions are better than the mean image; else do not declare it",
)
def reconstructs_training_images(subject: Subject) -> None:
    if not subject.provides("encode"):
        raise NotApplicable("'encode' is not declared")
    model, (x, y) = _fitted(subject), subject.known.splits.train.batch(slice(None, 200))
    with torch.no_grad():
        error = float((model.decode(model.encode(x, y), y) - x).square().mean())
    spread = float((x - x.mean(0)).square().mean())
    require(error < spread, f"a mean squared error of {error:.4f}; the mean image has {spread:.4f}")


@rule(
    "generator",
    says="the spread of codes, where there is one, is a standard deviation for each number of the code",
    why="searches measure their steps and the region that they trust in it",
    do="return float32 (n, d) of at least 0 from _spread, no variances or logarithms; leave it out where there is none",
)
def spread_is_that_of_the_codes(subject: Subject) -> None:
    if not subject.provides("encode"):
        raise NotApplicable("'encode' is not declared")
    model = _fitted(subject)
    for n in (1, 5):
        spread = model.spread(*subject.known.splits.train.batch(slice(None, n)))
        if spread is None:
            raise NotApplicable("there is no spread")


@rule(
    "generator",
    says="a generator that declares 'conditional' decodes one code to images of each class that it is told",
    why="the class that it was told is taken for what an image should be: else every prior draw would be a failure",
    do="give the class to the decoder in _decode, and train until it is obeyed; else do not declare 'conditional'",
)
def told_class_is_shown(subject: Subject) -> None:
    if not subject.provides("conditional"):
        raise NotApplicable("'conditional' is not declared")
    z = _codes(_fitted(subject), 100).repeat_interleave(SPEC.num_classes, 0)
    told = torch.arange(len(z)) % SPEC.num_classes
    with torch.no_grad():
        shown = truth(codes_of(_fitted(subject).decode(z, told)))
    share = float((shown == told).float().mean())
    require(share > OBEYED, f"{share:.0%} of the images show the class that was told; by chance it is {CHANCE:.0%}")


@rule(
    "generator",
    says="a generator that declares 'truth' tells the class of each code's image, and one that tells it declares it",
    why="it is what is expected of every code: no judge is asked whether a failure is one",
    do="implement _truth and declare 'truth', or do neither",
)
def truth_is_known_where_it_is_declared(subject: Subject) -> None:
    model = _fitted(subject)
    told = model.truth(_codes(model, 5)) is not None
    require(
        told == subject.provides("truth"),
        f"'truth' is {'not ' if told else ''}declared, and classes are {'' if told else 'not '}told",
    )


@rule(
    "generator",
    says="a generator that declares 'gradients' can be differentiated by the code",
    why="gradient searchers would stand still, or stop with an error in the middle of a run",
    do="keep _decode free of detach, no_grad, rounding and numpy; else do not declare 'gradients'",
)
def decodes_with_gradients(subject: Subject) -> None:
    if not subject.provides("gradients"):
        raise NotApplicable("'gradients' is not declared")
    z = _codes(_fitted(subject), 4).requires_grad_()
    x = _fitted(subject).decode(z, _told(subject, 4))
    require(x.requires_grad, "images that do not depend on the codes")
    (gradient,) = torch.autograd.grad(x.sum(), z)
    require(torch.isfinite(gradient).all() and gradient.abs().sum() > 0, f"gradients {gradient.tolist()}")


@rule(
    "generator",
    says="the same codes decode to the same bits, whatever the global generators are",
    why="a failure could not be shown again, and a resumed run would differ from a straight one",
    do="switch networks to eval mode after fit and load_state_dict; draw no noise in _decode",
)
def decoding_repeats(subject: Subject) -> None:
    model = _fitted(subject)
    z, images = _codes(model, 5), []
    for seed in (1, 2):
        with isolated_global_rng(seed), torch.no_grad():
            images.append(model.decode(z, _told(subject, 5)))
    require(same(*images), f"images that differ by up to {float((images[0] - images[1]).abs().max()):.3g}")


@rule(
    "generator",
    says="neither the image of a code nor its summary depends on the codes beside it",
    why="whether a candidate fails would depend on the batch that it falls into",
    do="switch batch normalisation to eval mode; normalise nothing over the batch",
)
def rows_do_not_mix(subject: Subject) -> None:
    model = _fitted(subject)
    z, other, told = _codes(model, 6), _codes(model, 6, seed=1), _told(subject, 6)
    other = torch.where(model.valid(5 * other)[:, None], 5 * other, other)
    with torch.no_grad():
        alone, beside = model.decode(z, told)[:3], model.decode(torch.cat([z[:3], other[:3]]), told)[:3]
    gap = float((alone - beside).abs().max())
    require(gap < 1e-5, f"images that differ by {gap:.3g} when other codes stand beside them")
    beside = model.summary(torch.cat([z[:3], other[:3]]))[:3]
    require(torch.allclose(model.summary(z)[:3], beside), "other summaries when other codes stand beside them")


@rule(
    "generator",
    says="prior draws and steps depend on the given generator alone: the same seed repeats them, another changes them",
    why="a run would not repeat, or every step of a search would draw the same codes",
    do="pass `generator=rng` to every draw in _sample and _propose",
)
def sampling_is_seeded(subject: Subject) -> None:
    model, draws, steps = _fitted(subject), [], []
    z = _codes(model, 40)
    for global_seed, seed in ((1, 0), (2, 0), (1, 1)):
        with isolated_global_rng(global_seed):
            steps.append(_steps(model, z, seed))
            draws.append(_codes(model, 40, seed))
    for what, found in (("draws", draws), ("steps", steps)):
        require(same(found[0], found[1]), f"other {what} for the same seed")
        require(not same(found[0], found[2]), f"the same {what} for another seed")


@rule(
    "generator",
    says="prior draws have an image, and so has every step from them that is called valid, for one code as for many",
    why="a search would stop with an error in the middle of a run, or judge an image that is none",
    do="let _valid say False of codes that cannot be decoded, and draw no such codes in _sample",
)
def valid_codes_decode(subject: Subject) -> None:
    model = _fitted(subject)
    for n in (1, 200):
        z = _codes(model, n)
        require(model.valid(z).all(), f"{int((~model.valid(z)).sum())} of {n} prior draws are not valid")
        after, _ = _steps(model, z)
        after = after[model.valid(after)]
        if len(after):
            model.log_prior(after)
            model.decode(after, _told(subject, len(after)))


@rule(
    "generator",
    says="a random walk that starts from prior draws keeps the prior, and each step is as frequent as the way back",
    why="a random walk would draw from another distribution than it says",
    do="return log q(z | z') - log q(z' | z) from _propose, not the reverse, and let _log_prior be that of _sample",
)
def steps_keep_the_prior(subject: Subject) -> None:
    model = _fitted(subject)
    z = _codes(model, DRAWS)
    after, log_ratio = _steps(model, z)
    valid, gain = model.valid(after), torch.full((DRAWS,), -torch.inf)
    gain[valid] = (model.log_prior(after[valid]) - model.log_prior(z[valid]) + log_ratio[valid]).detach()
    accepted = torch.rand(DRAWS, generator=rng_for(0, "accepted")).log() < gain
    require(accepted.any(), "no step that is accepted")
    after = torch.where(accepted[:, None], after, z)
    off = _asymmetry(z.double(), after.double())
    require(off < RARE, f"steps and ways back that differ by {off:.0f} standard errors")


def _asymmetry(z: Tensor, after: Tensor) -> float:
    """By how many standard errors pairs of codes (n, d) are not exchangeable, in their means, squares and turns."""
    unit = z.std(0, correction=0).clamp_min(1e-12)
    here, there = (z - z.mean(0)) / unit, (after - z.mean(0)) / unit
    turns = here * there.square() - here.square() * there
    differences = torch.cat([there - here, there.square() - here.square(), turns], 1)
    error = differences.std(0) / len(z) ** 0.5
    return float((differences.mean(0).abs() / error.clamp_min(1e-12)).max())


@rule(
    "generator",
    says="fitting twice from the same seed gives the same bits",
    why="the same seed must give the same run",
    do="draw from context.rng, or from torch's global generators, which the core seeds; avoid unordered sets",
)
def fitting_repeats(subject: Subject) -> None:
    require(same(_fitted(subject).state_dict(), _fit(subject).state_dict()), "other weights")


@rule(
    "generator",
    says="a new generator that is given the state decodes, encodes and weighs codes to the same bits",
    why="a resumed run reads the generator from its folder; tensors that share memory cannot be written there",
    do="put everything that fit learned into state_dict, buffers too, each tensor with memory of its own",
)
def state_round_trip(subject: Subject) -> None:
    model, again = _fitted(subject), subject.make(seed=5)
    state = {k: v.detach().contiguous() for k, v in model.state_dict().items()}
    again.load_state_dict(load(save(state)))
    z, told, (x, y) = _codes(model, 4), _told(subject, 4), subject.known.splits.train.batch(slice(None, 4))
    with torch.no_grad():
        require(same(model.decode(z, told), again.decode(z, told)), "other images")
        require(same(model.log_prior(z), again.log_prior(z)), "other densities")
        require(same(_codes(model, 4), _codes(again, 4)), "other prior draws")
        if subject.provides("encode"):
            require(same(model.encode(x, y), again.encode(x, y)), "other codes")
            require(same(model.spread(x, y), again.spread(x, y)), "another spread")


@rule(
    "generator",
    says="it can be moved to a device at any time: as soon as it is made, and once it has its state",
    why="the core moves a generator before it is fitted, and again afterwards",
    do="let `to` move what there is, which may be nothing yet; make networks in __init__, not in _fit",
)
def can_be_moved_at_any_time(subject: Subject) -> None:
    model, again, here = _fitted(subject), subject.make(seed=5), torch.device("cpu")
    again.to(here)
    again.load_state_dict({k: v.clone() for k, v in model.state_dict().items()})
    again.to(here)
    z, told = _codes(model, 4), _told(subject, 4)
    with torch.no_grad():
        require(same(model.decode(z, told), again.decode(z, told)), "other images after it was moved")


@rule(
    "generator",
    says="codes and images that are handed in are left as they were",
    why="the core goes on using them: candidates would no longer be what was judged",
    do="use z.mul(...) rather than z.mul_(...), and clone before writing",
)
def inputs_are_left_alone(subject: Subject) -> None:
    train = subject.known.splits.train
    before, labels = train.images.clone(), train.labels.clone()
    model = _fit(subject)
    z = _codes(model, 4)
    given = z.clone()
    model.decode(z, _told(subject, 4))
    model.log_prior(z)
    model.valid(z)
    _steps(model, z)
    if subject.provides("encode"):
        model.encode(*train.batch(slice(None, 4)))
    require(same(z, given), "changed codes")
    require(same(train.images, before) and same(train.labels, labels), "changed training images")


@rule(
    "generator",
    says="decoding, encoding, sampling and stepping change no global state, and fitting none but the seeded generators",
    why="they run within other stages, whose numbers would change with them",
    do="draw from the given generator; use `with torch.no_grad():` rather than set_grad_enabled; set no threads",
)
def globals_are_left_alone(subject: Subject) -> None:
    model, changed = _noted(subject)
    left_alone(changed)
    with globals_watched():
        z = _codes(model, 3)
        model.decode(z, _told(subject, 3))
        model.log_prior(z)
        model.valid(z)
        _steps(model, z)
        if subject.provides("encode"):
            model.encode(*subject.known.splits.train.batch(slice(None, 3)))
