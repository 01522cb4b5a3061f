"""The data set: scenes drawn from their prior, rendered once, and labelled by a question about them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from modeldebug_datasets.converted import Pictures, cache_folder, converted
from torch import Tensor

from modeldebug import DataError, DatasetSource, DataSpec, ImageSet, Splits, hold_out

from .objects import Pattern, Question
from .render import mitsuba, pixels
from .scenes import Scenes
from .settings import ScenesConfig, ScenesSection

BLOCK = 250  # scenes rendered at a time, and lost at most when rendering is killed
SHOWN = 4  # scenes that are rendered each time, to see whether others were rendered in the same way
EVERY = 10.0  # seconds between two lines of progress


def scenes_of(section: ScenesSection) -> Scenes:
    """The scenes that settings speak of.

    >>> scenes_of(ScenesSection(never=["blue cones"])).never[0].plural
    'blue cones'
    """
    least, most = section.objects
    return Scenes(section.shapes, least, most, tuple(Pattern.read(words) for words in section.never))


def question_of(section: ScenesSection) -> Question:
    """The question that settings speak of.

    >>> question_of(ScenesSection(count="blue spheres", top=2)).classes
    ('0 blue spheres', '1 blue sphere', '2 or more blue spheres')
    """
    return Question(Pattern.read(section.count), section.top)


class RenderedScenes(DatasetSource[ScenesConfig]):
    """Images (3, size, size) uint8 of scenes from their prior; the label is how many objects of a kind there are.

    Scenes are rendered once and kept in the cache folder, for any question about them; whoever is interrupted goes on
    with the block of scenes that was not finished. The settings' own seed says which scenes there are; which of those
    that are not for testing are for validation is drawn with the run's.

    Raises:
        ConfigError: Mitsuba is not installed.
        DataError: the cache folder cannot be used.
    """

    def _load(self, rng: torch.Generator) -> Splits:
        mitsuba()  # or say at once that it is not there
        config, question = self.config, question_of(self.config)
        n = config.train + config.validation + config.test
        z = scenes_of(config).sample(n, torch.Generator().manual_seed(config.seed))
        images = ImageSet(self._rendered(z), question.answers(z))
        first = config.train + config.validation
        train, validation = hold_out(images.subset(torch.arange(first)), config.validation, rng=rng)
        spec = DataSpec((3, config.size, config.size), question.classes)
        _refuse_missing(train, question, self.name)
        return Splits(spec, train, validation, images.subset(torch.arange(first, n)))

    def _rendered(self, z: Tensor) -> Tensor:
        """Images (n, 3, size, size) uint8 of codes, memory-mapped."""
        size, samples = self.config.size, self.config.samples
        first = pixels(z[:SHOWN], size=size, samples=samples)  # tells of all that decides how scenes look
        key: list[object] = ["scenes", size, samples]
        key += [hashlib.sha256(part.numpy().tobytes()).hexdigest() for part in (z, first)]

        def read() -> Pictures:  # no labels are kept, since they depend on the question
            return Pictures(np.zeros(len(z)), (3, size, size), self._blocks(z, key))

        return converted(key, read, plugin=self.name).storage

    def _blocks(self, z: Tensor, key: list[object]) -> Iterator[np.ndarray]:
        """The images, block by block, each rendered or read where it was rendered before."""
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]
        folder = cache_folder() / "rendering" / digest
        folder.mkdir(parents=True, exist_ok=True)
        told, begun = time.monotonic(), False
        for start in range(0, len(z), BLOCK):
            file = folder / f"{start:06}.npy"
            codes = z[start : start + BLOCK]
            if not file.exists():
                if not begun:
                    print(f"rendering {len(z) - start:,} scenes, this once", file=sys.stderr, flush=True)
                elif time.monotonic() - told > EVERY:
                    print(f"rendering scenes: {start:,} of {len(z):,}", file=sys.stderr, flush=True)
                    told = time.monotonic()
                begun = True
                _save(file, pixels(codes, size=self.config.size, samples=self.config.samples).numpy())
            yield np.load(file)
        shutil.rmtree(folder)


def _refuse_missing(train: ImageSet, question: Question, plugin: str) -> None:
    """Refuse training images that show no scene of some class: a classifier could not learn it, and the renderer takes
    a class of which there is no image for one that is left out."""
    counts = train.labels.bincount(minlength=len(question.classes))
    missing = [name for name, count in zip(question.classes, counts.tolist(), strict=True) if not count]
    if missing:
        raise DataError(
            "there are classes without a training image",
            got=f"none of {', '.join(missing)} among {len(train):,} scenes",
            expected="an image of each class",
            fix="count less far (dataset.top and generator.top), or take more scenes: dataset.train",
            plugin=plugin,
        )


def _save(file: Path, images: np.ndarray) -> None:
    """A file in full, or none."""
    draft = file.with_suffix(".draft")
    with draft.open("wb") as opened:
        np.save(opened, images)
        opened.flush()
        os.fsync(opened.fileno())
    draft.rename(file)
