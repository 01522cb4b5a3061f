"""What a test set shows by itself, without a generator: the baseline of Bayes-TrEx (section 4.10, tables 4, 5 and 12).

Confusions, confident errors, images that are torn between two classes and, where somebody else than the model under
test judges the errors, which of them are likely errors of the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ..batches import in_parts
from ..classifier import Classifier
from ..judging import ABSTAINED, DRIFT, GENUINE, NOT_ASKED, THIRD_CLASS, judge_failures
from ..store import Saved, prefixed
from ..types import Failures, ImageSet

SURE = 0.85  # from which probability on an error is confident (Bayes-TrEx, section 4.10)
TORN = (0.4, 0.6)  # between which two probabilities of an ambiguous image are
SHOWN, OF_A_PAIR = 24, 2  # errors of each kind, and images of each pair of classes, that are shown
KINDS = {"genuine": GENUINE, "label_error": DRIFT, "third_class": THIRD_CLASS, "abstained": ABSTAINED}
"""What a wrong test image may be, by what an auditor says: `genuine` where it gives the label, `label_error` where it
gives what was predicted, so that the label is likely wrong, `third_class` where it gives neither."""


@dataclass(frozen=True, eq=False)
class Errors:
    """Test images that a classifier gets wrong, and what an auditor calls them.

    Attributes:
        images: n of them, with the labels that the data set gives them.
        probs: (n, k) float32, the classifier's.
        said: (n,) int64, the class that the auditor gives, -1 for none; None where nobody judges.
        judged: (n,) int64, as `judging.judge_failures` gives it, `NOT_ASKED` where nobody was asked; None as `said`.

    >>> images = ImageSet(torch.zeros(1, 1, 2, 2), torch.tensor([0]))
    >>> Errors(images, torch.tensor([[0.1, 0.9]])).said is None
    True
    """

    images: ImageSet
    probs: Tensor
    said: Tensor | None = None
    judged: Tensor | None = None

    @staticmethod
    def of_search(failures: Failures, audited: Saved) -> Errors:
        """Those that a search among the test images has found, as the stage that judges failures left them."""
        said, judged = audited.tensors.get("labels"), audited.tensors.get("judged")
        return Errors(ImageSet(failures.x, failures.expected), failures.probs, said, judged)

    @staticmethod
    def of_test_set(test: ImageSet, probs: Tensor, ask: Callable[[ImageSet], Tensor] | None) -> Errors:
        """All of them.

        Args:
            probs: (n, k) float32, the classifier's, of all test images.
            ask: gives an auditor's labels (m,) int64 of images, -1 for none; None where there is no auditor.
        """
        predicted = probs.argmax(1)
        wrong = (predicted != test.labels).nonzero()[:, 0]
        images = test.subset(wrong)
        if ask is None:
            return Errors(images, probs[wrong])
        said = ask(images)
        right = one_hot(images.labels, probs.shape[1]).bool()
        return Errors(images, probs[wrong], said, judge_failures(right, predicted[wrong], said))


def inspect_test_set(test: ImageSet, probs: Tensor, errors: Errors, *, classes: Sequence[str]) -> Saved:
    """Count and pick out what the test set alone shows.

    Tensors: `test/errors/...`, the surest errors of each kind, with images `x` uint8, `labels`, `probs` and, if anybody
    judged, `said` and `judged`: confident errors, and likely label errors however sure; `test/torn/...`, images of each
    pair of classes that the classifier is torn between.

    Args:
        probs: (n, k) float32, the classifier's, of all test images.
        errors: all that are wrong, or those that a search has found.
        classes: the names of the k classes.

    >>> images = ImageSet(torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 1]))
    >>> probs = torch.tensor([[0.1, 0.9], [0.55, 0.45], [0.05, 0.95]])
    >>> errors = Errors.of_test_set(images, probs, lambda wrong: torch.tensor([1, 1]))
    >>> found = inspect_test_set(images, probs, errors, classes=("cat", "dog"))
    >>> found.info["wrong"], found.info["confident_errors"], found.info["ambiguous"]
    (2, 1, 1)
    >>> found.info["judged"]["wrong"]
    {'genuine': 1, 'label_error': 1, 'third_class': 0, 'abstained': 0}
    """
    k = len(classes)
    sure, said = probs.max(1)
    wrong = said != test.labels
    confident = said[wrong & (sure >= SURE)]
    torn = (probs >= TORN[0]) & (probs <= TORN[1])
    rows = (torn.sum(1) == 2).nonzero()[:, 0]
    pairs = torn[rows].nonzero()[:, 1].view(-1, 2)
    number = pairs[:, 0] * k + pairs[:, 1]
    found = [(int(n), (number == n).nonzero()[:, 0]) for n in number.unique()]  # type: ignore[no-untyped-call]
    first = torch.cat([torch.empty(0, dtype=torch.int64), *(rows[of[:OF_A_PAIR]] for _, of in found)])
    x, y = test.batch(first)
    torn_images = {"x": as_bytes(x), "labels": y, "probs": probs[first]}
    info = {
        "classes": list(classes),
        "images": len(test),
        "wrong": int(wrong.sum()),
        "confident": SURE,
        "confident_errors": len(confident),
        "confident_errors_as": torch.bincount(confident, minlength=k).tolist(),
        "judged": _counts(errors),
        "ambiguous_between": list(TORN),
        "ambiguous": len(rows),
        "ambiguous_pairs": [[n // k, n % k, len(of)] for n, of in found],
        "confusion": confusion(said, test.labels, k),
    }
    return Saved(prefixed("test/errors", _shown(errors)) | prefixed("test/torn", torn_images), info)


def answers_to(classifier: Classifier, images: ImageSet) -> Tensor:
    """The classifier's probabilities (n, k) float32 of images, which are read part by part.

    >>> from modeldebug.testing import known_problem
    >>> answers_to(known_problem().classifier, known_problem().splits.test).shape[1]
    4
    """
    parts = [classifier.probs(images.batch(rows)[0]) for rows in in_parts(len(images), images.shape)]
    return torch.cat([torch.empty(0, classifier.spec.num_classes), *parts])


def confusion(predicted: Tensor, labels: Tensor, k: int) -> list[list[int]]:
    """Counts, a row for each true class and a column for each prediction.

    >>> confusion(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2)
    [[1, 1], [0, 1]]
    """
    counts: list[list[int]] = torch.bincount(labels * k + predicted, minlength=k * k).view(k, k).tolist()
    return counts


def as_bytes(x: Tensor) -> Tensor:
    """Images in [0, 1] as uint8.

    >>> as_bytes(torch.tensor([0.0, 0.5, 1.0])).tolist()
    [0, 128, 255]
    """
    return (x.clamp(0, 1) * 255).round().byte()


def _is_sure(errors: Errors) -> Tensor:
    return errors.probs.amax(1) >= SURE


def _counts(errors: Errors) -> dict[str, dict[str, int]] | None:
    """How many errors are of each kind, of all and of the confident ones; None where nobody judges."""
    if errors.judged is None:
        return None
    sure, judged = _is_sure(errors), errors.judged
    return {
        "wrong": {name: int((judged == kind).sum()) for name, kind in KINDS.items()},
        "confident_errors": {name: int(((judged == kind) & sure).sum()) for name, kind in KINDS.items()},
    }


def _shown(errors: Errors) -> dict[str, Tensor]:
    """The surest errors of each kind, and of those that nobody judged."""
    surest = errors.probs.amax(1).argsort(descending=True, stable=True)
    sure, judged = _is_sure(errors), errors.judged
    of = torch.full_like(surest, NOT_ASKED) if judged is None else judged
    worth = surest[(sure | (of == DRIFT))[surest]]
    rows = torch.cat([worth[of[worth] == kind][:SHOWN] for kind in (*KINDS.values(), NOT_ASKED)])
    x, labels = errors.images.batch(rows)
    tensors = {"x": as_bytes(x), "labels": labels, "probs": errors.probs[rows]}
    if errors.said is not None and judged is not None:
        tensors |= {"said": errors.said[rows], "judged": judged[rows]}
    return tensors
