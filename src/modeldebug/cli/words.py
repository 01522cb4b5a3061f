"""What a run says in one line: time left, how far a judge can be believed, what a finished stage has found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..words import came_from, count, duration, error_of, labelled_clusters, percent, queries

Info = Mapping[str, Any]


def time_left(seconds: float | None) -> str:
    """An estimate for people, no more exact than it can be.

    >>> time_left(23.4), time_left(500), time_left(7500), time_left(None)
    ('23 s left', '8 min left', '2 h left', '')
    """
    if seconds is None:
        return ""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit} left"
    return f"{max(1, seconds):.0f} s left"


def reliability(accuracy: float | None, abstained: float | None, *, exact: bool = False) -> str:
    """How far a labeler that is a program can be believed, as measured on real test images.

    >>> reliability(0.99, 0.05)
    'answers 95.0 % of the real test images, 99.0 % of them right'
    >>> reliability(None, None, exact=True)
    'exact: it repeats what the generator knows of its images'
    """
    if exact:
        return "exact: it repeats what the generator knows of its images"
    if abstained is None:
        return "people: not measured on test images"
    if accuracy is None:
        return "answers none of the real test images: it abstains on all"
    return f"answers {percent(1 - abstained)} of the real test images, {percent(accuracy)} of them right"


def _shares(info: Info) -> str:
    if not info["auditors"]:
        return "not judged: there is no auditor"
    called = {"drift": "likely label error"} if info["untouched"] else {}
    shares = {called.get(name, name.replace("_", " ")): share["share"] for name, share in info["shares"].items()}
    if None in shares.values():
        return "nothing to judge"
    of = f"; of {info['judged']:,} judged, {info['not_asked']:,} not asked about" if info["not_asked"] else ""
    return ", ".join(f"{name} {percent(share)}" for name, share in shares.items()) + of


def stage_label(stage: str | None) -> str:
    """What a stage is called: those of a generator that learnt all classes but one, as those of one that learnt all.

    A run of a comparison is a stage of it.

    >>> stage_label("samples-without-3"), stage_label("data"), stage_label(None)
    ('samples', 'data', '')
    >>> stage_label("trunks/shared"), stage_label("cells/margin/seed-1")
    ('shared', 'cell')
    """
    folder, inside, _ = (stage or "").partition("/")
    return {"trunks": "shared", "cells": "cell"}[folder] if inside else folder.partition("-without-")[0]


def stage_result(stage: str, info: Info) -> str:
    """What a finished stage has found, in one line."""
    label = stage_label(stage)
    if label in ("shared", "cell"):
        return _cell(info) if label == "cell" else _trunk(stage, info)
    return _WORDS[label](info) if label in _WORDS else "done"


def _data(info: Info) -> str:
    images = ", ".join(f"{n:,} {part}" for part, n in info["images"].items())
    return f"{count(len(info['classes']), 'class')}, {' x '.join(map(str, info['shape']))}; {images} images"


def _classifier(info: Info) -> str:
    how = "trained" if info["trained"] else "used as given"
    return f"{how}; {percent(info['accuracy']['test'])} of the test images right"


def _generator(info: Info) -> str:
    learnt = info.get("data")
    if learnt is None:
        on = ""
    else:
        on = f" on other data ({count(learnt['images'], 'image')}, {count(len(learnt['classes']), 'class')})"
    if "without" in info:
        on += f" without the class {info['without']} ({count(info['images'], 'image')})"
    how = f"; {info['health']}" if "health" in info else ""
    return f"trained{on}; {info['latent_size']} latent dimensions{how}"


def _gate(info: Info) -> str:
    if info["classifier"] is None:
        return "not measured: the generator cannot encode"
    oracle = f", oracle {percent(info['oracle'])}" if info["oracle"] is not None else ""
    return f"reconstructions keep their class: classifier {percent(info['classifier'])}{oracle}"


def _origins(info: Info) -> str:
    if info["start"] == "all":
        return f"{count(info['origins'], 'training image')} to search from"
    asked = count(info["screening_queries"], "query")
    return f"{info['origins']:,} of {count(info['considered'], 'training image')} are right from the start ({asked})"


def _search(info: Info) -> str:
    found = f"{count(info['found'], 'failure')} in {queries(info['queries'], info.get('guide_queries'))}"
    kept = f"; {info['failures']:,} kept" if info["failures"] < info["found"] else ""
    return f"{found}, {came_from(info)}{kept}{f'; {_reached(info)}' if info['targets'] is not None else ''}"


def _samples(info: Info) -> str:
    drawn = count(sum(target["samples"] for target in info["targets"]), "sample")
    return f"{drawn} in {count(info['queries'], 'query')}; {_reached(info)}"


def _reached(info: Info) -> str:
    reached = sum(target["reached"] for target in info["targets"])
    return f"{reached} of {count(len(info['targets']), 'target')} reached"


def _clusters(info: Info) -> str:
    return count(info["clusters"], "cluster") + ("" if info["converged"] in (True, None) else "; not converged")


def _regions(info: Info) -> str:
    kept = sum(region["status"] == "kept" for region in info["regions"])
    clusters = [region["status"] for region in info["regions"] if region["parent"] is None]
    parts = sum(region["parent"] is not None and region["status"] != "split" for region in info["regions"])
    of = labelled_clusters({"clusters": len(clusters), "splits": {"split": clusters.count("split"), "parts": parts}})
    rounds = len(info["rounds"])
    return f"{kept} of {of} kept as regions" + (f", in {rounds} rounds" if rounds > 1 else "")


def _correction(info: Info) -> str:
    if info["skipped"]:
        return f"skipped: {info['skipped']}"
    before, after = info["before"], info["regions"]["states"][info["regions"]["chosen"]]
    return (
        f"regions {percent(before['region_test'])} -> {percent(after['region_test'])}, "
        f"test {percent(before['test'])} -> {percent(after['test'])} (lambda {after['strength']:g})"
    )


def _trunk(stage: str, info: Info) -> str:
    """What entrants of a comparison have in common, or one of them has ready for all its searches.

    >>> _trunk("trunks/shared", {"until": "origins", "first": True, "seconds": 12.0, "waiting": None})
    'data, models and origins, 12 s'
    >>> _trunk("trunks/seed-1-audit", {"until": "audit", "first": False, "seconds": 3.0, "waiting": None})
    'up to the audit (seed-1), 3.0 s'
    """
    until = info["until"]
    what = f"up to the {until}"
    if info["first"]:
        what = "data, models and origins" if until == "origins" else "data and models"
    whose = stage.rpartition("/")[2].removesuffix(f"-{until}").removesuffix("-shared").removesuffix("shared")
    return f"{what}{f' ({whose})' if whose else ''}, {info['waiting'] or duration(info['seconds'])}"


def _cell(info: Info) -> str:
    """A run of an entrant of a comparison.

    >>> figures = {"found": 105, "queries": 1107, "guide_queries": None, "scalars": {}}
    >>> ended = {"entrant": "margin", "seed": 1, "seconds": 0.3, "error": None, "waiting": None}
    >>> _cell({**ended, "figures": figures})
    'margin, seed 1: 105 failures in 1,107 queries, 0.3 s'
    """
    who, figures = f"{info['entrant']}, seed {info['seed']}", info["figures"]
    if info["waiting"]:
        return f"{who}: {info['waiting']}"
    if figures is None:
        return f"{who}: failed: {info['error']}"
    scalars = figures["scalars"]
    if "kept" in scalars:
        what = f"{count(scalars['kept'], 'region')} kept of {count(scalars['clusters'], 'cluster')}"
    elif "region_accuracy_after" in scalars:
        before, after = (percent(scalars[f"region_accuracy_{when}"]) for when in ("before", "after"))
        what = f"regions {before} -> {after}"
    else:
        what = f"{count(figures['found'], 'failure')} in {queries(figures['queries'], figures['guide_queries'])}"
    return f"{who}: {what}, {duration(info['seconds'])}"


_WORDS: dict[str, Callable[[Info], str]] = {
    "data": _data,
    "classifier": _classifier,
    "guide": _classifier,
    "labeler": lambda info: reliability(info["accuracy"], info["abstained"], exact=info["exact"]),
    **dict.fromkeys(("auditor", "auditor_2", "auditor_3"), error_of),
    "generator": _generator,
    "gate": _gate,
    "origins": _origins,
    "search": _search,
    "samples": _samples,
    "audit": _shares,
    "clusters": _clusters,
    "regions": _regions,
    "correction": _correction,
    "evidence": lambda info: "gathered for the report",
}
