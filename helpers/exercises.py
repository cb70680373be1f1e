"""Grade an exercise: run the learner's answer beside a reference and say what differs.

Each lesson's checks.py holds one `Check` per exercise. A likely mistake is a function that makes it;
its docstring is the sentence that the learner reads. A `Prediction` there judges what a learner
typed before a run. Both note the result (helpers/progress.py).
"""

import copy
import dis
import inspect
import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from helpers import progress

MARKS = {"right": "✓", "wrong": "✗", "untouched": "·"}
NO_RETURN = "returned None: not done yet, or is a `return` missing?"
N_SHOWN = 200  # characters of a value that a verdict shows
N_ELEMENTS = 12  # of a tensor that are shown


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
        said = _named_mistake(got, (), self.mistakes, self.rel_tol) or _length_differs(got, wanted)
        return Verdict("wrong", f"{_show(got)} is not it" + (f"\n  {said}" if said else ""))


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
    `reference` and the mistake that gives the same, else "right". An answer that changes its
    arguments in place is told so. Whatever `answer` is or does, the result is a Verdict; nothing
    but an interrupt is raised.
    """
    if not callable(answer):
        return Verdict("wrong", f"{_show(answer)} is not a function: pass the function's name")
    in_place = ""
    for case in cases:
        wanted = reference(*copy.deepcopy(case))
        arguments = copy.deepcopy(case)
        try:
            got = answer(*arguments)
        except (Exception, SystemExit) as error:  # whatever the learner's code raises
            return Verdict("wrong", f"{_call(answer, case)} raised {type(error).__name__}: {error}")
        if got is None:
            if _is_stub(answer):
                return Verdict("untouched", "not done yet")
            return Verdict("wrong", f"{_call(answer, case)} {NO_RETURN}")
        in_place = in_place or _changed_in_place(answer, arguments, case)
        if _same_or_false(got, wanted, rel_tol):
            continue
        said = f"{_call(answer, case)} gave {_show(got)}, wanted {_show(wanted)}"
        named = _named_mistake(got, case, mistakes, rel_tol, answer, cases)
        lines = said, in_place, named or _difference_or_nothing(got, wanted, rel_tol)
        return Verdict("wrong", "\n  ".join(line for line in lines if line))
    n = len(cases)
    right = f"right, on {n} case{'s' if n > 1 else ''}"
    return Verdict("right", f"{right}. {in_place.rstrip('.')}" if in_place else right)


def sentence(mistake: Callable) -> str:
    """The sentence of a mistake: its docstring on one line."""
    return " ".join(mistake.__doc__.split())


def same(got, wanted, rel_tol: float = 1e-5) -> bool:
    """Equal in form and value: whole numbers and truths exactly, other numbers within rel_tol.

    The form is that of `wanted`. For a tensor, a numpy array, a list or a tuple of the same shape
    will do; for a tuple, a list or an array; for a list, a tuple. Truths, whole numbers and other
    numbers are told apart in a tensor. So are the dtypes of two tensors, except that any integer
    dtype will do where int64 is wanted.
    """
    got, wanted = _unwrapped(got), _unwrapped(wanted)
    if _is_array(wanted):
        shape, numbers_got = _flat(got)
        if shape != tuple(wanted.shape) or not _dtype_fits(got, wanted):
            return False
        return _same_numbers(numbers_got, _flat(wanted)[1], rel_tol)
    if isinstance(wanted, list | tuple):
        if isinstance(wanted, tuple) and _is_array(got) and not _on_meta(got):
            got = list(got)
        return (
            isinstance(got, list | tuple)
            and len(got) == len(wanted)
            and all(same(g, w, rel_tol) for g, w in zip(got, wanted, strict=True))
        )
    if not _is_number(wanted):
        return type(got) is type(wanted) and got == wanted
    return _is_number(got) and _close(got, wanted, rel_tol)


def _same_numbers(got: list, wanted: list, rel_tol) -> bool:
    """Whether the flat lists of a tensor's elements are the same."""
    # an element near zero may be off by rounding of its large neighbours
    floats = [abs(w) for w in wanted if isinstance(w, float) and math.isfinite(w)]
    scale = max(floats, default=0)
    for g, w in zip(got, wanted, strict=True):
        if isinstance(g, bool) != isinstance(w, bool):
            return False
        if isinstance(w, int) and isinstance(g, float):
            return False
        if not _close(g, w, rel_tol, rel_tol * scale):
            return False
    return True


def _close(got, wanted, rel_tol, abs_tol=0.0) -> bool:
    if isinstance(wanted, numbers.Integral):
        return got == wanted
    if math.isnan(wanted):  # a mistake may divide 0 by 0
        return math.isnan(got)
    return math.isclose(got, wanted, rel_tol=rel_tol, abs_tol=abs_tol)


def _flat(value) -> tuple[tuple | None, list]:
    """(shape, elements) of a tensor, an array, a number or a nested sequence; (None, []) of
    anything else."""
    if _is_array(value):
        return (None, []) if _on_meta(value) else (tuple(value.shape), value.reshape(-1).tolist())
    if isinstance(value, bool) or _is_number(value):
        return (), [value]
    if not isinstance(value, list | tuple):
        return None, []
    parts = [_flat(part) for part in value]
    shapes = {shape for shape, _ in parts}
    if len(shapes) > 1 or None in shapes:
        return None, []
    inner = shapes.pop() if shapes else ()
    return (len(value), *inner), [element for _, elements in parts for element in elements]


def _dtype_fits(got, wanted) -> bool:
    """Whether `got`, an array or a list, has a dtype that will do for the array `wanted`."""
    if not _is_array(got):
        return True
    ours, theirs = (str(value.dtype).removeprefix("torch.") for value in (got, wanted))
    if theirs == "int64" or type(got) is not type(wanted):
        return _kind(ours) == _kind(theirs)
    return ours == theirs


def _kind(dtype: str) -> str:
    kinds = {"uint": "int", "bfloat": "float"}
    name = dtype.rstrip("0123456789")
    return kinds.get(name, name)


def _unwrapped(value):
    """The number in a tensor or array of no dimension; anything else as it is."""
    scalar = _is_array(value) and tuple(value.shape) == () and not _on_meta(value)
    return value.item() if scalar else value


def _same_or_false(got, wanted, rel_tol):
    try:
        return same(got, wanted, rel_tol)
    except Exception:  # something that cannot be compared is not the same
        return False


def _named_mistake(got, case, mistakes, rel_tol, answer=None, cases=()) -> str:
    """The sentence of the mistake that gives `got` on this case, and what `answer` gives on at least
    half of the cases: one number may be the same by chance. Of several, the most like it."""
    likely = [mistake for mistake in mistakes if _gives(mistake, case, got, rel_tol)]
    if not likely:
        return ""
    others = [other for other in cases if other is not case]
    given = [(other, gave) for other in others if (gave := _given(answer, other)) is not None]
    like = [1 + sum(_gives(m, other, gave, rel_tol) for other, gave in given) for m in likely]
    enough = max(like) >= (1 + len(given)) / 2
    return sentence(likely[like.index(max(like))]) if enough else ""


def _gives(mistake, case, got, rel_tol) -> bool:
    made = _given(mistake, case)  # None where the mistake cannot be made on this case
    return made is not None and _same_or_false(got, made, rel_tol)


def _given(function, case):
    """What `function` returns on this case, None if it raises."""
    try:
        return function(*copy.deepcopy(case))
    except (Exception, SystemExit):
        return None


def _difference_or_nothing(got, wanted, rel_tol) -> str:
    try:
        return _difference(got, wanted, rel_tol)
    except Exception:  # something that cannot be compared, or a number too large for a float
        return ""


def _difference(got, wanted, rel_tol, inside=False) -> str:
    """How two values, or those inside of two tuples, differ, where a general sentence can say it."""
    got, wanted = _unwrapped(got), _unwrapped(wanted)
    if _on_meta(got):
        return "a tensor on the meta device has a shape and no numbers"
    if _is_array(wanted) and not _is_number(got):
        shape, elements = _flat(got)
        if shape != tuple(wanted.shape):
            return f"the shape is {shape}, wanted {tuple(wanted.shape)}" if shape else ""
        if not _dtype_fits(got, wanted):
            return f"the dtype is {got.dtype}, wanted {wanted.dtype}"
        shown = math.prod(shape) <= N_ELEMENTS and not inside
        return "" if shown else _first_difference(shape, elements, _flat(wanted)[1], rel_tol)
    if isinstance(wanted, list | tuple):
        if said := _length_differs(got, wanted):
            return said
        if _is_array(got) and isinstance(wanted, list):
            return "a list is wanted"
        pairs = enumerate(zip(got, wanted, strict=True))
        place, pair = next((k, p) for k, p in pairs if not _same_or_false(*p, rel_tol))
        said = _difference(*pair, rel_tol, inside=True)
        return f"in [{place}], {said}" if said else ""
    if _is_number(got) and _is_number(wanted) and got and wanted:
        factor = f"{float(got / wanted):.4g}"
        return f"off by {_show(got - wanted)}" if factor == "1" else f"off by a factor of {factor}"
    return ""


def _first_difference(shape, got, wanted, rel_tol) -> str:
    """Where two tensors differ first."""
    for flat, (g, w) in enumerate(zip(got, wanted, strict=True)):
        if g != w and not (isinstance(w, float) and _close(g, w, rel_tol)):
            place = [flat // math.prod(shape[k + 1 :]) % shape[k] for k in range(len(shape))]
            return f"at {place} it is {_show(g)}, wanted {_show(w)}"
    return ""


def _length_differs(got, wanted) -> str:
    """What to say where one value is returned for several, or another number of them."""
    if not isinstance(wanted, list | tuple):
        return ""
    if _is_array(got) and any(_is_array(w) and len(w.shape) >= len(got.shape) for w in wanted):
        return f"one tensor, wanted {len(wanted)}"
    if isinstance(got, list | tuple) or (_is_array(got) and tuple(got.shape)):
        n = len(got)
        return f"{n} value{'s' * (n != 1)}, wanted {len(wanted)}" if n != len(wanted) else ""
    return f"{len(wanted)} values are wanted, as a tuple or a list"


def _changed_in_place(answer, arguments, case) -> str:
    """The sentence for an answer that changed one of its arguments."""
    for place, (now, before) in enumerate(zip(arguments, case, strict=True)):
        if _as_it_was(now, before):
            continue
        try:
            name = f"`{list(inspect.signature(answer).parameters)[place]}`"
        except (ValueError, TypeError, IndexError):  # what has no signature
            name = f"number {place + 1}"
        return f"It changes its argument {name} in place: work on a copy."
    return ""


def _as_it_was(now, before) -> bool:
    """False for a number, text, tensor or collection that has changed; nothing else is looked at."""
    if type(now) is not type(before):
        return False
    if _is_array(before):
        if _on_meta(now) or _on_meta(before):
            return True
        same_form = now.shape == before.shape and now.dtype == before.dtype
        return same_form and str(now.tolist()) == str(before.tolist())
    if isinstance(before, dict):
        return list(now) == list(before) and all(_as_it_was(now[key], before[key]) for key in now)
    if isinstance(before, list | tuple):
        return len(now) == len(before) and all(map(_as_it_was, now, before))
    return not isinstance(before, int | float | str) or now == before or before != before


def _is_stub(answer) -> bool:
    """True for a function that does nothing but return None, as an untouched exercise does."""
    code = getattr(answer, "__code__", None)
    names = {step.opname for step in dis.get_instructions(code)} if code else {"?"}
    return names <= {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}


def _is_array(value) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "tolist")


def _is_number(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _on_meta(value) -> bool:
    return str(getattr(value, "device", "")) == "meta"


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
        if _on_meta(value) or math.prod(shape) > N_ELEMENTS:
            return f"{shape} …"
        return f"{shape} {_written(value.tolist())}" if shape else _written(value.item())
    if isinstance(value, float):
        whole = value.is_integer() and 1e6 <= abs(value) < 1e15
        return f"{value:,.0f}" if whole else f"{value:.6g}"
    if inspect.isroutine(value):
        return value.__name__
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_written, value))}{',' if len(value) == 1 else ''})"
    return f"{value:,}" if _is_number(value) and abs(value) >= 10_000 else repr(value)


def _call(answer, case) -> str:
    name = getattr(answer, "__name__", None) or type(answer).__name__
    arguments = ", ".join(map(_show, case))
    if len(arguments) > N_SHOWN:  # then only the shapes of the larger ones
        arguments = ", ".join(map(_in_short, case))
    return f"{name}({arguments})"


def _in_short(value) -> str:
    large = _is_array(value) and math.prod(value.shape) > 4
    return f"{tuple(value.shape)} …" if large else _show(value)
