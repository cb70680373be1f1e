"""Compare two values as a check does: the same or not, how they differ, and how they are written.

Nothing here knows torch or numpy: a tensor or an array is what has a shape, a dtype and a list.
"""

import inspect
import math
import numbers

N_SHOWN = 200  # characters of a value that a verdict shows
N_ELEMENTS = 12  # of a tensor that are shown


def same(got, wanted, rel_tol: float = 1e-5) -> bool:
    """Equal in form and value: whole numbers and truths exactly, other numbers within rel_tol.

    The form is that of `wanted`. For a tensor, a numpy array, a list or a tuple of the same shape
    will do; for a tuple, a list or an array; for a list, a tuple. Truths, whole numbers and other
    numbers are told apart in a tensor. So are the dtypes of two tensors, except that any integer
    dtype will do where int64 is wanted.
    """
    got, wanted = _unwrapped(got), _unwrapped(wanted)
    if is_array(wanted):
        shape, numbers_got = _flat(got)
        if shape != tuple(wanted.shape) or not _dtype_fits(got, wanted):
            return False
        return _same_numbers(numbers_got, _flat(wanted)[1], rel_tol)
    if isinstance(wanted, list | tuple):
        if isinstance(wanted, tuple) and is_array(got) and not _on_meta(got):
            got = list(got)
        return (
            isinstance(got, list | tuple)
            and len(got) == len(wanted)
            and all(same(g, w, rel_tol) for g, w in zip(got, wanted, strict=True))
        )
    if not is_number(wanted):
        return type(got) is type(wanted) and got == wanted
    return is_number(got) and _close(got, wanted, rel_tol)


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
    if is_array(value):
        return (None, []) if _on_meta(value) else (tuple(value.shape), value.reshape(-1).tolist())
    if isinstance(value, bool) or is_number(value):
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
    if not is_array(got):
        return True
    ours, theirs = (str(value.dtype).removeprefix("torch.") for value in (got, wanted))
    libraries = {type(value).__module__.partition(".")[0] for value in (got, wanted)}
    if theirs == "int64" or len(libraries) > 1:
        return _kind(ours) == _kind(theirs)
    return ours == theirs


def _kind(dtype: str) -> str:
    kinds = {"uint": "int", "bfloat": "float"}
    name = dtype.rstrip("0123456789")
    return kinds.get(name, name)


def _unwrapped(value):
    """The number in a tensor or array of no dimension; anything else as it is."""
    scalar = is_array(value) and tuple(value.shape) == () and not _on_meta(value)
    return value.item() if scalar else value


def same_or_false(got, wanted, rel_tol) -> bool:
    """As `same`, whatever `got` is."""
    try:
        return same(got, wanted, rel_tol)
    except Exception:  # something that cannot be compared is not the same
        return False


def difference(got, wanted, rel_tol) -> str:
    """How two values differ, where a general sentence can say it, else an empty text."""
    try:
        return _how_they_differ(got, wanted, rel_tol)
    except Exception:  # something that cannot be compared, or a number too large for a float
        return ""


def _how_they_differ(got, wanted, rel_tol, inside=False) -> str:
    """As `difference`; inside: the two are items of tuples, and may be cut off where they are shown."""
    got, wanted = _unwrapped(got), _unwrapped(wanted)
    if _on_meta(got):
        return "a tensor on the meta device has a shape and no numbers"
    if is_array(wanted) and not is_number(got):
        shape, elements = _flat(got)
        if shape != tuple(wanted.shape):
            return f"the shape is {shape}, wanted {tuple(wanted.shape)}" if shape else ""
        if not _dtype_fits(got, wanted):
            return f"the dtype is {got.dtype}, wanted {wanted.dtype}"
        shown = math.prod(shape) <= N_ELEMENTS and not inside
        return "" if shown else _first_difference(shape, elements, _flat(wanted)[1], rel_tol)
    if isinstance(wanted, list | tuple):
        if said := length_differs(got, wanted):
            return said
        if is_array(got) and isinstance(wanted, list):
            return "a list is wanted"
        pairs = enumerate(zip(got, wanted, strict=True))
        place, pair = next((k, p) for k, p in pairs if not same_or_false(*p, rel_tol))
        said = _how_they_differ(*pair, rel_tol, inside=True)
        return f"in [{place}], {said}" if said else ""
    if is_number(got) and is_number(wanted) and got and wanted and math.isfinite(got):
        factor = f"{float(got / wanted):.4g}"
        return f"off by {show(got - wanted)}" if factor == "1" else f"off by a factor of {factor}"
    return ""


def _first_difference(shape, got, wanted, rel_tol) -> str:
    """Where two tensors differ first."""
    for flat, (g, w) in enumerate(zip(got, wanted, strict=True)):
        if g != w and not (isinstance(w, float) and _close(g, w, rel_tol)):
            place = [flat // math.prod(shape[k + 1 :]) % shape[k] for k in range(len(shape))]
            return f"at {place} it is {show(g)}, wanted {show(w)}"
    return ""


def length_differs(got, wanted) -> str:
    """What to say where one value is returned for several, or another number of them."""
    if not isinstance(wanted, list | tuple):
        return ""
    if is_array(got) and any(is_array(w) and len(w.shape) >= len(got.shape) for w in wanted):
        return f"one tensor, wanted {len(wanted)}"
    if isinstance(got, list | tuple) or (is_array(got) and tuple(got.shape)):
        n = len(got)
        return f"{n} value{'s' * (n != 1)}, wanted {len(wanted)}" if n != len(wanted) else ""
    return f"{len(wanted)} values are wanted, as a tuple or a list"


def as_it_was(now, before) -> bool:
    """False for a number, text, tensor or collection that has changed; nothing else is looked at."""
    if type(now) is not type(before):
        return False
    if is_array(before):
        if _on_meta(now) or _on_meta(before):
            return True
        same_form = now.shape == before.shape and now.dtype == before.dtype
        return same_form and str(now.tolist()) == str(before.tolist())
    if isinstance(before, dict):
        return list(now) == list(before) and all(as_it_was(now[key], before[key]) for key in now)
    if isinstance(before, list | tuple):
        return len(now) == len(before) and all(map(as_it_was, now, before))
    return not isinstance(before, int | float | str) or now == before or before != before


def show(value) -> str:
    """`value` in at most N_SHOWN characters, numbers with at most six digits."""
    try:
        text = _written(value)
    except Exception:  # a repr that fails
        text = f"a {type(value).__name__}"
    return text if len(text) <= N_SHOWN else f"{text[:N_SHOWN]}…"


def _written(value) -> str:
    if is_array(value):
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
    return f"{value:,}" if is_number(value) and abs(value) >= 10_000 else repr(value)


def is_array(value) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "shape") and hasattr(value, "tolist")


def is_number(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _on_meta(value) -> bool:
    return str(getattr(value, "device", "")) == "meta"
