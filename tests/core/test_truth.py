"""A generator that knows what its images show is believed: every failure is one, wherever its code is from."""

from dataclasses import replace

import pytest
import torch
from modeldebug_bayestrex.random_walk import RandomWalk
from modeldebug_bayestrex.settings import RandomWalkConfig
from modeldebug_labelers.plugin import TruthConfig
from modeldebug_labelers.truth import Truth
from modeldebug_rivals.prior import Prior
from modeldebug_rivals.settings import PriorConfig
from scipy.stats import chisquare

from modeldebug import (
    Answers,
    Candidates,
    Clusterer,
    Clustering,
    ComponentConfig,
    ConfigError,
    Context,
    Labeler,
    LabelRequest,
    PluginError,
    Problem,
    Target,
    rng_for,
)
from modeldebug.config import Layer, resolve
from modeldebug.registry import Registry
from modeldebug.sections import AuditSection
from modeldebug.stages import regions
from modeldebug.stages.audit import Auditor, audit
from modeldebug.stages.judges import fit_auditor, fit_labeler
from modeldebug.stages.sampler import Division, Sampler
from modeldebug.store import Saved
from modeldebug.testing import known_problem
from modeldebug.testing.problems import PlantedGenerator, truth
from modeldebug.testing.problems_discrete import SIDE, SceneGenerator, known_scenes

KNOWN, SCENES = known_problem(), known_scenes()
WIDE = 0.3


class Knowing(PlantedGenerator):
    def _truth(self, z):
        return truth(z)


class KnowingScenes(SceneGenerator):
    def _truth(self, z):
        return quadrant(z)


def quadrant(z):
    return (z[:, 0] >= SIDE / 2).long() + 2 * (z[:, 1] >= SIDE / 2).long()


def problem(**options):
    generator = Knowing(ComponentConfig(), KNOWN.spec)
    return Problem(generator, KNOWN.classifier.copy(), KNOWN.origins, batch_size=64, **options)


def test_right_label_is_that_of_the_image_and_not_that_of_the_origin():
    z, origin = torch.tensor([[2.5, -2.5], [-2.5, 2.5]]), torch.tensor([0, 0])
    assert not bool((truth(z) == KNOWN.origins.labels[origin]).all())  # they went over to other classes
    candidates = Candidates(z=z, origin=origin)
    assert len(problem().judge(candidates, step=0, searcher="mine")) == 0
    assert len(KNOWN.problem().judge(candidates, step=0, searcher="mine")) > 0  # drift, without the truth


def test_every_code_in_a_ball_is_a_failure_without_an_origin():
    z = KNOWN.codes_in_balls(20, rng_for(0))
    failures = problem().judge(Candidates(z=z), step=0, searcher="mine")
    assert torch.equal(failures.expected, truth(z))
    assert torch.equal(failures.allowed, torch.nn.functional.one_hot(truth(z), 4).bool())
    with pytest.raises(PluginError, match="nothing says which label"):
        KNOWN.problem().judge(Candidates(z=z), step=0, searcher="mine")


def test_evaluations_are_judged_alike_when_they_are_proposed():
    asked, z = problem(), KNOWN.codes_in_balls(5, rng_for(1))
    found = asked.evaluate(z)
    assert bool(found.failing.all())
    assert len(asked.judge(Candidates(z=z, evaluation=found.id), step=0, searcher="mine")) == len(z)


def test_prior_draws_fail_as_often_as_the_balls_have_mass():
    search, asked = Prior(PriorConfig(draws=20_000, block=20_000), KNOWN.spec), problem()
    _, found = search.step(asked, search.start(asked, rng_for(0)))
    assert found.condition is None
    assert len(found) / 20_000 == pytest.approx(KNOWN.prior_rate, rel=0.1)


def walked(*, told=quadrant):
    """The last codes of a random walk that looks for scenes of the first quadrant which the classifier takes for
    others, by a generator that says what they show."""
    generator = KnowingScenes(ComponentConfig(), KNOWN.spec)
    targets = [Target("misclassified", (0,))]
    asked = Problem(generator, SCENES.classifier.copy(), SCENES.origins, targets=targets, sigma=WIDE, batch_size=256)
    asked.truth = told
    settings = RandomWalkConfig(chains=1000, draws=1000, warmup=150, samples=1, block=200)
    walk = RandomWalk(settings, KNOWN.spec)
    return walk.step(asked, walk.start(asked, rng_for(0)))[1].z


def test_walk_to_misclassified_scenes_draws_from_the_posterior_of_scenes_of_that_class():
    prior = SCENES.generator.log_prior(SCENES.states).double()
    misfit = Target("misclassified", (0,)).misfit(SCENES.classifier.probs(SCENES.generator.decode(SCENES.states)))
    expected = (prior - misfit.double() / WIDE**2).masked_fill(quadrant(SCENES.states) != 0, -torch.inf).softmax(0)
    z = walked()
    assert bool((quadrant(z) == 0).all())
    counts = SCENES.row_of(z).bincount(minlength=len(expected)).double()
    few = 1000 * expected < 5
    pooled = [torch.cat([v[~few], v[few].sum()[None]]) for v in (counts, 1000 * expected)]
    assert chisquare(*pooled).pvalue > 0.001


def test_walk_that_is_told_a_wrong_truth_leaves_the_class():
    z = walked(told=lambda z: torch.zeros(len(z), dtype=torch.int64))
    assert float((quadrant(z) == 0).double().mean()) < 0.5


def test_exact_auditor_calls_every_failure_genuine_and_is_measured_on_no_data():
    failures = problem().judge(Candidates(z=KNOWN.codes_in_balls(20, rng_for(0))), step=0, searcher="mine")
    labeler, settings = Truth(TruthConfig(), KNOWN.spec), AuditSection()
    fitted = fit_auditor(labeler, KNOWN.splits, Context.quiet(0), settings=settings)
    assert (fitted.info["exact"], fitted.info["accuracy"], fitted.info["threshold"]) == (True, None, None)
    assert fitted.info["warning"] is None
    assert fit_labeler(labeler, KNOWN.splits, Context.quiet(0), agreement=0.5).info["accuracy"] is None
    auditors = {"auditor": Auditor(labeler, None)}
    info = audit(auditors, failures, KNOWN.spec, Context.quiet(0), settings=settings).info
    assert (info["genuine"], info["judged"]) == (len(failures), len(failures))
    wrong = replace(failures, expected=failures.predicted)  # were it told the predictions, all would be drift
    assert audit(auditors, wrong, KNOWN.spec, Context.quiet(0), settings=settings).info["drift"] == len(failures)


def test_exact_auditor_is_not_told_a_label_of_images_that_the_generator_did_not_make():
    x = KNOWN.generator.decode(KNOWN.codes_in_balls(2, rng_for(0)))
    failures = problem().judge(Candidates(x=x, condition=torch.full((len(x),), 3)), step=0, searcher="mine")
    auditors = {"auditor": Auditor(Truth(TruthConfig(), KNOWN.spec), None)}
    with pytest.raises(PluginError, match="knows nothing of these images"):
        audit(auditors, failures, KNOWN.spec, Context.quiet(0), settings=AuditSection())


def test_other_labelers_are_not_told_the_truth():
    seen = []

    class Curious(Labeler):
        is_program = True

        def _label(self, request: LabelRequest) -> Answers:
            seen.append(request.truth)
            return Answers(torch.zeros(len(request.x), 1, dtype=torch.int64))

    failures = problem().judge(Candidates(z=KNOWN.codes_in_balls(5, rng_for(0))), step=0, searcher="mine")
    curious = Auditor(Curious(ComponentConfig(), KNOWN.spec), None)
    audit({"auditor": curious}, failures, KNOWN.spec, Context.quiet(0), settings=AuditSection())
    assert seen == [None]


def config(**choices):
    registry = Registry.load(["defuse", "rivals", "labelers", "clevr"])
    settings = {role: {"use": use} for role, use in choices.items()}
    return resolve(registry, ["defuse", "rivals", "labelers"], [Layer("test", settings)], preset="tiny")


def test_exact_judges_are_refused_where_nothing_knows_the_truth():
    with pytest.raises(ConfigError, match="nothing in this run provides 'truth'"):
        config(auditor="labelers:truth")


def test_prior_draws_are_refused_where_nothing_says_what_they_show_and_taken_where_they_are_told():
    with pytest.raises(ConfigError, match="nothing in this run provides 'labelled-draws'") as raised:
        config(searcher="rivals:prior")
    assert "defuse:cvae" in str(raised.value)
    assert (
        config(searcher="rivals:prior", generator="defuse:cvae").choices["searcher"].registered.name == "rivals:prior"
    )


class Named(Clusterer):
    names: tuple[str, ...] = ("the first", "the second")

    def _fit(self, failures, context):
        assignment = torch.arange(len(failures)) % 2
        return Clustering(torch.full((2,), 0.5), assignment, {"z": failures.z.clone()}, names=self.names)

    def _sample(self, clustering, cluster, n, tau, rng):
        return clustering.parameters["z"][:1].repeat(n, 1), None


def test_names_of_clusters_are_kept_and_told_by_region():
    failures, clusterer = KNOWN.failures(4), Named(ComponentConfig(), KNOWN.spec)
    saved = regions.cluster(clusterer, failures, Context.quiet(0))
    clustering = regions.load_clustering(Saved(saved.tensors, saved.info))
    sampler = Sampler(clusterer, (Division.of_all(clustering),), KNOWN.generator, 0.5, 64, torch.device("cpu"))
    assert [sampler.name(region) for region in range(2)] == ["the first", "the second"]


def test_names_that_do_not_fit_the_clusters_are_refused():
    clusterer = Named(ComponentConfig(), KNOWN.spec)
    clusterer.names = ("only one",)
    with pytest.raises(PluginError, match="names do not fit"):
        clusterer.fit(KNOWN.failures(4), Context.quiet(0))


def test_exact_judges_are_refused_of_test_images():
    with pytest.raises(ConfigError, match="knows nothing of the test images"):
        config(
            searcher="rivals:test-set", generator="clevr:renderer", labeler="labelers:truth", auditor="labelers:truth"
        )
