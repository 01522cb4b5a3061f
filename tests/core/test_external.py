"""Models and data of one's own: what is read, and what is refused rather than guessed at."""

import sys
import textwrap

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from modeldebug import ClassifierError, Component, ComponentConfig, ConfigError, DataError, DataSpec, Splits, rng_for
from modeldebug.external import code_of, component_from, component_of
from modeldebug.registry import Registered, Registry, Source


def load(value, **settings):
    component = component_of(Registry(), "dataset", value).component
    return component.make(component.config(**settings)).load(rng_for(0))


def make(value, spec=None):
    component = component_of(Registry(), "classifier", value).component
    return component.make(component.config(), spec or DataSpec((1, 4, 4), ("a", "b")))._make()


def images(n=20, *shape, dtype=np.float32):
    values = np.random.default_rng(0).random((n, *(shape or (1, 4, 4))))
    return (values * 255).astype(np.uint8) if dtype == np.uint8 else values.astype(dtype)


LABELS = np.arange(20) % 2


class Pairs(Dataset):
    """A torch Dataset, as torchvision's are: pictures, transformed or not, and integers."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, row):
        return self.pairs[row]


def every_image(splits):
    return torch.cat([part.images for part in (splits.train, splits.validation, splits.test)])


def test_torch_dataset_of_tensors_is_read():
    splits = load(TensorDataset(torch.from_numpy(images()), torch.from_numpy(LABELS)))
    assert splits.spec == DataSpec((1, 4, 4), ("0", "1"))
    assert len(every_image(splits)) == 20


def test_torch_dataset_of_colour_pictures_is_turned_round():
    pictures = images(20, 5, 4, 3, dtype=np.uint8)
    splits = load(Pairs([(picture, int(label)) for picture, label in zip(pictures, LABELS, strict=True)]))
    assert splits.spec.shape == (3, 5, 4)
    assert every_image(splits).dtype == torch.uint8
    first = torch.from_numpy(pictures[0].transpose(2, 0, 1))
    assert any(torch.equal(image, first) for image in every_image(splits))


def test_torch_dataset_of_grey_pictures_gets_a_channel():
    splits = load(Pairs([(picture, label) for picture, label in zip(images(20, 5, 4), LABELS, strict=True)]))
    assert splits.spec.shape == (1, 5, 4)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_pair_of_arrays_is_read_without_loss(dtype):
    given = images(dtype=dtype)
    splits = load((given, LABELS))
    assert torch.equal(every_image(splits).flatten().sort().values, torch.from_numpy(given).flatten().sort().values)


def test_double_precision_becomes_single():
    assert every_image(load((images(dtype=np.float64), LABELS))).dtype == torch.float32


def test_images_without_channels_get_one():
    assert load((images(20, 4, 4), LABELS)).spec.shape == (1, 4, 4)


def test_mapping_of_parts_keeps_the_parts():
    parts = {"train": (images(6), LABELS[:6]), "validation": (images(4), LABELS[:4]), "test": (images(2), LABELS[:2])}
    splits = load(parts)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (6, 4, 2)
    assert torch.equal(splits.test.images, torch.from_numpy(images(2)))


def test_missing_validation_part_is_held_out_of_the_training_part():
    splits = load({"train": (images(20), LABELS), "test": (images(4), LABELS[:4]), "extra": None})
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (18, 2, 4)
    assert splits.validation.labels.bincount().tolist() == [1, 1]
    assert sorted(torch.cat([splits.train.rows, splits.validation.rows]).tolist()) == list(range(20))


@pytest.mark.parametrize("name", ["validation", "valid", "val"])
def test_validation_part_goes_by_several_names(name):
    parts = {"train": (images(6), LABELS[:6]), name: (images(4), LABELS[:4]), "test": (images(2), LABELS[:2])}
    assert len(load(parts).validation) == 4


class Kinds:
    names = ("cat", "dog")


class Table(list):
    """As a Hugging Face Dataset: items are mappings, and `features` describe the columns."""

    features = {"image": None, "kind": Kinds()}  # noqa: RUF012


def table(n):
    return Table(
        {"image": Image.fromarray(pixels), "kind": row % 2}
        for row, pixels in enumerate(images(n, 5, 4, 3, dtype=np.uint8))
    )


def test_tables_with_columns_are_read_with_their_class_names():
    parts = {"train": table(20), "test": table(4)}
    splits = load(parts, label="kind")
    assert splits.spec == DataSpec((3, 5, 4), ("cat", "dog"))
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [18, 2, 4]
    assert torch.equal(splits.test.images, torch.from_numpy(images(4, 5, 4, 3, dtype=np.uint8)).permute(0, 3, 1, 2))
    assert load(parts, label="kind", names=("a", "b")).spec.classes == ("a", "b")
    assert load(parts, label="kind", size=8, channels=1, classes=("dog", "cat"), limit=10).spec.shape == (1, 8, 8)
    with pytest.raises(DataError, match="columns image, kind"):
        load(parts)


def test_splits_and_functions_that_give_them_are_taken_as_they_are():
    splits = load((images(), LABELS))
    assert load(splits) is splits
    assert load(lambda: splits) is splits
    assert isinstance(load(lambda: (images(), LABELS)), Splits)


def test_class_names_are_a_setting():
    assert load((images(), LABELS), names=("cat", "dog")).spec.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ((images(20, 5, 5, 3), LABELS), "channels of the images come last"),
        ((images(20, 5, 5, 1), LABELS), "channels of the images come last"),
        ((images(20, 2), LABELS), "wrong shape"),
        ((images().astype(np.int32), LABELS), "wrong type"),
        ((images().astype(np.float16), LABELS), "wrong type"),
        ((images() * 255, LABELS), "out of range"),
        ((images() * np.nan, LABELS), "NaN"),
        ((images(), LABELS.astype(np.float32)), "integers (n,)"),
        ((images(), LABELS == 1), "integers (n,)"),
        ((images(), LABELS[:, None]), "integers (n,)"),
        ((images(), LABELS - 1), "label is out of range"),
        ((images(), np.array(["cat", "dog"] * 10)), "integers (n,)"),
        ((np.array(["cat", "dog"] * 10), LABELS), "expected: (n, c, h, w)"),
        ((images(), LABELS[:7]), "labels"),
        ((images(), LABELS * 0), "one class only"),
        ((images(0), LABELS[:0]), "empty"),
        ({"train": (images(), LABELS), "validation": (images(), LABELS)}, "lacks a part"),
        (7, "cannot be read as a data set"),
        (Pairs([1, 2]), "item 0: int"),
        (Pairs([(images(1)[0], 0, 0)]), "no pair"),
        (Pairs([]), "empty"),
        (Pairs([(images(1, 4, 4)[0], 0), (images(1, 5, 4)[0], 1)]), "different shapes"),
        (Pairs([(images(1, 1, 1, 4, 4)[0], 0)]), "wrong shape"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_read_for_sure_are_refused(value, words):
    with pytest.raises(DataError) as caught:
        load(value)
    assert words in str(caught.value)


def test_labels_beyond_the_class_names_are_refused():
    with pytest.raises(DataError, match="label is out of range"):
        load((images(), np.arange(20) % 3), names=("cat", "dog"))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(16, 2)

    def forward(self, x):
        return self.linear(x.flatten(1))


def broken():
    raise ValueError("no weights")


def test_classifier_may_be_a_module_a_class_or_a_function():
    module = Net()
    for value in (module, Net, lambda: module):
        made = make(value)
        assert isinstance(made, Net)
        assert made is not module, "what a run does to a model must not reach the one that was given"
    assert torch.equal(make(module).linear.weight, module.linear.weight)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (broken, "making the classifier raised ValueError: no weights"),
        (lambda size: Net(), "raised TypeError"),
        (lambda: 3, "no torch module"),
        ("text", "no torch module"),
    ],
)
def test_classifier_that_cannot_be_made_is_refused(value, words):
    with pytest.raises(ClassifierError) as caught:
        make(value)
    assert words in str(caught.value)


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(
        textwrap.dedent(
            """
            import torch
            from torch import nn
            from modeldebug import Candidates, Searcher

            def make():
                return nn.Sequential(nn.Flatten(), nn.Linear(16, 2))

            data = (torch.rand(20, 1, 4, 4), torch.arange(20) % 2)

            class Mine(Searcher):
                '''A search of my own.'''
                def _start(self, problem, rng): return {"done": True}
                def _step(self, problem, state): raise AssertionError

            number = 3
            """
        )
    )
    (tmp_path / "broken_module.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_models"
    for name in ("my_models", "broken_module"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("kind", "attribute"), [("classifier", "make"), ("dataset", "data"), ("searcher", "Mine")])
def test_attribute_of_a_module_serves_as_a_component(own_module, kind, attribute):
    registry = Registry()
    found = component_from(registry, kind, f"my_models:{attribute}")
    assert found.name == f"my_models:{attribute}"
    assert registry.components(kind) == (found,)


def test_contract_class_brings_its_docstring(own_module):
    assert component_from(Registry(), "searcher", "my_models:Mine").component.summary == "A search of my own."


def test_changed_module_counts_as_another_version(own_module, tmp_path):
    before = component_from(Registry(), "classifier", "my_models:make").source.version
    file = tmp_path / "my_models.py"
    file.write_text(file.read_text() + "\nmore = 1\n")
    del sys.modules["my_models"]
    import linecache

    linecache.clearcache()
    assert component_from(Registry(), "classifier", "my_models:make").source.version != before


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("classifier", "my_modelz:make", "'my_modelz' cannot be imported"),
        ("classifier", "broken_module:make", "No module named 'no_such_package'"),
        ("classifier", "my_models:mke", "did you mean 'make'?"),
        ("searcher", "my_models:number", "cannot serve as a searcher"),
        ("generator", "my_models:Mine", "cannot serve as a generator"),
    ],
)
def test_attribute_that_cannot_serve_is_refused(own_module, kind, text, words):
    with pytest.raises(ConfigError) as caught:
        component_from(Registry(), kind, text)
    assert words in str(caught.value)


def test_component_object_is_used_as_it_is():
    component = Component("mine", "", ComponentConfig, "m:f")
    assert component_of(Registry(), "searcher", component).component is component


def test_module_that_ends_the_process_at_import_is_an_error(own_module, tmp_path):
    (tmp_path / "quits.py").write_text("raise SystemExit(0)")
    with pytest.raises(ConfigError, match="cannot be imported: SystemExit"):
        component_from(Registry(), "classifier", "quits:make")


def test_code_of_a_plugin_is_what_its_package_holds(tmp_path, monkeypatch):
    package = tmp_path / "edited_plugin"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "search.py").write_text("def make(config, spec): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    component = Component("edited", "is edited", ComponentConfig, "edited_plugin.search:make")
    theirs = Registered("searcher", Source("edited", "edited-plugin", "1.0"), component)
    before = code_of(theirs)
    assert before == code_of(theirs) != ""
    (package / "helper.py").write_text("RADIUS = 2\n")
    assert code_of(theirs) != before
    assert code_of(Registered("searcher", Source("defuse", "modeldebug", "0.1.0"), component)) == ""


def test_code_that_cannot_be_imported_is_for_whoever_uses_it_to_refuse():
    component = Component("gone", "is not there", ComponentConfig, "no_such_package.search:make")
    assert code_of(Registered("searcher", Source("gone", "gone-plugin", "1.0"), component)) == ""
