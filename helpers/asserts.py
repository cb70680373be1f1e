"""What a learner reads below a failed assert: the values in it, and what differs from the page's run.

A lesson's page was made on one machine. Another knob, seed, device, version or CPU may move a number
beyond what the lesson allows. `environment.start` calls `watch`; a cell needs nothing for it.
"""

import ast
import contextlib
import inspect
import json
import linecache
import sys
import traceback

from helpers import ROOT, packages
from helpers.comparing import show

SEED, DEVICE = 42, "the CPU"  # what each page was made with
N_VERSIONS = 4  # named at most
_here = {}


def watch(**here) -> None:
    """From now on, say `what_it_compared` and `likely_cause` below each failed assert of this kernel.

    here: seed, device and cpu, as `likely_cause` takes them.
    """
    _here.update(here)
    sys.modules["IPython"].get_ipython().events.register("post_run_cell", _tell)


def _tell(result):
    if isinstance(result.error_in_exec, AssertionError):
        compared = what_it_compared(result.error_in_exec)
        cause = likely_cause(vars(sys.modules["__main__"]), _page(), **_here)
        print(*(f"· {said}" for said in (compared, cause) if said), sep="\n")


def what_it_compared(error: AssertionError) -> str:
    """The values in the assert that raised `error`, as its names, attributes and items hold them.

    Nothing is called or run again.
    """
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    names, found = frame.f_globals | frame.f_locals, {}

    def look(node):
        with contextlib.suppress(Exception):  # a name of a comprehension, for example
            value = _value(node, names)
            if not callable(value) and not inspect.ismodule(value):
                found[ast.unparse(node)] = show(value)
                return
        for child in ast.iter_child_nodes(node):
            look(child)

    with contextlib.suppress(SyntaxError):
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename)))
        asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        here = [node for node in asserts if node.lineno <= line <= node.end_lineno]
        if here:
            look(here[-1].test)
    return ", ".join(f"{name} is {value}" for name, value in found.items())


def _value(node: ast.AST, names: dict):
    """What a name, or an attribute or item of one, is. Raises for anything else."""
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, names), node.attr)
    if isinstance(node, ast.Subscript):
        return _value(node.value, names)[ast.literal_eval(node.slice)]
    raise TypeError(type(node))


def likely_cause(names: dict, page: dict, seed: int, device: str, cpu: str) -> str:
    """What differs here from the run that made the lesson's page, the likeliest cause first.

    names: the lesson's variables, knobs among them. page: what the notebook says of that run.
    device, cpu: the name of the GPU, or "the CPU", and what torch says this CPU can do.
    """
    knobs = page.get("as_shipped", {}).items()
    knobs = [(name, names.get(name, shipped), shipped) for name, shipped in knobs]
    other = [(name, show(now), show(then)) for name, now, then in knobs if repr(now) != repr(then)]
    moved = [(name, *both) for name, both in packages.other_than_tested().items()]
    rest = [("the seed", seed, SEED), ("the device", device, DEVICE), *moved[:N_VERSIONS]]
    rest.append(("the kind of CPU", cpu, page.get("cpu", cpu)))
    other += [(name, now, then) for name, now, then in rest if now != then]
    if not other:
        return (
            "Knobs, seed, device and versions are those of the run that made this page: most likely a "
            "cell was edited or run out of order. Choose Restart Kernel and Run All Cells. If it "
            "fails again, please report it with these lines."
        )
    (name, now, then), *rest = other
    said = f"Likely cause: {name} is {now} here, and was {then} when this page was made."
    if rest:
        said += " Also different: " + ", ".join(f"{n} {now} (was {then})" for n, now, then in rest)
        n_more = len(moved) - N_VERSIONS
        said += f", and {n_more} more packages." if n_more > 0 else "."
    return said


def _page() -> dict:
    """What the notebook of the lesson in this kernel says of the run that made its page, or {}."""
    lessons = [name[-2:] for name in sys.modules if name.startswith("helpers.lesson_")]
    with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
        [number] = {name for name in lessons if name.isdigit()}
        [path] = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        return json.loads(path.read_text(encoding="utf-8"))["metadata"]["course"]
    return {}
