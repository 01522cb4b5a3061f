"""The presets of Defuse: which component does which stage, with which settings. Nothing here imports torch.

Those for the papers' data sets have two budgets: `laptop`, the default, for two cores, and `paper`, the papers' own
numbers (AAAI appendix B). Both centre the noise; `searcher.center=false searcher.scale=1` is the paper's literal one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from modeldebug import Preset

Section = Mapping[str, Any]
Settings = Mapping[str, Section]

_AUDITOR: Section = {
    # another architecture, wider and with other augmentation than the oracle; its seeds differ by themselves. Its
    # members always vote: when it abstains is left to the threshold that the core calibrates (audit.error_rate)
    "use": "labelers:oracle", "architecture": "residual", "members": 3, "width": 24, "epochs": 25,
    "rotation": 10.0, "zoom": 0.1, "shear": 0.3, "noise": 0.1, "confidence": 0.0,
}  # fmt: skip

_DIGITS = Preset(
    "defuse",
    "Defuse on scikit-learn's digits: a little over a minute on two cores",
    {
        "dataset": {"use": "datasets:digits"},
        "classifier": {"use": "classifiers:cnn"},
        "generator": {"use": "defuse:vae", "beta": 0.02, "epochs": 150, "learning_rate": 2e-3},
        "searcher": {"use": "defuse:beta-noise", "scale": 5.0},
        "clusterer": {"use": "defuse:dp-gmm", "within": "expected", "components": 15, "min_weight": 0.0075},
        "labeler": {"use": "labelers:oracle", "epochs": 25},
        "auditor": _AUDITOR,
        "corrector": {"use": "defuse:lambda", "epochs": 12, "batch_size": 64, "learning_rate": 5e-3},
        "regions": {"samples": 64, "tau": 0.05},
    },
)

_TINY = Preset(
    "tiny",
    "the whole pipeline in a few seconds, too small for its numbers to mean anything",
    {
        "dataset": {"use": "datasets:digits", "limit": 700},
        "classifier": {"use": "classifiers:cnn", "epochs": 8, "batch_size": 32},
        "generator": {"use": "defuse:vae", "beta": 0.02, "epochs": 60, "batch_size": 32, "learning_rate": 3e-3},
        "searcher": {"use": "defuse:beta-noise", "scale": 4.0, "draws": 20, "block": 64},
        "clusterer": {"use": "defuse:dp-gmm", "within": "expected", "components": 4},
        "labeler": {"use": "labelers:oracle", "members": 2, "epochs": 15, "batch_size": 32, "width": 16},
        "auditor": {**_AUDITOR, "members": 2, "epochs": 15, "batch_size": 32, "width": 16},
        "corrector": {"use": "defuse:lambda", "lambdas": (0.1, 1.0), "epochs": 3, "batch_size": 64},
        "audit": {"error_rate": 0.02},
        "regions": {"samples": 16, "tau": 0.1, "rho": 0.3},
        "correction": {"draws": 32},
        "report": {"tsne": 100},
    },
)


_LAPTOP: Settings = {
    "classifier": {"epochs": 3},
    "generator": {"beta": 0.1, "epochs": 30, "batch_size": 128, "learning_rate": 1.5e-3},
    "searcher": {"draws": 10, "keep": 10},
    "clusterer": {"within": "expected", "components": 50, "min_weight": 0.001},
    "labeler": {"members": 3, "epochs": 2, "stem": 1, "width": 12, "learning_rate": 4e-3},
    "auditor": {"members": 3, "epochs": 2, "stem": 1, "width": 8, "learning_rate": 4e-3},
    "corrector": {"lambdas": (0.1, 1.0, 10.0), "epochs": 1},
    "regions": {"samples": 64, "tau": 0.05},
}
"""Two cores, half an hour: fewer epochs, draws and lambdas, and clusters within each expected class."""


def _paper(*, generator: Section, searcher: Section, corrector: Section, tau: float) -> Settings:
    """The papers' numbers: what they have in common, and what each data set has its own (AAAI appendix B)."""
    return {
        "generator": {"batch_size": 2048, "learning_rate": 1e-3, **generator},
        "searcher": searcher,
        "clusterer": {"within": "all", "components": 100, "min_weight": 0.01},
        "labeler": {"members": 5, "epochs": 20},
        "auditor": {"members": 5, "epochs": 20},
        "corrector": {"learning_rate": 1e-3, **corrector},
        "regions": {"samples": 10, "tau": tau, "min_purity": 0.0},
        "correction": {"rule": "validation"},
    }


def _grey(name: str, summary: str, dataset: str, *, mean: float, std: float, error_rate: float) -> Preset:
    """A preset for grey images of 28 x 28 pixels, with the paper's numbers for MNIST (AAAI appendix B.2)."""
    paper = _paper(
        generator={"beta": 0.4, "epochs": 800, "annealing": 500},
        searcher={"draws": 500, "keep": 100},
        corrector={"batch_size": 256, "epochs": 3},
        tau=0.5,
    )
    return Preset(
        name,
        summary,
        {
            "dataset": {"use": f"datasets:{dataset}"},
            "classifier": {"use": "classifiers:examples-cnn", "mean": (mean,), "std": (std,)},
            "generator": {"use": "defuse:vae"},
            "searcher": {"use": "defuse:beta-noise", "a": 50.0, "b": 50.0, "scale": 3.0},
            "clusterer": {"use": "defuse:dp-gmm"},
            "labeler": {"use": "labelers:oracle", "batch_size": 128},
            "auditor": {**_AUDITOR, "batch_size": 128},
            "audit": {"error_rate": error_rate},
            "corrector": {"use": "defuse:lambda"},
        },
        {"laptop": _LAPTOP, "paper": paper},
    )


def _colour(
    name: str, summary: str, dataset: str, *, classifier: Section, latent: int, laptop: Settings, paper: Settings
) -> Preset:
    """A preset for colour images and a ResNet18 (AAAI appendices B.3 and B.4)."""
    imagenet = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    return Preset(
        name,
        summary,
        {
            "dataset": {"use": f"datasets:{dataset}"},
            "classifier": {"use": "classifiers:resnet18", **imagenet, **classifier},
            "generator": {"use": "defuse:vae", "latent": latent, "channels": 64},
            "searcher": {"use": "defuse:beta-noise", "a": 75.0, "b": 75.0, "scale": 3.0, "draws": 100},
            "clusterer": {"use": "defuse:dp-gmm"},
            "labeler": {"use": "labelers:oracle", "batch_size": 128},
            "auditor": {**_AUDITOR, "batch_size": 128},
            "corrector": {"use": "defuse:lambda"},
        },
        {"laptop": laptop, "paper": paper},
    )


_SVHN = _colour(
    "defuse-svhn",
    "Defuse on Street View House Numbers, a ResNet18 under test",
    "svhn",
    classifier={"epochs": 10, "batch_size": 2048},
    latent=10,
    laptop={**_LAPTOP, "classifier": {"epochs": 4, "batch_size": 256}},
    paper=_paper(
        generator={"beta": 4.0, "epochs": 400, "annealing": 5000},
        searcher={"keep": 10},
        corrector={"batch_size": 2048, "epochs": 5},
        tau=0.01,
    ),
)

_SIGNS = _colour(
    "defuse-gtsrb",
    "Defuse on German traffic signs, a ResNet18 under test",
    "gtsrb",
    classifier={"epochs": 20, "batch_size": 256},
    latent=15,
    laptop={**_LAPTOP, "dataset": {"size": 64}, "classifier": {"epochs": 4}, "search": {"max_failures": 10_000}},
    paper=_paper(
        generator={"beta": 4.0, "epochs": 800, "annealing": 500},
        searcher={"keep": 10},
        corrector={"batch_size": 256, "epochs": 5},
        tau=0.01,
    ),
)

_MNIST = _grey(
    "defuse-mnist", "Defuse on MNIST, as in the paper (AAAI section 4)", "mnist", mean=0.1307, std=0.3081,
    error_rate=0.002,
)  # fmt: skip
_FASHION = _grey(
    "defuse-fashion", "Defuse on Fashion-MNIST, with the paper's settings for MNIST", "fashion-mnist",
    mean=0.2860, std=0.3530, error_rate=0.05,
)  # fmt: skip

_GUIDE: Section = {"use": "labelers:ensemble", "members": 3, "rotation": 12.0, "noise": 0.08}


def _conditional(faithful: Preset, name: str, summary: str, *, guide: Section, **sections: Section) -> Preset:
    """The same data, classifier and judges as a faithful preset; a generator that is told the class, a search that
    climbs the margin under a guide, and clusters within the class."""

    def adapted(settings: Settings) -> Settings:
        kept = {role: section for role, section in settings.items() if role != "searcher"}
        return kept | {"clusterer": {**settings.get("clusterer", {}), "within": "expected"}}

    settings = dict(adapted(faithful.settings))
    settings |= {
        "generator": {**settings["generator"], "use": "defuse:cvae"},
        "guide": {**_GUIDE, **guide},
        "searcher": {"use": "defuse:margin"},
        "search": {"start": "right"},
    }
    for section, values in sections.items():
        settings[section] = {**settings.get(section, {}), **values}
    budgets = {budget: adapted(values) for budget, values in faithful.budgets.items()}
    if budgets:
        budgets["laptop"] = {**budgets["laptop"], "guide": {"epochs": 2, "stem": 1, "width": 12, "learning_rate": 4e-3}}
    return Preset(name, summary, settings, budgets)


def _advised(faithful: Preset, conditional: Preset, *, genuine: tuple[str, str] | None = None) -> tuple[Preset, Preset]:
    """Both presets for the same data, each saying when to take which.

    Args:
        genuine: the share of genuine failures of each, as measured (docs/searchers.md, README.md).
    """
    own, other = genuine or ("", "")
    ends = (f": {other} of its failures are genuine, of this one's {own}" if genuine else "",
            f": {own} of its failures are genuine, of this one's {other}" if genuine else "")  # fmt: skip
    return (
        replace(
            faithful,
            advice="take it to reproduce the paper; for errors that are the classifier's fault, "
            f"{conditional.name}{ends[0]}",
        ),
        replace(
            conditional,
            advice="take it for errors that are the classifier's fault; to reproduce the paper, "
            f"{faithful.name}{ends[1]}",
        ),
    )


_RUBBER: Section = {
    "count": "cylinders", "top": 2, "objects": (1, 4), "size": 32, "shapes": ("cube", "cylinder"),
    "never": ("small things", "metal things"),
}  # fmt: skip
_SCENES = Preset(
    "defuse-clevr",
    "a bug that is known, in rendered scenes: how many cylinders, learnt from scenes without a blue one",
    {
        "dataset": {
            "use": "clevr:scenes", **_RUBBER, "never": (*_RUBBER["never"], "blue cylinders"),
            "train": 2_000, "validation": 400, "test": 600,
        },
        "classifier": {
            "use": "clevr:counter", "channels": (16, 32, 48), "epochs": 20, "batch_size": 32, "learning_rate": 4e-3,
        },
        "generator": {"use": "clevr:renderer", **_RUBBER},
        "searcher": {"use": "rivals:prior", "draws": 4_000, "block": 250},
        "clusterer": {"use": "clevr:patterns"},
        "labeler": {"use": "labelers:truth"},
        "auditor": {"use": "labelers:truth"},
        "corrector": {"use": "defuse:lambda", "lambdas": (0.1, 1.0), "epochs": 2, "batch_size": 64},
        "regions": {"samples": 64, "tau": 0.1, "rho": 0.2},
        "correction": {"draws": 128},
    },
    advice="take it to see what a run finds where the truth is known",
)  # fmt: skip

PRESETS = (
    *_advised(
        _DIGITS,
        _conditional(
            _DIGITS, "defuse-conditional", "errors that are the classifier's fault, on scikit-learn's digits",
            guide={},
            searcher={"pursue": 1.0, "keep": 5, "restarts": 4},  # with 1,078 training images none is to be spared
        ),
        genuine=("17 %", "73 %"),
    ),
    _TINY,
    *_advised(
        _MNIST,
        _conditional(
            _MNIST, "defuse-conditional-mnist", "errors that are the classifier's fault, on MNIST",
            guide={"batch_size": 128},
        ),
        genuine=("7 %", "84 %"),
    ),
    *_advised(
        _FASHION,
        _conditional(
            _FASHION, "defuse-conditional-fashion", "errors that are the classifier's fault, on Fashion-MNIST",
            guide={"batch_size": 128},
            searcher={"sure": 0.8},  # clothes look alike: at .95 next to nothing was kept
        ),
        genuine=("4 %", "74 %"),
    ),
    *_advised(
        _SVHN,
        _conditional(
            _SVHN, "defuse-conditional-svhn", "errors that are the classifier's fault, on Street View House Numbers",
            guide={"batch_size": 128},
        ),
    ),
    *_advised(
        _SIGNS,
        _conditional(
            _SIGNS, "defuse-conditional-gtsrb", "errors that are the classifier's fault, on German traffic signs",
            guide={"batch_size": 128},
        ),
    ),
    _SCENES,
)  # fmt: skip
