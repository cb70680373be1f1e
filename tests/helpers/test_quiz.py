"""The quiz: sound questions, an answer at once, the first one counted, the same without a kernel."""

import re
import subprocess
import sys
import warnings
from html import escape, unescape

import ipywidgets
import pytest
import run_lessons as runner

from helpers import progress, questions, quiz

LESSONS = questions.load()
ALL = [question for asked in LESSONS.values() for question in asked]
SHARED = {"options", "value", "description", "layout", "style"}  # by ipywidgets 7.7 and 8.1
SAMPLE = """
[[lesson-04]]
name = "sample"
question = "Is 1 < 2 & so on?"
[[lesson-04.options]]
text = "<i>no</i>"
reason = "It is <b>not</b>."
[[lesson-04.options]]
text = "yes"
right = true
reason = "It is."
"""


@pytest.fixture(autouse=True)
def build(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "BUILD", tmp_path / "build")


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "quizzes.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def displayed(monkeypatch):
    shown = []
    for place in ("helpers.quiz.display", "helpers.widgets.display"):
        monkeypatch.setattr(place, lambda what, **_: shown.append(what))
    return shown


def asked_in(box):
    """[(choice, answer)] of a quiz's panel, in the order of its questions."""
    choices = [w for w in box.children if isinstance(w, ipywidgets.RadioButtons)]
    return [(choice, box.children[box.children.index(choice) + 1]) for choice in choices]


def index_of_right(question):
    return [option.right for option in question.options].index(True)


def test_every_lesson_has_two_or_three_questions():
    assert {path.stem[:2] for path in runner.LESSONS} <= set(LESSONS)
    assert {len(asked) for asked in LESSONS.values()} <= {2, 3}
    places = [question.place for question in ALL]
    assert len(set(places)) == len(places)
    assert all(lesson in LESSONS and name.isidentifier() for lesson, name in places)


def test_every_option_has_a_reason_of_its_own():
    options = [option for question in ALL for option in question.options]
    assert len({option.reason for option in options}) == len(options)
    for question in ALL:
        assert len({option.text for option in question.options}) == len(question.options) in (3, 4)
        assert [option.right for option in question.options].count(True) == 1
        assert all(len(option.reason) > len(option.text) for option in question.options)


def test_neither_place_nor_length_gives_the_right_option_away():
    for asked in LESSONS.values():
        assert len({index_of_right(question) for question in asked}) > 1
    places = [index_of_right(question) for question in ALL]
    assert max(places.count(place) for place in places) < len(ALL) / 2
    longest = [max(q.options, key=lambda option: len(option.text)).right for q in ALL]
    assert sum(longest) <= len(ALL) / 2
    for question in ALL:
        lengths = [len(option.text) for option in question.options]
        assert max(lengths) < 3 * min(lengths) and max(lengths) <= 60


def test_texts_are_plain():
    texts = [question.question for question in ALL]
    texts += [text for q in ALL for option in q.options for text in (option.text, option.reason)]
    for text in texts:
        assert not set("$`*\n") & set(text), text  # "$" makes a formula; no Markdown is read
        assert text == text.strip(), text


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_choice_says_its_own_reason(lesson):
    asked = LESSONS[lesson]
    for question, (choice, said) in zip(asked, asked_in(quiz.panel(asked)), strict=True):
        assert choice.value is None and "no answer yet" in said.value
        assert list(choice.options) == [option.text for option in question.options]
        for option in question.options:
            choice.value = option.text
            assert option.reason in unescape(said.value)
            assert ("✓ Right." if option.right else "✗ Wrong.") in said.value
            assert said.value.startswith('<p role="status"') and said.value.endswith("</p>")


def test_the_question_is_a_heading_in_front_of_its_options():
    box = quiz.panel(LESSONS["04"])
    for n, (choice, _) in enumerate(asked_in(box)):
        heading = box.children[box.children.index(choice) - 1]
        assert heading.value.startswith('<p role="heading"')
        assert f">{n + 1}. {escape(LESSONS['04'][n].question)}<" in heading.value


def test_the_first_answer_counts():
    question = LESSONS["04"][0]
    right = question.options[index_of_right(question)]
    wrong = next(option for option in question.options if not option.right)
    assert "quiz 0 of 3" in str(progress.Progress(4)) and progress.read() == {}
    choice, _ = asked_in(quiz.panel(LESSONS["04"]))[0]
    choice.value = wrong.text
    choice.value = right.text
    assert progress.read() == {"04": {"quiz": {question.place[1]: False}}}
    choice, _ = asked_in(quiz.panel(LESSONS["04"]))[0]  # as when the cell runs again
    choice.value = right.text
    assert "quiz 1 of 3 (0 right at once)" in str(progress.Progress(4))
    choice, _ = asked_in(quiz.panel(LESSONS["04"]))[1]
    choice.value = choice.options[index_of_right(LESSONS["04"][1])]
    assert "quiz 2 of 3 (1 right at once)" in str(progress.Progress(4))


def test_a_full_disk_does_not_hide_the_reason(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress, "write_json", full)
    choice, said = asked_in(quiz.panel(LESSONS["04"]))[0]
    choice.value = choice.options[0]
    assert LESSONS["04"][0].options[0].reason in unescape(said.value)


@pytest.mark.parametrize("lesson", LESSONS)
def test_without_a_kernel_everything_is_there(lesson, displayed):
    quiz.show(int(lesson))
    box, page = displayed
    assert isinstance(box, ipywidgets.VBox)
    html, text = page["text/html"], page["text/plain"]
    assert html.startswith("<details><summary>The questions with their answers</summary>")
    assert html.count("<details>") == html.count("</details>") == 1 + len(LESSONS[lesson])
    for question in LESSONS[lesson]:
        for part in (question.question, *(t for o in question.options for t in (o.text, o.reason))):
            assert part in text and escape(part) in html
        before = html[: html.index(escape(question.options[0].reason))]
        assert before.count("<details>") > before.count("</details>") + 1, "folded once more"
        assert all(escape(option.text) in before for option in question.options)
    answers = text.index("\nAnswers:\n")
    assert all(text.index(q.options[0].reason) > answers for q in LESSONS[lesson])


def test_the_plain_text_numbers_each_question_its_options_and_its_reasons():
    asked = questions.load()["01"]
    text, answers = quiz.in_text(asked).split("\nAnswers:\n")
    wanted, reasons = [], []
    for n, question in enumerate(asked, 1):
        wanted.append(f"{n}. {question.question}")
        reasons.append(f"{n}.")
        for place, option in enumerate(question.options):
            wanted.append(f"   {place + 1}) {option.text}")
            reasons.append(f"   {place + 1}) {option.verdict}")
    assert text.split("\n") == wanted and answers.split("\n") == reasons


def test_markup_in_a_text_is_shown_as_it_is(write):
    [question] = questions.load(write(SAMPLE))["04"]
    box = quiz.panel([question])
    choice, said = asked_in(box)[0]
    choice.value = "<i>no</i>"
    assert "It is &lt;b&gt;not&lt;/b&gt;." in said.value
    assert "Is 1 &lt; 2 &amp; so on?" in box.children[1].value
    html = quiz.in_html([question])
    assert "<li>&lt;i&gt;no&lt;/i&gt;</li>" in html and "<i>" not in html


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda text: text[:100], "damaged"),
        (lambda text: text.replace("right = true", "right = false"), "one right option"),
        (lambda text: text.replace("\nreason", "\nright = true\nreason", 1), "one right option"),
        (lambda text: text.replace('reason = "It is."', ""), "reason"),
        (lambda text: text.replace("name", "nome"), "nome"),
        (lambda text: "lesson-04 = 3", "damaged"),
        (lambda text: "[[lesson-04]\n", "damaged"),
    ],
)
def test_a_damaged_file_says_what_to_do(damage, said, write):
    assert questions.load(write(SAMPLE))
    with pytest.raises(ValueError, match=r"git checkout -- data/quizzes\.toml") as caught:
        questions.load(write(damage(SAMPLE)))
    assert "damaged" in str(caught.value) and said in str(caught.value)


def test_a_missing_file_and_a_lesson_without_questions_say_so(tmp_path):
    with pytest.raises(ValueError, match=r"data/quizzes\.toml is missing\. Restore it with"):
        questions.load(tmp_path / "quizzes.toml")
    with pytest.raises(ValueError, match="no questions for lesson 12"):
        quiz.show(12)


def test_only_what_both_versions_of_ipywidgets_have_is_used(monkeypatch):
    for name in ("RadioButtons", "HTML", "VBox"):
        make = getattr(ipywidgets, name)

        def checked(*args, _make=make, **given):
            assert set(given) <= SHARED
            return _make(*args, **given)

        monkeypatch.setattr(ipywidgets, name, checked)
    assert quiz.panel(LESSONS["04"]).children


def test_a_quiz_is_laid_out_in_words_of_css():
    """An unknown property is left out with a warning, an unknown value by the browser with none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        look, *shown = quiz.panel(LESSONS["04"]).children
    assert look.layout.display == "none", "no gap above the first question"
    for widget in shown:
        widths = widget.layout.width, widget.layout.max_width
        assert all(re.fullmatch(r"auto|\d+px", width) for width in widths), widths


def test_a_quiz_imports_no_torch():
    code = "import sys, helpers.quiz; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
