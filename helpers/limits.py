"""What a knob may be: one rule a name, for lesson 8's profiles, tuning.Knobs and the lessons."""

import ast
import contextlib
import math
import sys
from collections.abc import Callable

Rule = tuple[Callable[[object], bool], str]  # (whether a value will do, what it has to be)


def whole(least: int, most: float = math.inf) -> Rule:
    """The rule of a whole number, `least` or more, and `most` or less."""
    said = f", {least} or more" if most == math.inf else f" from {least} to {most:,}"
    return lambda x: _is(int, x) and least <= x <= most, f"a whole number{said}"


def number(low: float, high: float = math.inf, low_too: bool = False) -> Rule:
    """The rule of a number above `low` and below `high`; `low_too`: also `low` itself."""
    said = f"{low}, or a number above {low}" if low_too else f"a number above {low}"
    said += f" and below {high}" if high < math.inf else ""
    return lambda x: _is((int, float), x) and (low < x < high or low_too and x == low), said


def text(most: float = math.inf) -> Rule:
    """The rule of a text that is not blank, of `most` characters or less."""
    said = "a text in quotes" + (f" of 1 to {most} characters" if most < math.inf else "")
    return lambda x: isinstance(x, str) and bool(x.strip()) and len(x) <= most, said


def several(rule: Rule, least: int = 1) -> Rule:
    """The rule of a list of `least` or more, where `rule` holds for each."""
    right, said = rule
    said = f"a list{f' of {least} or more' if least > 1 else ''}, each {said}"
    return lambda x: isinstance(x, list) and len(x) >= least and all(map(right, x)), said


def one_of(*values) -> Rule:
    """The rule of one of `values`."""
    said = f"one of {', '.join(map(repr, values))}"
    return lambda x: any(type(x) is type(value) and x == value for value in values), said


def _is(kind, x) -> bool:
    return isinstance(x, kind) and not isinstance(x, bool)


def _are_names(x) -> bool:
    return isinstance(x, list | tuple) and bool(x) and all(isinstance(name, str) for name in x)


RULES = {
    **dict.fromkeys(("n_train", "n_test", "r", "max_length", "batch_size"), whole(1)),
    **dict.fromkeys(("accumulation", "save_steps", "steps", "log_every"), whole(1)),
    **dict.fromkeys(("watched_item", "seed"), whole(0)),
    **dict.fromkeys(("lora_alpha", "epochs", "learning_rate", "max_grad_norm"), number(0)),
    **dict.fromkeys(("lora_dropout", "warmup"), number(0, 1, low_too=True)),
    "weight_decay": number(0, low_too=True),
    "target_modules": (_are_names, 'a list of names, such as ["q_proj"]'),
    "compute_dtype": (
        lambda x: x in ("float32", "float16", "bfloat16"),
        "float32, float16 or bfloat16",
    ),
    "gradient_checkpointing": (lambda x: isinstance(x, bool), "True or False"),
}


def check(*, most: int | None = None, **knobs) -> None:
    """Compare each knob with the rule of its name. Call it before anything that takes long.

    most: the largest value that is possible here, such as the number of items there are.
    Raises ValueError for the first that breaks its rule: its name, its value, what it has to be.
    """
    for name, value in knobs.items():
        if said := _broken(RULES[name], name, value):
            raise ValueError(said)
        if most is not None and value > most:
            raise ValueError(f"{name} = {value:,}: here it has to be {most:,} or less")


def _broken(rule: Rule, name: str, value) -> str:
    """What to say of a value that breaks `rule`; "" if it does not."""
    right, said = rule
    return "" if right(value) else f"{name} = {value!r}: it has to be {said}"


def refuse_in_cells() -> None:
    """From now on, refuse a cell of this kernel that sets a knob to what it cannot be.

    The rules are KNOBS in the checks.py of the lesson, once it is imported. Only a plain literal at
    the start of a line is looked at, as in a cell of knobs. The cell fails with one sentence, so
    Run All stops there.
    """
    transformers = sys.modules["IPython"].get_ipython().ast_transformers
    if _refuse not in transformers:
        transformers.append(_refuse)


class _Refuse:
    """What IPython asks about each cell: `visit` takes its syntax tree and returns it, or raises."""

    def visit(self, tree):
        from IPython.core.error import InputRejected

        class ImpossibleKnob(InputRejected):
            def _render_traceback_(self):  # IPython shows this in the place of a traceback
                return [f"ImpossibleKnob: {self}"]

        rules = {}
        for name, module in list(sys.modules.items()):
            if name.startswith("helpers.lesson_") and name.endswith(".checks"):
                rules |= getattr(module, "KNOBS", {})
        for line in tree.body:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) in rules:
                with contextlib.suppress(ValueError):  # not a literal
                    name, value = ast.unparse(line.targets[0]), ast.literal_eval(line.value)
                    if said := _broken(rules[name], name, value):
                        raise ImpossibleKnob(said)
        return tree


_refuse = _Refuse()


def check_length(max_length: int, tokenizer, item) -> None:
    """Raise ValueError if `max_length` tokens are too few for `item`, with its end-of-text token."""
    n_tokens = len(tokenizer(item["prompt"] + item["completion"])["input_ids"]) + 1
    if max_length < n_tokens:
        raise ValueError(
            f"max_length = {max_length} cuts off the answer of the first item, which has {n_tokens} "
            "tokens: use a larger one"
        )
