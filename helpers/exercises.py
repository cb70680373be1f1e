"""Grade an exercise: run the learner's answer beside a reference and say what differs.

Each lesson's checks.py holds one `Check` per exercise. A likely mistake is a function that makes it;
its docstring is the sentence that the learner reads. A `Prediction` there judges what a learner
typed before a run. Both note the result (helpers/progress.py).
"""

import copy
import dis
import functools
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar
from unittest import mock

from helpers import progress
from helpers.comparing import (
    N_SHOWN,
    as_it_was,
    difference,
    is_array,
    is_number,
    length_differs,
    same_or_false,
    show,
)

MARKS = {"right": "✓", "wrong": "✗", "untouched": "·"}
NO_RETURN = "returned None: not done yet, or is a `return` missing?"


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check found. state: "right", "wrong" or "untouched"; its repr is what a learner reads."""

    state: str
    reason: str

    def __repr__(self):
        return f"{MARKS[self.state]} {self.reason}"


@dataclass(frozen=True)
class Check:
    """One exercise. Call it with the learner's answer to get a `Verdict`.

    reference: the right function, written another way than the solution where there is one.
    cases: tuples of arguments. `[()]` makes the answer a value instead of a function.
    mistakes: functions of the same arguments; each differs from the reference in some case.
    notice: what a learner who got it right should notice, one sentence.
    rel_tol: relative tolerance of numbers and tensors that are not whole; see `same`.
    not_by: (module, name) of a function that the learner is to write, and not to call.
    """

    reference: Callable
    cases: Sequence[tuple]
    mistakes: Sequence[Callable] = ()
    notice: str = ""
    rel_tol: float = 1e-5
    not_by: tuple = ()
    kind: ClassVar[str] = "exercises"

    def __call__(self, answer) -> Verdict:
        verdict = self._judge(answer)
        if verdict.state == "right":
            progress.note(self, True)
        return verdict

    def _judge(self, answer) -> Verdict:
        if list(self.cases) == [()]:
            wants_nothing = inspect.isfunction(answer) and not inspect.signature(answer).parameters
            return self._judge_value(answer() if wants_nothing else answer)
        if self.not_by and inspect.isfunction(answer):
            answer = _without(*self.not_by, answer)
        verdict = compare(answer, self.reference, self.cases, self.mistakes, self.rel_tol)
        if verdict.state == "right" and self.notice:
            return Verdict("right", f"{verdict.reason}. {self.notice}")
        return verdict

    def _judge_value(self, got) -> Verdict:
        if got is None:
            return Verdict("untouched", "not done yet")
        wanted = self.reference()
        if same_or_false(got, wanted, self.rel_tol):
            return Verdict("right", f"{show(got)} is right. {self.notice}".strip())
        if is_number(wanted) and not (is_number(got) or is_array(got)):
            return Verdict("wrong", f"{show(got)} is not a number")
        said = _named_mistake(got, (), self.mistakes, self.rel_tol) or length_differs(got, wanted)
        return Verdict("wrong", f"{show(got)} is not it" + (f"\n  {said}" if said else ""))


def _without(module, name: str, answer: Callable) -> Callable:
    """`answer`, in which `module`.`name` raises RuntimeError."""
    error = RuntimeError(f"{name} is what you write here: do without it")

    @functools.wraps(answer)
    def alone(*arguments):
        with mock.patch.object(module, name, side_effect=error):
            return answer(*arguments)

    return alone


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a learner types before a run: call it with the guess and with what came out.

    unit: of the number. near: up to this factor, too high or too low, a number counts as near.
    A word is right if it is the same, in capitals or not; among: the words that count at all.
    """

    unit: str = ""
    near: float = 1.25
    among: tuple[str, ...] = ()
    kind: ClassVar[str] = "predictions"

    def __call__(self, guess, came_out) -> Verdict:
        if guess is None:
            said = came_out if isinstance(came_out, str) else show(float(came_out))
            return Verdict("untouched", f"no guess typed; it is {said} {self.unit}".strip())
        if isinstance(came_out, str):
            word = str(guess).strip().casefold()
            if self.among and word not in self.among:
                listed = " or ".join(f'"{known}"' for known in self.among)
                return Verdict("untouched", f"{show(guess)} does not count: type {listed}")
            right = word == came_out.casefold()
            said = f"you said {show(guess)}; it is {came_out}"
        elif not is_number(guess):
            return Verdict("untouched", f"{show(guess)} is not a number, so it does not count")
        else:
            came_out = float(came_out)
            right, said = self._how_near(guess, came_out)
        progress.note(self, right)
        return Verdict("right" if right else "wrong", said)

    def _how_near(self, guess, came_out) -> tuple[bool, str]:
        unit = f" {self.unit}" if self.unit else ""
        said = f"you said {show(guess)}; it is {show(came_out)}{unit}"
        if guess == came_out:
            return True, said
        if not guess * came_out > 0:  # of another sign, or one of them is zero or no number
            return False, said
        factor = max(guess / came_out, came_out / guess)
        way = "high" if abs(guess) > abs(came_out) else "low"
        if factor <= self.near:
            return True, f"{said}: near, within a factor of {self.near:g}"
        return False, f"{said}: too {way} by a factor of {factor:.3g}"


def compare(
    answer: Callable,
    reference: Callable,
    cases: Sequence[tuple],
    mistakes: Sequence[Callable] = (),
    rel_tol: float = 1e-5,
) -> Verdict:
    """The verdict on the function `answer`; arguments as in `Check`.

    "untouched" for a stub that only returns None, "wrong" with the first case that differs from
    `reference` and the mistake that gives the same, else "right". An answer that changes its
    arguments in place is told so. Whatever `answer` is or does, the result is a Verdict; nothing
    but an interrupt is raised.
    """
    if not callable(answer):
        return Verdict("wrong", f"{show(answer)} is not a function: pass the function's name")
    in_place = ""
    for case in cases:
        wanted = reference(*copy.deepcopy(case))
        arguments = copy.deepcopy(case)
        try:
            got = answer(*arguments)
        except (Exception, SystemExit) as error:  # whatever the learner's code raises
            said = f"{_call(answer, case)} raised {type(error).__name__}: {error}"
            for mistake in mistakes:
                if _outcome(mistake, case)[1] == repr(error):
                    return Verdict("wrong", f"{said}\n  {sentence(mistake)}")
            return Verdict("wrong", said)
        if got is None:
            if _is_stub(answer):
                return Verdict("untouched", "not done yet")
            return Verdict("wrong", f"{_call(answer, case)} {NO_RETURN}")
        in_place = in_place or _changed_in_place(answer, arguments, case)
        if same_or_false(got, wanted, rel_tol):
            continue
        said = f"{_call(answer, case)} gave {show(got)}, wanted {show(wanted)}"
        named = _named_mistake(got, case, mistakes, rel_tol, answer, reference, cases)
        lines = said, in_place, named or difference(got, wanted, rel_tol)
        return Verdict("wrong", "\n  ".join(line for line in lines if line))
    n = len(cases)
    right = f"right, on {n} case{'s' if n > 1 else ''}"
    return Verdict("right", f"{right}. {in_place.rstrip('.')}" if in_place else right)


def sentence(mistake: Callable) -> str:
    """The sentence of a mistake: its docstring on one line."""
    return " ".join(mistake.__doc__.split())


def _named_mistake(got, case, mistakes, rel_tol, answer=None, reference=None, cases=()) -> str:
    """The sentence of the mistake that gives `got` on this case, and what `answer` gives on more than
    half of the cases that tell: one number may be the same by chance. Of several, the most like it.

    A case tells nothing where `answer` and the mistake are both right.
    """
    likely = [mistake for mistake in mistakes if _gives(mistake, case, got, rel_tol)]
    if not likely:
        return ""
    others = [other for other in cases if other is not case]
    given = [
        (x, gave, _given(reference, x)) for x in others if (gave := _given(answer, x)) is not None
    ]
    like = {}  # {mistake: (share, number) of the cases that tell on which it is as `answer`}
    for mistake in likely:
        told = [True]
        for other, gave, right in given:
            made = _given(mistake, other)
            made = right if made is None else made  # it cannot be made there
            if not all(same_or_false(value, right, rel_tol) for value in (gave, made)):
                told.append(same_or_false(gave, made, rel_tol))
        like[mistake] = sum(told) / len(told), sum(told)
    best = max(like, key=like.get)
    return sentence(best) if like[best][0] > 0.5 else ""


def _gives(mistake, case, got, rel_tol) -> bool:
    made = _given(mistake, case)  # None where the mistake cannot be made on this case
    return made is not None and same_or_false(got, made, rel_tol)


def _given(function, case):
    """What `function` returns on this case, None if it raises."""
    return _outcome(function, case)[0]


def _outcome(function, case) -> tuple:
    """(what `function` returns on this case, what it raises, as its repr); one of them is None."""
    try:
        return function(*copy.deepcopy(case)), None
    except (Exception, SystemExit) as error:
        return None, repr(error)


def _changed_in_place(answer, arguments, case) -> str:
    """The sentence for an answer that changed one of its arguments."""
    for place, (now, before) in enumerate(zip(arguments, case, strict=True)):
        if as_it_was(now, before):
            continue
        try:
            name = f"`{list(inspect.signature(answer).parameters)[place]}`"
        except (ValueError, TypeError, IndexError):  # what has no signature
            name = f"number {place + 1}"
        return f"It changes its argument {name} in place: work on a copy."
    return ""


def _is_stub(answer) -> bool:
    """True for a function that does nothing but return None, as an untouched exercise does."""
    code = getattr(inspect.unwrap(answer), "__code__", None)
    names = {step.opname for step in dis.get_instructions(code)} if code else {"?"}
    return names <= {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}


def _call(answer, case) -> str:
    name = getattr(answer, "__name__", None) or type(answer).__name__
    arguments = ", ".join(map(show, case))
    if len(arguments) > N_SHOWN:  # then only the shapes of the larger ones
        arguments = ", ".join(map(_in_short, case))
    return f"{name}({arguments})"


def _in_short(value) -> str:
    large = is_array(value) and math.prod(value.shape) > 4
    return f"{tuple(value.shape)} …" if large else show(value)
