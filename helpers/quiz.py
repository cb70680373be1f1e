"""The quiz at the end of a lesson: choose an option and read at once whether it is right, and why.

`show(4)` asks the questions that data/quizzes.toml has for lesson 4. The first answer to each one
counts in the learner's progress. Written to what ipywidgets 7.7 (Colab) and 8.1 share. No torch at
import time.
"""

from html import escape

import ipywidgets
from IPython.display import display

from helpers import progress, questions, widgets

LOOK = "course-quiz"  # the CSS class of a quiz
# A radio button's label is one line high: without this, a long option runs into the next one.
STYLE = f"""<style>
.{LOOK} .widget-radio-box label {{
  display: flex; align-items: flex-start; height: auto; padding: 2px 0;
  line-height: 1.4; white-space: normal;
}}
.{LOOK} .widget-radio-box input {{
  order: -1; flex: none; float: none; height: auto; margin: 3px 8px 0 1px;
}}
.{LOOK} .widget-html-content {{ line-height: 1.4; }}
.{LOOK} .widget-html-content p {{ margin: 4px 0; }}
.{LOOK} [role="status"] b {{ font-weight: normal; }}
</style>"""
WIDE = {"width": "auto", "max_width": "640px"}  # all of a phone's width, and no longer lines
NO_ANSWER = "· no answer yet"


def show(lesson: int) -> None:
    """Display the questions of a lesson and, folded below them, the same with the answers as text.

    Raises ValueError when the lesson has no questions or their file is damaged.
    """
    asked = questions.load().get(f"{lesson:02}", [])
    if not asked:
        raise ValueError(f"data/quizzes.toml has no questions for lesson {lesson}")
    display(panel(asked))
    widgets.static_twin("The questions with their answers", in_html(asked), in_text(asked))


def panel(asked: list[questions.Question]) -> ipywidgets.VBox:
    """The questions as widgets. Of each: its text, its options, and what its answer says."""
    look = ipywidgets.HTML(STYLE, layout={"display": "none"})
    items = [item for n, question in enumerate(asked, 1) for item in _ask(n, question)]
    box = ipywidgets.VBox([look, *items])
    box.add_class(LOOK)
    return box


def _ask(n: int, question: questions.Question) -> list[ipywidgets.Widget]:
    text = f'<p role="heading" aria-level="3"><b>{n}. {escape(question.question)}</b></p>'
    options = {option.text: option for option in question.options}
    choice = ipywidgets.RadioButtons(options=list(options), value=None, layout=WIDE)

    def answer():
        if choice.value is None:
            return NO_ANSWER, ""
        chosen = options[choice.value]
        progress.note(question, chosen.right)  # which keeps the first
        return chosen.verdict, ""

    said = widgets.answer_to(answer, choice)
    said.layout = WIDE
    return [ipywidgets.HTML(text, layout=WIDE), choice, said]


def in_html(asked: list[questions.Question]) -> str:
    """The questions in HTML, the reasons folded below each one, in the order of its options."""
    return "".join(
        f"<p><b>{n}. {escape(question.question)}</b></p>"
        + _list([option.text for option in question.options])
        + f"<details><summary>Answer to question {n}</summary>"
        + f"{_list(o.verdict for o in question.options)}</details>"
        for n, question in enumerate(asked, 1)
    )


def in_text(asked: list[questions.Question]) -> str:
    """The questions in plain text, with all answers at the end."""
    return "\n".join(
        [
            *(
                f"{n}. {question.question}\n{_lines(o.text for o in question.options)}"
                for n, question in enumerate(asked, 1)
            ),
            "Answers:",
            *(f"{n}.\n{_lines(o.verdict for o in q.options)}" for n, q in enumerate(asked, 1)),
        ]
    )


def _list(texts) -> str:
    return f"<ol>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ol>"


def _lines(texts) -> str:
    return "\n".join(f"   {n}) {text}" for n, text in enumerate(texts, 1))
