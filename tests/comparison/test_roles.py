"""Clusterers, correctors and generators are compared as searchers are: what comes before them is shared."""

import json

import pytest

from modeldebug.comparison.measures import STAGE
from modeldebug.store import RunStore

from .conftest import BUDGET, compare

# So that there are regions at all: every cluster of which some samples are misclassified.
LOOSE = ("--set", "regions.rho=0.0", "--set", "regions.min_purity=0.0", "--set", "regions.min_labelled=0.0")


@pytest.fixture
def compared_in(finished, tmp_path):
    """Compare two entrants of a role with one seed; the results, and the stages of each cell."""

    def run(role, *entrants, options=()):
        named = [word for entrant in entrants for word in (f"--{role}", entrant)]
        out = tmp_path / role
        done = compare(*named, *BUDGET, "--seeds", 1, *options, "--reuse", finished.folder, "--out", out)
        assert done.exit_code == 0, done.output
        cells = [RunStore.open(path.parent) for path in sorted(out.glob("cells/*/seed-0/manifest.json"))]
        return json.loads((out / "comparison.json").read_text()), [cell.manifest["stages"] for cell in cells]

    return run


def alike(stages):
    """The stages that two cells have with the same files."""
    one, other = stages
    return {name for name in one if name in other and one[name] == other[name]}


def test_clusterers_get_the_same_failures(compared_in):
    found, stages = compared_in("clusterer", "dp-gmm", "dp-gmm,within=all")
    assert {"search", "audit", "labeler"} <= alike(stages)
    assert not {"clusters", "regions", STAGE} & alike(stages)
    for row in found["rows"]:
        assert 0 <= row["covered"]["mean"] <= 1
        assert row["clusters"]["mean"] > 0
        assert row["beats_baseline"] is None
    assert found["overlap"] is None
    assert [cell["failures"] for cell in found["cells"]] == [found["cells"][0]["failures"]] * 2


def test_correctors_get_the_same_regions(compared_in):
    found, stages = compared_in("corrector", "lambda", "lambda,epochs=1", options=LOOSE)
    assert {"clusters", "regions"} <= alike(stages)
    assert "correction" not in alike(stages)
    for row in found["rows"]:
        assert row["regions"]["mean"] > 0
        assert 0 <= row["region_accuracy_before"]["mean"] <= 1
        assert 0 <= row["test_accuracy_after"]["mean"] <= 1


def test_generators_share_the_models_and_are_trained_once_each(compared_in):
    found, stages = compared_in("generator", "vae,epochs=2", "vae,epochs=3")
    assert {"classifier", "labeler", "auditor"} <= alike(stages)
    assert not {"generator", "gate", "search"} & alike(stages)
    for row in found["rows"]:
        assert 0 <= row["oracle_on_reconstructions"]["mean"] <= 1
        assert row["regions"]["mean"] is None  # latent spaces differ
