"""The page: all that the template needs, in frozen values, so that no logic stands in the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..store import RunStore
from ..words import labelled_by, preset_named, rootless, trained_on, without_origin
from . import details, failures, reproduce
from .agreement import Agreement, agreement
from .details import Bar, Chosen, Correction, MapView, Matrix, Setting
from .failures import Judge, Kind, Pursued
from .findings import Findings
from .generator import Gate, gate
from .outcome import Outcome, outcome
from .regions import Gallery, Group, RoundRow, Share, galleries, groups, rounds
from .wording import count, duration, percent, unbroken

_MAIN = ("modeldebug", "torch", "python")


@dataclass(frozen=True)
class Failures:
    """What the failures are."""

    total: int
    facts: tuple[str, ...]
    shares: tuple[Share, ...]
    basis: str  # what the intervals of the shares rest on
    kinds: tuple[Kind, ...]
    targets: tuple[Pursued, ...]
    judges: tuple[Judge, ...]
    agreement: tuple[str, ...]
    audited: bool


@dataclass(frozen=True)
class Regions:
    """What the clusters are."""

    galleries: tuple[Gallery, ...]
    groups: tuple[Group, ...]
    rounds: tuple[RoundRow, ...]
    kept: int
    set_aside: int
    how: str
    tile: int  # CSS pixels: the least width of a sample with its words
    no_novelty: bool


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
class Page:
    """The report."""

    title: str
    subtitle: str
    outcome: Outcome
    failures: Failures
    regions: Regions
    labelled_by: str  # whose labels regions, purity and region accuracy rest on
    agreement: Agreement | None
    correction: Correction | None
    skipped: str | None
    gate: Gate | None
    map: MapView | None
    matrices: tuple[Matrix, ...]
    classes: tuple[str, ...]
    long_names: bool
    about: tuple[tuple[str, str], ...]
    components: tuple[Chosen, ...]
    core_settings: tuple[Setting, ...]
    timing: tuple[Bar, ...]
    total_time: str
    again: Again


def build(store: RunStore) -> Page:
    """The page of a finished run."""
    findings = Findings.of(store)
    return Page(
        title=f"{findings.component('classifier')} on {findings.component('dataset')}",
        subtitle=findings.manifest["created"][:16].replace("T", " "),
        outcome=outcome(findings),
        failures=_failures(findings),
        regions=_regions(findings),
        labelled_by=unbroken(labelled_by(findings.results)),
        agreement=agreement(findings),
        correction=details.correction(findings),
        skipped=findings.results["correction_skipped"],
        gate=gate(findings),
        map=details.map_view(findings),
        matrices=details.matrices(findings),
        classes=tuple(findings.classes),
        long_names=max(map(len, findings.classes)) > 2,
        about=about(findings),
        components=details.components(findings),
        core_settings=details.core_settings(findings),
        timing=details.timing(findings),
        total_time=duration(findings.results["seconds"]["total"]),
        again=again(findings, _use(findings) if findings.results["correction_skipped"] is None else ()),
    )


def _failures(findings: Findings) -> Failures:
    search = findings.results["search"]
    origins = count(search["origins"], "training image")
    facts = [
        f"{count(search['found'], 'failure')} found in {count(search['queries'], 'query')}",
        *([] if rootless(search) else [f"{search['distinct_origins']:,} of {origins} led to one"]),
        *([others] if (others := without_origin(search)) else []),
    ]
    if findings.config["search"]["start"] == "right":
        facts.append(
            f"of {count(search['considered'], 'training image')}, those were searched from that the classifier gets "
            f"right as they are and reconstructed ({count(search['screening_queries'], 'further query')})"
        )
    if search["guide_queries"] is not None:
        asked = count(search["guide_queries"], "query")
        facts.append(f"the guide, {findings.component('guide')}, was asked in {asked} more")
    if search["failures"] < search["found"]:
        facts.append(f"{search['failures']:,} kept, drawn at random")
    return Failures(
        total=search["failures"],
        facts=tuple(facts),
        shares=failures.shares(findings),
        basis=failures.basis(findings) if findings.judged is not None else "",
        kinds=failures.kinds(findings),
        targets=failures.targets(findings),
        judges=failures.judges(findings),
        agreement=failures.agreement(findings),
        audited=findings.judged is not None,
    )


def _regions(findings: Findings) -> Regions:
    settings = findings.config["regions"]
    who = unbroken(labelled_by(findings.results))
    how = (
        f"{count(settings['samples'], 'sample')} of each cluster were drawn (covariance \u00d7 {settings['tau']:g}) "
        f"and labelled by {who} ({findings.component('labeler')}). A cluster is kept as a region when at least "
        f"{percent(settings['min_labelled'])} of its samples got a label, more than {percent(settings['rho'])} of "
        f"these are misclassified, and at least {percent(settings['min_purity'])} share one label (the purity)."
    )
    if findings.results["splits"]["split"]:
        apart = "those of each expected class by themselves" if settings["split"] == "expected" else "by themselves"
        how += (
            " Of a cluster whose samples do not share one, the failures were clustered anew, "
            f"{apart}, and the parts labelled in another round."
        )
    shown = galleries(findings)
    widest = max((s.picture.width for gallery in shown for s in gallery.samples), default=0)
    longest = max((len(word) for name in findings.classes for word in name.split()), default=1)
    return Regions(
        galleries=shown,
        groups=groups(findings),
        rounds=rounds(findings),
        kept=len(findings.kept),
        set_aside=len(findings.clusters) - len(findings.kept),
        how=how,
        tile=max(64 if longest <= 4 else 104, widest + 8),
        no_novelty=findings.info("evidence").get("misclassified_train") == 0,
    )


def about(findings: Findings) -> tuple[tuple[str, str], ...]:
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


def again(findings: Findings, weights: tuple[tuple[str, str], ...] = ()) -> Again:
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


def _use(findings: Findings) -> tuple[tuple[str, str], ...]:
    """Ways to use the corrected weights, which lie beside the page."""
    ways = [
        (
            "In plain PyTorch, with the model that was debugged:",
            'from safetensors.torch import load_file\n\nmodel.load_state_dict(load_file("RUN/corrected.safetensors"))',
        ),
    ]
    if not reproduce.python_objects(findings.manifest):
        changes = {"classifier": {"weights": "RUN/corrected.safetensors", "train": False}}
        ways += [
            (
                "As a module that is ready to use:",
                'import modeldebug\n\nmodel = modeldebug.open_run("RUN").corrected_model()',
            ),
            ("To debug the corrected classifier in its turn:", reproduce.command(findings.manifest, changes)),
        ]
    return tuple(ways)
