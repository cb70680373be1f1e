"""The check behind every exercise: run the learner's function beside a reference, and say what differs.

One module a lesson holds its checks (`lesson_01`, …); each calls `compare` and nothing else.
"""

import copy
import math
from collections.abc import Callable, Iterable


def compare(
    answer: Callable,
    reference: Callable,
    cases: Iterable[tuple],
    mistakes: dict[str, Callable] | None = None,
    rel_tol: float = 1e-5,
) -> None:
    """Print the verdict on `answer`: `· not done yet`, `✗` with the first case that differs, or `✓`.

    answer, reference: functions of the same arguments; each case is a tuple of them.
    mistakes: {what to say: a function that makes that mistake}; the first mistake that gives
        what `answer` gave is named. A mistake must differ from the reference on some case.
    rel_tol: relative tolerance of numbers and tensors (shapes and dtypes must be equal).
    """
    n_cases = 0
    for case in cases:
        n_cases += 1
        wanted = reference(*copy.deepcopy(case))
        try:
            got = answer(*copy.deepcopy(case))
        except Exception as error:  # whatever the learner's code raises is the verdict
            print(f"✗ {_call(answer, case)} raised {type(error).__name__}: {error}")
            return
        if got is None:
            print("· not done yet")
            return
        if not same(got, wanted, rel_tol):
            print(f"✗ {_call(answer, case)} gave {_show(got)}, wanted {_show(wanted)}")
            if reason := _reason(got, wanted, case, mistakes or {}, rel_tol):
                print(f"  {reason}")
            return
    print(f"✓ right, on {n_cases} case{'s' if n_cases > 1 else ''}")


def same(got, wanted, rel_tol: float = 1e-5) -> bool:
    """Equal in kind and value: tensors in shape, dtype and values; sequences item by item."""
    if hasattr(wanted, "dtype") and hasattr(wanted, "shape"):  # a tensor or an array
        if not (hasattr(got, "dtype") and hasattr(got, "shape")):
            return False
        if tuple(got.shape) != tuple(wanted.shape) or got.dtype != wanted.dtype:
            return False
        got, wanted = got.reshape(-1).tolist(), wanted.reshape(-1).tolist()
        # an element near zero may be off by rounding of its large neighbours
        scale = max((abs(w) for w in wanted if not isinstance(w, bool)), default=0)
        return all(
            math.isclose(g, w, rel_tol=rel_tol, abs_tol=rel_tol * scale)
            for g, w in zip(got, wanted, strict=True)
        )
    if hasattr(got, "item") and getattr(got, "shape", None) == ():
        got = got.item()
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        if isinstance(wanted, list | tuple):
            return (
                isinstance(got, list | tuple)
                and len(got) == len(wanted)
                and all(same(g, w, rel_tol) for g, w in zip(got, wanted, strict=True))
            )
        return type(got) is type(wanted) and got == wanted
    if isinstance(got, bool) or not isinstance(got, int | float):
        return False
    return math.isclose(got, wanted, rel_tol=rel_tol)


def _reason(got, wanted, case, mistakes, rel_tol):
    for reason, mistake in mistakes.items():
        try:
            if same(got, mistake(*copy.deepcopy(case)), rel_tol):
                return reason
        except Exception:  # a mistake that cannot be made on this case
            continue
    shapes = [tuple(x.shape) if hasattr(x, "shape") else None for x in (got, wanted)]
    if shapes[0] != shapes[1]:
        return f"a shape of {shapes[0]}, wanted {shapes[1]}" if shapes[0] is not None else ""
    dtypes = [getattr(x, "dtype", None) for x in (got, wanted)]
    if dtypes[0] != dtypes[1]:
        return f"a dtype of {dtypes[0]}, wanted {dtypes[1]}"
    if isinstance(wanted, int | float) and isinstance(got, int | float) and wanted and got:
        return f"off by a factor of {got / wanted:.4g}"
    return ""


def _show(value):
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        shape = tuple(value.shape)
        rounded = str(value.tolist()) if math.prod(shape) <= 12 else "…"
        return f"{shape} {rounded}" if shape else f"{value.item():.6g}"
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def _call(answer, case):
    return f"{answer.__name__}({', '.join(_show(argument) for argument in case)})"
