"""What can be known of a run before anything is spent: the data, the classifier, and whether they fit. No printing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .aims import run_targets
from .batches import in_batches, in_parts
from .classifier import Classifier, detect_output
from .component import ClassifierConfig
from .config import RunConfig
from .prepare import Prepared, make, prepare
from .roles import ROLES
from .types import ImageSet, Splits
from .words import trained_on

WORSE = 0.05  # the wrapper is suspected where raw images are answered so much better


@dataclass(frozen=True)
class GuideFindings:
    """What modeldebug sees of the guide.

    Attributes:
        component: its component.
        module: the class of the torch module.
        parameters: how many numbers the module has learnt or will learn.
        output: `logits` or `probabilities`.
        detected: whether that was found out by asking, rather than set.
        trained_in_run: whether the run trains it first; the accuracy is None then.
        accuracy: on test images.
    """

    component: str
    module: str
    parameters: int
    output: str
    detected: bool
    trained_in_run: bool
    accuracy: float | None


@dataclass(frozen=True)
class Findings:
    """What modeldebug sees. Shares are in [0, 1]; what was not measured is None.

    Attributes:
        dataset: its component.
        shape: (c, h, w) of one image.
        dtype: how images are stored; the classifier always gets float32.
        low, high: the smallest and largest value that the classifier's wrapper is given.
        classes: their names.
        per_class: for each split, how many images each class has.
        classifier: its component.
        module: the class of the torch module.
        parameters: how many numbers the module has learnt or will learn.
        arrived_training: whether the module came in train mode.
        output: `logits` or `probabilities`.
        detected: whether that was found out by asking, rather than set.
        trained_in_run: whether the run trains the classifier first; accuracies are None then.
        guessing: accuracy on test images of always answering their most frequent class.
        accuracy: on test images, through the wrapper (normalised as set).
        accuracy_raw: on test images, the module being called with values in [0, 1], not normalised.
        accuracy_stored: the same with values as they are stored, 0 to 255; None where they are stored in [0, 1].
        generator_data: what the generator learns from; None where that is the classifier's data.
        guide: the second classifier that keeps the search honest; None where there is none.
        components: every other component of the run; each was made once, so their settings fit the data.
        notes: what is as it should be, but good to know.
        warnings: what looks wrong.
    """

    dataset: str
    shape: tuple[int, int, int]
    dtype: str
    low: float
    high: float
    classes: tuple[str, ...]
    per_class: dict[str, tuple[int, ...]]
    classifier: str
    module: str
    parameters: int
    arrived_training: bool
    output: str
    detected: bool
    trained_in_run: bool
    guessing: float
    accuracy: float | None
    accuracy_raw: float | None
    accuracy_stored: float | None
    generator_data: str | None
    guide: GuideFindings | None
    components: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def check(config: RunConfig, *, trust: bool = False) -> Findings:
    """Load the data, make every component, ask the classifier, and train nothing.

    Raises:
        ModelDebugError: whatever would stop the run.
    """
    prepared = prepare(config, aims=run_targets, trust=trust)
    splits, classifier = prepared.splits, prepared.classifier
    seen = ("dataset", "classifier", "generator_data", "guide")  # shown by themselves
    others = [r for r in ROLES if r in config.choices and r not in seen]
    for role in others:
        make(config, role, prepared.legitimate.spec if role == "generator" else splits.spec)
    settings, guide = prepared.tested.settings, _guide(prepared)
    accuracy = raw = stored = None
    if not settings.train:
        accuracy = classifier.accuracy(splits.test)
        raw = _accuracy_raw(classifier, splits.test, scaled=True)
        if splits.test.dtype == torch.uint8:
            stored = _accuracy_raw(classifier, splits.test, scaled=False)
    low, high = _range(splits)
    guessing = float(splits.test.labels.bincount().max()) / len(splits.test)
    return Findings(
        dataset=config.choices["dataset"].registered.name,
        shape=splits.spec.shape,
        dtype=str(splits.train.dtype).removeprefix("torch."),
        low=low,
        high=high,
        classes=splits.spec.classes,
        per_class=_per_class(splits),
        classifier=config.choices["classifier"].registered.name,
        module=type(classifier.module).__name__,
        parameters=_parameters(classifier),
        arrived_training=prepared.tested.arrived_training,
        output=classifier.output,
        detected=settings.output == "auto",
        trained_in_run=settings.train,
        guessing=guessing,
        accuracy=accuracy,
        accuracy_raw=raw,
        accuracy_stored=stored,
        generator_data=_generator_data(prepared, config),
        guide=guide,
        components=tuple(f"{role} {config.choices[role].registered.name}" for role in others),
        notes=_notes(prepared, settings),
        warnings=(
            *_warn_of_balance(splits),
            *_warn_of_range(high),
            *_warn_of_output(prepared, settings),
            *_warn_of_accuracy(accuracy, raw, stored, guessing, len(splits.test)),
            *_warn_of_guide(accuracy, guide),
        ),
    )


def _guide(prepared: Prepared) -> GuideFindings | None:
    made = prepared.guide
    if made is None:
        return None
    classifier, settings = made.classifier, made.settings
    return GuideFindings(
        component=made.source.name,
        module=type(classifier.module).__name__,
        parameters=_parameters(classifier),
        output=classifier.output,
        detected=settings.output == "auto",
        trained_in_run=settings.train,
        accuracy=None if settings.train else classifier.accuracy(prepared.splits.test),
    )


def _parameters(classifier: Classifier) -> int:
    return sum(p.numel() for p in classifier.module.parameters())


def _accuracy_raw(classifier: Classifier, images: ImageSet, *, scaled: bool) -> float | None:
    """Accuracy of the bare module in eval mode, on values in [0, 1] or as they are stored; None where it raises."""
    module, right = classifier.module.eval(), 0
    for rows in in_parts(len(images), classifier.spec.shape):
        x = images.batch(rows)[0] if scaled else images.stored(rows).float()
        try:
            answer = in_batches(module, classifier.batch_size, classifier.device, x)
        except Exception:  # the module refuses values that a run does not feed it: nothing is wrong with that
            return None
        right += int((answer.argmax(1) == images.labels[rows]).sum())
    return right / len(images)


def _generator_data(prepared: Prepared, config: RunConfig) -> str | None:
    others = prepared.generator_data
    if others is None:
        return None
    return trained_on(config.choices["generator_data"].registered.name, len(others.train), others.spec.classes)


def _parts(splits: Splits) -> dict[str, ImageSet]:
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}


def _range(splits: Splits) -> tuple[float, float]:
    divisor = 255 if splits.train.dtype == torch.uint8 else 1
    extremes = [chunk.aminmax() for part in _parts(splits).values() for chunk in part.chunks()]
    return min(float(e.min) for e in extremes) / divisor, max(float(e.max) for e in extremes) / divisor


def _per_class(splits: Splits) -> dict[str, tuple[int, ...]]:
    k = splits.spec.num_classes
    return {name: tuple(part.labels.bincount(minlength=k).tolist()) for name, part in _parts(splits).items()}


def _notes(prepared: Prepared, settings: ClassifierConfig) -> tuple[str, ...]:
    if settings.train:
        return ("the run trains the classifier first: its accuracy is known after that (the stage 'classifier')",)
    if prepared.tested.arrived_training:
        return ("the model arrived in train mode; modeldebug uses eval mode",)
    return ()


def _warn_of_balance(splits: Splits) -> tuple[str, ...]:
    found = []
    for part, counts in _per_class(splits).items():
        missing = [splits.spec.classes[i] for i, n in enumerate(counts) if n == 0]
        if missing:
            more = ", ..." if len(missing) > 5 else ""
            found.append(f"the {part} split has no images of class {', '.join(missing[:5])}{more}")
    return tuple(found)


def _warn_of_range(high: float) -> tuple[str, ...]:
    if high > 1 / 64:
        return ()
    return (
        f"the images are almost black: their largest value is {high:.2g}, where 1 is white; "
        "perhaps they were divided by 255 twice",
    )


def _warn_of_output(prepared: Prepared, settings: ClassifierConfig) -> tuple[str, ...]:
    looks_like = detect_output(prepared.classifier, prepared.splits.validation.batch(slice(16))[0])
    if settings.output in ("auto", looks_like):
        return ()
    return (f"classifier.output is set to {settings.output}, but the answers look like {looks_like}",)


def _warn_of_accuracy(
    accuracy: float | None, raw: float | None, stored: float | None, guessing: float, n: int
) -> tuple[str, ...]:
    if accuracy is None or raw is None:
        return ()
    found = []
    margin = max(0.05, 3 * math.sqrt(guessing * (1 - guessing) / n))
    if accuracy < guessing + margin:
        found.append(
            f"the classifier is about as good as guessing: {accuracy:.1%} right, always the most frequent class "
            f"{guessing:.1%}. Are classifier.mean and classifier.std those of its training, its classes in the order "
            "of the labels, and its weights loaded (--weights)?"
        )
    if stored is not None and stored > max(accuracy, raw) + WORSE:
        found.append(
            f"the classifier does better on values from 0 to 255 ({stored:.1%}) than on [0, 1] ({accuracy:.1%}): if it "
            "was trained on 0 to 255, add --set classifier.std=[0.00392156862745098] (and mean and std of its own "
            "divided by 255)"
        )
    elif raw > accuracy + WORSE:
        found.append(
            f"the classifier does better without normalisation ({raw:.1%}) than with it ({accuracy:.1%}): does it "
            "normalise by itself? Then leave classifier.mean and classifier.std unset"
        )
    return tuple(found)


def _warn_of_guide(accuracy: float | None, guide: GuideFindings | None) -> tuple[str, ...]:
    if guide is None or guide.accuracy is None or accuracy is None or guide.accuracy >= accuracy:
        return ()
    return (
        f"the guide is less often right than the classifier ({guide.accuracy:.1%} against {accuracy:.1%} of the test "
        "images): it will keep the search from failures that are genuine. Are guide.mean, guide.std and guide.weights "
        "those of its training?",
    )
