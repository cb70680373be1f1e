"""The game of lessons 8 and 9: every guess is taken once and kept, and a bad one is explained."""

import os
import subprocess
import sys

import numpy as np
import pytest
from support import ROOT

from helpers import game as module
from helpers.game import Game, dollars

TEXTS = ["A <red> lamp", "A chair\nof oak"]
PRICES = [45, 200]


@pytest.fixture(autouse=True)
def build(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUILD", tmp_path / "build")
    monkeypatch.setattr(module, "KEPT", {})
    return tmp_path / "build"


def said(game):
    return game.said.value


def play(game, text):
    game.entry.value = text  # as Enter does


def test_all_items_are_priced_one_after_the_other():
    game = Game(TEXTS, np.array(PRICES))
    box = game.box()
    assert game.guesses() is None and "Item 1 of 2" in game.item.value
    assert "<b>What does it cost?</b>" in said(game)
    assert "A &lt;red&gt; lamp" in game.item.value, "a shop's text is not HTML"
    play(game, "90")
    assert "It costs $45; you said $90: orange." in said(game)
    assert "<b>Item 1: " in said(game), "the next one stands above it"
    assert "A chair<br>of oak" in game.item.value and game.entry.value == ""
    play(game, "$1,210")
    assert "It costs $200; you said $1210: red." in said(game)
    assert "off by $527.5 on average" in said(game)
    assert "orange: off by less than $80 or than 40% of the price; red: the rest." in said(game)
    assert game.guesses().tolist() == [90, 1210]
    assert game.entry.disabled and game.button.disabled and "All 2 are priced" in game.item.value
    game.take()
    assert len(game.played) == 2 and box.children[-1] is game.said


def test_the_button_takes_what_is_in_the_box_and_an_empty_one_is_left_alone():
    game = Game(TEXTS, PRICES)
    game.box()
    game.button.click()
    assert game.played == []
    game.entry.set_trait("value", "50")
    assert game.played == [50.0] and "green" in said(game)
    game.button.click()
    assert game.played == [50.0]


@pytest.mark.parametrize("text", ["a lot", "-3", "0", "nan", "inf", "1e9", "4 5"])
def test_what_is_no_price_is_explained_and_asked_again(text):
    game = Game(TEXTS, PRICES)
    game.box()
    play(game, text)
    assert "is no price: type dollars in digits, such as 45" in said(game)
    assert game.played == [] and "Item 1 of 2" in game.item.value
    play(game, "45")
    assert game.played == [45.0] and "is no price" not in said(game)


def test_typed_guesses_are_for_the_first_items_and_the_box_goes_on_from_there():
    game = Game(TEXTS, PRICES, ["$44"])
    game.box()
    assert "Item 2 of 2" in game.item.value and game.guesses() is None
    play(game, "190")
    assert game.guesses().tolist() == [44, 190]
    assert Game(TEXTS, PRICES, [1, 2.5]).guesses().tolist() == [1, 2.5]


@pytest.mark.parametrize(
    "typed, why",
    [
        ([1, 2, 3], "3 guesses were typed for 2 items"),
        (["dear"], "&#x27;dear&#x27; is no price"),
        (3, "has no len()"),
    ],
)
def test_typed_guesses_that_cannot_be_used_are_told_and_the_game_begins_afresh(typed, why):
    game = Game(TEXTS, PRICES, typed)
    game.box()
    assert why in said(game) and game.played == [] and "Item 1 of 2" in game.item.value


def test_a_game_made_anew_goes_on_and_typed_guesses_come_first(build):
    first = Game(TEXTS, PRICES)
    first.box()
    assert first.again.disabled and not build.exists(), "nothing to keep yet"
    assert not first.entry.continuous_update, "a guess is not taken digit by digit"
    play(first, "95.5")
    assert "you said $95.5:" in said(first), "as it was typed"
    again = Game(TEXTS, PRICES)
    again.box()
    assert again.played == [95.5] and "Item 2 of 2" in again.item.value
    assert "Item 1: It costs $45" in said(again)
    play(again, "190")
    assert Game(TEXTS, PRICES, [60]).played == [60, 190]
    assert Game(TEXTS[:1], PRICES[:1]).played == [], "another game"
    code = f"from helpers.game import Game; print(Game({TEXTS}, {PRICES}).played)"
    env = os.environ | {"COURSE_BUILD": str(build)}
    later = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True)
    assert later.stdout.split() == [b"[95.5,", b"190.0]"], "in another process"


def test_starting_over_forgets_what_was_guessed_in_the_box():
    game = Game(TEXTS, PRICES, [44])
    game.box()
    play(game, "190")
    assert game.guesses() is not None and not game.again.disabled
    assert game.item.value.endswith("<p></p>"), "no item is left"
    game.again.click()
    assert game.played == [44] and "Item 2 of 2" in game.item.value
    assert game.again.disabled and not game.entry.disabled
    assert Game(TEXTS, PRICES, [44]).played == [44] == Game(TEXTS, PRICES).played
    play(game, "dear")
    game.start_over()
    assert "Item 1: It costs $45" in said(game), "and no fault"


@pytest.mark.parametrize(
    "text", ["", "[1]", "7", '{"NAME": "dear"}', '{"NAME": [-1]}', '{"NAME": 3}']
)
def test_a_file_of_guesses_that_cannot_be_used_is_no_hindrance(build, text):
    name = Game(TEXTS, PRICES).name
    build.mkdir()
    (build / "guesses.json").write_text(text.replace("NAME", name), encoding="utf-8")
    game = Game(TEXTS, PRICES)
    game.box()
    play(game, "50")
    module.KEPT.clear()
    assert Game(TEXTS, PRICES).played == [50]


def test_where_nothing_can_be_written_the_kernel_keeps_the_guesses(build):
    build.write_text("a file, no folder", encoding="utf-8")
    game = Game(TEXTS, PRICES)
    game.box()
    play(game, "50")
    assert Game(TEXTS, PRICES).played == [50] and "Item 2 of 2" in game.item.value


def test_without_a_kernel_the_items_and_their_prices_can_be_read(capsys):
    Game(TEXTS, PRICES).show()
    out = capsys.readouterr().out
    assert "No widget above? The items" in out and "2. A chair of oak" in out


def test_dollars_takes_what_people_type():
    assert [dollars(x) for x in (45, "45", " $1,250 ", 3.5)] == [45, 45, 1250, 3.5]
