"""The core's own settings, section by section. No torch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .component import ComponentConfig


class RunSection(ComponentConfig):
    """The run as a whole."""

    seed: int = Field(0, ge=0, description="decides every random choice of the run")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where networks run")
    batch_size: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="images decoded and classified at a time; if unset, 512 up to 16 x 16 pixels, 128 up to 32 x 32, "
        "32 up to 256 x 256, as is fastest on a processor; on a GPU 512 up to 64 x 64",
    )
    threads: int | None = Field(
        None,
        ge=1,
        description="processor threads; if unset, 1 for images of at most 16 x 16 pixels, else torch's own choice",
    )
    precision: Literal["float32", "bfloat16", "auto"] = Field(
        "float32",
        description="in which VAEs multiply while they are trained; auto: bfloat16 where that is faster (processors "
        "with AMX, GPUs that have it). Loss, weights and all that follows are float32",
    )


class SearchSection(ComponentConfig):
    """What the core does with what a searcher finds."""

    origins: int | None = Field(
        None, ge=1, description="search from so many training images, drawn at random; all if unset"
    )
    start: Literal["all", "right"] = Field(
        "all",
        description="search from all of these, as in the paper, or from those that the classifier gets right as they "
        "are and, encoded and decoded again, still gets right: so every failure is the search's own",
    )
    targets: tuple[str, ...] = Field(
        (),
        description='predictions to trigger, such as ["class-excluded:1"], for searchers that pursue some; if empty, '
        "misclassified: for each class, any other one with confidence",
    )
    sigma: float = Field(
        0.05, gt=0, description="standard deviation of the targets' likelihoods (Bayes-TrEx, equation 2)"
    )
    ess: float | None = Field(None, gt=0, description="stop once every target has this effective sample size")
    rhat: float | None = Field(None, gt=1, description="stop once every target has a rank R-hat of at most this")
    queries: int | None = Field(
        None,
        ge=1,
        description="stop after the step in which so many queries were spent; in an inspection, for each generator",
    )
    seconds: float | None = Field(
        None,
        gt=0,
        description="stop after the step in which so many seconds had passed; such a search is not repeatable",
    )
    repeat: int = Field(
        0,
        ge=0,
        description="search once more with the same generator and judges: another number decides the random choices "
        "of the search and of all that follows it, and of nothing before it",
    )
    max_failures: int = Field(50_000, ge=1, description="keep at most so many failures, drawn at random (AAAI 4.1)")


class GateSection(ComponentConfig):
    """When reconstructions are so poor that failures would be artefacts of the generator."""

    classifier: float = Field(
        0.8, ge=0, le=1, description="warn below this accuracy of the classifier on reconstructions"
    )
    oracle: float = Field(0.9, ge=0, le=1, description="warn below this accuracy of the oracle on reconstructions")


class AuditSection(ComponentConfig):
    """How single failures are judged."""

    agreement: float = Field(0.5, ge=0, lt=1, description="the winning answer needs more than this share of the votes")
    error_rate: float = Field(
        0.005,
        gt=0,
        le=1,
        description="an auditor abstains below the lowest confidence from which on at most this share of its answers "
        "on validation images is wrong; with 1 it abstains by its votes alone",
    )
    sample: int = Field(
        200, ge=1, description="people are asked about so many failures, drawn at random; programs about all of them"
    )


class RegionsSection(ComponentConfig):
    """How clusters are labelled and become regions."""

    samples: int = Field(10, ge=1, description="samples of each cluster that are labelled (AAAI 4.1)")
    tau: float = Field(0.5, gt=0, description="the covariance is multiplied by it when a region is sampled")
    rho: float = Field(
        0.5, ge=0, lt=1, description="a region is kept when more of its labelled samples are misclassified"
    )
    agreement: float = Field(0.5, ge=0, lt=1, description="a sample's label needs more than this share of the votes")
    aggregate: Literal["majority", "one-coin"] = Field(
        "majority",
        description="how votes on a sample become its label: the answer with most votes, or the most probable one, "
        "where each annotator counts by an accuracy that is estimated from all votes of a round (then "
        "`agreement` is its least probability)",
    )
    min_labelled: float = Field(
        0.5, ge=0, le=1, description="clusters with a label for a smaller share of their samples are 'unlabelled'"
    )
    min_purity: float = Field(
        0.8, ge=0, le=1, description="regions with a smaller share of one label are 'mixed': split, or set aside"
    )
    split: Literal["expected", "inside", "none"] = Field(
        "expected",
        description="what becomes of mixed clusters: their failures of each expected class, or all of them, are "
        "clustered anew and the parts labelled in another round; or they are set aside at once",
    )
    rounds: int = Field(3, ge=1, description="at most so many rounds of labelling; what is mixed then is set aside")
    min_part: int | None = Field(
        None,
        ge=1,
        description="failures that a part of a split cluster has at least; if unset, one more than the latent "
        "dimensions: with fewer, the covariance that it is sampled by is mostly the prior's",
    )


class CorrectionSection(ComponentConfig):
    """How the corrected classifier is chosen."""

    draws: int = Field(256, ge=1, description="samples of each region, drawn three times: finetuning, selection, test")
    rule: Literal["regions", "validation"] = Field(
        "regions",
        description="highest region accuracy within the tolerance, or (the paper) highest validation accuracy",
    )
    tolerance: float = Field(
        0.005,
        ge=0,
        le=1,
        description="rule 'regions': validation accuracy that may be lost, unless the control loses it too; and region "
        "accuracy that counts as equal",
    )


class ReportSection(ComponentConfig):
    """What the report shows."""

    samples: int = Field(12, ge=1, description="samples shown of each region")
    tsne: int = Field(600, ge=0, description="training codes and failures in the t-SNE picture, each; 0 for none")
    regions: int = Field(40, ge=1, description="at most so many regions as galleries, the largest first")
    images: int = Field(30, ge=1, description="of an inspection: samples shown of each target (Bayes-TrEx, figure 15)")
    draws: int = Field(1000, ge=1, description="of an inspection: prior draws of each generator, to compare with")
    galleries: int = Field(12, ge=1, description="of an inspection: targets with a gallery that is open")
    maps: int = Field(2, ge=0, description="of an inspection: samples of those with SmoothGrad maps (extra explain)")


class CoreSettings(BaseModel):
    """The core's own sections of a run's configuration."""

    model_config = {"extra": "forbid", "frozen": True}

    run: RunSection = Field(default_factory=lambda: RunSection.model_validate({}))
    search: SearchSection = Field(default_factory=lambda: SearchSection.model_validate({}))
    gate: GateSection = Field(default_factory=lambda: GateSection.model_validate({}))
    audit: AuditSection = Field(default_factory=lambda: AuditSection.model_validate({}))
    regions: RegionsSection = Field(default_factory=lambda: RegionsSection.model_validate({}))
    correction: CorrectionSection = Field(default_factory=lambda: CorrectionSection.model_validate({}))
    report: ReportSection = Field(default_factory=lambda: ReportSection.model_validate({}))


SECTIONS = tuple(CoreSettings.model_fields)
