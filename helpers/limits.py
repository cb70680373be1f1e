"""What a knob may be: one rule a name, for lesson 8's profiles, tuning.Knobs and the lessons."""

import math
from collections.abc import Callable

Rule = tuple[Callable[[object], bool], str]  # (whether a value will do, what it has to be)


def whole(least: int) -> Rule:
    """The rule of a whole number, `least` or more."""
    return lambda x: _is(int, x) and x >= least, f"a whole number, {least} or more"


def number(low: float, high: float = math.inf, low_too: bool = False) -> Rule:
    """The rule of a number above `low` and below `high`; `low_too`: also `low` itself."""
    said = f"{low}, or a number above {low}" if low_too else f"a number above {low}"
    said += f" and below {high}" if high < math.inf else ""
    return lambda x: _is((int, float), x) and (low < x < high or low_too and x == low), said


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
        right, said = RULES[name]
        if not right(value):
            raise ValueError(f"{name} = {value!r}: it has to be {said}")
        if most is not None and value > most:
            raise ValueError(f"{name} = {value:,}: here it has to be {most:,} or less")


def check_length(max_length: int, tokenizer, item) -> None:
    """Raise ValueError if `max_length` tokens are too few for `item`, with its end-of-text token."""
    n_tokens = len(tokenizer(item["prompt"] + item["completion"])["input_ids"]) + 1
    if max_length < n_tokens:
        raise ValueError(
            f"max_length = {max_length} cuts off the answer of the first item, which has {n_tokens} "
            "tokens: use a larger one"
        )
