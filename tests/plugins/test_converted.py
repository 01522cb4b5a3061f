"""Images are converted once, whatever happens meanwhile, and stay mapped."""

import os
import threading

import numpy as np
import pytest
import torch
from modeldebug_datasets import converted as module
from modeldebug_datasets.converted import Pictures, converted
from modeldebug_datasets.folder import Folder
from modeldebug_datasets.gtsrb import Gtsrb
from modeldebug_datasets.mnist import Mnist
from modeldebug_datasets.settings import FolderConfig, GtsrbConfig, IdxConfig, SvhnConfig
from modeldebug_datasets.svhn import Svhn
from PIL import Image
from published import every, write_gtsrb, write_idx, write_svhn

from modeldebug import DataError, rng_for

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 3, 4, 5), dtype=np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MODELDEBUG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Reader:
    """Gives the images, and counts how often it is asked."""

    def __init__(self, blocks=None, wait=None):
        self.blocks = blocks or (IMAGES[:4], IMAGES[4:])
        self.asked, self.wait = 0, wait or (lambda: None)

    def __call__(self):
        self.asked += 1
        self.wait()
        return Pictures(np.arange(10), (3, 4, 5), iter(self.blocks))


def test_images_and_labels_come_back_as_they_were_read():
    images = converted(["a"], Reader(), plugin="mine")
    assert torch.equal(images.storage, torch.from_numpy(IMAGES))
    assert images.labels.tolist() == list(range(10))


def test_a_source_is_read_once_for_a_key_and_anew_for_another():
    reader = Reader()
    for key in (["a"], ["a"], ["b"], ["a"]):
        converted(key, reader, plugin="mine")
    assert reader.asked == 2


def test_two_at_once_read_once():
    reader, inside = Reader(), threading.Barrier(2)
    slow = Reader(wait=lambda: inside.wait(10))
    first = threading.Thread(target=lambda: converted(["a"], slow, plugin="mine"))
    first.start()
    inside.wait(10)  # the first is reading now, and holds the lock
    images = converted(["a"], reader, plugin="mine")
    first.join()
    assert (slow.asked, reader.asked) == (1, 0)
    assert len(images) == 10


def fails():
    yield IMAGES[:4]
    raise DataError("a file ends too early")


def test_a_reader_that_fails_half_way_leaves_nothing_behind(own_cache):
    with pytest.raises(DataError, match="ends too early"):
        converted(["a"], Reader(fails()), plugin="mine")
    assert not [path for path in own_cache.rglob("*") if path.suffix != ".lock" and path.name != "converted"]
    assert len(converted(["a"], Reader(), plugin="mine")) == 10


def test_what_a_killed_process_left_is_removed(own_cache):
    converted(["a"], Reader(), plugin="mine")
    (whole,) = {file.parent for file in own_cache.rglob("images.npy")}
    whole.rename(whole.with_name(f"{whole.name}-draft"))
    assert len(converted(["a"], Reader(), plugin="mine")) == 10
    assert {file.parent for file in own_cache.rglob("images.npy")} == {whole}


def test_others_may_read_what_is_kept_as_far_as_the_umask_lets_them(own_cache):
    before = os.umask(0o022)
    try:
        converted(["a"], Reader(), plugin="mine")
        own_cache.with_name("plain").mkdir()
    finally:
        os.umask(before)
    (kept,) = {file.parent for file in own_cache.rglob("images.npy")}
    assert kept.stat().st_mode == own_cache.with_name("plain").stat().st_mode


def test_a_cache_folder_that_cannot_be_written_to_is_refused_with_the_way_out(own_cache):
    own_cache.write_text("a file stands in the way")
    with pytest.raises(DataError, match="cannot be kept") as caught:
        converted(["a"], Reader(), plugin="mine")
    assert "MODELDEBUG_CACHE=DIR" in str(caught.value)


def test_a_full_disk_is_told_and_leaves_nothing_behind(own_cache, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        converted(["a"], Reader(), plugin="mine")
    assert not list(own_cache.rglob("*.npy"))


def test_a_damaged_cache_is_told_with_the_way_out(own_cache):
    converted(["a"], Reader(), plugin="mine")
    (file,) = own_cache.rglob("images.npy")
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DataError, match="converted images cannot be read") as caught:
        converted(["a"], Reader(), plugin="mine")
    assert "remove this folder" in str(caught.value)


def write_folder(root):
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (9, 7), (10 * i, 20, 30)).save(root / name / f"{i}.png")
    return root


SOURCES = {
    "mnist": lambda root: Mnist(IdxConfig(root=str(write_idx(root)), validation=50)),
    "svhn": lambda root: Svhn(SvhnConfig(root=str(write_svhn(root)))),
    "gtsrb": lambda root: Gtsrb(GtsrbConfig(root=str(write_gtsrb(root)), size=8)),
    "folder": lambda root: Folder(FolderConfig(path=str(write_folder(root)), size=8)),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_second_load_does_not_read_the_files(name, tmp_path):
    root = tmp_path / "data"
    source = SOURCES[name](root)
    first = source.load(rng_for(0))
    for file in root.rglob("*"):
        if file.is_file():
            stat = file.stat()
            file.write_bytes(b"\0" * stat.st_size)  # what is read now is no data set
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = source.load(rng_for(0))
    assert torch.equal(again.train.images, first.train.images)
    assert torch.equal(again.test.labels, first.test.labels)


@pytest.mark.parametrize("name", SOURCES)
def test_changed_files_are_read_again(name, tmp_path):
    root = tmp_path / "data"
    source = SOURCES[name](root)
    source.load(rng_for(0))
    for file in root.rglob("*"):
        if file.is_file():
            file.write_bytes(b"changed")
    with pytest.raises(DataError):
        source.load(rng_for(0))


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("settings", [{}, {"classes": [1, 0]}, {"limit": 12, "classes": [0, 1]}])
def test_all_parts_are_views_of_the_mapped_file(name, settings, tmp_path, monkeypatch):
    maps = []
    load = np.load

    def watched(*args, **options):
        array = load(*args, **options)
        if options.get("mmap_mode"):
            maps.append((array.ctypes.data, array.ctypes.data + array.nbytes))
        return array

    monkeypatch.setattr(module.np, "load", watched)
    source = SOURCES[name](tmp_path / "data")
    source.config = source.config.model_copy(update=settings)
    splits = source.load(rng_for(0))
    for part in (splits.train, splits.validation, splits.test):
        assert any(start <= part.storage.data_ptr() < end for start, end in maps)


@pytest.fixture
def linked(tmp_path):
    """Ten links in each of two class folders, to twenty files of one size and time."""
    (tmp_path / "store").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "linked" / name).mkdir(parents=True)
    for i in range(20):
        file = tmp_path / "store" / f"{i:02}.ppm"
        Image.new("RGB", (8, 8), (10 * i, 20, 30)).save(file)
        os.utime(file, ns=(0, 0))
        (tmp_path / "linked" / ("cat" if i < 10 else "dog") / file.name).symlink_to(file)
    return tmp_path / "linked"


def of_folder(root):
    """The numbers of images of each class, and the red values of all images, sorted."""
    splits = Folder(FolderConfig(path=str(root), size=8)).load(rng_for(0))
    return every(splits).bincount().tolist(), sorted(every(splits, "images")[:, 0, 0, 0].tolist())


def test_links_moved_to_another_class_are_of_that_class(linked):
    assert of_folder(linked)[0] == [10, 10]
    for i in range(5, 10):  # the files' order stays the same
        (linked / "cat" / f"{i:02}.ppm").rename(linked / "dog" / f"{i:02}.ppm")
    assert of_folder(linked)[0] == [5, 15]


def test_a_link_to_another_file_of_the_same_size_and_time_is_read_anew(linked):
    assert of_folder(linked)[1][-2:] == [180, 190]
    (linked / "dog" / "19.ppm").unlink()
    (linked / "dog" / "19.ppm").symlink_to(linked.parent / "store" / "18.ppm")
    assert of_folder(linked)[1][-2:] == [180, 180]


def test_settings_that_change_the_images_are_told_apart(tmp_path):
    root = str(write_gtsrb(tmp_path))
    sizes = [Gtsrb(GtsrbConfig(root=root, size=s)).load(rng_for(0)).spec.shape[1] for s in (8, 10)]
    assert sizes == [8, 10]
    plain, cut = (Gtsrb(GtsrbConfig(root=root, size=8, crop=c)).load(rng_for(0)) for c in (False, True))
    assert not torch.equal(plain.train.images, cut.train.images)
