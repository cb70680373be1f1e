"""What learners might hand in: every check refuses what is wrong and accepts what is right.

Each file in answers/ holds, for the exercises of one lesson, WRONG and RIGHT: {the check's name:
answers that were written from the task alone}. INPUTS, where there is one, holds inputs that the
task allows: on each of them the right answers agree, and on one of them each wrong one differs.
NAMED holds, for each named mistake, an answer that makes the mistake in code of its own: {the check's
name: {the mistake's name: answer}}. ALLOWED, where there is one, says whether the task allows some
inputs: {the check's name: a function of them}.
"""

import copy
import importlib
from pathlib import Path

import numpy as np
import pytest
import run_lessons as runner
from test_mistakes import checks_of

from helpers.exercises import sentence

FILES = {path.stem: path for path in Path(__file__).parent.glob("answers/lesson_*.py")}
CHECKS = {f"lesson_{path.stem[:2]}": checks_of(path) for path in runner.LESSONS}
FOUND = {name: importlib.import_module(f"answers.{name}") for name in sorted(FILES)}


def entries(kind):
    """A parameter for each answer: (its check, the answer)."""
    return [
        pytest.param(
            CHECKS[lesson][name],
            answer,
            id=f"{lesson[-2:]}.{name}.{getattr(answer, '__name__', place)}",
        )
        for lesson, module in FOUND.items()
        for name, answers in getattr(module, kind).items()
        for place, answer in enumerate(answers)
    ]


def proofs():
    """A parameter for each function: (the first right one, the inputs, the answer, is it right)."""
    return [
        pytest.param(
            module.RIGHT[name][0],
            cases,
            answer,
            kind == "RIGHT",
            id=f"{lesson[-2:]}.{name}.{answer.__name__}",
        )
        for lesson, module in FOUND.items()
        for name, cases in getattr(module, "INPUTS", {}).items()
        for kind in ("WRONG", "RIGHT")
        for answer in getattr(module, kind)[name]
    ]


def written(value) -> str:
    """Every number of `value` and its form: a text that two equal values share."""
    if hasattr(value, "tolist"):
        return f"{tuple(value.shape)} {value.dtype} {value.tolist()}"
    if isinstance(value, dict):
        return str({key: written(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return str([type(value).__name__, *map(written, value)])
    return repr(value)


def agree(got, wanted) -> bool:
    """The same shape, truths or whole numbers where they are wanted, and equal up to rounding.
    Independent of helpers/exercises.py."""
    if isinstance(wanted, list | tuple) and any(np.ndim(part) for part in wanted):
        parts = isinstance(got, list | tuple) and len(got) == len(wanted)
        return parts and all(map(agree, got, wanted))
    try:
        got, wanted = np.asarray(got), np.asarray(wanted)
        whole = wanted.dtype.kind in "iub"
        if (got.dtype == bool) != (wanted.dtype == bool):
            return False
        if whole and got.ndim and got.dtype.kind == "f":
            return False
        close = np.array_equal if whole else lambda g, w: np.allclose(g, w, rtol=2e-5, atol=1e-6)
        as_float = [a.astype(float) for a in (got, wanted)]
        return got.shape == wanted.shape and bool(close(*as_float))
    except (TypeError, ValueError):  # what is no array of numbers
        return False


@pytest.mark.parametrize("check, answer", entries("WRONG"))
def test_a_wrong_answer_is_refused_and_the_reason_says_why(check, answer):
    before = written(check.cases)
    said = check(answer)
    assert said.state == "wrong", said
    assert not said.reason.startswith("right") and "not done yet" not in said.reason
    shows = ("wanted", "raised", "is not", "are right; look again at")
    named = any(said.reason.endswith(sentence(mistake)) for mistake in check.mistakes)
    assert named or any(word in said.reason for word in shows), said
    if list(check.cases) != [()]:
        assert answer.__name__ in said.reason, said
    assert len(said.reason) < 700
    assert check(answer) == said and written(check.cases) == before


@pytest.mark.parametrize("check, answer", entries("RIGHT"))
def test_a_right_answer_is_accepted_however_it_is_written(check, answer):
    before = written(check.cases)
    said = check(answer)
    assert said.state == "right", said
    assert check(answer) == said and written(check.cases) == before


@pytest.mark.parametrize("own, cases, answer, right", proofs())
def test_an_answer_is_wrong_or_right_by_an_argument_of_its_own(own, cases, answer, right):
    agrees = []
    for case in cases:
        wanted = own(*copy.deepcopy(case))
        try:
            agrees.append(agree(answer(*copy.deepcopy(case)), wanted))
        except Exception:  # a wrong answer may raise, a right one may not
            agrees.append(False)
    assert all(agrees) == right, agrees


@pytest.mark.parametrize("lesson", FOUND)
def test_an_answer_is_judged_by_what_the_task_allows_and_no_other_input(lesson):
    for name, allows in getattr(FOUND[lesson], "ALLOWED", {}).items():
        for case in CHECKS[lesson][name].cases:
            assert allows(*case), (name, case)


def named():
    """A parameter for each answer of NAMED: (its check, the mistake's name, the answer)."""
    return [
        pytest.param(CHECKS[lesson][name], mistake, answer, id=f"{lesson[-2:]}.{name}.{mistake}")
        for lesson, module in FOUND.items()
        for name, answers in module.NAMED.items()
        for mistake, answer in answers.items()
    ]


@pytest.mark.parametrize("check, mistake, answer", named())
def test_a_mistake_in_other_words_is_called_by_its_name(check, mistake, answer):
    """Else a mistake in checks.py could make another mistake than its sentence says."""
    [known] = [known for known in check.mistakes if known.__name__ == mistake]
    said = check(answer)
    assert said.state == "wrong" and said.reason.endswith(f"\n  {sentence(known)}"), said


@pytest.mark.parametrize("lesson", FOUND)
def test_every_check_of_a_lesson_has_answers_of_both_kinds(lesson):
    module = FOUND[lesson]
    assert set(module.WRONG) == set(module.RIGHT) == set(CHECKS[lesson])
    for name in CHECKS[lesson]:
        assert len(module.WRONG[name]) >= 8 and len(module.RIGHT[name]) >= 4, name
        for answer in module.WRONG[name]:
            assert answer.__doc__ if callable(answer) else True
        assert set(module.NAMED[name]) == {m.__name__ for m in CHECKS[lesson][name].mistakes}
