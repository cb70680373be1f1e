"""Which profile is chosen where, what may be changed, and that each fits what it asks for."""

import dataclasses

import pytest

from helpers import profiles, sizing

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
def test_auto_goes_by_capability_and_memory(card, name, dtype):
    chosen = profiles.auto(card, colab=True)
    assert (chosen.name, chosen.compute_dtype) == (name, dtype)


@pytest.mark.parametrize("card, name, dtype", CARDS)
def test_outside_colab_nothing_is_downloaded_unasked(card, name, dtype):
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
        ("colab-t5", {}, None, "profile 'colab-t5' is unknown; take auto, pocket"),
        ("pocket", {"rank": 8}, None, "a profile has no rank; it has name, base"),
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
        ("pocket", {"compute_dtype": "fp8"}, None, "take float32, float16 or bfloat16"),
        ("colab-t4", {}, None, 'needs a GPU .* this machine has none.* PROFILE = "pocket"'),
        ("colab-t4", {"compute_dtype": "bfloat16"}, T4, "Tesla T4 has no bfloat16 hardware"),
    ],
)
def test_what_cannot_be_is_said(monkeypatch, name, changes, card, says):
    monkeypatch.setattr(profiles, "gpu", lambda: card)
    with pytest.raises(ValueError, match=says):
        profiles.choose(name, **changes)


@pytest.mark.parametrize("profile", profiles.PROFILES.values(), ids=lambda p: p.name)
def test_each_fits_what_it_asks_for(profile):
    if profile.gpu_gib:
        parts = sizing.training_memory(sizing.llama_3_1_8b(), profile)
        assert sizing.fits(parts, int(profile.gpu_gib * 2**30), profile).startswith("fits")
        assert profile.base_revision is None and "/" in profile.base
    assert profile._repr_html_().count("<tr>") == len(dataclasses.fields(profile))


def test_the_differences_are_a_column_a_profile():
    table = profiles.differences()
    assert list(table.columns) == list(profiles.PROFILES)
    assert "compute_dtype" in table.index and "r" not in table.index
