"""At how many queries entrants are held against each other, where they spent different amounts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..store import Saved


def common_spending(cells: Mapping[tuple[str, int], Saved], baseline: str | None) -> int | None:
    """The queries that every search of every entrant spent, by name and seed: those of the shortest. None if nobody
    asked anything.

    The baseline does not shorten it: it stands for what is found without searching, which does not become more with
    what it left of the budget. Nor does a search that asked nothing, and so found nothing.
    """
    spent = {pair: int(saved.info["queries"]) for pair, saved in cells.items() if saved.info["queries"]}
    searched = [queries for (name, _), queries in spent.items() if name != baseline]
    return min(searched or spent.values(), default=None)


def share_within(trace: Tensor, queries: float) -> Tensor:
    """How much of each step (steps, 3) lies within so many queries (steps,) float64: all, nothing, or of the one in
    which they were spent the share that was asked by then, as if its failures were spread evenly over its queries.
    So a step is no unit of counting, and a search with long ones neither gains nor loses by them.

    >>> share_within(torch.tensor([[100, 0, 5], [300, 0, 9], [500, 0, 9]]), 150).tolist()
    [1.0, 0.25, 0.0]
    """
    after = trace[:, 0].double()
    before = torch.cat([after.new_zeros(1), after])[:-1]
    within = ((queries - before) / (after - before)).clamp(0, 1)
    return torch.where(after > before, within, (after <= queries).double())
