"""The page: all that the template needs, in frozen values, so that no logic stands in the template."""

from __future__ import annotations

from dataclasses import dataclass

from ..store import RunStore
from ..words import labelled_by, rootless, without_origin
from . import details, failures, reproduce
from .agreement import Agreement, agreement
from .details import Correction, MapView, Matrix
from .failures import Judge, Kind, Pursued
from .findings import Findings
from .frame import Frame, frame
from .generator import Gate, gate
from .outcome import Outcome, outcome
from .regions import Gallery, Group, RoundRow, Share, galleries, groups, rounds
from .test_set import TestSet, test_set
from .test_set import outcome as outcome_of_test_set
from .wording import count, percent, unbroken


@dataclass(frozen=True)
class Failures:
    """What the failures are."""

    what: str  # a failure is
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
class Page(Frame):
    """The report."""

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
    test: TestSet | None  # where the search was one among the test images
    tile: int


def build(store: RunStore) -> Page:
    """The page of a finished run."""
    findings = Findings.of(store)
    test = test_set(findings)
    return Page(
        **frame(findings, _use(findings) if findings.results["correction_skipped"] is None else ()),
        outcome=outcome(findings) if test is None else outcome_of_test_set(findings),
        failures=_failures(findings),
        regions=_regions(findings),
        labelled_by=unbroken(labelled_by(findings.results)),
        agreement=agreement(findings),
        correction=details.correction(findings),
        skipped=findings.results["correction_skipped"],
        gate=gate(findings),
        map=details.map_view(findings),
        matrices=details.matrices(findings),
        test=test,
        tile=_tile(findings),
    )


def _failures(findings: Findings) -> Failures:
    search = findings.results["search"]
    origins = count(search["origins"], "training image")
    facts = [
        f"{count(search['found'], 'failure')} found in {count(search['queries'], 'query')}",
        *([] if rootless(search) else [f"{search['distinct_origins']:,} of {origins} led to one"]),
        *([others] if (others := without_origin(search)) and findings.results["test_set"] is None else []),
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
        what=failures.what(findings),
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
    return Regions(
        galleries=shown,
        groups=groups(findings),
        rounds=rounds(findings),
        kept=len(findings.kept),
        set_aside=len(findings.clusters) - len(findings.kept),
        how=how,
        tile=max(_tile(findings), widest + 8),
        no_novelty=findings.info("evidence").get("misclassified_train") == 0,
    )


def _tile(findings: Findings) -> int:
    """The least width of an image with its words, in CSS pixels."""
    longest = max((len(word) for name in findings.classes for word in name.split()), default=1)
    return 64 if longest <= 4 else 104


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
