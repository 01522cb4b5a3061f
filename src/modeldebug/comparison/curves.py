"""What had been found by the time that so much was spent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..judging import GENUINE
from ..store import Saved
from .landscape import ENOUGH

POINTS = 60
KINDS = ("failures", "genuine", "distinct", "regions")


def of_cell(saved: Saved, places: Tensor) -> dict[str, Tensor]:
    """Cumulative counts at the end of each step, (steps,) float64 each, and `queries`.

    Genuine failures are those that the auditor was asked about, times as many as it stands for.

    Args:
        saved: a cell's measures.
        places: (m,) int64, the region that each failure of its sample is in; -1 for none.
    """
    trace, tensors = saved.tensors["trace"], saved.tensors
    steps = len(trace)
    genuine = tensors["judged"] == GENUINE
    times = saved.info["found"] / saved.info["asked"] if saved.info["asked"] else 0.0
    first: dict[int, int] = {}  # the step of each training image's first genuine failure
    for row, step in zip(tensors["origin"][genuine].tolist(), tensors["step"][genuine].tolist(), strict=True):
        first[row] = min(step, first.get(row, step))
    alone = genuine & (tensors["origin"] < 0)
    distinct = torch.tensor([step for row, step in first.items() if row >= 0], dtype=torch.int64)
    distinct = torch.cat([distinct, tensors["step"][alone]])
    return {
        "queries": trace[:, 0].double(),
        "failures": trace[:, 2].double(),
        "genuine": times * _cumulative(tensors["step"][genuine], steps),
        "distinct": _cumulative(distinct, steps),
        "regions": _cumulative(_reached(places, tensors["step"][tensors["shown"]]), steps),
    }


def _reached(places: Tensor, step: Tensor) -> Tensor:
    """The step in which each region was reached, which is that of the second failure in it."""
    found = []
    for place in places[places >= 0].unique().tolist():  # type: ignore[no-untyped-call]  # torch does not annotate it
        in_order = step[places == place].sort().values
        if len(in_order) >= ENOUGH:
            found.append(int(in_order[ENOUGH - 1]))
    return torch.tensor(found, dtype=torch.int64)


def _cumulative(step: Tensor, steps: int) -> Tensor:
    return torch.bincount(step, minlength=steps)[:steps].cumsum(0).double()


def averaged(cells: Sequence[dict[str, Tensor]], most: float) -> dict[str, list[float | None]]:
    """The mean of an entrant's cells at numbers of queries from 0 to `most`, each with its last count once it has
    ended; None after the last of them ended."""
    grid = torch.linspace(0, most, POINTS, dtype=torch.float64)
    found: dict[str, Any] = {"queries": grid.tolist()}
    ended = max((float(cell["queries"][-1]) for cell in cells if len(cell["queries"])), default=0.0) + float(grid[1])
    for kind in KINDS:
        known = torch.stack([_at(grid, cell["queries"], cell[kind]) for cell in cells])
        mean = torch.where(grid > ended, torch.nan, known.mean(0))
        found[kind] = [None if bool(value.isnan()) else float(value) for value in mean]
    return found


def _at(grid: Tensor, queries: Tensor, values: Tensor) -> Tensor:
    """A cumulative count at each point of the grid: that of the last step that had ended by then."""
    before = torch.searchsorted(queries, grid, right=True)
    return torch.cat([values.new_zeros(1), values])[before]
