"""The model under test, behind one face: images in [0, 1] in, log-probabilities out."""

from __future__ import annotations

import copy
import hashlib
import inspect
import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from .batches import in_batches
from .errors import ClassifierError, nearest, ran_out_of_memory
from .tensors import describe
from .types import DataSpec, ImageSet

Output = Literal["logits", "probabilities"]
WITHOUT_GRADIENTS = "a searcher that needs no gradients asks it as it is (modeldebug plugins list): --searcher NAME"


@dataclass(frozen=True, eq=False)
class Classifier:
    """A torch module with what is needed to ask it: normalisation, and what it returns.

    Attributes:
        module: maps (n, c, h, w) float32, normalised, to (n, k).
        spec: the images and classes that it is asked about.
        output: whether the module returns logits (or log-probabilities), or probabilities.
        mean, std: per channel, applied before the module; None for none.
        name: for messages.
        batch_size: images in a batch, where no gradients are needed.
        device: where the module is.

    >>> from modeldebug.testing import known_problem
    >>> classifier = known_problem().classifier
    >>> classifier.accuracy(known_problem().splits.test), classifier.probs(torch.zeros(3, 1, 8, 8)).shape
    (1.0, torch.Size([3, 4]))
    """

    module: nn.Module
    spec: DataSpec
    output: Output = "logits"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    name: str = "the classifier"
    batch_size: int = 512
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def log_probs(self, x: Tensor) -> Tensor:
        """Log-probabilities (n, k) of images (n, c, h, w) float32 in [0, 1] on the classifier's device; differentiable.

        Raises:
            ClassifierError: the module raises, or returns another shape, or NaN.
        """
        answer = self._answer(x)
        if self.output == "probabilities":
            return answer.clamp_min(1e-12).log()
        return answer.log_softmax(1)

    def probs(self, x: Tensor) -> Tensor:
        """Probabilities (n, k) float32 on the CPU; in batches, in eval mode, without gradients.

        Raises:
            ClassifierError: as `log_probs`; so do `predict` and `accuracy`.
        """
        self.module.eval()
        return in_batches(lambda rows: self.log_probs(rows).exp(), self.batch_size, self.device, x)

    def predict(self, images: ImageSet) -> Tensor:
        """Predicted classes (n,) int64."""
        chunks = torch.split(torch.arange(len(images)), 8 * self.batch_size)
        return torch.cat([self.probs(images.batch(rows)[0]).argmax(1) for rows in chunks])

    def accuracy(self, images: ImageSet) -> float:
        """Share of the images whose predicted class is their label, in [0, 1]."""
        return float((self.predict(images) == images.labels).float().mean())

    def state_dict(self) -> dict[str, Tensor]:
        """The module's weights; the tensors are the module's own."""
        return dict(self.module.state_dict())

    def copy(self, state: Mapping[str, Tensor] | None = None) -> Classifier:
        """An independent copy, with other weights where they are given."""
        module = copy.deepcopy(self.module)
        if state is not None:
            module.load_state_dict(dict(state))
        return Classifier(**{**vars(self), "module": module})

    def _answer(self, x: Tensor) -> Tensor:
        try:
            given = self.normalised(x)
            answer = self.module(given.clone() if given is x and x.requires_grad else given)  # some work in place
        except Exception as error:
            if ran_out_of_memory(error):
                raise
            raise ClassifierError(
                f"the classifier raised {type(error).__name__}: {error}",
                got=f"an error for images {describe(x)}",
                expected=f"an answer (n, {self.spec.num_classes})",
                fix=WITHOUT_GRADIENTS
                if x.requires_grad
                else "run 'modeldebug check' with the same options to see what the tool feeds it",
                plugin=self.name,
            ) from error
        if not isinstance(answer, Tensor) or answer.shape != (len(x), self.spec.num_classes):
            raise ClassifierError(
                "the classifier's answer has the wrong shape",
                got=describe(answer),
                expected=f"(n, {self.spec.num_classes}), one column for each class of the data",
                fix="give a classifier of these classes, or a data set with its classes",
                plugin=self.name,
            )
        if not bool(torch.isfinite(answer).all()):
            raise ClassifierError(
                "the classifier answers NaN or infinity",
                got=f"{int((~torch.isfinite(answer)).any(1).sum())} of {len(x)} rows",
                expected="finite logits or probabilities",
                fix="check its weights, and classifier.mean and classifier.std",
                plugin=self.name,
            )
        return answer.float()

    def normalised(self, x: Tensor) -> Tensor:
        """Images (n, c, h, w) as the module gets them: less the mean, divided by the standard deviation.

        Raises:
            ClassifierError: `mean` or `std` has neither one number nor one for each channel.
        """
        for values, apply in ((self.mean, torch.sub), (self.std, torch.div)):
            if values is not None:
                if len(values) not in (1, x.shape[1]):
                    raise ClassifierError(
                        "classifier.mean and classifier.std need one number for each channel",
                        got=f"{len(values)} numbers",
                        expected=f"{x.shape[1]}",
                        plugin=self.name,
                    )
                x = apply(x, torch.tensor(values, device=x.device).view(1, -1, 1, 1))
        return x


def detect_output(classifier: Classifier, x: Tensor) -> Output:
    """What the module returns for images x (n, c, h, w): probabilities if rows are >= 0 and sum to 1, else logits.

    Raises:
        ClassifierError: as `Classifier.log_probs`.

    >>> from modeldebug.testing import known_problem
    >>> detect_output(known_problem().classifier, torch.zeros(1, 1, 8, 8))
    'logits'
    """
    classifier.module.eval()
    answer = in_batches(classifier._answer, classifier.batch_size, classifier.device, x)
    sums_to_one = bool(((answer.sum(1) - 1).abs() < 1e-3).all())
    return "probabilities" if sums_to_one and bool((answer >= 0).all()) else "logits"


def gradient(value: Tensor, inputs: Tensor, asked: Classifier, *, keep: bool = False) -> Tensor:
    """The gradient of a classifier's answers, summed, with respect to what they were computed from; `keep` what is
    needed to ask for another one.

    Raises:
        ClassifierError: none goes back through the classifier.

    >>> from modeldebug.testing import known_problem
    >>> x, classifier = torch.full((3, 1, 8, 8), 0.5, requires_grad=True), known_problem().classifier
    >>> gradient(classifier.log_probs(x), x, classifier).shape
    torch.Size([3, 1, 8, 8])
    """
    found = None
    if value.requires_grad:
        found = torch.autograd.grad(value.sum(), inputs, allow_unused=True, retain_graph=keep)[0]
    if found is None:
        raise ClassifierError(
            f"no gradient goes back through {asked.name}",
            got="an answer that does not depend on the image as far as torch can see, such as that of a model behind "
            "an interface",
            expected="a torch module that is differentiable",
            fix=WITHOUT_GRADIENTS,
            plugin=asked.name,
        )
    return found


def model_hash(module: nn.Module) -> str:
    """SHA-256 over the names, shapes and values of a module's weights, in hexadecimal.

    >>> model_hash(nn.ReLU()) == model_hash(nn.Flatten())  # neither has weights
    True
    """
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def code_hash(module: nn.Module) -> str:
    """SHA-256 over the source of every class in a module that is not torch's own, in hexadecimal: two networks with the
    same weights and another `forward` differ. A class whose source cannot be read counts by its name.

    >>> code_hash(nn.ReLU()) == code_hash(nn.Sequential(nn.Tanh()))  # all torch's own
    True
    """
    own = {kind for kind in map(type, module.modules()) if not kind.__module__.startswith("torch.")}
    return hashlib.sha256("".join(sorted(map(_source, own))).encode()).hexdigest()


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return f"{kind.__module__}.{kind.__qualname__}"


def load_weights(module: nn.Module, path: Path, *, trust: bool, name: str, head: str = "") -> None:
    """Load weights from safetensors or from a plain state dict; a pickle with code in it only with `trust`.

    Args:
        head: weights whose names begin with it keep their own values where the file's are for other classes.

    Raises:
        ClassifierError: the file is missing, holds code, or does not fit the module.
    """
    if not path.is_file():
        raise ClassifierError("there is no weights file", got=path, expected="a .safetensors or .pt file", plugin=name)
    state = _read_state(path, trust=trust, name=name)
    own = module.state_dict()
    if head:
        state |= {k: v for k, v in own.items() if k.startswith(head) and (k not in state or state[k].shape != v.shape)}
    problems = [f"{k} is missing" for k in own if k not in state]
    problems += [f"{k} is unknown ({nearest(k, own)})" for k in state if k not in own]
    problems += [
        f"{k} is {tuple(state[k].shape)}, the module has {tuple(v.shape)}"
        for k, v in own.items()
        if k in state and state[k].shape != v.shape
    ]
    if problems:
        raise ClassifierError(
            "the weights do not fit the classifier",
            got=_some(problems),
            expected=f"the {len(own)} tensors of {type(module).__name__}",
            fix="give the weights of this architecture",
            plugin=name,
        )
    module.load_state_dict(state)


def _read_state(path: Path, *, trust: bool, name: str) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on a file that is refused anyway, or trusted
            content = torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        raise ClassifierError(
            "the weights file holds something else than tensors, and reading that could run code",
            got=path,
            expected="safetensors, or a state dict of plain tensors",
            fix="save it again with torch.save(model.state_dict(), path) or safetensors, or add --trust if you made "
            "this file yourself",
            plugin=name,
        ) from error
    except Exception as error:
        raise ClassifierError(
            "the weights file cannot be read",
            got=f"{path}: {(str(error) or type(error).__name__).splitlines()[0]}",
            expected="safetensors, or a state dict of plain tensors",
            fix="save it again with torch.save(model.state_dict(), path) or safetensors",
            plugin=name,
        ) from error
    if isinstance(content, nn.Module):
        content = content.state_dict()
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ClassifierError(
            "the weights file holds no state dict",
            got=f"{path}: {type(content).__name__}",
            expected="a mapping of names to tensors",
            fix="save it again with torch.save(model.state_dict(), path)",
            plugin=name,
        )
    return dict(content)


def _some(problems: Sequence[str], shown: int = 3) -> str:
    more = f"; and {len(problems) - shown} more" if len(problems) > shown else ""
    return "; ".join(problems[:shown]) + more
