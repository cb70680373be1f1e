"""Lesson 9's widget: every item is found, in the chosen order, with its own numbers and its dot."""

import re
import time

import numpy as np
import pytest
from datasets import Dataset
from support import Panel

from helpers import catalogue
from helpers.lesson_09 import widget

ROWS = [  # description, price, category, guess
    ("A <red> lamp", 40, "Home", 45),
    ("A chair\nof oak", 200, "Home", 90),
    ("A grand piano", 900, "Music", 600),
    ("A recorder", 20, "Music", 20),
]
GUESSES = np.array([guess for *_, guess in ROWS], dtype=float)


def items(rows):
    return Dataset.from_list(
        [
            {
                "prompt": f"{catalogue.QUESTION}\n\n{text}\n\nPrice is $",
                "completion": f"{price}.00",
                "category": category,
                "product": f"<{text[-5:]}>",
            }
            for text, price, category, _ in rows
        ]
    )


@pytest.fixture
def panel():
    return Panel(widget.browser(items(ROWS), GUESSES))


def told(panel):
    """The sentence, and the prices in the table from above."""
    sentence = re.search(r"<b>(.*?)</b>", panel.said)[1]
    rows = re.findall(r"<tr><td>(.*?)</td><td>(\d+)</td>", panel.said)
    marked = [int(price) for place, price in rows if place.startswith("→")]
    assert len(marked) == 1 and f"it costs ${marked[0]}," in sentence
    return sentence, [int(price) for _, price in rows]


def large_dots(panel):
    return re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="7"', panel.said)


def test_next_and_previous_go_through_the_items_in_the_chosen_order(panel):
    assert told(panel) == (
        "1 of 4: it costs $900, the guess is $600, $300 too low",
        [900, 200, 40, 20],
    )
    said = []
    for _ in range(4):  # once more than there are items
        panel.find("next").click()
        said.append(told(panel)[0])
    assert said == [
        "2 of 4: it costs $200, the guess is $90, $110 too low",
        "3 of 4: it costs $40, the guess is $45, $5 too high",
        "4 of 4: it costs $20, the guess is $20, right to the dollar",
        said[2],
    ]
    panel.find("previous").click()
    assert told(panel)[0].startswith("3 of 4")
    assert "<p>Home: A &lt;red&gt; lamp</p>" in panel.said, "a shop's text is not HTML"
    assert panel.said.index("iano&gt;</td>") < panel.said.index("order&gt;</td>")


@pytest.mark.parametrize(
    "order, prices",
    [
        ("error, largest first", [900, 200, 40, 20]),
        ("price, highest first", [900, 200, 40, 20]),
        ("category, then error", [200, 40, 900, 20]),
    ],
)
def test_each_order_is_kept_in_the_table_and_begins_at_its_first_item(panel, order, prices):
    panel.find("place").value = 3
    panel.find("order").index = (panel.find("order").index + 1) % 3
    panel.find("order").value = order
    sentence, shown = told(panel)
    assert sentence.startswith(f"1 of 4: it costs ${prices[0]}") and shown == prices


def test_the_largest_error_need_not_be_the_highest_price():
    panel = Panel(widget.browser(items(ROWS), np.array([240.0, 200, 900, 30])))
    assert told(panel)[1] == [40, 20, 200, 900]
    panel.find("order").value = "price, highest first"
    assert told(panel)[1] == [900, 200, 40, 20]


def test_category_and_words_filter_together_and_the_mean_is_of_what_is_left(panel):
    panel.find("place").value = 4
    panel.find("category").value = "Music"
    assert told(panel)[1] == [900, 20]
    assert told(panel)[0].startswith("1 of 2") and "off by $150.0 on average" in panel.said
    panel.find("words in the text").value = "  RECORDER "
    assert told(panel) == ("1 of 1: it costs $20, the guess is $20, right to the dollar", [20])
    assert panel.find("place").max == 1
    panel.find("category").value, panel.find("words in the text").value = "all", ""
    assert len(told(panel)[1]) == 4 and panel.find("place").max == 4


def test_words_that_no_text_has_are_explained_and_can_be_replaced(panel):
    panel.find("words in the text").value = "<i>"
    assert "✗ no item has &#x27;&lt;i&gt;&#x27; in its text: type other words" in panel.said
    panel.find("category").value = "Home"
    assert "✗ no item of Home has" in panel.said and "<svg" not in panel.said
    panel.find("words in the text").value = "oak"
    assert told(panel)[1] == [200]
    panel.find("words in the text").value = "Oak, chair"  # in any order
    assert told(panel)[1] == [200]
    panel.find("words in the text").value = "oak piano"
    assert "✗ no item of Home has &#x27;oak&#x27; and &#x27;piano&#x27; in its text" in panel.said


def test_a_place_outside_of_the_list_becomes_the_nearest(panel):
    panel.find("place").value = 99
    assert told(panel)[0].startswith("4 of 4")
    panel.find("place").value = -5
    assert told(panel)[0].startswith("1 of 4")


def test_the_item_shown_has_the_one_large_dot_at_its_price_and_guess(panel):
    at = {}
    for _ in ROWS:
        [at[re.search(r"costs \$(\d+)", told(panel)[0])[1]]] = large_dots(panel)
        panel.find("next").click()
    places = {price: (float(x), float(y)) for price, (x, y) in at.items()}
    assert places["900"][0] > places["200"][0] > places["40"][0] > places["20"][0]
    assert places["900"][1] < places["200"][1] < places["40"][1] < places["20"][1], "up is less"
    right = places["900"][0] - places["20"][0]
    wide = widget.svg.Chart((0, 1), (0, 1), "", "").wide
    assert right / 880 == pytest.approx(wide / widget.HIGHEST, abs=1e-3)
    assert panel.said.count("<circle") == 5


def test_a_click_on_a_dot_asks_for_the_place_of_its_own_item(panel):
    panel.find("order").value = "category, then error"
    panel.find("category").value = "Music"
    for place in (1, 2):
        panel.find("place").value = place
        [large] = large_dots(panel)
        dot = rf'cx="([\d.]+)" cy="([\d.]+)" r="2"[^>]* data-place="{place}"'
        assert re.findall(dot, panel.said) == [large]
    assert panel.said.count("data-place=") == 2
    assert panel.said.count(f'onclick="{widget.svg.CLICK}"') == 1


def test_guesses_that_do_not_pair_up_are_refused():
    with pytest.raises(ValueError, match="must pair up"):
        widget.browser(items(ROWS), GUESSES[:3])


def test_a_thousand_items_are_sorted_filtered_and_drawn_within_150_ms():
    """Processor time, so that what else runs on this machine is not counted."""
    test = catalogue.load("test")
    panel = Panel(widget.browser(test, catalogue.prices(test) * 0.9))
    moves = [
        panel.find("next").click,
        lambda: setattr(panel.find("order"), "index", 1),
        lambda: setattr(panel.find("words in the text"), "value", "refurbished"),
        lambda: setattr(panel.find("place"), "value", 40),
    ]
    for move in moves:
        before, start = panel.said, time.process_time()
        move()
        assert time.process_time() - start < 0.15 and panel.said != before


def test_without_a_kernel_a_sentence_leads_to_the_table_above(capsys):
    widget.show_items(items(ROWS), GUESSES)
    assert "The table above has the ten worst" in capsys.readouterr().out
