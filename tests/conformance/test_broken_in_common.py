"""What is asked of every kind of component: each check catches, of each kind, one that breaks its rule."""

import pytest
from twins import IN_COMMON, assert_caught, component

from modeldebug import testing
from modeldebug.component import KINDS
from modeldebug.registry import Registry
from modeldebug.testing import CHECKS, check_searcher, outcomes

LIGHT = """
from modeldebug import Component, ComponentConfig, hookimpl

print("a plugin that prints")

@hookimpl
def modeldebug_searchers():
    return [Component("light", "", ComponentConfig, "no_such_module:Search")]
"""
HEAVY = "import torch\nfrom modeldebug import Component, ComponentConfig, hookimpl\n" + "".join(
    f"@hookimpl\ndef modeldebug_{kind}s():\n    return [Component('heavy', '', ComponentConfig, 'no:{kind}')]\n"
    for kind in KINDS
)


def check_of(kind):
    return getattr(testing, f"check_{kind}")


def offered(install, folder, plugin, text):
    """The registry with a plugin of this text."""
    folder.mkdir()
    (folder / f"{plugin}_module.py").write_text(text)
    install(plugin, f"{plugin}_module", folder)
    return Registry.load([plugin])


@pytest.mark.parametrize("kind", KINDS)
def test_factory_of_something_else_fails(kind):
    assert_caught(check_of(kind), "factory_makes_its_kind", component(lambda *given: pytest), "is no ")


def test_factory_that_cannot_be_imported_fails_and_nothing_more_is_tried():
    (only,) = outcomes("searcher", component("no_such_module:Search"))
    assert (only.check, only.result) == ("factory_makes_its_kind", "fails")
    assert "No module named 'no_such_module'" in only.got


def test_plugin_that_imports_torch_to_be_listed_fails_whatever_it_offers(install, tmp_path):
    registry = offered(install, tmp_path / "site", "heavy", HEAVY)
    for kind in KINDS:
        (heavy,) = (r.component for r in registry.components(kind))
        assert_caught(check_of(kind), "plugin_is_listed_without_torch", heavy, "heavy_module imports torch")


def test_plugin_that_imports_no_torch_passes_though_it_prints(install, tmp_path):
    (light,) = (r.component for r in offered(install, tmp_path / "site", "light", LIGHT).components("searcher"))
    check_searcher(light, only=["plugin_is_listed_without_torch"])


def test_plugin_that_only_works_beside_others_is_told_so(install, tmp_path):
    text = f"import sys\nassert 'torch' in sys.modules, 'where is torch?'\n{LIGHT}"
    (lonely,) = (r.component for r in offered(install, tmp_path / "site", "lonely", text).components("searcher"))
    assert_caught(check_searcher, "plugin_is_listed_without_torch", lonely, "where is torch?")


def test_every_kind_has_checks_and_each_says_all_that_a_failure_needs():
    assert set(CHECKS) == set(KINDS)
    for checks in CHECKS.values():
        assert {check.name for check in checks} > IN_COMMON
        assert all(check.says and check.why and check.do for check in checks)
        assert len({check.name for check in checks}) == len(checks)
