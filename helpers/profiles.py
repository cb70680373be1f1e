"""Where a lesson runs, and what fits there: `pocket`, `colab-t4`, `colab-l4`, `colab-a100`.

A profile is nothing but numbers and names. The lesson writes them into LoraConfig, SFTConfig and
BitsAndBytesConfig in the open. What no GPU of ours has measured is marked "estimated".
"""

import os
from dataclasses import dataclass, fields, replace
from html import escape

COUNTS = ("n_train", "n_test", "r", "max_length", "batch_size", "accumulation", "save_steps")


@dataclass(frozen=True)
class Profile:
    """One way to run lesson 08. Sizes: GB = 10⁹ bytes, GiB = 2³⁰ bytes."""

    name: str
    # what is trained, on what
    base: str  # "pocket-llama", a hub name, or a folder
    base_revision: str | None  # branch, tag or commit of the hub's model; None: the newest
    licence: str  # of the base's weights
    data: str  # "pocket", a hub name, or a folder
    data_revision: str | None
    n_train: int  # items
    n_test: int  # items scored before and after
    # the adapters
    r: int
    lora_alpha: int
    lora_dropout: float
    target_modules: tuple[str, ...]
    # precision: what 4-bit weights are unpacked to, and trl's mixed precision
    compute_dtype: str  # "float32", "float16" or "bfloat16"
    # the run
    max_length: int  # tokens of prompt and completion
    batch_size: int  # items a forward pass
    accumulation: int  # forward passes a step
    epochs: float
    learning_rate: float
    optim: str
    gradient_checkpointing: bool
    save_steps: int  # steps between two checkpoints
    # what it needs
    gpu_gib: float  # memory of the card, 0 for none
    ram_gb: float
    disk_gb: float  # of the base and the data, downloaded once
    minutes: float  # from start to scored, on this profile's machine

    def __post_init__(self):
        if self.compute_dtype not in ("float32", "float16", "bfloat16"):
            raise ValueError(
                f"compute_dtype {self.compute_dtype!r}: take float32, float16 or bfloat16"
            )
        for name in COUNTS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} = {value!r}: it has to be a whole number, 1 or more")
        for name in ("lora_alpha", "epochs", "learning_rate"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ValueError(f"{name} = {value!r}: it has to be a number above 0")
        if self.n_train < self.batch_size:
            raise ValueError(
                f"n_train = {self.n_train} is less than one batch of {self.batch_size} items: take "
                "more items, or a smaller batch_size"
            )
        targets = self.target_modules
        if isinstance(targets, str) or not targets or not all(isinstance(t, str) for t in targets):
            raise ValueError(
                f'target_modules = {targets!r}: it has to be a list of names, such as ["q_proj"]'
            )

    def _repr_html_(self):
        rows = [(f.name, getattr(self, f.name)) for f in fields(self)]
        cells = "".join(
            f"<tr><td>{name}</td><td>{escape(', '.join(v) if isinstance(v, tuple) else str(v))}</td></tr>"
            for name, v in rows
        )
        return f"<table>{cells}</table>"


POCKET = Profile(
    name="pocket",
    base="pocket-llama",
    base_revision=None,
    licence="MIT",
    data="pocket",
    data_revision=None,
    n_train=4000,
    n_test=1000,
    r=32,
    lora_alpha=64,
    lora_dropout=0.0,  # so short a run does not overfit; with 0.1 it learnt more slowly
    target_modules=("q_proj", "k_proj", "v_proj", "o_proj"),
    compute_dtype="float32",
    max_length=182,
    batch_size=16,
    accumulation=1,
    epochs=1,
    learning_rate=1.2e-3,  # a small model bears more than the 1e-4 of an 8B
    optim="adamw_torch",
    gradient_checkpointing=False,
    save_steps=100,
    gpu_gib=0,
    ram_gb=1.5,
    disk_gb=0,
    minutes=2,
)
T4 = replace(
    POCKET,
    name="colab-t4",
    base="unsloth/Meta-Llama-3.1-8B-bnb-4bit",  # ungated; already in NF4 with double quantization
    licence="Llama 3.1 Community License",
    data="ed-donner/items_prompts_lite",
    n_train=4000,  # estimated: what a T4 manages in about half an hour; 20000 is all
    n_test=250,  # as in the lectures' table
    lora_dropout=0.1,
    compute_dtype="float16",  # a T4 has no bf16 hardware
    batch_size=4,
    accumulation=4,
    learning_rate=1e-4,
    optim="paged_adamw_32bit",  # its state may move to RAM when the card is full
    gradient_checkpointing=True,
    save_steps=25,
    gpu_gib=13.5,
    ram_gb=8,
    disk_gb=7,
    minutes=30,
)
L4 = replace(
    T4,
    name="colab-l4",
    n_train=10_000,
    compute_dtype="bfloat16",
    batch_size=8,
    accumulation=2,
    gpu_gib=21,
)
A100 = replace(
    L4,
    name="colab-a100",
    n_train=20_000,
    batch_size=16,
    accumulation=1,
    gradient_checkpointing=False,
    gpu_gib=38,
)
PROFILES = {profile.name: profile for profile in (POCKET, T4, L4, A100)}


def differences():
    """The fields in which the profiles differ, a `pandas.DataFrame` with a column a profile."""
    import pandas as pd

    table = pd.DataFrame({name: vars(profile) for name, profile in PROFILES.items()})
    table = table.drop(index="name").astype(str)
    return table[table.nunique(axis=1) > 1]


def gpu() -> tuple[str, float, tuple[int, int]] | None:
    """This machine's first CUDA card as (name, GiB, compute capability), or None."""
    import torch

    if not torch.cuda.is_available():
        return None
    card = torch.cuda.get_device_properties(0)
    return card.name, card.total_memory / 2**30, (card.major, card.minor)


def auto(card=None, colab: bool = False) -> Profile:
    """The profile for `card` (as `gpu` gives it). Outside Colab always `pocket`: nothing is
    downloaded that nobody asked for.

    Capability 8 and later computes in bfloat16; before that `torch.cuda.is_bf16_supported`
    says yes to a slow emulation, so it is not asked.
    """
    if card is None or not colab:
        return POCKET
    _, gib, capability = card
    if capability < (7, 0) or gib < T4.gpu_gib:
        return POCKET
    if capability < (8, 0):
        return T4
    return A100 if gib >= A100.gpu_gib else L4 if gib >= L4.gpu_gib else _with_bf16(T4)


def choose(name: str = "auto", **changes) -> Profile:
    """The profile called `name`, with `changes` to its fields; "auto" goes by what is there.

    Raises ValueError for an unknown name, an unknown field, or a value that cannot be, and for a
    profile that asks for a GPU where none is.
    """
    card = gpu()
    if name == "auto":
        profile = auto(card, "COLAB_RELEASE_TAG" in os.environ)
    elif name in PROFILES:
        profile = PROFILES[name]
    else:
        raise ValueError(f"profile {name!r} is unknown; take auto, {', '.join(PROFILES)}")
    known = [field.name for field in fields(Profile)]
    unknown = [change for change in changes if change not in known]
    if unknown:
        raise ValueError(f"a profile has no {', '.join(unknown)}; it has {', '.join(known)}")
    profile = replace(profile, **changes)
    if profile.gpu_gib and card is None:
        raise ValueError(
            f"profile {profile.name} needs a GPU with {profile.gpu_gib:.0f} GiB and this machine has "
            'none. In Colab: Runtime → Change runtime type → T4 GPU. Here: PROFILE = "pocket"'
        )
    if profile.compute_dtype == "bfloat16" and card is not None and card[2] < (8, 0):
        raise ValueError(f'{card[0]} has no bfloat16 hardware: take compute_dtype="float16"')
    return profile


def _with_bf16(profile):
    return replace(profile, compute_dtype="bfloat16")
