"""Grade an exercise: run the learner's answer beside a reference and say what differs.

Each lesson's checks.py holds one `Check` per exercise. A likely mistake is a function that makes it;
its docstring is the sentence that the learner reads. A `Prediction` there judges what a learner
typed before a run. Both note the result (helpers/progress.py).
"""

import copy
import dis
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from helpers import progress

MARKS = {"right": "✓", "wrong": "✗", "untouched": "·"}
NO_RETURN = "returned None: not done yet, or is a `return` missing?"
N_SHOWN = 200  # characters of a value that a verdict shows


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
    rel_tol: relative tolerance of numbers and tensors; shapes and dtypes must be equal.
    """

    reference: Callable
    cases: Sequence[tuple]
    mistakes: Sequence[Callable] = ()
    notice: str = ""
    rel_tol: float = 1e-5
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
        verdict = compare(answer, self.reference, self.cases, self.mistakes, self.rel_tol)
        if verdict.state == "right" and self.notice:
            return Verdict("right", f"{verdict.reason}. {self.notice}")
        return verdict

    def _judge_value(self, got) -> Verdict:
        if got is None:
            return Verdict("untouched", "not done yet")
        wanted = self.reference()
        if _same_or_false(got, wanted, self.rel_tol):
            return Verdict("right", f"{_show(got)} is right. {self.notice}".strip())
        if _is_number(wanted) and not (_is_number(got) or _is_array(got)):
            return Verdict("wrong", f"{_show(got)} is not a number")
        named = _named_mistake(got, (), self.mistakes, self.rel_tol)
        return Verdict("wrong", f"{_show(got)} is not it" + (f"\n  {named}" if named else ""))


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a learner types before a run: call it with the guess and with what came out.

    unit: of the number. near: up to this factor, too high or too low, a number counts as near.
    A word counts if it is the same, in capitals or not.
    """

    unit: str = ""
    near: float = 1.25
    kind: ClassVar[str] = "predictions"

    def __call__(self, guess, came_out) -> Verdict:
        if guess is None:
            return Verdict("untouched", "no guess typed, and none is needed")
        if isinstance(came_out, str):
            right = str(guess).strip().casefold() == came_out.casefold()
            said = f"you said {_show(guess)}; it is {came_out}"
        elif not _is_number(guess):
            return Verdict("untouched", f"{_show(guess)} is not a number, so it does not count")
        else:
            came_out = float(came_out)
            right, said = self._how_near(guess, came_out)
        progress.note(self, right)
        return Verdict("right" if right else "wrong", said)

    def _how_near(self, guess, came_out) -> tuple[bool, str]:
        unit = f" {self.unit}" if self.unit else ""
        said = f"you said {_show(guess)}; it is {_show(came_out)}{unit}"
        if guess == came_out:
            return True, said
        if not guess * came_out > 0:  # of another sign, or one of them is zero or no number
            return False, said
        factor = max(guess / came_out, came_out / guess)
        way = "high" if abs(guess) > abs(came_out) else "low"
        if factor <= self.near:
            return True, f"{said}: near"
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
    `reference` and the mistake that gives the same, else "right". Whatever `answer` is or does,
    the result is a Verdict; nothing but an interrupt is raised.
    """
    if not callable(answer):
        return Verdict("wrong", f"{_show(answer)} is not a function: pass the function's name")
    for case in cases:
        wanted = reference(*copy.deepcopy(case))
        try:
            got = answer(*copy.deepcopy(case))
        except (Exception, SystemExit) as error:  # whatever the learner's code raises
            return Verdict("wrong", f"{_call(answer, case)} raised {type(error).__name__}: {error}")
        if got is None:
            if _is_stub(answer):
                return Verdict("untouched", "not done yet")
            return Verdict("wrong", f"{_call(answer, case)} {NO_RETURN}")
        if _same_or_false(got, wanted, rel_tol):
            continue
        said = f"{_call(answer, case)} gave {_show(got)}, wanted {_show(wanted)}"
        named = _named_mistake(got, case, mistakes, rel_tol) or _difference(got, wanted)
        return Verdict("wrong", said + (f"\n  {named}" if named else ""))
    n = len(cases)
    return Verdict("right", f"right, on {n} case{'s' if n > 1 else ''}")


def sentence(mistake: Callable) -> str:
    """The sentence of a mistake: its docstring on one line."""
    return " ".join(mistake.__doc__.split())


def same(got, wanted, rel_tol: float = 1e-5) -> bool:
    """Equal in kind and value: tensors in shape, dtype and values; sequences item by item."""
    if _is_array(wanted):
        if not _is_array(got) or tuple(got.shape) != tuple(wanted.shape):
            return False
        if got.dtype != wanted.dtype or _on_meta(got):
            return False
        got, wanted = got.reshape(-1).tolist(), wanted.reshape(-1).tolist()
        # an element near zero may be off by rounding of its large neighbours
        scale = max((abs(w) for w in wanted if not isinstance(w, bool)), default=0)
        return all(
            math.isclose(g, w, rel_tol=rel_tol, abs_tol=rel_tol * scale)
            for g, w in zip(got, wanted, strict=True)
        )
    if _is_array(got) and not _on_meta(got) and tuple(got.shape) == ():
        got = got.item()
    if isinstance(wanted, list | tuple):
        return (
            isinstance(got, list | tuple)
            and len(got) == len(wanted)
            and all(same(g, w, rel_tol) for g, w in zip(got, wanted, strict=True))
        )
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        return type(got) is type(wanted) and got == wanted
    if isinstance(got, bool) or not isinstance(got, int | float):
        return False
    return math.isclose(got, wanted, rel_tol=rel_tol)


def _same_or_false(got, wanted, rel_tol):
    try:
        return same(got, wanted, rel_tol)
    except Exception:  # something that cannot be compared is not the same
        return False


def _named_mistake(got, case, mistakes, rel_tol) -> str:
    for mistake in mistakes:
        try:
            if same(got, mistake(*copy.deepcopy(case)), rel_tol):
                return sentence(mistake)
        except Exception:  # a mistake that cannot be made on this case
            continue
    return ""


def _difference(got, wanted) -> str:
    """How two values differ, where a general sentence can say it."""
    if _on_meta(got):
        return "a tensor on the meta device has a shape and no numbers"
    if _is_array(got) and _is_array(wanted):
        for kind in ("shape", "dtype"):
            ours, theirs = getattr(got, kind), getattr(wanted, kind)
            if ours != theirs:
                return f"the {kind} is {_plain(ours)}, wanted {_plain(theirs)}"
    elif _is_number(got) and _is_number(wanted) and got and wanted:
        return f"off by a factor of {got / wanted:.4g}"
    return ""


def _is_stub(answer) -> bool:
    """True for a function that does nothing but return None, as an untouched exercise does."""
    code = getattr(answer, "__code__", None)
    names = {step.opname for step in dis.get_instructions(code)} if code else {"?"}
    return names <= {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}


def _is_array(value) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "tolist")


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _on_meta(value) -> bool:
    return str(getattr(value, "device", "")) == "meta"


def _plain(value) -> str:
    return str(tuple(value)) if isinstance(value, tuple) else str(value)


def _show(value) -> str:
    """`value` in at most N_SHOWN characters, numbers with at most six digits."""
    try:
        text = _written(value)
    except Exception:  # a repr that fails
        text = f"a {type(value).__name__}"
    return text if len(text) <= N_SHOWN else f"{text[:N_SHOWN]}…"


def _written(value) -> str:
    if _is_array(value):
        shape = tuple(value.shape)
        if _on_meta(value) or math.prod(shape) > 12:
            return f"{shape} …"
        return f"{shape} {_written(value.tolist())}" if shape else _written(value.item())
    if isinstance(value, float):
        whole = value.is_integer() and 1e6 <= abs(value) < 1e15
        return f"{value:,.0f}" if whole else f"{value:.6g}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_written, value))}{',' if len(value) == 1 else ''})"
    return f"{value:,}" if _is_number(value) and abs(value) >= 10_000 else repr(value)


def _call(answer, case) -> str:
    name = getattr(answer, "__name__", None) or type(answer).__name__
    return f"{name}({', '.join(map(_show, case))})"
