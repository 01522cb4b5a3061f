import pytest

from modeldebug.errors import ConfigError, ModelDebugError, PluginError, RunFolderError, WaitingForPeople, nearest


def test_message_says_what_got_expected_plugin_and_what_to_do_in_this_order():
    error = PluginError("it is wrong", got="a", expected="b", fix="type c", plugin="mine:search")
    assert str(error).splitlines() == [
        "it is wrong",
        "  got:      a",
        "  expected: b",
        "  plugin:   mine:search",
        "  do:       type c",
    ]


def test_message_leaves_out_what_is_not_known_but_keeps_zero_and_false():
    assert str(ModelDebugError("what", got=0, expected=False)) == "what\n  got:      0\n  expected: False"
    assert str(ModelDebugError("what")) == "what"


@pytest.mark.parametrize(
    ("error", "code"),
    [(ModelDebugError, 1), (ConfigError, 2), (RunFolderError, 2), (PluginError, 2), (WaitingForPeople, 3)],
)
def test_each_error_knows_its_exit_code(error, code):
    assert error("what", fix="do this").exit_code == code


def test_nearest_known_name_is_offered():
    assert nearest("drawz", ["draws", "scale"]) == "did you mean 'draws'?"


def test_without_a_near_name_all_are_listed():
    assert nearest("zzz", ["scale", "draws"]) == "known: draws, scale"
    assert nearest("zzz", []) == "known: none"
