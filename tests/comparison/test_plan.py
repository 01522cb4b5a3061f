"""The runs of a comparison differ in what is compared, and in nothing else; what cannot be compared is refused."""

import json
from pathlib import Path

import pytest

from modeldebug.comparison.comparing import new_request
from modeldebug.comparison.entrants import parse_entrant
from modeldebug.comparison.plan import Request, make_plan
from modeldebug.config import Layer
from modeldebug.registry import Registry

from . import planted
from .conftest import compare


def plan(*entrants, role="searcher", plugins=("defuse",), layers=(), **options):
    options = {"preset": "tiny", "seeds": 2, **options}
    request = new_request(plugins, list(layers), role=role, entrants=entrants, **options)
    return make_plan(Registry.load(request.plugins), request)


def differing(one, other):
    """Every setting in which two configurations differ."""
    settings = [
        {f"{section}.{name}": value for section, own in config.to_dict().items() for name, value in own.items()}
        for config in (one, other)
    ]
    return {name for name in settings[0] | settings[1] if settings[0].get(name) != settings[1].get(name)}


def test_cells_of_searchers_differ_in_the_searcher_and_in_nothing_else():
    cells = plan("beta-noise", "beta-noise,scale=8", baseline=None, budget="5k").cells
    assert differing(cells[0].config, cells[1].config) == {"search.repeat"}
    assert differing(cells[0].config, cells[2].config) == {"searcher.scale"}
    assert {cell.config.core.search.queries for cell in cells} == {5000}


def test_cells_take_over_one_trunk_and_an_entrant_that_begins_elsewhere_its_own():
    made = plan("beta-noise", "margin,search.start=all")
    first, second, cells = made.rounds
    assert [job.folder for job in first] == ["trunks/shared"]
    assert [(job.folder, job.reuse) for job in second] == [
        ("trunks/margin-search.start-all-shared", "trunks/shared"),
        ("trunks/reconstruct-shared", "trunks/shared"),
    ]
    assert {cell.entrant: cell.reuse for cell in cells} == {
        "beta-noise": "trunks/shared",
        "margin,search.start=all": "trunks/margin-search.start-all-shared",
        "reconstruct": "trunks/reconstruct-shared",
    }
    assert {cell.until for cell in cells} == {"audit"}


def test_with_retraining_each_seed_has_a_trunk_and_decides_everything():
    made = plan("beta-noise", "margin", retrain=True, baseline=None, layers=[Layer("--seed", {"run": {"seed": 7}})])
    assert {job.folder for job in made.rounds[0]} == {"trunks/seed-0", "trunks/seed-1"}
    assert [cell.config.core.run.seed for cell in made.cells] == [7, 8, 7, 8]
    assert {cell.config.core.search.repeat for cell in made.cells} == {0}


def test_the_first_cell_of_a_search_is_what_a_run_alone_would_be():
    cell = plan("beta-noise", "margin").cells[0]
    assert (cell.config.core.run.seed, cell.config.core.search.repeat) == (0, 0)


@pytest.mark.parametrize(
    ("role", "two", "until", "shared"),
    [
        ("clusterer", ("dp-gmm", "dp-gmm,within=all"), "regions", "audit"),
        ("labeler", ("oracle", "oracle,width=8"), "regions", "audit"),
        ("corrector", ("lambda", "lambda,epochs=1"), "correction", "regions"),
    ],
)
def test_those_who_come_after_the_search_share_it(role, two, until, shared):
    made = plan(*two, role=role)
    assert [(job.folder, job.until) for job in made.rounds[1]] == [
        (f"trunks/seed-{seed}-{shared}", shared) for seed in (0, 1)
    ]
    assert {(cell.seed, cell.reuse) for cell in made.cells} == {(s, f"trunks/seed-{s}-{shared}") for s in (0, 1)}
    assert {cell.until for cell in made.cells} == {until}


def test_generators_share_the_models_and_search_alike():
    made = plan("vae", "vae,beta=0.1", role="generator")
    assert [(job.folder, job.until) for job in made.rounds[0]] == [("trunks/shared", "auditor")]
    assert differing(made.cells[0].config, made.cells[-1].config) == {"generator.beta", "search.repeat"}


def test_a_guide_that_some_entrants_need_is_trained_once_for_all():
    guide = Layer("--guide", {"guide": {"use": "classifiers:cnn", "epochs": 9}})
    made = plan("beta-noise", "margin", layers=[guide])
    assert made.rounds[0][0].config.choices["guide"].config.epochs == 9
    assert {cell.entrant for cell in made.cells if "guide" in cell.config.choices} == {"margin"}


def test_a_request_is_the_same_from_its_file():
    request = plan("beta-noise", "margin,search.start=all", budget="90s").request
    assert Request.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_what_was_typed_otherwise_and_means_the_same_is_the_same_comparison():
    first = plan("beta-noise", layers=[Layer("--seed", {"run": {"seed": 1}})]).request
    later = plan(
        "margin",
        plugins=("defuse", "bayestrex"),
        seeds=3,
        layers=[Layer("--set", {"run": {"seed": 0}}), Layer("--set", {"run": {"seed": 1}})],
    ).request
    both = first.extended(later)
    assert [entrant.name for entrant in both.entrants] == ["beta-noise", "margin", "reconstruct"]
    assert (both.seeds, both.plugins) == ((0, 1, 2), ("defuse", "rivals", "bayestrex"))


def test_a_minus_sign_makes_another_folder():
    assert parse_entrant("searcher", "mine:walk,jitter=-1").slug != parse_entrant("searcher", "mine:walk,jitter=1").slug


BETA, MARGIN = ("--searcher", "beta-noise"), ("--searcher", "margin")
REFUSED = {
    "one entrant": (("--searcher", "margin", "--baseline", "none"), "nothing to compare"),
    "no entrant": ((), "nothing to compare"),
    "an unknown component": ((*BETA, "--searcher", "marginal"), "there is no searcher 'marginal'"),
    "an unknown setting": ((*BETA, "--searcher", "margin,stepz=3"), "there is no setting 'searcher.stepz'"),
    "a setting without a value": ((*BETA, "--searcher", "margin,steps"), "--searcher needs a section, a name"),
    "no name": ((*BETA, "--searcher", "steps=3"), "an entrant begins with the name of a component"),
    "twice the same": ((*BETA, *BETA), "two entrants would share a folder: 'beta-noise'"),
    "the same by another name": ((*BETA, "--searcher", "defuse:beta-noise"), "two entrants are the same"),
    "two roles": (
        (*BETA, *MARGIN, "--clusterer", "dp-gmm", "--clusterer", "dp-gmm,within=all"),
        "components of one role are compared at a time",
    ),
    "a budget of nothing": ((*BETA, *MARGIN, "--budget", "0"), "the budget is neither"),
    "a budget in bananas": ((*BETA, *MARGIN, "--budget", "20 bananas"), "the budget is neither"),
    "no seed": ((*BETA, *MARGIN, "--seeds", "0"), "'--seeds'"),
    "no auditor": ((*BETA, *MARGIN, "--auditor", "none"), "nobody would judge what is found"),
    "another model": ((*BETA, "--searcher", "margin,classifier.epochs=1"), "an entrant changes what is the same"),
    "another judge": ((*BETA, "--searcher", "margin,auditor.members=1"), "an entrant changes what is the same"),
    "another generator": ((*BETA, "--searcher", "margin,generator.beta=1"), "an entrant changes what is the same"),
    "a baseline that lacks what it needs": (
        ("--plugins", "defuse,rivals", "--generator", f"{planted.__name__}:blind", "--searcher", "prior"),
        "compare with another searcher or none (--baseline NAME, or none)",
    ),
    "another search": (
        ("--clusterer", "dp-gmm", "--clusterer", "dp-gmm,searcher.draws=9"),
        "an entrant changes what is the same",
    ),
    "a budget of its own": ((*BETA, "--searcher", "margin,search.queries=9"), "an entrant changes what is the same"),
    "a run to reuse that is none": ((*BETA, *MARGIN, "--reuse", "nowhere"), "there is no run in this folder"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_be_compared_is_refused_before_anything_is_spent(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, said = REFUSED[wrong]
    done = compare(*arguments, "--out", "it")
    assert done.exit_code == 2
    assert said in done.output
    assert not Path("it").exists()


def test_a_folder_that_holds_a_run_is_refused(run_copy):
    before = (run_copy / "manifest.json").read_bytes()
    done = compare(*BETA, *MARGIN, "--out", run_copy)
    assert done.exit_code == 2
    assert "the folder holds a run already" in done.output
    assert (run_copy / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--budget", "500"), "budget"),
        (("--budget", "1200", "--set", "audit.error_rate=0.1"), "audit.error_rate 0.1"),
        (("--budget", "1200", "--retrain"), "retrain"),
        (("--budget", "1200", "--baseline", "none"), "baseline"),
    ],
)
def test_a_folder_that_holds_another_comparison_is_refused_and_left_as_it_is(compared_copy, changed, said):
    before = (compared_copy / "manifest.json").read_bytes()
    done = compare(*BETA, *MARGIN, *changed, "--out", compared_copy)
    assert done.exit_code == 2
    assert "the folder holds another comparison" in done.output
    assert f"got:      {said}" in done.output
    assert (compared_copy / "manifest.json").read_bytes() == before
