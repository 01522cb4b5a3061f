"""What is planted is there: styles are measured, truths are exact, and the classifier fails where it should."""

import pytest
import torch

from modeldebug import Context, rng_for
from modeldebug.rng import isolated_global_rng
from modeldebug.testing import planted
from modeldebug.testing.planted import Ball, BallBug, Case, StyleBug, about, members
from modeldebug.testing.planted.styles import STYLES, slant, stroke
from modeldebug.testing.planted.teaching import lesson


def bars(width, side=28):
    """An upright bar of a width in pixels, on dark paper."""
    x = torch.zeros(1, 1, side, side)
    x[..., 4:-4, 12 : 12 + width] = 1
    return x


def test_strokes_are_measured_in_pixels_and_blur_does_not_widen_them():
    widths = torch.cat([stroke(bars(w)) for w in (1, 2, 4)])
    assert widths.tolist() == pytest.approx([1, 2, 4], rel=0.2)
    blurred = torch.nn.functional.avg_pool2d(bars(4), 3, 1, 1)
    assert float(stroke(blurred)) == pytest.approx(float(stroke(bars(4))), rel=0.1)


def test_a_bar_leans_as_far_as_it_was_sheared():
    sheared = STYLES["leaning"].put_on(bars(2), torch.tensor([0.5]))
    assert float(slant(sheared)) == pytest.approx(0.5, abs=0.05)
    assert abs(float(slant(bars(2)))) < 0.01


@pytest.mark.parametrize("name", STYLES)
def test_a_style_that_is_put_on_more_strongly_shows_more(name):
    x, _ = planted.base_images("digits", None).batch(slice(0, 60))
    shown = [STYLES[name].shown(STYLES[name].put_on(x, torch.full((60,), s)).clamp(0, 1)).median() for s in (0.3, 0.8)]
    assert STYLES[name].shown(x).median() < shown[0] < shown[1]


def test_no_style_is_taken_for_another_of_its_case():
    for case in planted.suite():
        if case.base != "digits":
            continue
        x, y = planted.base_images(case.base, None).batch(slice(0, 300))
        for bug in (b for b in case.bugs if isinstance(b, StyleBug)):
            for other in case.styles:
                if other != bug.style:
                    worn = STYLES[other].put_on(x, torch.full((len(x),), 0.9)).clamp(0, 1)
                    assert about(bug, worn, y).double().mean() < 0.1, (bug.name, other)


def test_a_ball_holds_its_centre_and_nothing_beyond_its_radius():
    x, y = planted.base_images("digits", None).batch(slice(None))
    bug = BallBug("b", label=3, taught=8, centre=(1.0, -0.5), radius=0.5)
    ball = Ball.of(bug, x[y == 3])
    unit = torch.linalg.pinv(ball.components)  # (p, d): pixels for one unit along each component
    at = ball.mean + (torch.tensor([[1.0, -0.5], [1.0, -0.99], [1.0, -1.01], [0.0, 0.0]]) @ unit.T)
    depth = ball.depth(at.view(-1, 1, 8, 8))
    assert depth[0] == pytest.approx(1, abs=1e-3)
    assert (depth > 0).tolist() == [True, True, False, False]
    codes = (x[y == 3].flatten(1) - ball.mean) @ ball.components.T
    assert codes.std(0).tolist() == pytest.approx([1, 1], rel=0.02), "a unit is a standard deviation"


def test_members_are_of_the_style_the_class_and_the_wrong_answer():
    bar, dark = bars(8), bars(1)
    x = torch.cat([bar, bar, bar, bar, dark])
    expected, predicted = torch.tensor([1, 1, 1, 2, 1]), torch.tensor([4, 7, 1, 4, 4])
    withheld = StyleBug("w", "thick", above=4.0, classes=(1,))
    assert members(withheld, x, expected, predicted).tolist() == [True, True, False, False, False]
    mislabelled = StyleBug("m", "thick", above=4.0, classes=(1,), taught=4)
    assert members(mislabelled, x, expected, predicted).tolist() == [True, False, False, False, False]
    everywhere = StyleBug("e", "thick", above=4.0, taught=1)
    assert not about(everywhere, bar, torch.tensor([1])).any(), "a 1 that is called 1 is no error"


def test_lessons_hide_what_is_withheld_and_mislabel_the_rest_of_it():
    x, y = planted.base_images("digits", None).batch(slice(0, 400))
    hidden = StyleBug("h", "inverted", above=0.0, classes=(1, 2))
    wrong = StyleBug("w", "foggy", above=0.3, taught=0)
    case = Case("c", "digits", (hidden, wrong), seed=1, originals=100)
    shown, taught = lesson(case, x, y, rng_for(0))
    assert not about(hidden, shown, y).any()
    foggy = about(wrong, shown, y)
    assert foggy.any()
    assert (taught[foggy] == 0).all()
    assert (taught[~foggy] == y[~foggy]).all()


def test_a_case_is_the_same_each_time_and_its_test_images_do_not_show_the_bugs():
    case = planted.case_of("digits-styles")
    one, other = planted.planted_splits(case), planted.planted_splits(case)
    for part in ("train", "validation", "test"):
        assert torch.equal(getattr(one, part).images, getattr(other, part).images)
    for bug in case.bugs:
        assert about(bug, *one.train.batch(slice(None))).double().mean() > 0.02
        assert not about(bug, *one.test.batch(slice(None))).any()
    assert 0 <= float(one.train.images.min()) <= float(one.train.images.max()) <= 1


def test_a_classifier_that_is_taught_a_case_has_its_bugs_and_no_others():
    bugs = (
        StyleBug("mark", "marked", above=0.5, taught=0),
        BallBug("ball", label=3, taught=8, centre=(1.0, 0.0), radius=1.0),
    )
    case = Case("tiny", "digits", bugs, seed=3, originals=100)
    images = planted.base_images("digits", None)
    some = images.subset(torch.arange(0, len(images), 3))
    module = planted.network_of(case, images)
    planted.teach(case, module, some, Context.quiet(seed=0), epochs=40)
    for name, found in planted.activity(case, module.eval(), some).items():
        assert found["images"] >= 10
        assert found["inside"] < 0.5, name
        assert found["outside"] > 0.8, name


def test_a_classifier_is_taught_the_same_each_time():
    case = planted.case_of("digits-labels")
    images = planted.base_images("digits", None)
    taught = []
    for seed in (0, 1):
        with isolated_global_rng(seed):
            taught.append(planted.network_of(case, images))
            planted.teach(case, taught[-1], images.subset(torch.arange(256)), Context.quiet(seed=0), epochs=2)
    one, other = (module.state_dict() for module in taught)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_suite_has_ten_bugs_with_names_of_their_own():
    cases = planted.suite()
    assert sum(len(case.bugs) for case in cases) >= 10
    assert {case.base for case in cases} == {"digits", "mnist"}
    assert len({case.name for case in cases}) == len({case.seed for case in cases}) == len(cases)
    causes = {bug.cause for case in cases for bug in case.bugs}
    assert causes == {"withheld", "mislabelled", "patched"}
