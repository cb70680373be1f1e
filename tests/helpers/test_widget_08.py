"""Lesson 8's live view: one item's belief in sight, and a replay of every look at the model."""

import math
import re
import time

import numpy as np
import pytest
from support import Panel

from helpers import pricing, runs
from helpers.lesson_08 import plots, widget


def hill(middle, width=10):
    scores = -abs(np.arange(1000.0) - middle) / width
    return np.exp(scores) / np.exp(scores).sum()


BELIEFS = {0: hill(60, 40), 5: hill(90), 10: hill(70), 12: hill(80)}
ERRORS = {0: 70.0, 5: 40.0, 10: 26.0, 12: 25.5}


def view(beliefs=BELIEFS, price=85.0, floor=20.0):
    """A `LiveView` whose run of 12 steps is over and had these beliefs."""
    live = widget.LiveView(None, price, floor, live=False)
    live.beliefs, live.max_steps = beliefs, 12
    live.watched = {step: {"held-out error": error} for step, error in ERRORS.items()}
    return live


def axes(html):
    """The numbers at the axes."""
    return re.findall(r'text-anchor="(?:middle|end)" *>([\d.]+)<', html)


def test_each_look_is_told_with_the_readings_of_lesson_4():
    panel = Panel(view().replayed())
    for look, (step, belief) in enumerate(BELIEFS.items(), start=1):
        panel.find("look").value = look
        median, mean = (read(belief[None])[0] for read in (pricing.median, pricing.mean))
        assert f"Look {look} of 4, after step {step} of 12: median ${median:.0f}," in panel.said
        assert f"mean ${mean:.0f}, the middle 80 % from $" in panel.said
        low, high = map(int, re.search(r"from \$(\d+) to \$(\d+);", panel.said).groups())
        assert belief[:low].sum() < 0.1 <= belief[: low + 1].sum()
        assert belief[:high].sum() < 0.9 <= belief[: high + 1].sum()
        assert f"the held-out error is ${ERRORS[step]:.1f}" in panel.said


def test_the_axes_stay_where_they_are_so_that_what_moves_is_the_belief():
    panel = Panel(view().replayed())
    numbers, pictures = set(), set()
    for look in (1, 2, 3, 4):
        panel.find("look").value = look
        numbers.add(tuple(axes(panel.said)))
        pictures.add(panel.said.partition("<svg")[2])
        assert panel.said.count("<circle") == 1, "the look in the curve of the error"
    assert len(numbers) == 1 and len(pictures) == 4


@pytest.mark.parametrize("price, floor", [(85.0, float("nan")), (1299.0, 20.0), (1.0, 20.0)])
def test_any_price_can_be_shown_and_a_floor_that_nobody_knows_is_not_drawn(price, floor):
    said = Panel(view(price=price, floor=floor).replayed()).said
    assert "✗" not in said and "nan" not in said
    assert said.count("<polyline") == 5 + (floor == floor)


def test_a_look_outside_of_the_run_becomes_the_nearest():
    panel = Panel(view().replayed())
    panel.find("look").value = 99
    assert "Look 4 of 4" in panel.said


def test_a_resumed_run_replays_what_it_saw_and_one_that_saw_nothing_says_so(capsys):
    panel = Panel(view({12: BELIEFS[12]}).replayed())
    assert "Look 1 of 1, after step 12 of 12" in panel.said
    view({}).replay()
    assert (
        capsys.readouterr().out == "Nothing to replay: an earlier session trained this adapter.\n"
    )


def test_without_a_kernel_a_sentence_leads_to_the_picture_above(capsys):
    view().replay()
    assert "The picture above shows a few of these looks." in capsys.readouterr().out


def test_the_record_gets_the_numbers_and_the_view_keeps_the_belief_of_its_run_alone():
    numbers = {"held-out error": 1.0, "guess": 2.0}
    live = widget.LiveView(lambda model: (numbers, BELIEFS[model]), 85.0, 20.0, live=False)
    for model in (0, 5):
        live.step = model
        live._look_at(model)
    assert live.watched == {0: numbers, 5: numbers}
    assert all((live.beliefs[step] == BELIEFS[step]).all() for step in (0, 5))
    live.step, live.watched = 0, {}  # as a run does that starts over
    live._look_at(10)
    assert list(live.beliefs) == [0] and (live.beliefs[0] == BELIEFS[10]).all()


def test_a_stop_is_answered_at_once():
    live = widget.LiveView(lambda model: None, 85.0, 20.0, live=True)
    live.max_steps, live._start, live._next_picture = 12, time.time(), math.inf
    live._open()
    live.stop()
    live.step = 3
    live.logged({"step": 3})  # of the step that was under way
    assert "stopping after the step" in live._text.value and live._stop.disabled and live.stopped


def test_the_time_left_is_told_in_minutes_where_it_is_long():
    live = widget.LiveView(lambda model: None, 85.0, 20.0, live=True)
    live.max_steps, live._next_picture = 100, math.inf
    live._open()
    for ago, said in ((1, "99 s left"), (60, "99 min left")):
        live.step, live._start = 1, time.time() - ago
        live.logged({"step": 1})
        assert said in live._text.value


def test_a_training_that_diverges_ends_with_what_to_do_and_shows_what_there_is(capsys):
    numbers, nothing = {"held-out error": 70.0, "guess": 60.0}, np.full(1000, np.nan)
    seen = {0: (numbers, BELIEFS[0]), 5: ({"held-out error": 9.0, "guess": 0.0}, nothing)}
    live = widget.LiveView(seen.get, 85.0, 20.0, live=False)
    live.max_steps = 12
    with pytest.raises(runs.Diverged, match="By step 5 .* Take a smaller learning_rate"), live:
        for live.step in seen:
            live._look_at(live.step)
    assert live.watched == {0: numbers} and list(live.beliefs) == [0]
    said = capsys.readouterr().out
    assert said.startswith("[picture] Step 0 of 12.") and "is kept" not in said


def test_the_picture_of_a_run_tells_the_first_looks_and_the_last_one():
    live = view()
    figure, alt = live._picture()
    listed = [f"{plots.quantile(BELIEFS[step], 0.5)} after step {step}" for step in (0, 10, 12)]
    assert f"costs 85 dollars, has its median at {', '.join(listed)}." in alt
    names = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert names == ["step 0", "step 10", "step 12"]
    plots.plt.close(figure)
