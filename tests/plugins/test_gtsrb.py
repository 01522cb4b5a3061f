"""German traffic signs: official folders and archives, what is read of them, and what is refused."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from modeldebug_datasets.gtsrb import Gtsrb
from modeldebug_datasets.gtsrb_signs import SIGNS
from modeldebug_datasets.settings import GtsrbConfig
from PIL import Image
from published import sign, write_gtsrb

import modeldebug
from modeldebug import DataError, as_pixels, rng_for


def load(root, **settings):
    return Gtsrb(GtsrbConfig(root=str(root), **({"size": 8} | settings))).load(rng_for(0))


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """The official folders; look, but change nothing."""
    return write_gtsrb(tmp_path_factory.mktemp("gtsrb"))


@pytest.fixture
def signs(official, tmp_path):
    """A copy that may be changed: its folder GTSRB."""
    return shutil.copytree(official / "GTSRB", tmp_path / "GTSRB")


def test_all_classes_are_read_resized_and_named(official):
    splits = load(official)
    assert splits.spec.shape == (3, 8, 8)
    assert (len(splits.spec.classes), splits.spec.classes[14]) == (43, "Stop")
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [172, 86, 86]
    assert splits.train.labels.tolist() == [label for label in range(43) for _ in range(4)]
    assert splits.validation.labels.bincount().tolist() == [2] * 43
    wanted = as_pixels(Image.fromarray(sign(5, 2)[0]), size=8, name="sign")
    assert torch.equal(splits.train.images[5 * 4 + 2], torch.from_numpy(wanted))


def test_signs_are_cut_out_where_that_is_wanted(official):
    pixels, (x1, y1, x2, y2) = sign(5, 2)
    wanted = as_pixels(Image.fromarray(pixels[y1 : y2 + 1, x1 : x2 + 1]), size=8, name="sign")
    assert torch.equal(load(official, crop=True).train.images[5 * 4 + 2], torch.from_numpy(wanted))


@pytest.mark.parametrize("place", ["", "gtsrb/GTSRB", "gtsrb"])
def test_folders_are_found_where_archives_and_torchvision_put_them(signs, tmp_path, place):
    (tmp_path / "other" / place).parent.mkdir(parents=True, exist_ok=True)
    signs.rename(tmp_path / "other" / place)
    (tmp_path / "other" / place / "GT-final_test.csv").rename(tmp_path / "other" / "GT-final_test.csv")
    assert len(load(tmp_path / "other").train) == 172


def test_the_larger_training_folder_serves_as_well(tmp_path):
    assert len(load(write_gtsrb(tmp_path, training="Final_Training/Images")).train) == 172


def zipped(signs, folder):
    """The three official archives."""
    folder.mkdir()
    test = signs.parent / "test" / "GTSRB"
    shutil.copytree(signs / "Final_Test", test / "Final_Test")
    table = signs.parent / "table"
    table.mkdir()
    (signs / "GT-final_test.csv").rename(table / "GT-final_test.csv")
    shutil.rmtree(signs / "Final_Test")
    for name, content in (
        ("GTSRB-Training_fixed", signs), ("GTSRB_Final_Test_Images", test), ("GTSRB_Final_Test_GT", table),
    ):  # fmt: skip
        base = content.parent if content.name == "GTSRB" else content
        shutil.make_archive(str(folder / name), "zip", base, "GTSRB" if base != content else ".")
    return folder


def test_archives_are_read_as_they_are(official, signs, tmp_path):
    splits, same = load(zipped(signs, tmp_path / "archives")), load(official)
    assert torch.equal(splits.train.images, same.train.images)
    assert torch.equal(splits.test.images, same.test.images)
    assert torch.equal(splits.test.labels, same.test.labels)


@pytest.mark.parametrize(
    ("change", "words"),
    [(lambda c: c[:-30], "cannot be used"), (lambda c: b"<html>", "cannot be used"), (None, "lacks")],
)
def test_damaged_and_foreign_archives_are_refused(signs, tmp_path, change, words):
    folder = zipped(signs, tmp_path / "archives")
    file = folder / "GTSRB-Training_fixed.zip"
    if change is None:
        shutil.copy(folder / "GTSRB_Final_Test_Images.zip", file)
    else:
        file.write_bytes(change(file.read_bytes()))
    with pytest.raises(DataError, match=words) as caught:
        load(folder)
    assert "https://sid.erda.dk/public/archives/" in str(caught.value)


def same_stat(file, content):
    """Change what is in a file, but neither its size nor its time."""
    stat = file.stat()
    file.write_bytes(content(file.read_bytes()))
    assert file.stat().st_size == stat.st_size
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("packed", ["GTSRB-Training_fixed", "GTSRB_Final_Test_Images", "GTSRB_Final_Test_GT"])
def test_one_archive_may_lie_packed_beside_the_others_unpacked(official, signs, tmp_path, packed):
    folder = zipped(signs, tmp_path / "archives")
    for file in list(folder.iterdir()):
        if file.stem != packed:
            shutil.unpack_archive(file, folder)
            file.write_bytes(b"<html>")  # is not looked into
    splits, same = load(folder), load(official)
    assert torch.equal(splits.train.images, same.train.images)
    assert torch.equal(splits.test.images, same.test.images)
    assert torch.equal(splits.test.labels, same.test.labels)
    archive = folder / f"{packed}.zip"
    same_stat(archive, lambda content: bytes(len(content)))
    assert torch.equal(load(folder).test.images, same.test.images), "was read again"
    archive.write_bytes(b"changed")
    with pytest.raises(DataError, match="cannot be used"):
        load(folder)


def test_only_what_is_missing_is_asked_for(signs, tmp_path):
    (signs / "GT-final_test.csv").unlink()
    with pytest.raises(DataError, match="files of GTSRB are missing") as caught:
        load(tmp_path)
    assert "GTSRB_Final_Test_GT.zip" in str(caught.value)
    assert "GTSRB_Final_Test_Images.zip" not in str(caught.value)


TABLE = b"GTSRB/Training/00003/GT-00003.csv"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (lambda content: content.index(TABLE) + len(TABLE), "while decompressing"),  # where its data begin
        (lambda content: content.rindex(TABLE) - 30, "Bad CRC-32"),  # its checksum, in the archive's directory
    ],
)
def test_a_damaged_table_in_an_archive_is_refused(signs, tmp_path, place, words):
    folder = zipped(signs, tmp_path / "archives")
    content = bytearray((folder / "GTSRB-Training_fixed.zip").read_bytes())
    start = place(content)
    content[start : start + 4] = b"\xff" * 4
    (folder / "GTSRB-Training_fixed.zip").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read") as caught:
        load(folder)
    for part in (words, "GT-00003.csv"):
        assert part in str(caught.value)


def test_a_folder_that_may_not_be_listed_is_told_as_such(signs, tmp_path, monkeypatch):
    allowed = Path.iterdir

    def iterdir(path):
        if path.name == "00003":
            raise PermissionError(13, "Permission denied", str(path))
        return allowed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(DataError, match="Permission denied") as caught:
        load(tmp_path)
    assert "MODELDEBUG_CACHE" not in str(caught.value)


def rewrite(table, change):
    rows = table.read_text().splitlines()
    table.write_text("\n".join([rows[0], *change(rows[1:])]) + "\n")


def cells(number, value):
    """Change a cell of the first row."""

    def change(rows):
        first = rows[0].split(";")
        first[number] = value
        return [";".join(first), *rows[1:]]

    return change


def training_table(change):
    return lambda signs: rewrite(signs / "Training" / "00003" / "GT-00003.csv", change)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: shutil.rmtree(s / "Training"), "files of GTSRB are missing"),
        (lambda s: (s / "GT-final_test.csv").unlink(), "files of GTSRB are missing"),
        (lambda s: shutil.rmtree(s / "Training" / "00007"), "a table is missing"),
        (lambda s: (s / "Training" / "00003" / "00001.ppm").unlink(), "00001.ppm only in the table"),
        (training_table(lambda rows: rows[:-1]), "00003.ppm only in the folder"),
        (training_table(lambda rows: [*rows, rows[0]]), "00000.ppm only in the table"),
        (training_table(cells(7, "4")), "the table speaks of class 4"),
        (training_table(cells(7, "43")), "label is out of range"),
        (training_table(cells(7, "stop")), "line 2"),
        (training_table(cells(5, "12")), "box is not in its image"),
        (training_table(lambda rows: ["0;1"]), "line 2"),
        (lambda s: (s / "Training" / "00003" / "GT-00003.csv").write_text("a,b\n1,2\n"), "Filename;Width"),
        (lambda s: (s / "Training" / "00003" / "GT-00003.csv").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda s: rewrite(s / "GT-final_test.csv", cells(7, "-1")), "label is out of range"),
        (lambda s: (s / "Training" / "00003" / "00001.ppm").write_bytes(b"P6\n12 10\n255\n0"), "00001.ppm"),
        (lambda s: (s / "Final_Test" / "Images" / "00001.ppm").write_bytes(b"<html>"), "00001.ppm"),
    ],
)  # fmt: skip
def test_folders_that_are_not_as_they_should_be_are_refused(signs, spoil, words):
    spoil(signs)
    with pytest.raises(DataError) as caught:
        load(signs.parent)
    assert words in str(caught.value)


def test_missing_files_are_listed_as_archives_and_as_folders(tmp_path):
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    for words in ("GTSRB-Training_fixed.zip", "gtsrb/GTSRB", "Training", "https://sid.erda.dk"):
        assert words in str(caught.value)


def test_pictures_of_several_sizes_become_one(signs):
    file = signs / "Training" / "00003" / "00001.ppm"
    Image.fromarray(np.full((40, 50, 3), 9, dtype=np.uint8)).save(file)
    table = signs / "Training" / "00003" / "GT-00003.csv"
    table.write_text(table.read_text().replace("00001.ppm;12;10", "00001.ppm;50;40"))
    images = load(signs.parent).train.images[3 * 4 + 1]
    assert bool((images == 9).all())


def test_all_43_signs_go_through_a_whole_run(tmp_path):
    run = modeldebug.run(
        preset="tiny",
        settings={
            "dataset": {"use": "gtsrb", "root": str(write_gtsrb(tmp_path, per_class=6)), "size": 16},
            "classifier": {"epochs": 2, "channels": [4, 8], "hidden": 16},
            "generator": {"epochs": 3, "latent": 4, "hidden": 32, "channels": 8},
            "searcher": {"draws": 3, "keep": 2},
            "clusterer": {"components": 2, "within": "all"},
            "labeler": {"epochs": 1, "members": 1, "width": 4, "confidence": 0.0},
            "auditor": {"epochs": 1, "members": 1, "width": 4},
            "corrector": {"epochs": 1, "lambdas": [1.0]},
            "regions": {"samples": 8, "rho": 0.0, "min_purity": 0.0, "min_labelled": 0.0},
            "correction": {"draws": 8},
            "report": {"tsne": 0},
        },
        out=tmp_path / "run",
    )
    assert run.status == "done"
    assert run.results["search"]["failures"] > 0
    assert run.corrected_model() is not None
    report = run.report().read_text()
    assert any(sign in report for sign in SIGNS)
