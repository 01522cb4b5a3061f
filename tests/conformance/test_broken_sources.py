"""Each check of data sets and of classifiers catches one that breaks its rule."""

import pytest
import torch
from pydantic import ConfigDict
from torch import nn
from twins import assert_caught, assert_every_check_has_a_twin, component

from modeldebug import (
    ClassifierConfig,
    ClassifierSource,
    ComponentConfig,
    DatasetConfig,
    DatasetSource,
    split,
    train_network,
)
from modeldebug.testing import CheckFailed, check_classifier, check_dataset, parametrize_with_checks


class LenientDataset(DatasetConfig):
    model_config = ConfigDict(extra="ignore")


class Images(DatasetSource[DatasetConfig]):
    def _load(self, rng):
        images = torch.rand(50, 1, 4, 4, generator=rng)
        return split(images, torch.arange(50) % 2, classes=("a", "b"), rng=rng)


class OneClass(Images):
    def _load(self, rng):
        return split(torch.rand(50, 1, 4, 4), torch.zeros(50, dtype=torch.int64), classes=("a",), rng=rng)


class SplitsAnyhow(Images):
    def _load(self, rng):
        return super()._load(torch.default_generator)


DATASET_TWINS = {
    "unknown_settings_are_refused": (component(Images, config=LenientDataset), "was accepted"),
    "splits_are_usable": (component(OneClass, config=DatasetConfig), "one class only"),
    "loading_repeats": (component(SplitsAnyhow, config=DatasetConfig), "other splits"),
    "globals_are_left_alone": (component(SplitsAnyhow, config=DatasetConfig), "torch's random state changed"),
}


class Trained(ClassifierConfig):
    train: bool = True


class Lenient(ClassifierConfig):
    model_config = ConfigDict(extra="ignore")


class Linear(ClassifierSource[ClassifierConfig]):
    def _make(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 4))

    def _train(self, module, data, context):
        def loss(x, y, step):
            return nn.functional.cross_entropy(module(x), y)

        optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
        train_network(module, loss, data.train, optimizer=optimizer, epochs=5, batch_size=64, context=context)


class NormalisedOverTheBatch(Linear):
    def _make(self):
        class Centred(nn.Module):
            def forward(self, x):
                return x.flatten(1)[:, 2:6] - x.flatten(1)[:, 2:6].mean(0)

        return Centred()


class LosesTheBatchOfOne(Linear):
    def _make(self):
        class Squeezed(nn.Sequential):
            def forward(self, x):
                return super().forward(x).squeeze()

        return Squeezed(*super()._make())


class CentresTheImagesItIsGiven(Linear):
    def _train(self, module, data, context):
        data.train.storage.mul_(0.999)


class SetsADefaultDtype(Linear):
    def _train(self, module, data, context):
        torch.set_default_dtype(torch.float64)


class MadeAnyhow(Linear):
    made = 0

    def _make(self):
        module = super()._make()
        MadeAnyhow.made += 1
        nn.init.constant_(module[1].bias, MadeAnyhow.made)
        return module


class NeverLearns(Linear):
    def _train(self, module, data, context):
        return None


CLASSIFIER_TWINS = {
    "unknown_settings_are_refused": (component(Linear, config=Lenient), "was accepted"),
    "answers_fit_the_data": (component(NormalisedOverTheBatch, config=ClassifierConfig), "stand beside them"),
    "making_and_training_repeat": (component(MadeAnyhow, config=Trained), "other weights after making it"),
    "training_learns": (component(NeverLearns, config=Trained), "held-out images right"),
    "inputs_are_left_alone": (component(CentresTheImagesItIsGiven, config=Trained), "changed training images"),
    "globals_are_left_alone": (component(SetsADefaultDtype, config=Trained), "default dtype changed"),
}


def test_reference_data_set_and_classifiers_pass_every_check():
    check_dataset(component(Images, config=DatasetConfig))
    check_classifier(component(Linear, config=Trained))
    check_classifier(component(Linear, config=ClassifierConfig))


@pytest.mark.parametrize("name", DATASET_TWINS)
def test_broken_data_set_fails_its_check(name):
    assert_caught(check_dataset, name, *DATASET_TWINS[name])


@pytest.mark.parametrize("name", CLASSIFIER_TWINS)
def test_broken_classifier_fails_its_check(name):
    assert_caught(check_classifier, name, *CLASSIFIER_TWINS[name])


def test_classifier_that_loses_the_batch_of_one_fails():
    broken = component(LosesTheBatchOfOne, config=ClassifierConfig)
    assert_caught(check_classifier, "answers_fit_the_data", broken, "of shape (4,) to one image of 4 classes")


def test_data_set_whose_settings_lack_those_of_every_data_set_is_told_so():
    with pytest.raises(CheckFailed, match=r"derive the settings of the component from modeldebug\.DatasetConfig"):
        check_dataset(component(Images, config=ComponentConfig))


def test_every_source_check_has_a_broken_twin():
    assert_every_check_has_a_twin("dataset", DATASET_TWINS)
    assert_every_check_has_a_twin("classifier", CLASSIFIER_TWINS)


@parametrize_with_checks(
    [component(Images, config=DatasetConfig), (component(Linear, config=Trained), {"train": True})]
)
def test_third_party_needs_one_decorator(check):
    check()
