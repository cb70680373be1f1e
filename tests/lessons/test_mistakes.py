"""The law of every exercise: each named mistake is refused with its own sentence."""

import importlib
import re

import numpy as np
import pytest
import run_lessons as runner

from helpers.exercises import Check, Prediction, Verdict, sentence
from helpers.lesson_05 import checks as checks_05


def checks_of(path, kind=Check):
    module = importlib.import_module(f"helpers.lesson_{path.stem[:2]}.checks")
    return {name: value for name, value in vars(module).items() if isinstance(value, kind)}


CHECKS = [
    pytest.param(check, id=f"{path.stem[:2]}.{name}")
    for path in runner.LESSONS
    for name, check in checks_of(path).items()
]
MISTAKES = [
    pytest.param(case.values[0], mistake, id=f"{case.id}.{mistake.__name__}")
    for case in CHECKS
    for mistake in case.values[0].mistakes
]
PREDICTIONS = [
    pytest.param(judge, id=f"{path.stem[:2]}.{name}")
    for path in runner.LESSONS
    for name, judge in checks_of(path, Prediction).items()
]


@pytest.mark.parametrize("check, mistake", MISTAKES)
def test_a_mistake_is_refused_with_its_own_sentence(check, mistake):
    verdict = check(mistake)
    assert verdict.state == "wrong"
    assert verdict.reason.endswith(f"\n  {sentence(mistake)}"), verdict


@pytest.mark.parametrize("check", CHECKS)
def test_the_reference_is_right_and_the_stub_is_untouched(check):
    assert check(check.reference).state == "right"
    stub = None if list(check.cases) == [()] else lambda *case: None
    assert check(stub) == Verdict("untouched", "not done yet")
    assert len(check.mistakes) >= 3


@pytest.mark.parametrize("check", CHECKS)
def test_a_right_answer_hears_a_sentence_that_is_worth_noticing(check):
    assert check(check.reference).reason.endswith((f". {check.notice}", f"right: {check.notice}"))
    assert re.fullmatch(r".{30,}[.?]", check.notice), check.notice


@pytest.mark.parametrize("judge", PREDICTIONS)
def test_a_predicted_number_may_be_a_little_off_and_not_ten_times(judge):
    assert judge(8, 8.0).state == "right" and judge(0.8, 8.0).state == "wrong"
    assert judge(8.3, 8.0).state == ("right" if judge.near > 1 else "wrong")
    assert judge(80, 8.0).reason.endswith(
        f"8 {judge.unit}".strip() + ": too high by a factor of 10"
    )


def test_a_guess_twice_too_high_counts_only_where_each_machine_has_its_own_number():
    generous = [p.id for p in PREDICTIONS if p.values[0](16, 8.0).state == "right"]
    assert generous == ["01.faster"]


@pytest.mark.parametrize("path", runner.LESSONS, ids=lambda path: path.stem)
def test_every_exercise_of_a_lesson_has_its_check_and_every_check_its_exercise(path):
    used = [exercise.check for exercise in runner.exercises(runner.read(path))]
    assert sorted(used) == sorted(checks_of(path))


def test_a_mistake_that_the_cases_cannot_tell_from_the_right_answer_is_found():
    """The law can fail: the middle of three prices is also the median of this belief."""

    def middle(p):
        """That is the middle of the list."""
        return p[len(p) // 2]

    check = Check(lambda p: sorted(p)[len(p) // 2], [([1, 2, 3],)], [middle])
    assert check(middle).state == "right"


def diagnosis(training, validation):
    """The letter of lesson 5's third exercise, read off two curves of 100 steps."""
    t, v = np.array(training), np.array(validation)
    if not v[-1] < 10 * v[0]:  # nan as well
        return "d"  # it diverges
    if t[-20:].mean() < 0.1 * v[-20:].mean() and v[-1] > 1.05 * v.min():
        return "e"  # the two lines part, and validation rises again
    if np.corrcoef(t[:-32], t[32:])[0, 1] > 0.5:
        return "f"  # all over again after 32 batches of 64 of the 2,048 items
    if t[:20].max() > 3 * t[0]:
        return "c"  # thrown about at first
    return "b" if v[-20] - v[-1] > 0.02 else "a"  # still falling, or settled


def test_each_of_the_six_curves_of_lesson_05_shows_what_its_letter_says():
    curves = checks_05.six_trainings()
    assert "".join(diagnosis(*curve) for curve in curves) == checks_05.diagnoses.reference()
    ends = {letter: v[-1] for letter, (_, v) in zip("ebadfc", curves, strict=True)}
    assert ends["a"] < 0.75 * min(ends[letter] for letter in "bcef"), "else all is not well"
