"""What the pages of runs and inspections have in common: what was run, with which settings, and how to do it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..words import preset_named, trained_on
from . import details, reproduce
from .details import Bar, Chosen, Setting
from .findings import Findings
from .wording import count, duration, percent

_MAIN = ("modeldebug", "torch", "python")


@dataclass(frozen=True)
class Again:
    """How to do the run again, and how to use what it left."""

    command: str
    is_python: bool
    versions: tuple[tuple[str, str], ...]
    machine: str
    data: str
    weights: tuple[tuple[str, str], ...]  # what for, code


@dataclass(frozen=True)
class Frame:
    """What is around the findings of a page."""

    title: str
    subtitle: str
    classes: tuple[str, ...]
    long_names: bool
    about: tuple[tuple[str, str], ...]
    components: tuple[Chosen, ...]
    core_settings: tuple[Setting, ...]
    timing: tuple[Bar, ...]
    total_time: str
    again: Again


def frame(findings: Findings, weights: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """The fields of a `Frame` by name, for the page that extends it.

    Args:
        weights: ways to use the weights that lie beside the page: what for, and code.
    """
    return {
        "title": f"{findings.component('classifier')} on {findings.component('dataset')}",
        "subtitle": findings.manifest["created"][:16].replace("T", " "),
        "classes": tuple(findings.classes),
        "long_names": max(map(len, findings.classes)) > 2,
        "about": _about(findings),
        "components": details.components(findings),
        "core_settings": details.core_settings(findings),
        "timing": details.timing(findings),
        "total_time": duration(findings.results["seconds"]["total"]),
        "again": _again(findings, weights),
    }


def _about(findings: Findings) -> tuple[tuple[str, str], ...]:
    """What was run, in a few words each."""
    data, accuracy = findings.info("data"), findings.info("classifier")["accuracy"]
    channels, height, width = data["shape"]
    sizes = " / ".join(f"{data['images'][part]:,}" for part in ("train", "validation", "test"))
    learnt = findings.results["generator_data"]
    made = "trained by this run" if findings.info("classifier")["trained"] else "used as given"
    rates = ", ".join(f"{percent(accuracy[part])} {part}" for part in ("train", "validation", "test"))
    return (
        ("Data", f"{sizes} images (train / validation / test)"),
        ("Images", f"{height} \u00d7 {width}, {count(channels, 'channel')}, {count(len(data['classes']), 'class')}"),
        ("Accuracy", f"{rates}; the classifier was {made}"),
        *((("Guide", _guided_by(findings)),) if "guide" in findings.stages else ()),
        *((("Generator", f"learnt from {_learnt(learnt)}, not from the classifier's data"),) if learnt else ()),
        ("Plugins", ", ".join(findings.manifest["plugins"])),
        ("Preset", preset_named(findings.results["preset"], findings.results["budget"])),
        *((("When to take it", advice),) if (advice := findings.results["advice"]) else ()),
        ("Seed", str(findings.results["seed"])),
        ("Versions", ", ".join(f"{k} {v}" for k, v in findings.manifest["versions"].items() if k in _MAIN)),
    )


def _guided_by(findings: Findings) -> str:
    info, made = findings.info("guide"), findings.component("guide")
    how = "trained by this run" if info["trained"] else "used as given"
    asked = count(findings.results["search"]["guide_queries"], "query")
    return f"{made}, {how}; {percent(info['accuracy']['test'])} of the test images right; asked in {asked}"


def _learnt(data: Mapping[str, Any]) -> str:
    return trained_on(data["dataset"], data["images"], data["classes"])


def _again(findings: Findings, weights: tuple[tuple[str, str], ...]) -> Again:
    """How to do it again, and ways to use its weights."""
    manifest = findings.manifest
    machine = manifest["machine"]
    threads = count(machine["processors"], "processor")
    if machine["threads"] is not None:
        threads += f", {count(machine['threads'], 'thread')}"
    from_python = bool(reproduce.python_objects(manifest))
    return Again(
        command=reproduce.python_call(manifest) if from_python else reproduce.command(manifest),
        is_python=from_python,
        versions=tuple(manifest["versions"].items()),
        machine=f"{machine['system']}, {threads}",
        data=findings.info("data")["sha256"],
        weights=weights,
    )
