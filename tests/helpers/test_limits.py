"""Every impossible knob is refused by one sentence before anything long starts, and only those."""

import importlib
import math

import nbformat
import pytest
import run_lessons as runner
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


RULED = [path for path in runner.LESSONS if path.stem[:2] != "08"]  # its rules are in RULES


def knobs_of(path):
    """(the lesson's rules, its knobs as shipped, what the tests turn, a row each)."""
    rules = importlib.import_module(f"helpers.lesson_{path.stem[:2]}.checks").KNOBS
    cells = [cell for cell in runner.read(path).cells if "parameters" in runner.tags(cell)]
    shipped = {name: value for cell in cells for name, value in runner.knobs(cell).items()}
    return rules, shipped, [row["turn"] for row in runner.settings(path)["knobs"]]


@pytest.mark.parametrize("path", RULED, ids=lambda path: path.stem)
def test_every_knob_of_these_lessons_has_a_rule_which_allows_what_is_run(path):
    rules, shipped, turned = knobs_of(path)
    assert set(rules) == set(shipped)
    for name, value in [pair for row in (shipped, *turned) for pair in row.items()]:
        assert rules[name][0](value), (name, value)


@pytest.mark.parametrize("path", RULED, ids=lambda path: path.stem)
def test_they_refuse_what_is_of_another_kind_or_not_there(path):
    rules, shipped, _ = knobs_of(path)
    for name, (right, said) in rules.items():
        wrong = [None, True, math.nan, [], "", " ", -(10**9), {}, [None], [""], [-1], (1,)]
        wrong += [5] if isinstance(shipped[name], str | list | dict) else ["5", [5]]
        wrong += [1.5, [1.5]] if "whole" in said else []
        free = (
            type(shipped[name]) if shipped[name] in ([], {}) else ()
        )  # what is in it, its user says
        assert [x for x in wrong if right(x) and not (free and isinstance(x, free))] == [], name


@pytest.mark.parametrize(
    "lesson, name, value, says",
    [
        ("01", "size", 10**5, "a whole number from 1 to 8,192"),
        ("01", "sentences", ["a", " "], "a list, each a text in quotes"),
        ("02", "label", 2, "a whole number from 0 to 1"),
        ("02", "nudge", 0, "a number above 0 and below 1"),
        ("02", "w_value", 1000, "a number above -50 and below 50"),
        ("03", "layer", 4, "a whole number from 0 to 3"),
        ("03", "three_heads", [1, 8], "a list, each a whole number from 0 to 7"),
        ("03", "dropout", 1, "0, or a number above 0 and below 1"),
        ("04", "item_number", 4000, "a whole number from 0 to 3,999"),
        ("04", "temperature", 0, "a number above 0"),
        ("05", "model_rates", [1e-3], "a list of 2 or more, each a number above 0"),
        ("05", "challenge", [], 'names and values in braces, such as {"steps": 60}'),
        ("06", "word", "Maximilian-Leo", "a text in quotes of 1 to 12 characters"),
        ("06", "small_r", 0, "a whole number, 1 or more"),
        ("07", "photo_bits", [8, 0], "a list, each a whole number from 1 to 8"),
        ("07", "block_size", 100, "one of 16, 32, 64, 128, 256, 512, 1024, 2048, 4096"),
        ("09", "middle", 80, "a number above 0 and below 1"),
    ],
)
def test_what_breaks_a_lesson_is_refused_with_its_rule(lesson, name, value, says):
    right, said = importlib.import_module(f"helpers.lesson_{lesson}.checks").KNOBS[name]
    assert not right(value) and said == says


@pytest.mark.lesson
def test_a_cell_with_an_impossible_knob_fails_with_one_sentence_and_sets_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(runner, "FAILED", tmp_path)
    setup = "from helpers import environment\nenvironment.start()\nenvironment.start()\n"
    setup += "height, width = 1, 2\nfrom helpers.lesson_01 import checks"
    cells = [setup, "width = 10 * 2\nother = 0", "width = 3\nheight = 0  # pixels", "never"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    with pytest.raises(runner.LessonFailed):
        runner.run(notebook, "impossible")
    [failed] = [
        output
        for cell in runner.read(tmp_path / "impossible.ipynb").cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]
    said = "height = 0: it has to be a whole number, 1 or more"
    assert failed.traceback == [f"ImpossibleKnob: {said}"] and failed.evalue == said
