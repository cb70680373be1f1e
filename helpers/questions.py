"""The questions of each lesson's quiz: data/quizzes.toml as objects. `helpers/quiz.py` asks them."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from helpers import DATA


@dataclass(frozen=True)
class Option:
    """What a learner may choose. reason: why it is right, or why somebody believes it wrongly."""

    text: str
    reason: str
    right: bool = False

    @property
    def verdict(self) -> str:
        """What whoever chooses it reads."""
        return f"{'✓ Right.' if self.right else '✗ Wrong.'} {self.reason}"


@dataclass(frozen=True)
class Question:
    """A question with one right option. place: (lesson, name), under which progress keeps it."""

    place: tuple[str, str]
    question: str
    options: tuple[Option, ...]
    kind: ClassVar[str] = "quiz"


def load(path: Path = DATA / "quizzes.toml") -> dict[str, list[Question]]:
    """{lesson, such as "04": its questions}.

    Raises ValueError when the file is missing or is not what it should be; it says what to do.
    """
    try:
        lessons = tomllib.loads(path.read_text(encoding="utf-8"))
        lessons = {key.removeprefix("lesson-"): found for key, found in lessons.items()}
        return {n: [_question(n, **question) for question in lessons[n]] for n in lessons}
    except FileNotFoundError:
        trouble = "is missing"
    except (ValueError, TypeError, AttributeError) as error:
        trouble = f"is damaged ({error})"
    raise ValueError(
        f"data/{path.name} {trouble}. Restore it with: git checkout -- data/{path.name}"
    )


def _question(lesson: str, name: str, question: str, options: list[dict]) -> Question:
    found = Question((lesson, name), question, tuple(Option(**option) for option in options))
    if [option.right for option in found.options].count(True) != 1:
        raise ValueError(f"{name} of lesson {lesson} needs one right option")
    return found
