"""The benchmarks on complete data sets run as they stand, on small files in MNIST's format."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FIGURES = (
    "clusters", "regions", "region_purity", "region_accuracy_before", "region_accuracy_after",
    "region_accuracy_failures_alone", "test_accuracy_before", "test_accuracy_after", "test_accuracy_control", "seconds",
)  # fmt: skip
YIELDS = (
    "genuine_share_paper", "genuine_share_best", "drift_share_best", "distinct_per_1k_paper", "distinct_per_1k_best",
    "yield_ratio", "genuine_share_best_weak",
)  # fmt: skip
SMALL = (
    "dataset.validation=150", "classifier.epochs=2", "generator.epochs=6", "clusterer.components=4",
    "labeler.members=1", "labeler.epochs=3", "labeler.confidence=0.0", "auditor.members=1", "auditor.epochs=1",
    "corrector.lambdas=[1.0]", "corrector.epochs=1", "regions.samples=8", "regions.min_purity=0.3", "regions.rho=0.05",
    "correction.draws=8", "report.tsne=0", "run.threads=1",
)  # fmt: skip


def write_digits(folder, n_train=600):
    """scikit-learn's digits in the four files of MNIST."""
    digits = load_digits()
    pictures = [
        np.asarray(Image.fromarray((16 * d).clip(0, 255).astype(np.uint8)).resize((28, 28)))
        for d in digits.images[:750]
    ]
    for part, rows in (("train", slice(n_train)), ("t10k", slice(n_train, 750))):
        for kind, array in (("images", np.stack(pictures[rows])), ("labels", digits.target[rows].astype(np.uint8))):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4) for n in array.shape)
            name = f"{part}-{kind}-idx{array.ndim}-ubyte.gz"
            (folder / name).write_bytes(gzip.compress(header + array.tobytes()))


def test_the_papers_table_has_every_figure_of_every_pipeline(tmp_path):
    write_digits(tmp_path)
    out = tmp_path / "figures.json"
    settings = [part for assignment in SMALL for part in ("--set", assignment)]
    done = subprocess.run(
        [
            sys.executable,
            BENCHMARKS / "paper_defuse.py",
            "--quick",
            "--root",
            ".",
            "--json",
            out,
            "--keep",
            ".",
            *settings,
        ],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(out.read_text())
    assert set(FIGURES) <= set(written["figures"])
    assert written["settings"]["presets"]["centred"] == "defuse-mnist"
    assert written["settings"]["presets"]["conditional"] == "defuse-conditional-mnist"
    centred, literal, conditional = (written["rows"][name] for name in ("centred", "literal", "conditional"))
    assert centred == written["figures"]
    assert len({row["test_accuracy_before"] for row in written["rows"].values()}) == 1, "one classifier for all"
    assert centred["guide_queries"] is None
    assert conditional["guide_queries"] > 0
    for noise, expected in (("centred", (True, 3.0)), ("literal", (False, 1.0))):
        searcher = json.loads((tmp_path / f"mnist-{noise}/manifest.json").read_text())["config"]["searcher"]
        assert (searcher["center"], searcher["scale"]) == expected
    header, *table = [line.split() for line in done.stdout.splitlines() if line.startswith((" " * 32, "regions  "))][:2]
    assert header == ["paper", "centred", "literal", "conditional"]
    regions = [str(row["regions"]) for row in (centred, literal, conditional)]
    assert table == [["regions", "19", *regions]]


def test_the_yields_of_all_searches_are_measured_on_the_same_origins(tmp_path):
    write_digits(tmp_path)
    out, grid = tmp_path / "figures.json", tmp_path / "grid.png"
    command = [sys.executable, BENCHMARKS / "search_yield.py", "--quick", "--root", ".", "--origins", "60"]
    command += ["--set", "dataset.validation=150", "--set", "run.threads=1"]
    command += ["--row", "cvae, reconstruct", "--row", "cvae, margin"]
    done = subprocess.run(
        [*command, "--json", out, "--grid", grid, "--keep", "kept"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(out.read_text())
    rows = {row["name"]: row for row in written["rows"]}
    assert set(YIELDS) == set(written["figures"])
    assert written["figures"]["distinct_per_1k_best"] == rows["cvae, best"]["distinct_per_1k"]
    assert len({row["classifier"] for name, row in rows.items() if "weak" not in name}) == 1, "one classifier for all"
    searched = [row for name, row in rows.items() if name.startswith("cvae") and "weak" not in name]
    assert len({row["origins"] for row in searched if row["name"] != "cvae, reconstruct"}) == 1, "the same origins"
    assert rows["cvae, margin"]["queries"] > rows["cvae, reconstruct"]["queries"] == 60
    assert grid.stat().st_size > 1000
    assert "cvae, margin, guided" not in rows
