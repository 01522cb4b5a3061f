"""Which training images a search starts from, and how they become codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import modeldebug
from modeldebug import Component, ComponentConfig, Context, ImageSet, Origins, Run, Splits, batches, rng_for
from modeldebug.sections import SearchSection
from modeldebug.stages.encode import encode_origins, load_origins
from modeldebug.store import RunStore, Saved
from modeldebug.testing.problems import (
    ABILITIES,
    SPEC,
    PlantedConditionalGenerator,
    PlantedGenerator,
    codes_of,
    known_problem,
    truth,
)

from . import planted
from .bits import Watch, bits

KNOWN = known_problem()
SHIFTED = 2.0  # codes with a larger first number are encoded as the centre of a ball


class Shifting(PlantedGenerator):
    """Encodes bright images of class 3 as something that the classifier gets wrong; tells how sure it is of codes."""

    def _encode(self, x: Tensor, condition: Tensor | None) -> Tensor:
        z = codes_of(x)
        wrong = (z[:, 0] > SHIFTED) & (z[:, 1] > 0)
        return torch.where(wrong[:, None], torch.tensor(KNOWN.balls[0].centre), z)

    def _spread(self, x: Tensor, condition: Tensor | None) -> Tensor | None:
        return 0.1 + 0.01 * codes_of(x).abs()


shifting = Component("shifting", "wrong for bright images", ComponentConfig, Shifting, provides=ABILITIES)


def mixed() -> Splits:
    """The known problem's data, with training images in its balls, which the classifier gets wrong as they are."""
    inside = KNOWN.codes_in_balls(10, rng_for(0))
    images, labels = KNOWN.splits.train.batch(slice(None))
    with_balls = torch.cat([KNOWN.generator.decode(inside), images])
    return replace(KNOWN.splits, train=ImageSet(with_balls, torch.cat([truth(inside), labels])))


def never_right() -> Splits:
    train = KNOWN.splits.train
    return replace(KNOWN.splits, train=ImageSet(train.images, (train.labels + 1) % 4))


def encoded(
    model: PlantedGenerator, *, data: ImageSet | None = None, can_encode: bool = True, conditional: bool = False,
    **settings: object,
) -> Saved:  # fmt: skip
    return encode_origins(
        model,
        mixed().train if data is None else data,
        KNOWN.classifier,
        Context.quiet(0),
        settings=SearchSection.model_validate(settings),
        can_encode=can_encode,
        conditional=conditional,
        batch_size=64,
    )


def generator(kind: type[PlantedGenerator] = Shifting) -> PlantedGenerator:
    return kind(ComponentConfig(), SPEC)


def expected() -> tuple[Tensor, Tensor]:
    """Which training images are right as they are, and which of those reconstructed, by the planted truth."""
    z = codes_of(mixed().train.images)
    raw = KNOWN.ball_of(z) < 0
    return raw, raw & ~((z[:, 0] > SHIFTED) & (z[:, 1] > 0))


def test_a_search_starts_from_every_training_image_unless_it_is_told_otherwise() -> None:
    saved = encoded(generator())
    origins, n = load_origins(saved), len(mixed().train)
    assert torch.equal(origins.index, torch.arange(n))
    assert saved.info["screening_queries"] == 0
    assert (saved.info["origins"], saved.info["considered"], saved.info["warning"]) == (n, n, None)


def test_only_images_that_are_right_as_they_are_and_reconstructed_are_searched_from() -> None:
    raw, right = expected()
    assert 0 < int((~raw).sum()) < int((~right).sum())
    saved = encoded(generator(), start="right")
    origins, train = load_origins(saved), mixed().train
    assert torch.equal(origins.index, right.nonzero()[:, 0])
    assert torch.equal(origins.labels, train.labels[right])
    assert origins.z is not None
    assert torch.equal(origins.z, codes_of(train.images[right]))
    assert saved.info["screening_queries"] == len(train) + int(raw.sum()), "one as it is, one more if that is right"


def test_a_generator_that_cannot_encode_leaves_the_images_that_are_right_as_they_are() -> None:
    raw, _ = expected()
    saved = encoded(generator(), start="right", can_encode=False)
    origins = load_origins(saved)
    assert torch.equal(origins.index, raw.nonzero()[:, 0])
    assert origins.z is None
    assert origins.spread is None
    assert saved.info["screening_queries"] == len(raw)


def test_of_a_draw_of_images_those_that_are_right_are_left() -> None:
    _, right = expected()
    drawn, left = (load_origins(encoded(generator(), origins=200, start=start)).index for start in ("all", "right"))
    assert len(drawn) == 200
    assert torch.equal(left, drawn[right[drawn]])


def test_spreads_and_conditions_stand_beside_the_codes() -> None:
    x = mixed().train.images
    for start in ("all", "right"):
        origins = load_origins(encoded(generator(), start=start, conditional=True))
        assert origins.spread is not None
        assert origins.condition is not None
        assert torch.equal(origins.spread, 0.1 + 0.01 * codes_of(x[origins.index]).abs())
        assert torch.equal(origins.condition, origins.labels)
    plain = load_origins(encoded(generator(PlantedGenerator)))
    assert plain.spread is None
    assert plain.condition is None


def test_a_conditional_generator_is_told_the_class_when_it_reconstructs() -> None:
    saved = encoded(generator(PlantedConditionalGenerator), start="right", conditional=True)
    raw, _ = expected()
    assert torch.equal(load_origins(saved).index, raw.nonzero()[:, 0])


def test_screening_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoded(generator(), start="right")
    monkeypatch.setattr(batches, "LARGEST_BATCH", 8)
    parts = encoded(generator(), start="right")
    assert parts.info == whole.info
    assert parts.tensors.keys() == whole.tensors.keys()
    assert all(torch.equal(parts.tensors[name], tensor) for name, tensor in whole.tensors.items())


def test_no_right_image_is_no_crash_but_a_warning() -> None:
    saved = encoded(generator(), data=never_right().train, start="right")
    origins = load_origins(saved)
    assert isinstance(origins, Origins)
    assert len(origins) == 0
    assert origins.z is not None
    assert origins.z.shape == (0, 2)
    assert "gets no training image right" in saved.info["warning"]
    assert saved.info["screening_queries"] == len(never_right().train)


def own(attribute: str) -> dict[str, str]:
    return {"use": f"{__name__}:{attribute}"}


def debug(out: Path, dataset: str = "mixed", **options: object) -> Run:
    return planted.debug(out, dataset=own(dataset), generator=own("shifting"), search={"start": "right"}, **options)


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return debug(tmp_path_factory.mktemp("screened") / "run")


def test_a_run_counts_screening_apart_from_the_search_and_finds_failures_of_right_images_only(screened: Run) -> None:
    raw, right = expected()
    search, failures = screened.results["search"], RunStore.open(screened.path).load_stage("search").tensors
    assert search["considered"] == len(right)
    assert search["origins"] == int(right.sum())
    assert search["screening_queries"] == len(right) + int(raw.sum())
    assert search["queries"] == 5 * search["origins"], "planted.SETTINGS: five draws around each"
    assert len(failures["origin"]) > 0
    assert bool(right[failures["origin"]].all())
    words = " ".join(screened.report().read_text().replace("\u00a0", " ").split())
    assert f"of {len(right)} training images, those were searched from that the classifier gets right" in words
    assert f"{search['screening_queries']:,} further queries" in words


@pytest.mark.parametrize("stage", ["origins", "search"])
def test_a_screened_run_that_was_interrupted_ends_with_the_same_bits(stage: str, screened: Run, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        debug(tmp_path / "run", listeners=[Watch("stage_started", stage)])
    watch = Watch()
    modeldebug.resume(tmp_path / "run", listeners=[watch])
    assert watch.started[0] == stage
    assert bits(tmp_path / "run") == bits(screened.path)


def test_a_run_with_nothing_to_start_from_says_so_and_praises_nobody(tmp_path: Path) -> None:
    watch = Watch()
    run = debug(tmp_path / "run", dataset="never_right", listeners=[watch])
    assert run.status == "done"
    search = run.results["search"]
    assert (search["origins"], search["queries"], search["failures"]) == (0, 0, 0)
    assert any("nothing to search from" in warning for warning in run.results["warnings"])
    assert [e.stage for e in watch.of("warning", "origins")] == ["origins"]
    text = run.report().read_text()
    assert "Nothing was searched" in text
    words = " ".join(text.replace("\u00a0", " ").split())
    n = len(never_right().train)
    assert f"of {n} training images none is right from the start; to find that out took {n} queries." in words
    assert "good outcome" not in text
