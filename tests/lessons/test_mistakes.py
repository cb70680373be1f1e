"""The law of every exercise: each named mistake is refused with its own sentence."""

import importlib

import pytest
import run_lessons as runner

from helpers.exercises import Check, Verdict, sentence


def checks_of(path):
    module = importlib.import_module(f"helpers.lesson_{path.stem[:2]}.checks")
    return {name: value for name, value in vars(module).items() if isinstance(value, Check)}


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
