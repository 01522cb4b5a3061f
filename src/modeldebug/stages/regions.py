"""Distillation, and what is read back of it: failures are clustered, and some clusters are kept as regions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..context import Context
from ..contracts.clusterer import Clusterer
from ..store import Saved, prefixed
from ..types import Clustering, Failures, Region
from .sampler import Division

NO_CODES = "the failures are images without codes, and clusters are of codes"


def cluster(clusterer: Clusterer[Any], failures: Failures, context: Context) -> Saved:
    """Cluster the failures; none give no clusters, and neither do images without codes: clusters are drawn from."""
    if not len(failures) or failures.z is None:
        note = "no failures to cluster" if not len(failures) else NO_CODES
        return Saved({}, {"clusters": 0, "converged": None, "note": note})
    fitted = clusterer.fit(failures, context)
    return Saved(_tensors(fitted), {"clusters": len(fitted), **_words(fitted)})


def load_clustering(saved: Saved) -> Clustering | None:
    return _clustering(saved, saved.info) if saved.info["clusters"] else None


def _tensors(clustering: Clustering) -> dict[str, Tensor]:
    own = {"weights": clustering.weights, "assignment": clustering.assignment}
    return own | prefixed("parameters", clustering.parameters)


def _clustering(saved: Saved, info: dict[str, Any]) -> Clustering:
    return Clustering(
        weights=saved.tensors["weights"],
        assignment=saved.tensors["assignment"],
        parameters=saved.part("parameters"),
        converged=info["converged"],
        note=info["note"],
        names=tuple(info["names"]),
    )


def _words(clustering: Clustering) -> dict[str, Any]:
    return {"converged": clustering.converged, "note": clustering.note, "names": list(clustering.names)}


def save_divisions(divisions: Sequence[Division]) -> Saved:
    """The clusterings of the clusters that were split, as a part of a stage."""
    tensors: dict[str, Tensor] = {}
    rows = []
    for i, division in enumerate(divisions):
        tensors |= prefixed(f"divisions/{i}", {"rows": division.rows, **_tensors(division.clustering)})
        rows.append(
            {
                "parent": division.parent,
                "expected": division.expected,
                "share": division.share,
                "clusters": list(division.clusters),
                **_words(division.clustering),
            }
        )
    return Saved(tensors, {"divisions": rows})


def load_divisions(saved: Saved) -> tuple[Division, ...]:
    """What `save_divisions` gave, of the stage that it is a part of."""
    found = []
    for i, info in enumerate(saved.info["divisions"]):
        part = Saved(saved.part(f"divisions/{i}"), info)
        found.append(
            Division(
                _clustering(part, info),
                part.tensors["rows"],
                tuple(info["clusters"]),
                share=info["share"],
                parent=info["parent"],
                expected=info["expected"],
            )
        )
    return tuple(found)


def load_regions(saved: Saved) -> tuple[Region, ...]:
    names = {f.name for f in dataclasses.fields(Region)}
    return tuple(Region(**{k: v for k, v in row.items() if k in names}) for row in saved.info["regions"])
