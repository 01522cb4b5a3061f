"""No oracle: what the generator knows of its images, because it put it into them."""

from __future__ import annotations

from modeldebug import Answers, Labeler, LabelRequest, PluginError

from .plugin import TruthConfig


class Truth(Labeler[TruthConfig]):
    """Gives each image of a generator that provides "truth" the class that the generator knows it to be of. It needs no
    training, makes no mistakes, and knows nothing of other images.

    Raises:
        PluginError: it is asked about images that are from no code.

    >>> import torch
    >>> from modeldebug import DataSpec
    >>> spec, known = DataSpec((1, 2, 2), ("none", "one")), torch.tensor([1, 0])
    >>> request = LabelRequest("regions", torch.zeros(2, 1, 2, 2), spec, torch.tensor([0, 0]), known)
    >>> Truth(TruthConfig(), spec).label(request).votes.tolist()
    [[1], [0]]
    """

    is_program = True
    exact = True

    def _label(self, request: LabelRequest) -> Answers:
        if request.truth is None:
            raise PluginError(
                "the generator knows nothing of these images",
                got=f"{len(request.x)} images that it did not make",
                expected="images of its codes",
                fix="another labeler: --labeler oracle",
                plugin=self.name,
            )
        return Answers(request.truth[:, None])
