"""Numbers in words, for the console, the report and messages. What was not measured is a dash, never 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DASH = "-"
STILL = 1e6  # stands for the infinite R-hat of chains that each stand still in another place


def percent(share: float | None) -> str:
    """A share of one.

    >>> percent(0.9724), percent(None)
    ('97.2 %', '-')
    """
    return DASH if share is None else f"{100 * share:.1f} %"


def with_interval(share: Mapping[str, float | None]) -> str:
    """A share with its interval, in percent.

    >>> with_interval({"share": 0.303, "low": 0.2714, "high": 0.3381})
    '30.3 % (27.1-33.8)'
    """
    low, high = share["low"], share["high"]
    return percent(share["share"]) + ("" if low is None or high is None else f" ({100 * low:.1f}-{100 * high:.1f})")


def count(number: int | None, noun: str) -> str:
    """A number of things.

    >>> count(1, "query"), count(1200, "query"), count(None, "region")
    ('1 query', '1,200 queries', '- regions')
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{DASH if number is None else format(number, ',')} {noun if number == 1 else plural}"


def queries(classifier: int, guide: int | None) -> str:
    """What a search has asked of the classifier, and of its guide, if there is one.

    >>> queries(1200, None), queries(1200, 400)
    ('1,200 queries', '1,200 queries (and 400 of the guide)')
    """
    return count(classifier, "query") + ("" if guide is None else f" (and {guide:,} of the guide)")


def trained_on(dataset: str, images: int, classes: Sequence[str]) -> str:
    """What a generator learnt from.

    >>> trained_on("datasets:mnist", 12_665, ("0", "1"))
    '12,665 training images of datasets:mnist (0, 1)'
    >>> trained_on("datasets:gtsrb", 26_640, [str(i) for i in range(43)])
    '26,640 training images of datasets:gtsrb (43 classes)'
    """
    named = ", ".join(classes) if len(classes) <= 10 else count(len(classes), "class")
    return f"{images:,} training images of {dataset} ({named})"


def doubts(results: Mapping[str, Any]) -> str:
    """How many kept regions are open to doubt, and why; empty where none is, or nobody could dispute.

    >>> found = {"regions": 5, "regions_judged": 5, "regions_disputed": 2, "regions_of_one_image": 4}
    >>> doubts(found)
    '2 disputed by the auditor, 4 from one training image'
    >>> doubts(found | {"regions_judged": None, "regions_disputed": None, "regions_of_one_image": 0})
    ''
    >>> doubts(found | {"regions_judged": 4, "regions_of_one_image": 0})
    '2 disputed by the auditor, 1 without a judged failure'
    """
    judged = results["regions_judged"]
    parts = (
        (results["regions_disputed"], "disputed by the auditor"),
        (0 if judged is None else results["regions"] - judged, "without a judged failure"),
        (results["regions_of_one_image"], "from one training image"),
    )
    return ", ".join(f"{n:,} {why}" for n, why in parts if n)


def labelled_clusters(results: Mapping[str, Any]) -> str:
    """What may be regions: clusters, and parts in place of those that were split.

    >>> labelled_clusters({"clusters": 9, "splits": {"split": 0, "parts": 0}})
    '9 clusters'
    >>> labelled_clusters({"clusters": 9, "splits": {"split": 3, "parts": 12}})
    '18 clusters and parts (3 of 9 clusters were split into 12)'
    """
    clusters, split, parts = results["clusters"], results["splits"]["split"], results["splits"]["parts"]
    if not split:
        return count(clusters, "cluster")
    were = f"{split:,} of {count(clusters, 'cluster')} {'was' if split == 1 else 'were'} split into {parts:,}"
    return f"{clusters - split + parts:,} clusters and parts ({were})"


def splitting(results: Mapping[str, Any]) -> str:
    """What became of the clusters that were mixed; empty where none was. It stands below the purity of the regions,
    beside which is said whose labels that rests on.

    >>> found = {"mixed": 5, "split": 4, "parts": 12, "kept": 7, "purity_before": 0.66, "purity_after": 0.93}
    >>> people = {"oracle_abstained": None, "region_purity": None}
    >>> splitting({"clusters": 9, "splits": found, **people})
    '5 of 9 clusters mixed, 4 of them split; of 12 parts 7 kept; median purity 0.66 -> 0.93 by the labels of people'
    >>> splitting({"clusters": 9, "splits": found | {"split": 0, "parts": 0, "kept": 0}})
    '5 of 9 clusters mixed: set aside'
    """
    found = results["splits"]
    if not found["mixed"]:
        return ""
    mixed = f"{found['mixed']:,} of {count(results['clusters'], 'cluster')} mixed"
    if not found["split"]:
        return f"{mixed}: set aside"
    parts = f"of {count(found['parts'], 'part')} {found['kept']:,} kept"
    whose = f"the labels of {labelled_by(results)}" if results["region_purity"] is None else "the same labels"
    purity = f"median purity {found['purity_before']:.2f} -> {found['purity_after']:.2f} by {whose}"
    return f"{mixed}, {found['split']:,} of them split; {parts}; {purity}"


def sampled(search: Mapping[str, Any]) -> str:
    """Which failures were judged, where people judged a sample; empty where all were, or nobody judged.

    >>> sampled({"failures": 1600, "judged": 200})
    'the 200 failures that people judged, drawn at random from 1,600'
    >>> sampled({"failures": 90, "judged": 90}), sampled({"failures": 90, "judged": None})
    ('', '')
    """
    if search["judged"] in (None, search["failures"]):
        return ""
    return f"the {count(search['judged'], 'failure')} that people judged, drawn at random from {search['failures']:,}"


def labelled_by(results: Mapping[str, Any]) -> str:
    """Whose labels regions, their purity and their accuracy rest on, and how often these are wrong.

    >>> labelled_by({"oracle_accuracy": 0.99, "oracle_abstained": 0.02})
    'an oracle that is wrong on 1.0 % of its answers on real test images'
    >>> labelled_by({"oracle_accuracy": None, "oracle_abstained": None})
    'people'
    >>> labelled_by({"oracle_accuracy": None, "oracle_abstained": None, "labels_exact": True})
    'the generator, which knows what its images show'
    """
    if results.get("labels_exact"):
        return "the generator, which knows what its images show"
    if results["oracle_abstained"] is None:
        return "people"
    if results["oracle_accuracy"] is None:
        return "an oracle that answers no real test image"
    return f"an oracle that is wrong on {percent(1 - results['oracle_accuracy'])} of its answers on real test images"


def preset_named(preset: str | None, budget: str | None) -> str:
    """A preset with its budget, where it has one.

    >>> preset_named("defuse-mnist", "laptop"), preset_named("tiny", None), preset_named(None, None)
    ('defuse-mnist, budget laptop', 'tiny', 'none')
    """
    return f"{preset or 'none'}" + (f", budget {budget}" if budget else "")


def called(role: str) -> str:
    """A role as it is spoken of.

    >>> called("auditor_2"), called("generator_data"), called("searcher")
    ('second auditor', 'generator data', 'searcher')
    """
    return {"auditor_2": "second auditor", "auditor_3": "third auditor"}.get(role, role.replace("_", " "))


def error_of(auditor: Mapping[str, Any]) -> str:
    """How often an auditor errs and abstains, and what decides when it does.

    >>> found = {"program": True, "error": 0.004, "abstained": 0.012, "threshold": 0.5337, "reached": True}
    >>> measured, _, why = error_of(found | {"error_rate": 0.005}).partition("; ")
    >>> measured
    'wrong on 0.4 % of its answers on test images, abstains on 1.2 %'
    >>> why
    'threshold 0.53 for at most 0.5 % errors on validation images'
    """
    if not auditor["program"]:
        return "people: believed as they answer, not measured on test images"
    if auditor.get("exact"):
        return "exact: it repeats what the generator knows of its images"
    if auditor["error"] is None:
        return "answers none of the test images: it abstains on all"
    wrong, abstained = percent(auditor["error"]), percent(auditor["abstained"])
    said = f"wrong on {wrong} of its answers on test images, abstains on {abstained}"
    if auditor["error_rate"] is None:
        return f"{said}; no threshold: it abstains by its votes alone"
    if auditor["threshold"] is None:
        return f"{said}; no threshold: it does not say how sure it is"
    serves = "for" if auditor["reached"] else "not enough for"
    asked = f"at most {100 * auditor['error_rate']:g} % errors on validation images"
    return f"{said}; threshold {auditor['threshold']:.2f} {serves} {asked}"


def agreement_said(pair: Mapping[str, Any]) -> str:
    """How far two auditors say the same of the failures that both were asked about.

    >>> pair = {"auditors": ["auditor", "auditor_2"], "judgement": 0.912, "label": 0.97, "both_answer": 1200}
    >>> alike, _, label = agreement_said(pair | {"both_asked": 1600}).partition("; ")
    >>> alike
    'auditor and second auditor judge 91.2 % of 1,600 failures alike'
    >>> label
    'where both answer (1,200) 97.0 % get the same label'
    """
    one, other = map(called, pair["auditors"])
    return (
        f"{one} and {other} judge {percent(pair['judgement'])} of {count(pair['both_asked'], 'failure')} alike; "
        f"where both answer ({pair['both_answer']:,}) {percent(pair['label'])} get the same label"
    )


def extra_missing(package: str, extra: str) -> str:
    """What the evidence of an inspection lacks, and how it comes by it.

    >>> extra_missing("captum", "explain")
    "captum is not installed: pip install 'modeldebug[explain]', then modeldebug resume FOLDER --redo evidence"
    """
    return (
        f"{package} is not installed: pip install 'modeldebug[{extra}]', then modeldebug resume FOLDER --redo evidence"
    )


def rhat_said(rhat: float | None) -> str:
    """An R-hat in print.

    >>> rhat_said(1.314), rhat_said(STILL), rhat_said(None) == DASH
    ('1.31', 'infinite', True)
    """
    if rhat is None:
        return DASH
    return "infinite" if rhat >= STILL else f"{rhat:.2f}"


def not_reached(target: Mapping[str, Any]) -> str:
    """A target that was not reached, and how far it was from that.

    >>> not_reached({"described": "ambiguous:4,9", "error": 0.0312, "rhat": 1.314})
    'ambiguous:4,9 (error 0.031, R-hat 1.31)'
    >>> not_reached({"described": "uniform", "error": None, "rhat": None})
    'uniform (no samples)'
    """
    if target["error"] is None:
        return f"{target['described']} (no samples)"
    return f"{target['described']} (error {target['error']:.3f}, R-hat {rhat_said(target['rhat'])})"


def rootless(search: Mapping[str, Any]) -> bool:
    """Whether no failure of a search was made from a training image."""
    return bool(search["failures"]) and search["without_origin"] == search["failures"]


def without_origin(search: Mapping[str, Any]) -> str:
    """The failures of a search that were made from no training image; empty where there are none.

    >>> without_origin({"failures": 24, "without_origin": 24, "without_code": 0})
    'all of them draws from the prior'
    >>> without_origin({"failures": 24, "without_origin": 3, "without_code": 3})
    '3 plain images'
    """
    plain = search["without_code"] or 0
    drawn = (search["without_origin"] or 0) - plain
    if rootless(search) and not (plain and drawn):
        return f"all of them {'plain images' if plain else 'draws from the prior'}"
    parts = [f"{count(drawn, 'draw')} from the prior"] if drawn else []
    return " and ".join([*parts, *([count(plain, "plain image")] if plain else [])])


def came_from(search: Mapping[str, Any]) -> str:
    """What the failures of a search were made from.

    >>> found = {"failures": 24, "distinct_origins": 5, "origins": 420, "without_origin": 0, "without_code": 0}
    >>> came_from(found)
    'from 5 of 420 training images'
    >>> came_from(found | {"without_origin": 7})
    'from 5 of 420 training images; 7 draws from the prior'
    >>> came_from(found | {"without_origin": 24, "without_code": 24, "distinct_origins": 0})
    'all of them plain images'
    """
    if rootless(search):
        return without_origin(search)
    others = without_origin(search)
    made = f"from {search['distinct_origins']:,} of {count(search['origins'], 'training image')}"
    return f"{made}; {others}" if others else made


def resampled(search: Mapping[str, Any]) -> str:
    """What a bootstrap over the failures of a search draws anew.

    >>> resampled({"failures": 24, "without_origin": 7})
    'training images, each with all its failures, and failures made from none, each by itself'
    """
    if rootless(search):
        return "single failures, since none was made from a training image"
    images = "training images, each with all its failures"
    return f"{images}, and failures made from none, each by itself" if search["without_origin"] else images


def held_back(search: Mapping[str, Any]) -> str:
    """That the classifier erred, though no failure was proposed; empty where it did not err, or some was.

    >>> held_back({"failures": 0, "failing": 12, "guide_queries": 40})[:43]
    '12 answers were wrong, but none was propose'
    >>> held_back({"failures": 0, "failing": 0, "guide_queries": None})
    ''
    """
    if search["failures"] or not search["failing"]:
        return ""
    were = "was" if search["failing"] == 1 else "were"
    guide = "" if search["guide_queries"] is None else ", or the guide was not sure of the image"
    return (
        f"{count(search['failing'], 'answer')} {were} wrong, but none was proposed: the searcher held them all back, "
        f"for instance because they lay too near the classifier's boundary{guide}."
    )


def nothing_searched(search: Mapping[str, Any]) -> str:
    """That a search asked nothing, and what was asked before it; empty where it did ask.

    >>> nothing_searched({"queries": 0, "screening_queries": 420, "origins": 0, "considered": 400})
    'Nothing was searched: of 400 training images none is right from the start; to find that out took 420 queries.'
    """
    if search["queries"]:
        return ""
    screened = count(search["screening_queries"], "query")
    if search["screening_queries"] and not search["origins"]:
        drawn = count(search["considered"], "training image")
        return f"Nothing was searched: of {drawn} none is right from the start; to find that out took {screened}."
    before = f"; {screened} went to choosing where to start" if search["screening_queries"] else ""
    return f"Nothing was searched: the search put no image to the classifier{before}."


def poor_generator(results: Mapping[str, Any]) -> bool:
    """Whether a warning speaks of the generator, in training or at the gate.

    >>> poor_generator({"warning_stages": ["auditor"]}), poor_generator({"warning_stages": ["auditor", "gate"]})
    (False, True)
    """
    return not {"generator", "gate"}.isdisjoint(results["warning_stages"])


def weak_guide(guide: float | None, classifier: float) -> str:
    """What it means that a guide is right less often than the classifier under test; empty where it is not.

    >>> weak_guide(0.91, 0.97)
    'less often than the classifier under test (97.0 %): it may have kept the search from genuine failures'
    >>> weak_guide(0.98, 0.97)
    ''
    """
    if guide is None or guide >= classifier:
        return ""
    tested = f"the classifier under test ({percent(classifier)})"
    return f"less often than {tested}: it may have kept the search from genuine failures"


def duration(seconds: float) -> str:
    """A time.

    >>> [duration(s) for s in (0.004, 4.21, 59, 150, 7500)]
    ['under 0.1 s', '4.2 s', '59 s', '2 min 30 s', '2 h 5 min']
    """
    if seconds < 0.1:
        return "under 0.1 s"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
