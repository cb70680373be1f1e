"""Every impossible knob is refused by one sentence before anything long starts, and only those."""

import math

import pytest
from support import make_trainer

from helpers import base_model, catalogue, limits, profiles, tuning

WHOLE = ["n_train", "n_test", "r", "max_length", "batch_size", "accumulation", "save_steps"]
ABOVE_0 = ["lora_alpha", "epochs", "learning_rate"]
IMPOSSIBLE = [  # knob, values, what it has to be
    *((name, [0, -1, 1.5, "32", True, None, math.nan, [8]], "a whole number, 1 or more") for name in WHOLE),
    *((name, [0, -1e-4, "1e-3", True, None, math.nan, math.inf], "a number above 0") for name in ABOVE_0),
    ("lora_dropout", [2, 1, -0.1, "0.1", False, None, math.nan], "0, or a number above 0 and below 1"),
    ("target_modules", ["q_proj", [], (), [1], None, 3, {"q_proj"}], 'a list of names, such as ["q_proj"]'),
    ("compute_dtype", ["fp8", 16, None, ["float32"]], "float32, float16 or bfloat16"),
    ("gradient_checkpointing", ["yes", 1, None], "True or False"),
]  # fmt: skip


@pytest.mark.parametrize("name, values, says", IMPOSSIBLE, ids=[row[0] for row in IMPOSSIBLE])
def test_an_impossible_value_of_a_profile_is_refused_in_a_sentence(name, values, says):
    for value in values:
        with pytest.raises(ValueError) as error:
            profiles.choose("pocket", **{name: value})
        assert str(error.value) == f"{name} = {value!r}: it has to be {says}"


@pytest.mark.parametrize("value", ["nonsense", 3, None, ["adamw_torch"]])
def test_an_unknown_optimizer_is_refused_with_those_that_there_are(value):
    with pytest.raises(ValueError) as error:
        profiles.choose("pocket", optim=value)
    said = f"optim = {value!r}: transformers has no optimizer of this name. It has adamw_torch, "
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"r": 1, "lora_alpha": 0.5, "lora_dropout": 0.99},
        {"epochs": 0.01, "learning_rate": 30, "save_steps": 10**6},
        {"n_train": 10**9, "batch_size": 10**9},  # what there is, only the data know
        {"target_modules": ("gate_proj",)},
        {"target_modules": ["gate_proj"], "optim": "adafactor", "max_length": 1},
        {"compute_dtype": "float16", "gradient_checkpointing": True},
    ],
)
def test_what_is_odd_but_possible_is_allowed(changes):
    profile = profiles.choose("pocket", **changes)
    assert {name: getattr(profile, name) for name in changes} == changes


@pytest.mark.parametrize(
    "knobs, says",
    [
        ({"steps": 0}, "steps = 0: it has to be a whole number, 1 or more"),
        ({"steps": 2.0}, "steps = 2.0: it has to be a whole number, 1 or more"),
        ({"learning_rate": "2e-3"}, "learning_rate = '2e-3': it has to be a number above 0"),
        ({"learning_rate": math.nan}, "learning_rate = nan: it has to be a number above 0"),
        ({"r": 0}, "r = 0: it has to be a whole number, 1 or more"),
        ({"lora_alpha": 0}, "lora_alpha = 0: it has to be a number above 0"),
        ({"lora_dropout": 2}, "lora_dropout = 2: it has to be 0, or a number above 0 and below 1"),
        ({"warmup": -1}, "warmup = -1: it has to be 0, or a number above 0"),
        ({"weight_decay": "none"}, "weight_decay = 'none': it has to be 0, or a number above 0"),
        ({"max_grad_norm": 0}, "max_grad_norm = 0: it has to be a number above 0"),
        ({"target_modules": "q_proj"}, "target_modules = 'q_proj': it has to be a list of names"),
        ({"accumulation": 17}, "accumulation = 17: here it has to be 16 or less"),
        ({"seed": "42"}, "seed = '42': it has to be a whole number, 0 or more"),
    ],
)
def test_the_challenge_of_lesson_5_refuses_them_as_well(knobs, says):
    with pytest.raises(ValueError) as error:
        tuning.Knobs(**knobs)
    assert str(error.value).startswith(says)


def test_a_knob_may_be_no_more_than_there_is():
    limits.check(most=20, n_test=20)
    with pytest.raises(ValueError, match="^n_train = 1,000,000,000: here it .* 4,000 or less$"):
        limits.check(most=4000, n_train=10**9)
    with pytest.raises(ValueError, match="^watched_item = 1,000: here it has to be 999 or less$"):
        limits.check(most=999, watched_item=1000)
    with pytest.raises(ValueError, match="^watched_item = -1: it has to be a whole number, 0"):
        limits.check(most=999, watched_item=-1)


def test_an_answer_that_would_be_cut_off_is_noticed_before_the_base_is_loaded(tmp_path):
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    items = catalogue.load("train").select(range(1))
    with pytest.raises(
        ValueError, match="^max_length = 20 cuts off the answer .* has (\\d+) tokens"
    ):
        limits.check_length(20, tokenizer, items[0])

    def cut_to(max_length):
        rows = make_trainer(
            base_model.POCKET, items, tmp_path, lora={"r": 1}, max_length=max_length
        ).train_dataset
        return sum(len(row["input_ids"]) for row in rows)

    enough = cut_to(1000)
    assert cut_to(enough) == enough > cut_to(enough - 1)
    limits.check_length(enough, tokenizer, items[0])
    with pytest.raises(ValueError, match=f"max_length = {enough - 1} .* has {enough} tokens"):
        limits.check_length(enough - 1, tokenizer, items[0])
