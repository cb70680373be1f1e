"""Which profile is chosen where, what may be changed, and that each fits what it asks for."""

import ast
import dataclasses
from pathlib import Path

import pytest
from support import LLAMA

from helpers import base_model, catalogue, environment, memory, profiles

T4 = ("Tesla T4", 14.741, (7, 5))
CARDS = [  # card, profile, what it computes in
    (None, "pocket", "float32"),
    (T4, "colab-t4", "float16"),
    (("Tesla V100", 15.8, (7, 0)), "colab-t4", "float16"),
    (("Tesla P100", 15.9, (6, 0)), "pocket", "float32"),
    (("RTX 3060", 11.6, (8, 6)), "pocket", "float32"),
    (("RTX 4080", 15.6, (8, 9)), "colab-t4", "bfloat16"),
    (("NVIDIA L4", 22.0, (8, 9)), "colab-l4", "bfloat16"),
    (("A100", 39.5, (8, 0)), "colab-a100", "bfloat16"),
    (("A100", 79.3, (8, 0)), "colab-a100", "bfloat16"),
]


@pytest.mark.parametrize("card, name, dtype", CARDS)
def test_in_colab_auto_picks_by_capability_and_memory(card, name, dtype):
    chosen = profiles.auto(card, colab=True)
    assert (chosen.name, chosen.compute_dtype) == (name, dtype)


@pytest.mark.parametrize("name", ["colab-t4", "colab-l4", "colab-a100"])
def test_a_card_with_just_the_memory_that_a_profile_asks_for_gets_it(name):
    card = ("NVIDIA", profiles.PROFILES[name].gpu_gib, (8, 0))
    assert profiles.auto(card, colab=True).name == name


@pytest.mark.parametrize("card, name, dtype", CARDS)
def test_outside_colab_auto_never_downloads(card, name, dtype):
    assert profiles.auto(card) is profiles.POCKET


def test_a_profile_is_changed_by_name_and_never_in_place(monkeypatch):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    assert profiles.choose() == profiles.POCKET
    assert profiles.choose("pocket", r=16).r == 16
    assert profiles.POCKET.r == 32
    with pytest.raises(dataclasses.FrozenInstanceError):
        profiles.POCKET.r = 16


@pytest.mark.parametrize(
    "name, changes, card, says",
    [
        (
            "colab-t5",
            {},
            None,
            'profile_name = \'colab-t5\' is unknown: .* one of "auto", "pocket", "colab-t4"',
        ),
        ("pocket", {"rank": 8}, None, "a profile has no field rank; it has name, base"),
        ("pocket", {"r": 0}, None, "r = 0: it has to be a whole number"),
        ("pocket", {"batch_size": 2.5}, None, "batch_size = 2.5: it has to be a whole number"),
        ("pocket", {"save_steps": 0}, None, "save_steps = 0: it has to be a whole number"),
        ("pocket", {"lora_alpha": 0}, None, "lora_alpha = 0: it has to be a number above 0"),
        ("pocket", {"epochs": 0}, None, "epochs = 0: it has to be a number above 0"),
        ("pocket", {"learning_rate": "1e-3"}, None, "learning_rate = '1e-3': .* a number above 0"),
        ("pocket", {"learning_rate": float("nan")}, None, "learning_rate = nan: .* above 0"),
        ("pocket", {"n_train": 15}, None, "n_train = 15 is less than one batch of 16 items"),
        ("pocket", {"target_modules": "q_proj"}, None, "has to be a list of names, such as"),
        ("pocket", {"target_modules": []}, None, "has to be a list of names, such as"),
        (
            "pocket",
            {"compute_dtype": "fp8"},
            None,
            "compute_dtype = 'fp8': it has to be float32, float16",
        ),
        ("colab-t4", {}, None, 'needs a GPU .* this machine has none.* profile_name = "pocket"'),
        ("colab-t4", {"compute_dtype": "bfloat16"}, T4, "Tesla T4 has no bfloat16 hardware"),
    ],
)
def test_an_impossible_choice_is_explained(monkeypatch, name, changes, card, says):
    monkeypatch.setattr(environment, "card", lambda: card)
    with pytest.raises(ValueError, match=says):
        profiles.choose(name, **changes)


ON_A_GPU = [profile for profile in profiles.PROFILES.values() if profile.gpu_gib]
LECTURES = {  # their run, which each card repeats
    "base": "unsloth/Meta-Llama-3.1-8B-bnb-4bit",
    "licence": "Llama 3.1 Community License",
    "data": "ed-donner/items_prompts_lite",
    "n_test": 250,
    "r": 32,
    "lora_alpha": 64,
    "lora_dropout": 0.1,
    "target_modules": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "max_length": 182,
    "epochs": 1,
    "learning_rate": 1e-4,
    "optim": "paged_adamw_32bit",
}
RATES = {"colab-t4": 400, "colab-l4": 750, "colab-a100": 1950}  # tokens a second, estimated


@pytest.mark.parametrize("profile", ON_A_GPU, ids=lambda p: p.name)
def test_a_gpu_repeats_the_lectures_run_in_half_an_hour_that_a_cut_off_costs_little(profile):
    assert dataclasses.asdict(profile).items() >= LECTURES.items()
    assert profile.base_revision is profile.data_revision is None  # the newest
    in_a_step = profile.batch_size * profile.accumulation
    assert in_a_step == 16
    assert profile.save_steps * in_a_step <= profile.n_train / 10
    training = profile.n_train * 110 * 1.25 / RATES[profile.name] / 60
    assert profile.minutes == round(6 + training)
    assert 5.8 < profile.disk_gb < 1.25 * 5.8  # the base, and some room for the data


def test_without_a_gpu_all_items_are_seen_once_in_batches_of_16():
    pocket = profiles.POCKET
    assert (pocket.base, pocket.data) == (base_model.POCKET, catalogue.POCKET)
    sizes = [len(catalogue.load(split)) for split in ("train", "test")]
    assert [pocket.n_train, pocket.n_test] == sizes
    assert pocket.batch_size * pocket.accumulation == 16 and pocket.epochs == 1
    assert pocket.learning_rate > 10 * LECTURES["learning_rate"]
    assert pocket.disk_gb == 0, "nothing is downloaded"


@pytest.mark.parametrize("profile", profiles.PROFILES.values(), ids=lambda p: p.name)
def test_an_8b_fits_each_card_that_a_profile_asks_for(profile):
    if profile.gpu_gib:
        parts = memory.training_memory(LLAMA, profile)
        assert memory.fits(parts, int(profile.gpu_gib * 2**30), profile).startswith("fits")


def written_out():
    """{profile's name: its call of Profile(…) in the source}."""
    tree = ast.parse(Path(profiles.__file__).read_text(encoding="utf-8"))
    assigned = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    calls = [value for value in assigned if isinstance(value, ast.Call)]
    return {ast.literal_eval(call.keywords[0].value): call for call in calls}


@pytest.mark.parametrize("name", profiles.PROFILES)
def test_a_change_of_one_profile_changes_no_other(name):
    """Each is written out whole, as plain values: none takes a field from another."""
    call = written_out()[name]
    assert call.func.id == "Profile" and not call.args
    values = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert values == dataclasses.asdict(profiles.PROFILES[name])


HASH = "0123456789abcdef" * 4
SHOWN = (
    "base data n_train n_test r lora_alpha target_modules compute_dtype epochs learning_rate"
).split()


@pytest.mark.parametrize("profile", profiles.PROFILES.values(), ids=lambda p: p.name)
def test_a_lesson_shows_a_dozen_rows_and_folds_the_rest(profile):
    resolved = dataclasses.replace(profile, base_revision=f"sha256 {HASH}", data_revision=HASH[:40])
    shown, folded = resolved._repr_html_().split("<details>")
    assert shown.count("<tr>") == len(SHOWN) + 1 <= 12
    for name in [*SHOWN, "batch_size × accumulation"]:
        assert f"<td>{name}</td>" in shown
    assert f"<td>{profile.base} (the newest)</td>" in profile._repr_html_()
    assert f"{profile.base} (sha256 0123456789)" in shown
    assert f"{profile.data} (0123456789)" in shown
    assert HASH[:11] not in shown + folded
    rest = {f.name for f in dataclasses.fields(profile)} - set(SHOWN)
    rest -= {"batch_size", "accumulation", "base_revision", "data_revision"}
    assert folded.count("<tr>") == len(rest)
    assert all(f"<td>{name}</td>" in folded for name in rest)


def test_the_differences_are_a_column_a_profile_in_words_that_a_learner_reads():
    table = profiles.differences()
    assert list(table.columns) == list(profiles.PROFILES)
    assert "compute_dtype" in table.index and "r" not in table.index
    assert table.loc["n_train"].tolist() == ["4,000", "4,000", "10,000", "20,000"]
    assert table.loc["gradient_checkpointing"].tolist() == ["no", "yes", "yes", "no"]
    measured, *estimated = table.loc["minutes"]
    assert not measured.startswith("about ")
    assert all(text.startswith("about ") for text in estimated)
