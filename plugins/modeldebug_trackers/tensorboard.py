"""Runs in TensorBoard: `tensorboard --logdir runs` shows what is in the folder `tensorboard` of each run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from modeldebug import Event, hookimpl

from .figures import curve, montage, numbers, regions, require, settings

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

require("tensorboard", extra="tensorboard")

_writers: dict[Path, SummaryWriter] = {}  # of the runs that are going on


@hookimpl
def modeldebug_event(event: Event) -> None:
    """Write settings at the start, figures and pictures after each stage, results at the end."""
    if event.kind not in ("run_started", "stage_finished", "run_stopped", "run_finished"):
        return
    run = Path(event.run)
    writer = _writers.get(run) or _begun(run)
    for name, value in numbers(event.data).items():
        writer.add_scalar(f"{event.stage or 'results'}/{name}", value)
    if event.stage == "search":
        for queries, failures in curve(run):
            writer.add_scalar("failures by queries", failures, queries)
    if event.stage == "regions":
        for name, images in regions(run):
            writer.add_image(name, montage(images), dataformats="HWC")
    writer.flush()  # a run that is killed leaves what it had
    if event.kind in ("run_stopped", "run_finished"):
        _writers.pop(run).close()


def _begun(run: Path) -> SummaryWriter:
    """A writer for a run, with its settings."""
    from torch.utils.tensorboard import SummaryWriter

    writer = _writers[run] = SummaryWriter(str(run / "tensorboard"))
    rows = "\n".join(f"| {name} | {value} |" for name, value in settings(run).items())
    writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}")
    return writer
