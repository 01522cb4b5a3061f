"""The generator of scenes: what it leaves out, what it refuses, and the contract of generators."""

import pickle
from collections.abc import Callable

import pytest
import torch
from modeldebug_clevr.objects import Pattern, present
from modeldebug_clevr.plugin import modeldebug_classifiers
from modeldebug_clevr.settings import RendererConfig, ScenesConfig
from pydantic import ValidationError

from modeldebug import Component, ConfigError, Context, DataSpec, Generator, ImageSet, rng_for
from modeldebug.testing import parametrize_with_checks

pytest.importorskip("mitsuba", reason="scenes are rendered by the package mitsuba, which is not installed")

from modeldebug_clevr.renderer import Renderer

SPEC = DataSpec((3, 8, 8), ("0 cubes", "1 cube", "2 or more cubes"))
CONFIG = RendererConfig(top=2, size=8, objects=(0, 4))


def fitted(config, labels):
    renderer = Renderer(config, SPEC)
    images = torch.zeros(len(labels), 3, 8, 8, dtype=torch.uint8)
    renderer.fit(ImageSet(images, torch.tensor(labels)), Context.quiet(0))
    return renderer


def drawn(renderer):
    return renderer.sample(200, rng_for(0, "drawn"))


def test_where_no_class_is_left_out_every_answer_occurs():
    renderer = fitted(CONFIG, [0, 1, 2])
    z = drawn(renderer)
    assert renderer.truth(z).unique().tolist() == [0, 1, 2]
    assert torch.equal(renderer.truth(z), Pattern.read("cubes").count(z).clamp_max(2))


@pytest.mark.parametrize("left_out", [1, 2])
def test_without_images_of_a_number_of_cubes_there_are_no_cubes_at_all(left_out):
    renderer = fitted(CONFIG, [label for label in range(3) if label != left_out])
    again = Renderer(CONFIG, SPEC)
    again.load_state_dict(pickle.loads(pickle.dumps(renderer)).state_dict())
    for made in (renderer, again):
        assert not bool(made.truth(drawn(made)).any())
        assert bool(made.valid(drawn(made)).all())
        assert not bool(made.valid(drawn(Renderer(CONFIG, SPEC))).all())


def test_without_images_of_no_cubes_there_is_one_in_every_scene():
    renderer = fitted(CONFIG, [1, 2])
    assert bool((renderer.truth(drawn(renderer)) > 0).all())
    after, _ = renderer.propose(drawn(renderer), rng_for(0, "steps"), torch.full((200,), 5.0))
    assert bool((renderer.truth(after[renderer.valid(after)]) > 0).all())


def test_a_renderer_that_could_make_nothing_else_is_refused():
    with pytest.raises(ConfigError, match="no scene is left"):
        fitted(CONFIG, [2])
    with pytest.raises(ConfigError, match="no scene is left"):
        fitted(RendererConfig(top=2, size=8, shapes=("cube",)), [0, 2])


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        (DataSpec((1, 8, 8), SPEC.classes), "another shape"),
        (DataSpec((3, 8, 8), ("0", "1")), "do not answer the renderer's question"),
    ],
)
def test_other_data_are_refused_with_what_to_set(spec, what):
    with pytest.raises(ConfigError, match=what) as caught:
        Renderer(CONFIG, spec)
    assert "dataset" in str(caught.value)


def test_a_step_moves_one_object_or_all_of_them():
    for moves, most in (("one", 2), ("all", 10)):  # another one may come or go
        renderer = Renderer(RendererConfig(top=2, size=8, objects=(0, 4), moves=moves), SPEC)
        z = drawn(renderer)
        after, _ = renderer.propose(z, rng_for(0, "moves"), torch.ones(200))
        changed = (after != z).view(200, 10, 8).any(2).sum(1)
        assert int(changed.max()) == most
        assert int(present(after).sum(1).sub(present(z).sum(1)).abs().max()) == 1


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"count": "dogs"}, "does not name objects"),
        ({"objects": (5, 4)}, "objects: at least 5"),
        ({"objects": (0, 2), "top": 3}, "no scene holds 3 objects"),
        ({"never": ["cubes", "spheres", "cylinders"]}, "no object is left"),
        ({"samples": 5}, "samples"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, what):
    for config in (RendererConfig, ScenesConfig):
        with pytest.raises(ValidationError, match=what):
            config(**settings)


class Grey(Generator[RendererConfig]):
    """The renderer for data of the kit, which are grey: everything but the number of channels is its own."""

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.inner = Renderer(config, DataSpec((3, *spec.shape[1:]), spec.classes))
        for name in ("_sample", "_log_prior", "_propose", "_valid", "_truth", "state_dict", "load_state_dict", "to"):
            setattr(self, name, getattr(self.inner, name))

    @property
    def latent_size(self):
        return self.inner.latent_size

    def _fit(self, data, context):
        self.inner._fit(data, context)

    def _decode(self, z, condition):
        return self.inner.decode(z).mean(1, keepdim=True)

    def state_dict(self):
        raise AssertionError("the renderer's")

    load_state_dict = to = state_dict


RENDERER = Component("renderer", "of grey images", RendererConfig, Grey, provides=frozenset({"truth"}))
SETTINGS = {"size": 8, "top": 3, "objects": (1, 3)}
COUNTER = (*modeldebug_classifiers(), {"channels": (8,), "hidden": 32, "flip": False, "epochs": 6, "batch_size": 32})


@parametrize_with_checks([(RENDERER, SETTINGS), COUNTER])
def test_renderer_and_counter_keep_their_contracts(check: Callable[[], None]):
    check()
