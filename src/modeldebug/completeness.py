"""Whether the chosen components make a run together. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .component import KINDS
from .errors import ConfigError
from .independence import check_judges
from .registry import Registered, Registry
from .roles import AUDITORS, OPTIONAL, ROLES, Role, flag, kind_of
from .words import called

if TYPE_CHECKING:
    from .config import Choice, RunConfig


def check_exact(config: RunConfig) -> None:
    """Refuse judges that repeat what the generator knows, of images that it did not make: they would only be told the
    labels that are to be judged."""
    searcher = config.choices["searcher"].registered
    exact = next((c for c in config.choices.values() if "truth" in c.registered.component.requires), None)
    if exact is not None and "test-images" in searcher.component.requires:
        raise ConfigError(
            f"the {called(exact.role)} knows nothing of the test images, which the generator did not make",
            got=f"{exact.registered.name}, searcher {searcher.name}",
            expected="an auditor that looks at images",
            fix=f"--{exact.role.replace('_', '-')} oracle, or another searcher",
            plugin=exact.registered.name,
        )


def check_guide(choices: dict[Role, Choice], sources: dict[str, str], registry: Registry) -> None:
    """Refuse a guide that is the model under test, or that nobody asks. A preset's guide belongs to the preset's
    searcher: where another one is chosen that asks none, the guide is left out."""
    tested, guide, searcher = (choices.get(role) for role in ("classifier", "guide", "searcher"))
    if guide is None or tested is None or searcher is None:
        return
    if not _can_be_guided(searcher.registered):
        own = (name for name, source in sources.items() if not source.startswith("preset "))
        given = next((name for name in own if name.startswith("guide.")), None)
        if given is None:
            del choices["guide"]
            return
        able = [r.name for r in registry.components("searcher") if _can_be_guided(r)]
        raise ConfigError(
            "a guide is chosen, and the searcher asks none: it would be trained for nothing",
            got=f"{given} from {sources[given]}, searcher {searcher.registered.name}",
            expected="a searcher that requires a guide or can use one" + (f": {', '.join(able)}" if able else ""),
            fix="--guide none" + (f", or --searcher {able[0]}" if able else ", or another searcher"),
            plugin=searcher.registered.name,
        )
    if guide.to_dict() == tested.to_dict():
        able = [r.name for r in registry.components("classifier") if r != guide.registered]
        raise ConfigError(
            "the guide is the model under test: it is wrong where that is wrong, and sure of it",
            got=f"{guide.registered.name} with the same settings in both roles",
            expected="other settings, other weights or another component" + (f": {', '.join(able)}" if able else ""),
            fix="--guide NAME, or --set guide.weights=FILE",
            plugin=guide.registered.name,
        )


def _can_be_guided(searcher: Registered) -> bool:
    return "guide" in searcher.component.requires | searcher.component.optional


def check_complete(config: RunConfig, registry: Registry) -> None:
    for role in ROLES:
        if role not in config.choices and role not in OPTIONAL:
            raise ConfigError(
                f"no component is chosen for the {role}",
                got=f"plugins {', '.join(config.plugins)}, preset {config.preset}",
                expected="one of: "
                + (", ".join(r.name for r in registry.components(kind_of(role))) or "none is loaded"),
                fix=f"add {flag(role)} NAME, or load a plugin with a preset: --plugins defuse,...",
            )
    judges: dict[str, Choice] = {
        role: config.choices[role] for role in ("labeler", *AUDITORS) if role in config.choices
    }
    exact = {role for role, choice in judges.items() if "truth" in choice.registered.component.requires}
    check_judges({role: c.to_dict() for role, c in judges.items() if role not in exact}, exact=exact)
    working = (choice for role, choice in config.choices.items() if role != "generator_data")
    provided = {p for choice in working for p in choice.registered.component.provides}
    provided |= {"targets", "test-images"} | ({"guide"} & config.choices.keys()) | _follows(provided)
    for choice in config.choices.values():
        missing = choice.registered.component.requires - provided
        if missing:
            every = [r for kind in KINDS for r in registry.components(kind)]
            able = [r.name for r in every if missing <= r.component.provides | _follows(r.component.provides)]
            if missing == {"guide"}:
                able = [r.name for r in registry.components("classifier")]
            raise ConfigError(
                f"nothing in this run provides '{', '.join(sorted(missing))}', which the {choice.role} needs",
                got=", ".join(c.registered.name for c in config.choices.values()),
                expected=f"for example {', '.join(able)}" if able else None,
                fix="add --guide NAME"
                if missing == {"guide"}
                else f"choose another {choice.role}, or a component that provides it",
                plugin=choice.registered.name,
            )


def _follows(provided: Iterable[str]) -> set[str]:
    """What is provided with it: where draws from the prior are told or known to be of a class, they can be judged."""
    return {"labelled-draws"} if {"conditional", "truth"} & set(provided) else set()


def check_targets(config: RunConfig, registry: Registry) -> None:
    """Refuse targets that nobody pursues."""
    targets, searcher = config.core.search.targets, config.choices["searcher"]
    if targets and not pursues_targets(searcher.registered):
        able = [r.name for r in registry.components("searcher") if pursues_targets(r)]
        raise ConfigError(
            "targets are named, and the searcher pursues none",
            got=f"search.targets={list(targets)}, searcher {searcher.registered.name}",
            expected="a searcher that pursues targets" + (f": {', '.join(able)}" if able else ""),
            fix=f"--searcher {able[0]}" if able else "load one: --plugins defuse,bayestrex --searcher smc",
            plugin=searcher.registered.name,
        )


def pursues_targets(searcher: Registered) -> bool:
    """Whether a searcher pursues targets."""
    return "targets" in searcher.component.requires
