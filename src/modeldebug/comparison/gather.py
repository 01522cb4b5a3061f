"""What the runs of a comparison came to, put together: its table, its page, and files for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ConfigError
from ..report.comparison import render_comparison
from ..store import RunStore, Saved
from ..types import DataSpec, Failures
from .conduct import Left
from .landscape import Landscape, landscape
from .measures import STAGE, sample_of
from .plan import Job, Plan, Request
from .table import tabulate

RESULTS = "comparison.json"


def write_results(store: RunStore, plan: Plan, left: Left) -> dict[str, Any]:
    """Write table, page and files for spreadsheets, of the entrants all of whose cells are done."""
    out = {job.entrant for job in left.jobs}
    jobs = [job for job in plan.cells if job.entrant not in out]
    results = _results(store, plan, jobs) | {
        "failed": [{"name": job.entrant, "seed": job.seed, "error": why} for job, why in left.failed.items()],
        "waiting": [
            {
                "name": job.entrant,
                "seed": job.seed if job.entrant else None,
                "run": job.folder,
                "what": wait.what,
                "do": wait.do,
            }
            for job, wait in left.waits.items()
        ],
    }
    store.write_json(RESULTS, results)
    store.write("rows.csv", _csv([_flat(row) for row in results["rows"]]))
    store.write("cells.csv", _csv(results["cells"]))
    store.write("report.html", page(store, results).encode())
    return results


def _results(store: RunStore, plan: Plan, jobs: Sequence[Job]) -> dict[str, Any]:
    request = plan.request
    cells = {(str(job.entrant), job.seed): _measures(store, job) for job in jobs}
    _check_shared(store, jobs)
    shared = RunStore.open(store.path / (jobs or plan.rounds[0])[0].folder)
    data, classifier, auditor = (shared.load_stage(stage).info for stage in ("data", "classifier", "auditor"))
    spec = DataSpec(tuple(data["shape"]), tuple(data["classes"]))
    table = tabulate(
        request.role,
        cells,
        _landscapes(plan, cells, spec),
        spec.classes,
        baseline=request.baseline if any(name == request.baseline for name, _ in cells) else None,
        timed=request.budget.seconds is not None,
    )
    return {
        "kind": "comparison",
        **table,
        "classes": list(spec.classes),
        "shared": {"images": data["images"], "test_accuracy": classifier["accuracy"]["test"], "auditor": auditor},
        "warnings": _warnings(store, plan),
        "settings": request.to_dict() | {"base": plan.base.to_dict()},
        "versions": store.manifest["versions"],
        "machine": store.manifest["machine"],
        "created": store.manifest["created"],
    }


def _check_shared(store: RunStore, jobs: Sequence[Job]) -> None:
    """Refuse to set side by side what was not found in the same data, with the same classifier and judge: a file that
    was another one when earlier cells were done.

    Raises:
        ConfigError: so it is.
    """
    retrained = len({job.config.core.run.seed for job in jobs}) > 1
    for stage in ("data", "classifier", "auditor"):
        keys: dict[int, tuple[str, str]] = {}
        for job in jobs:
            key = RunStore.open(store.path / job.folder).manifest["stages"][stage]["key"]
            first, known = keys.setdefault(job.seed if retrained else 0, (job.folder, key))
            if key != known:
                raise ConfigError(
                    f"the cells of this comparison do not share their {stage}: it has changed since some were done",
                    got=f"{first} and {job.folder}",
                    expected=f"the same {stage} in all cells",
                    fix="put back what was changed, or compare anew with another --out",
                )


def _warnings(store: RunStore, plan: Plan) -> list[str]:
    """What the runs warned of, each once."""
    found = []
    for job in (job for jobs in plan.rounds for job in jobs):
        inner = RunStore.open(store.path / job.folder)
        found += [inner.read_json(f"stages/{stage}.json").get("warning") for stage in inner.manifest["stages"]]
    return list(dict.fromkeys(warning for warning in found if warning))


def _measures(store: RunStore, job: Job) -> Saved:
    return RunStore.open(store.path / job.folder).load_stage(STAGE)


def _landscapes(plan: Plan, cells: Mapping[tuple[str, int], Saved], spec: DataSpec) -> dict[int, Landscape]:
    """One for each seed, where all entrants search one latent space."""
    if plan.request.role != "searcher":
        return {}
    names = list(dict.fromkeys(name for name, _ in cells))
    return {
        seed: landscape({n: sample_of(cells[n, seed]) for n in names}, plan.base, spec, seed=seed)
        for seed in plan.request.seeds
    }


def page(store: RunStore, results: dict[str, Any]) -> str:
    first = results["settings"]["seeds"][0]
    request = Request.from_dict(results["settings"])
    slugs = {entrant.name: entrant.slug for entrant in request.entrants}
    samples: dict[str, Failures] = {}
    for row in results["rows"]:
        cell = RunStore.open(store.path / f"cells/{slugs[row['name']]}/seed-{first}")
        samples[row["name"]] = sample_of(cell.load_stage(STAGE))
    return render_comparison(results, samples, folder=str(store.path))


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with mean, low and high as columns of their own.

    >>> _flat({"name": "margin", "genuine_share": {"mean": 0.9, "low": 0.8, "high": 1.0}})
    {'name': 'margin', 'genuine_share': 0.9, 'genuine_share_low': 0.8, 'genuine_share_high': 1.0}
    """
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= {key: value["mean"], f"{key}_low": value["low"], f"{key}_high": value["high"]}
        else:
            flat[key] = value
    return flat


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows for a spreadsheet; empty where there is no number."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
