"""The benchmarks on complete data sets run as they stand, on small files in MNIST's format.

They run in the tests' own process, since importing everything again would take longer than some of them.
"""

import argparse
import gzip
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
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
RIVALS = (
    "network_accuracy", "forest_accuracy", "network_found", "forest_found", "network_distance", "forest_distance",
    "farther", "farther_p", "speedup", "latent_found", "pixels_found", "nearest_real", "nearest_latent",
    "nearest_pixels", "lean_real", "lean_latent",
)  # fmt: skip
SEARCHED = ("network", "forest", "network-iterative", "latent", "pixels")  # runs of the benchmark of the rivals
SMALL = (
    "dataset.validation=60", "classifier.epochs=2", "generator.epochs=6", "clusterer.components=4",
    "labeler.members=1", "labeler.epochs=3", "labeler.confidence=0.0", "auditor.members=1", "auditor.epochs=1",
    "corrector.lambdas=[1.0]", "corrector.epochs=1", "regions.samples=8", "regions.min_purity=0.3", "regions.rho=0.05",
    "correction.draws=8", "report.tsne=0", "run.threads=1",
)  # fmt: skip


def write_digits(folder, n_train, n_test):
    """scikit-learn's digits in the four files of MNIST."""
    digits, n = load_digits(), n_train + n_test
    pictures = [
        np.asarray(Image.fromarray((16 * d).clip(0, 255).astype(np.uint8)).resize((28, 28))) for d in digits.images[:n]
    ]
    for part, rows in (("train", slice(n_train)), ("t10k", slice(n_train, n))):
        for kind, array in (("images", np.stack(pictures[rows])), ("labels", digits.target[rows].astype(np.uint8))):
            header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4) for n in array.shape)
            name = f"{part}-{kind}-idx{array.ndim}-ubyte.gz"
            (folder / name).write_bytes(gzip.compress(header + array.tobytes()))


def settings(assignments):
    """As options of a benchmark."""
    return [part for assignment in assignments for part in ("--set", assignment)]


@pytest.fixture
def benchmark(tmp_path, monkeypatch, capsys):
    """Run a benchmark in a folder of its own, with the figures written to `out.json`; those, and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(BENCHMARKS)
    known = set(sys.modules)

    def run(name, *options):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--quick", "--json", "out.json", *options])
        importlib.import_module(name).main()
        return json.loads(Path("out.json").read_text()), capsys.readouterr().out

    yield run
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


def test_the_papers_table_has_every_figure_of_every_pipeline(tmp_path, benchmark):
    write_digits(tmp_path, 240, 60)
    written, printed = benchmark("paper_defuse", "--root", ".", "--keep", ".", *settings(SMALL))
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
    header, *table = [line.split() for line in printed.splitlines() if line.startswith((" " * 32, "regions  "))][:2]
    assert header == ["paper", "centred", "literal", "conditional"]
    regions = [str(row["regions"]) for row in (centred, literal, conditional)]
    assert table == [["regions", "19", *regions]]


def test_the_yields_of_all_searches_are_measured_on_the_same_origins(tmp_path, benchmark):
    write_digits(tmp_path, 600, 150)
    rows = ("--row", "cvae, reconstruct", "--row", "cvae, margin")
    small = settings(("dataset.validation=150", "run.threads=1"))
    written, _ = benchmark(
        "search_yield", "--root", ".", "--origins", "60", *small, *rows, "--grid", "grid.png", "--keep", "kept"
    )
    rows = {row["name"]: row for row in written["rows"]}
    assert set(YIELDS) == set(written["figures"])
    assert written["figures"]["distinct_per_1k_best"] == rows["cvae, best"]["distinct_per_1k"]
    assert len({row["classifier"] for name, row in rows.items() if "weak" not in name}) == 1, "one classifier for all"
    searched = [row for name, row in rows.items() if name.startswith("cvae") and "weak" not in name]
    assert len({row["origins"] for row in searched if row["name"] != "cvae, reconstruct"}) == 1, "the same origins"
    assert rows["cvae, margin"]["queries"] > rows["cvae, reconstruct"]["queries"] == 60
    assert Path("grid.png").stat().st_size > 1000
    assert "cvae, margin, guided" not in rows


def test_rivals_are_held_against_what_was_published(tmp_path, benchmark):
    write_digits(tmp_path, 400, 100)
    small = ("dataset.validation=60", "generator.epochs=2", "labeler.epochs=1", "auditor.epochs=1", "run.threads=1")
    written, printed = benchmark("rivals", "--root", ".", "--origins", "6", "--keep", "kept", *settings(small))
    assert set(RIVALS) == set(written["figures"])
    assert set(written["published"]) < set(RIVALS)
    assert written["figures"]["nearest_real"] > 0
    folders = [json.loads((tmp_path / "kept" / name / "manifest.json").read_text()) for name in SEARCHED]
    assert {run["config"]["generator"]["use"] for run in folders[:-1]} == {"defuse:vae"}
    assert folders[-1]["config"]["generator"]["use"] == "baselines:pixels"
    assert {len(run["stages"]) for run in folders} == {9}, "data to audit"
    assert printed.count(" queries\n") == len(SEARCHED)


SAMPLERS = ("ess_per_second_ratio", "rank_rhat", "moment_error", "confidence_error")
TABLES = (
    "ambiguous_pairs", "ambiguous_reachable", "ambiguous_minutes", "high_confidence_min", "high_confidence_reached",
    "graded_error", "novel_class_min", "novel_class_reached", "uniform_spread", "kl_pairs",
)  # fmt: skip
LEARNT = (
    "class_excluded_min", "class_excluded_reached", "class_excluded_reachable", "gan_pairs", "gan_high_confidence_min",
)  # fmt: skip


def test_samplers_are_measured_on_one_posterior(tmp_path, benchmark):
    write_digits(tmp_path, 300, 80)
    written, printed = benchmark("bayestrex_samplers", "--root", ".", "--keep", "kept")
    assert set(SAMPLERS) <= set(written["figures"])
    measured = written["samplers"]
    assert set(measured) == {"nuts", "hmc", "smc"}
    ratio = measured["smc"]["ess_per_second"] / measured["nuts"]["ess_per_second"]
    assert written["figures"]["ess_per_second_ratio"] == ratio
    assert measured["nuts"]["rank_rhat"] is None, "three draws tell nothing, and NaN is no JSON"
    assert "of NUTS 3 + 3 (the paper: 1,000 + 1,000)" in printed
    weights = [(tmp_path / f"kept/{name}/stages/generator.safetensors").read_bytes() for name in measured]
    assert len(set(weights)) == 1, "one generator for all"
    assert "reference:" in printed


def test_tables_of_bayestrex_with_one_generator_are_measured(tmp_path, benchmark):
    write_digits(tmp_path, 300, 80)
    parts = "ambiguous,confident,graded,uniform,novel,kl"
    written, printed = benchmark("bayestrex_tables", "--root", ".", "--keep", "kept", "--parts", parts)
    assert set(TABLES) <= set(written["figures"])
    assert written["figures"]["ambiguous_samples_min"] == 2 * 8
    assert (tmp_path / "kept/novel/stages/generator.json").exists()
    assert "the classifier knows 0, 1, 3, 6, 9" in printed
    config = json.loads((tmp_path / "kept/kl/manifest.json").read_text())["config"]
    assert config["classifier"]["use"] == "python:_Network"


def test_tables_of_bayestrex_with_other_generators_are_measured(tmp_path, benchmark):
    write_digits(tmp_path, 300, 80)
    written, printed = benchmark("bayestrex_tables", "--root", ".", "--keep", "kept", "--parts", "excluded,gan")
    figures, lines = written["figures"], printed.splitlines()
    assert set(LEARNT) <= set(figures)
    assert len([line for line in lines if line.startswith("  class-excluded:")]) == 10
    (beyond,) = [line for line in lines if line.startswith("  out of the generator's reach: ")]
    named = [name for name in beyond.partition(": ")[2].split(", ") if name != "none"]
    assert figures["class_excluded_reachable"] == 10 - len(named)
    folders = [tmp_path / f"kept/gan-{kind}/stages" for kind in ("ambiguous", "high-confidence")]
    one, other = ((folder / "generator.safetensors").read_bytes() for folder in folders)
    assert one == other, "the DCGAN is trained once"


def test_what_splitting_does_to_purity_is_measured_on_one_search(tmp_path, benchmark):
    written, printed = benchmark("purity", "--keep", "kept")
    rows, figures = written["rows"], written["figures"]
    searches = {file.read_bytes() for file in tmp_path.glob("kept/*/stages/search.safetensors")}
    assert (len(rows), len(searches)) == (5, 1), "one search for all"
    assert all(row["labelled"] == row["clusters"] for name, row in rows.items() if name.endswith("none"))
    none, split = rows["within=all, split none"], rows["within=all, split expected"]
    assert none["mixed"] > 0
    assert split["split"] > 0
    assert split["labelled"] == sum(found["labelled"] for found in split["rounds"]) > split["clusters"]
    assert figures["purity_all_expected"] == split["purity"] > none["purity"]
    assert 0 < split["in_kept"] <= 1
    assert printed.count("within=") == 5


def test_a_figure_that_was_not_measured_is_null_and_a_dash(tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from figures import known, lowest, publish, ratio

    figures = {"a": lowest([0.5, None]), "b": lowest([]), "c": lowest([0.5, 0.2]), "d": ratio(1.0, 0.0)}
    publish({**figures, "e": known(float("nan"))}, argparse.Namespace(json=tmp_path / "out.json"))
    assert json.loads((tmp_path / "out.json").read_text())["figures"] == dict.fromkeys("abde") | {"c": 0.2}
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["-", "-", "0.2", "-", "-"]


def test_votes_needed_is_a_table_of_both_ways_to_count(benchmark):
    written, printed = benchmark("votes_needed")
    figures = written["figures"]
    assert printed.count("| annotators | 0.7, majority | 0.7, one-coin |") == 2
    assert len(figures) == 2 * 3 * 3 * 2
    of_three = {(f["accuracy"], f["aggregate"]): f for f in figures if (f["annotators"], f["spread"]) == (3, 0.0)}
    assert of_three[0.9, "majority"]["right"] > of_three[0.7, "majority"]["right"]
    assert of_three[0.9, "majority"]["abstained"] < of_three[0.7, "majority"]["abstained"]


def test_what_pipelines_find_of_planted_bugs_is_scored(tmp_path, benchmark):
    pipelines = ("--pipeline", "defuse", "--pipeline", "defuse, within all")
    written, printed = benchmark("planted_bugs", "--keep", "kept", *pipelines)
    rows, (of_case,) = written["rows"], written["cases"]["defuse"]
    assert (written["best"], set(rows)) == ("defuse", {"defuse", "defuse, within all"})
    assert written["figures"] == {name: rows["defuse"][name] for name in ("recall", "precision", "purity", "first_hit")}
    assert rows["defuse"]["bugs"] == len(of_case["bugs"]) == 3
    searches = {file.read_bytes() for file in tmp_path.glob("kept/*/*/stages/search.safetensors")}
    assert len(searches) == 1, "both cluster the failures of one search"
    assert "inverted" in printed
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("kept/**/*.safetensors")}
    again, _ = benchmark("planted_bugs", "--keep", "kept", *pipelines)
    assert again["rows"] == rows
    assert before == {file: file.stat().st_mtime_ns for file in tmp_path.glob("kept/**/*.safetensors")}


def test_training_is_held_against_the_plain_loop_at_the_loss_that_both_reach(tmp_path, benchmark):
    write_digits(tmp_path, 300, 80)
    written, printed = benchmark("throughput", "--root", ".", "--part", "vae", "--precision", "bfloat16")
    plain, ours = written["rows"]["vae"]
    figures = written["figures"]
    assert (plain["way"], ours["way"], plain["seed"]) == ("plain", "ours", ours["seed"])
    assert figures["vae_speedup"] == ours["images_per_second"] / plain["images_per_second"]
    assert figures["vae_loss"] == ours["loss"] != plain["loss"] == figures["vae_loss_plain"]
    assert ours["loss"] == pytest.approx(plain["loss"], rel=0.01)
    assert "torch.bfloat16" in printed
