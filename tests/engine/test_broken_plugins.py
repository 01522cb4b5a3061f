"""More than twenty ways for a plugin to be broken: the core goes on, and one clear message names the plugin.

Here plugins are installed as any other is, with metadata and entry points of their own.
"""

from __future__ import annotations

import copy
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from modeldebug import Run, importing, survey
from modeldebug.cli import program
from modeldebug.testing import known_problem

from ..conftest import PLAIN_STAGES
from . import broken, planted
from .bits import bits, kept, status

HOOK = "from modeldebug import API_VERSION, Component, ComponentConfig, hookimpl\n@hookimpl\n"
SEARCHER = "Component('s', '', ComponentConfig, 'm:f'{})"
SEARCHERS = HOOK + "def modeldebug_searchers():\n    return {}\n"

# What stands in a plugin's module, what the message says of it, and what to do.
BROKEN_AT_IMPORT = {
    "bad syntax": ("def search(", "SyntaxError", "mend or uninstall"),
    "missing dependency": ("import no_such_package", "No module named 'no_such_package'", "install the module"),
    "raises at import": ("raise RuntimeError('no licence')", "RuntimeError: no licence", "mend or uninstall"),
    "exits at import": ("raise SystemExit('bye')", "SystemExit: bye", "mend or uninstall"),
    "panics at import": (
        "class Panic(BaseException): ...\nraise Panic('no GPU')",
        "Panic: no GPU",
        "mend or uninstall",
    ),
    "hangs at import": ("import time\ntime.sleep(30)", "no answer in 0.4 s", "MODELDEBUG_IMPORT_SECONDS"),
    "hangs at import and swallows what ends that": (
        "import time\nfor _ in range(2):\n    try:\n        time.sleep(30)\n    except BaseException:\n        pass\n"
        "while True:\n    pass",
        "no answer in 0.4 s",
        "MODELDEBUG_IMPORT_SECONDS",
    ),
    "contracts of an older version": (
        SEARCHERS.format(f"[{SEARCHER.format(', api=API_VERSION - 1')}]"),
        "another version of the contracts",
        "install a version",
    ),
    "contracts of a newer version": (
        SEARCHERS.format(f"[{SEARCHER.format(', api=API_VERSION + 1')}]"),
        "another version of the contracts",
        "install a version",
    ),
    "misspelt hook": (HOOK + "def modeldebug_searcher():\n    return []", "modeldebug_searcher", "check the names"),
    "hook with an argument too many": (
        HOOK + "def modeldebug_searchers(config):\n    return []",
        "config",
        "check the names and arguments",
    ),
    "hook that raises": (SEARCHERS.format("[1 / 0]"), "raised ZeroDivisionError", "a hook only returns descriptors"),
    "hook that hangs": (SEARCHERS.format("[i for i in iter(int, 1)]"), "hangs", "a hook only returns descriptors"),
    "hook that gives no list": (SEARCHERS.format(SEARCHER.format("")), "raised TypeError", "a hook only returns"),
    "hook that gives other things": (SEARCHERS.format("[Component]"), "is no Component", "mend or uninstall"),
    "two components of one name": (
        SEARCHERS.format(f"[{SEARCHER.format('')}, {SEARCHER.format('')}]"),
        "offers two searchers 's'",
        "mend or uninstall",
    ),
    "a name that nobody can type": (
        SEARCHERS.format("[Component('My Search', '', ComponentConfig, 'm:f')]"),
        "'My Search'",
        "mend or uninstall",
    ),
    "settings that are none": (
        SEARCHERS.format("[Component('s', '', dict, 'm:f')]"),
        "no ComponentConfig",
        "mend or uninstall",
    ),
    "builds on a plugin that is not there": (
        "requires_plugins = ('no-such-plugin',)",
        "there is no plugin 'no-such-plugin', which 'broken' builds on",
        "install the distribution that offers it",
    ),
    "builds on a text": ("requires_plugins = 'datasets'", "builds on is no tuple of names", "mend or uninstall"),
}

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one module and one plugin, here and for every process that is started."""
    site = tmp_path / "site"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where tracebacks go without a run
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))
    known = set(sys.modules)

    def new(
        code: str, *, plugin: str = "broken", module: str = "a_broken_plugin", distribution: str = "broken-dist"
    ) -> None:
        metadata = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (metadata / "entry_points.txt").write_text(f"[modeldebug]\n{plugin} = {module}\n")
        if code:
            (site / f"{module}.py").write_text(code)
        monkeypatch.syspath_prepend(site)

    yield new
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(site)):
            del sys.modules[name]


def command(*arguments: str) -> Result:
    return CliRunner().invoke(program, [*arguments])


def only_message(done: Result) -> str:
    """The one message of a command that was refused."""
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert len(re.findall("^Error: ", done.stderr, re.MULTILINE)) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def give_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit for those that hang; the default plugins are loaded before, since a busy machine may need longer."""
    assert survey.probe("defuse")[0] == "ok"
    monkeypatch.setenv(importing.VARIABLE, "0.4")
    monkeypatch.setattr(importing, "AGAIN", 0.1)


def rows() -> dict[str, survey.Row]:
    return {row.plugin: row for row in survey.survey()}


@pytest.mark.parametrize("way", BROKEN_AT_IMPORT)
def test_a_plugin_that_cannot_be_loaded_is_refused_by_name_and_others_are_as_before(
    way: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, says, do = BROKEN_AT_IMPORT[way]
    install(code)
    if "hang" in way:
        give_up_soon(monkeypatch)
    message = only_message(command("config", "show", "--plugins", "defuse,broken"))
    assert says in message
    assert "broken (broken-dist 1.2)" in message
    assert do in message.partition("  do:")[2]

    assert says in survey.probe("broken")[0]
    assert survey.probe("defuse")[0] == "ok"
    assert command("config", "show", "--plugins", "defuse").exit_code == 0


def test_an_entry_point_to_nothing_names_the_plugin(install: Install) -> None:
    install("", module="a_module_that_is_not_there")
    message = only_message(command("config", "show", "--plugins", "defuse,broken"))
    assert "No module named 'a_module_that_is_not_there'" in message
    assert "broken (broken-dist 1.2)" in message


def test_two_distributions_with_one_plugin_are_both_named_and_neither_is_loaded(install: Install) -> None:
    install("", module="one_plugin")
    install("", module="another_plugin", distribution="other-dist")
    message = only_message(command("config", "show", "--plugins", "defuse,broken"))
    assert "two distributions offer a plugin 'broken'" in message
    assert "broken-dist 1.2" in message
    assert "other-dist 1.2" in message
    assert "two distributions" in survey.probe("broken")[0]


def test_two_plugins_with_one_component_are_both_named_and_either_can_be_chosen_by_its_full_name(
    install: Install,
) -> None:
    install(SEARCHERS.format("[Component('beta-noise', '', ComponentConfig, 'm:f', requires=frozenset())]"))
    both = ("config", "show", "--plugins", "defuse,broken", "--searcher")
    message = only_message(command(*both, "beta-noise"))
    assert "broken:beta-noise (broken-dist 1.2)" in message
    assert "--searcher defuse:beta-noise" in message
    assert command(*both, "defuse:beta-noise").exit_code == 0


@pytest.mark.parametrize("arguments", [("config", "show", "--json"), ("config", "schema")], ids=" ".join)
def test_what_a_plugin_prints_when_it_is_loaded_is_not_in_the_output_for_programs(
    arguments: tuple[str, ...], install: Install
) -> None:
    install("print('Welcome!')\n" + SEARCHERS.format("print('Hooked!') or []"))
    done = command(*arguments, "--plugins", "defuse,broken")
    assert done.exit_code == 0, done.output
    json.loads(done.stdout)
    assert "Welcome!\nHooked!\n" in done.stderr


OTHER_PROCESS = {
    "ends the process": ("import os\nos._exit(7)", "it ends the process that imports it (exit code 7)"),
    "cannot be interrupted": (
        "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\ntime.sleep(30)",
        "it hangs when it is imported: no answer in 0.4 s, and it cannot be interrupted",
    ),
}


@pytest.mark.parametrize("way", OTHER_PROCESS)
def test_a_plugin_that_takes_its_process_with_it_is_a_row_with_its_reason(
    way: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, says = OTHER_PROCESS[way]
    install(code)
    if "interrupted" in way:
        give_up_soon(monkeypatch)
        monkeypatch.setattr(survey, "STARTING", 1.5)
    listed = rows()
    assert says in listed["broken"].status
    assert (listed["broken"].distribution, listed["broken"].version) == ("broken-dist", "1.2")
    assert listed["defuse"].ok
    assert listed["bayestrex"].ok


def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(importing.VARIABLE, "long")
    assert "MODELDEBUG_IMPORT_SECONDS is no time" in only_message(command("config", "show"))


def test_no_limit_and_an_alarm_of_somebody_else_leave_a_slow_import_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    monkeypatch.setenv(importing.VARIABLE, "0")
    with importing.importing():
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    monkeypatch.setenv(importing.VARIABLE, "0.2")
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 60)
        with importing.importing():
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# What is chosen for which role, the stage in which it breaks ("": before anything is spent), and what the message says.
BROKEN_IN_A_RUN = {
    "component needs a package that is missing": ("searcher", "no-module", "", "install the module 'no_such_package'"),
    "component is not where it is said to be": ("searcher", "no-class", "", "has no attribute 'NoSuchClass'"),
    "component hangs when it is imported": ("searcher", "hangs", "", "no answer in 0.4 s"),
    "component gives NaN": ("searcher", "nan", "search", "NaN"),
    "component gives a wrong shape": ("searcher", "three-dimensions", "search", "wrong shape"),
    "component gives nothing": ("searcher", "nothing", "search", "TypeError"),
    "component keeps what cannot be saved": ("searcher", "object", "search", "cannot be saved"),
    "component raises": ("searcher", "raises", "search", "ZeroDivisionError: no origins left"),
    "component panics": ("searcher", "panics", "search", "Panic: index out of bounds"),
    "component exits": ("searcher", "exits", "search", "SystemExit: 0"),
    "searcher writes into the origins": ("searcher", "moves", "search", "changed: origins.z"),
    "searcher writes past torch": ("searcher", "moves-past-torch", "search", "changed: origins.z"),
    "clusterer writes into the failures": ("clusterer", "centres", "clusters", "changed: failures.z"),
    "auditor writes into the images": ("auditor", "darkens", "auditor", "changed: request.x"),
    "corrector writes into the labels": ("corrector", "relabels", "correction", "changed: data.train.labels"),
    "generator writes into the images": ("generator", "in-place", "generator", "changed: data.storage"),
}


def planted_run_with(out: Path, run: Run, *options: str, **uses: str) -> Result:
    """A planted run that takes over what another one has done, but for some components of the broken plugin."""
    settings = planted.settings(**{role: {**_own(role), "use": f"broken:{name}"} for role, name in uses.items()})
    chosen = [f"{section}.{name}={json.dumps(v)}" for section, own in settings.items() for name, v in own.items()]
    sets = [word for assignment in chosen for word in ("--set", assignment)]
    return command(
        "run", "--plugins", "defuse,broken", *sets, "--reuse", str(run.path), "--out", str(out), "--json", *options
    )


def _own(role: str) -> dict[str, Any]:
    return planted.SETTINGS[role] if role in ("searcher", "clusterer", "auditor", "corrector") else {}


@pytest.mark.parametrize("way", BROKEN_IN_A_RUN)
def test_a_component_that_breaks_ends_the_run_with_one_message_that_names_it_and_what_was_finished_is_kept(
    way: str, install: Install, planted_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role, name, stage, says = BROKEN_IN_A_RUN[way]
    monkeypatch.setattr(planted, "data", lambda: copy.deepcopy(known_problem().splits))  # others use the same tensors
    install("import time\ntime.sleep(30)", module="hanging", plugin="sleeper", distribution="sleeper")
    install("", module=broken.__name__)
    if "hangs" in way:
        give_up_soon(monkeypatch)
    out = tmp_path / "run"
    done = planted_run_with(out, planted_run, **{role: name})
    assert done.exit_code == 2, done.output
    assert len(re.findall("^Error: ", done.stderr, re.MULTILINE)) == 1, done.stderr
    assert "Traceback" not in done.output
    assert says in done.stderr
    assert f"broken:{name}" in done.stderr
    assert all(json.loads(line)["kind"] for line in done.stdout.splitlines())
    if stage:
        assert status(out) == "failed"
        assert kept(out) == list(PLAIN_STAGES[: PLAIN_STAGES.index(stage)])
    else:
        assert not out.exists(), "it was to be refused before anything is spent"


def test_what_a_component_prints_is_not_in_the_output_for_programs(
    install: Install, planted_run: Run, tmp_path: Path
) -> None:
    install("", module=broken.__name__)
    done = planted_run_with(tmp_path / "run", planted_run, "--until", "search", searcher="noisy")
    assert done.exit_code == 0, done.output
    assert [json.loads(line) for line in done.stdout.splitlines()][-1]["stopped_after"] == "search"
    assert "step 0" in done.stderr


def test_a_classifier_that_works_in_place_cannot_reach_the_images(
    install: Install, planted_run: Run, tmp_path: Path
) -> None:
    install("", module=broken.__name__)
    done = planted_run_with(tmp_path / "run", planted_run, "--until", "audit", classifier="in-place")
    assert done.exit_code == 0, done.output
    for stage in ("origins", "search", "audit"):
        file = f"stages/{stage}.safetensors"
        assert (tmp_path / "run" / file).read_bytes() == (planted_run.path / file).read_bytes()


@pytest.mark.parametrize("how", ["writes", "exits"])
def test_an_observer_that_breaks_is_named_once_and_the_run_is_as_it_would_be_without_it(
    how: str, install: Install, planted_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("", module=broken.__name__)
    monkeypatch.setenv(broken.OBSERVER, how)
    done = planted_run_with(tmp_path / "run", planted_run)
    assert done.exit_code == 0, done.output
    told = [e for e in map(json.loads, done.stdout.splitlines()[:-1]) if e["kind"] == "warning"]
    expected = ["'broken' does not follow the run: SystemExit: no account (the traceback is in log.txt)"]
    assert [event["message"] for event in told] == (expected if how == "exits" else [])
    assert bits(tmp_path / "run") == bits(planted_run.path)
