"""What a learner has solved and predicted: kept in build/progress.json, sent nowhere.

A `Check` and a `Prediction` (helpers/exercises.py) and a quiz (helpers/quiz.py) note their result
here. `make progress` and the cell at the end of each lesson show it.
"""

import json
import re
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from helpers import BUILD, ROOT, questions, write_json

CHECKS = r"helpers\.lesson_(\d\d)\.checks"
# The `kind` of a Check, a Prediction, a Question. Of those with a word for what is right, the first
# answer counts.
KINDS = {"exercises": "", "predictions": "near", "quiz": "right at once"}


def file() -> Path:
    """Where progress is kept. Set COURSE_BUILD before the first import to keep it elsewhere, such
    as in a folder of Google Drive."""
    return BUILD / "progress.json"


def note(judge, right: bool) -> None:
    """Remember what came of `judge`, a lesson's Check, Prediction or Question; nothing for any other.

    A solved exercise stays solved. Of a prediction and of a quiz's question the first answer
    counts. What cannot be written is reported in a line and never ends a lesson.
    """
    lesson, name = _place_of(judge)
    if not lesson:
        return
    noted = read()
    before = noted.setdefault(lesson, {}).setdefault(judge.kind, {})
    if name in before and (before[name] or KINDS[judge.kind]):
        return
    before[name] = right
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        write_json(file(), noted)
    except OSError as error:
        print(f"Your progress could not be saved ({error.strerror}). The lesson goes on.")


def read() -> dict[str, dict[str, dict[str, bool]]]:
    """{lesson: {kind: {name: right or not}}}, kind one of KINDS; empty if none is kept.

    A file that cannot be read is put aside as progress.damaged, and a line says so.
    """
    try:
        found = json.loads(file().read_text(encoding="utf-8"))
        noted = {k: {kind: dict(v[kind]) for kind in v} for k, v in found.items()}
        if all(
            isinstance(r, bool) for v in noted.values() for of in v.values() for r in of.values()
        ):
            return noted
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    aside = file().with_suffix(".damaged")
    with suppress(OSError):  # where nothing can be written, nothing can be lost
        file().replace(aside)
        print(f"{file().name} is damaged: it is now {aside.name}, and counting starts anew.")
    return {}


def there_are() -> dict[str, dict[str, list[str]]]:
    """What each lesson has to solve, to predict and to answer: {lesson: {kind: [name, …]}}."""
    found, asked = {}, questions.load()
    for path in sorted((ROOT / "helpers").glob("lesson_*/checks.py")):
        lesson, module = path.parent.name[-2:], import_module(f"helpers.{path.parent.name}.checks")
        found[lesson] = {
            kind: [n for n, value in vars(module).items() if _is(value, kind)] for kind in KINDS
        }
        found[lesson]["quiz"] = [question.place[1] for question in asked.get(lesson, ())]
    return found


class Progress:
    """How far a learner is, in one lesson (its number) or in all (None); its repr says it."""

    def __init__(self, lesson: int | None = None):
        self.lesson, self.noted, self.all = lesson, read(), there_are()

    def answers(self, kind: str, lessons: list[str]) -> list[bool | None]:
        """Of each of a kind that `lessons` have: was the answer right? None where there is none."""
        places = [(lesson, name) for lesson in lessons for name in self.all[lesson][kind]]
        return [self.noted.get(le, {}).get(kind, {}).get(name) for le, name in places]

    def __repr__(self):
        lessons = list(self.all) if self.lesson is None else [f"{self.lesson:02}"]
        return "\n".join([*(f"{title_of(n)}: {self._said([n])}" for n in lessons), self._in_all()])

    def _in_all(self):
        said = f"The course: {self._said(list(self.all))}."
        left = [n for n in self.all if not all(self.answers("exercises", [n]))]
        if not left:
            return f"{said} All exercises are solved. Well done!"
        return f"{said} Lessons with unsolved exercises: {', '.join(str(int(n)) for n in left)}."

    def _said(self, lessons):
        said = []
        for kind, praise in KINDS.items():
            answers = self.answers(kind, lessons)
            of, right = len(answers), answers.count(True)
            made = of - answers.count(None)
            if praise and made:  # the first answer counts: a wrong one is an answer, too
                said.append(f"{kind} {made} of {of} ({right} {praise})")
            elif of:
                said.append(f"{kind} {right} of {of}")
        return ", ".join(said)


class LastPage:
    """The course on one page, once all exercises are solved: each question, and its short answer.

    Before that its repr says how many are left.
    """

    def __init__(self):
        self.so_far = Progress()

    def __repr__(self):
        exercises = self.so_far.answers("exercises", list(self.so_far.all))
        if left := len(exercises) - exercises.count(True):
            return f"· Exercises left: {left}. When all are solved, a summary of the course appears here."
        lines = [f"{title_of(n)}. {question_of(n)}\n   {answer_of(n)}" for n in self.so_far.all]
        return "\n".join([*lines, "", self.so_far._in_all()])


def cells_of(lesson: str) -> list[str]:
    """The sources of a lesson's cells ("04")."""
    [path] = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells]


def title_of(lesson: str) -> str:
    """The title of a lesson, as its notebook has it: "4. Next-token loss"."""
    return cells_of(lesson)[0].splitlines()[0].removeprefix("# ")


def question_of(lesson: str) -> str:
    """The question that a lesson asks in its first cell."""
    return re.search(r"(?m)^\*\*(.+)\*\*$", cells_of(lesson)[0])[1]


def answer_of(lesson: str) -> str:
    """The first line of what a lesson wants to be remembered, without its Markdown."""
    [cell] = [cell for cell in cells_of(lesson) if cell.startswith("## What to remember\n")]
    return re.sub(r"[`*]", "", re.search(r"(?m)^- (.+)$", cell)[1])


def _is(value, kind: str) -> bool:
    return not isinstance(value, type) and getattr(value, "kind", None) == kind


def _place_of(judge) -> tuple[str, str]:
    """(number of the lesson, name in it) of `judge`, or two empty texts.

    A Question knows its place. That of a Check or a Prediction is where a checks.py holds it.
    """
    if isinstance(judge, questions.Question):
        return judge.place
    for module_name, module in list(sys.modules.items()):
        if found := re.fullmatch(CHECKS, module_name):
            for name, value in vars(module).items():
                if value is judge:
                    return found[1], name
    return "", ""


if __name__ == "__main__":
    print(Progress(), LastPage(), sep="\n\n")
