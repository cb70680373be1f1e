"""Where lesson 8 runs, and with which settings: `pocket`, `colab-t4`, `colab-l4`, `colab-a100`.

A profile is numbers and names only; the lesson writes them into LoraConfig, SFTConfig and
BitsAndBytesConfig itself. Each profile is written out whole: a change of one changes no other.
"""

from dataclasses import dataclass, fields, replace
from html import escape

from helpers import environment, limits

SHOWN = ("n_train", "n_test", "r", "lora_alpha", "target_modules", "compute_dtype")
ESTIMATED = ("ram_gb", "disk_gb", "minutes")  # on a GPU: not measured on these cards yet


@dataclass(frozen=True)
class Profile:
    """One way to run lesson 8. Sizes: GB = 10⁹ bytes, GiB = 2³⁰ bytes."""

    name: str
    # what is trained, on what
    base: str  # "pocket-llama", a name on the hub, or a folder
    base_revision: str | None  # branch, tag or commit on the hub; None: the newest
    licence: str  # of the base's weights
    data: str  # "pocket", a name on the hub, or a folder
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
        limits.check(**{k: v for k, v in vars(self).items() if k in limits.RULES})
        if self.n_train < self.batch_size:
            raise ValueError(
                f"n_train = {self.n_train} is less than one batch of {self.batch_size} items: use "
                "more items or a smaller batch_size"
            )

    def _repr_html_(self):
        shown = {
            "base": f"{self.base} ({_short(self.base_revision)})",
            "data": f"{self.data} ({_short(self.data_revision)})",
        }
        shown |= {name: _text(getattr(self, name)) for name in SHOWN}
        shown["batch_size × accumulation"] = f"{self.batch_size} × {self.accumulation}"
        shown |= {name: _text(getattr(self, name)) for name in ("epochs", "learning_rate")}
        said = " ".join(shown).replace(" × ", " ").split() + ["base_revision", "data_revision"]
        rest = {f.name: _text(getattr(self, f.name)) for f in fields(self) if f.name not in said}
        return (
            f"{_table(shown)}<details><summary>The other {len(rest)} fields</summary>"
            f"{_table(rest)}</details>"
        )


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
    lora_dropout=0.0,  # one epoch does not overfit; with 0.1 the adapters learned more slowly
    target_modules=("q_proj", "k_proj", "v_proj", "o_proj"),
    compute_dtype="float32",
    max_length=182,
    batch_size=16,
    accumulation=1,
    epochs=1,
    learning_rate=1.2e-3,  # a small model can take larger steps than an 8B, which gets 1e-4
    optim="adamw_torch",
    gradient_checkpointing=False,
    save_steps=100,
    gpu_gib=0,
    ram_gb=1.5,
    disk_gb=0,
    minutes=2,
)

# That these fit into gpu_gib was measured with the memory of a larger card capped (tests/gpu); how
# fast the cards themselves are was not. n_train is chosen for a run of about half an hour. minutes is
# an estimate: n_train items of 110 tokens at 400 (T4), 750 (L4) or 1,950 (A100) tokens a second, a
# quarter more for padding, and 6 minutes to download 5.8 GB, load it and score the test items twice.
# ram_gb is an estimate too: the weights pass through memory on the way to the card.
T4 = Profile(
    name="colab-t4",
    base="unsloth/Meta-Llama-3.1-8B-bnb-4bit",  # no gate; already in NF4 with double quantization
    base_revision=None,
    licence="Llama 3.1 Community License",
    data="ed-donner/items_prompts_lite",
    data_revision=None,
    n_train=4000,  # of 20,000
    n_test=250,  # as in the lectures' table
    r=32,
    lora_alpha=64,
    lora_dropout=0.1,
    target_modules=("q_proj", "k_proj", "v_proj", "o_proj"),
    compute_dtype="float16",  # a T4 has no bfloat16 hardware
    max_length=182,
    batch_size=4,
    accumulation=4,
    epochs=1,
    learning_rate=1e-4,
    optim="paged_adamw_32bit",  # its state may move to RAM when the card is full
    gradient_checkpointing=True,
    save_steps=25,
    gpu_gib=13.5,
    ram_gb=8,
    disk_gb=7,
    minutes=29,
)
L4 = Profile(
    name="colab-l4",
    base="unsloth/Meta-Llama-3.1-8B-bnb-4bit",
    base_revision=None,
    licence="Llama 3.1 Community License",
    data="ed-donner/items_prompts_lite",
    data_revision=None,
    n_train=10_000,
    n_test=250,
    r=32,
    lora_alpha=64,
    lora_dropout=0.1,
    target_modules=("q_proj", "k_proj", "v_proj", "o_proj"),
    compute_dtype="bfloat16",
    max_length=182,
    batch_size=8,
    accumulation=2,
    epochs=1,
    learning_rate=1e-4,
    optim="paged_adamw_32bit",
    gradient_checkpointing=True,
    save_steps=50,
    gpu_gib=21,
    ram_gb=8,
    disk_gb=7,
    minutes=37,
)
A100 = Profile(
    name="colab-a100",
    base="unsloth/Meta-Llama-3.1-8B-bnb-4bit",
    base_revision=None,
    licence="Llama 3.1 Community License",
    data="ed-donner/items_prompts_lite",
    data_revision=None,
    n_train=20_000,  # all of them
    n_test=250,
    r=32,
    lora_alpha=64,
    lora_dropout=0.1,
    target_modules=("q_proj", "k_proj", "v_proj", "o_proj"),
    compute_dtype="bfloat16",
    max_length=182,
    batch_size=16,
    accumulation=1,
    epochs=1,
    learning_rate=1e-4,
    optim="paged_adamw_32bit",
    gradient_checkpointing=False,
    save_steps=100,
    gpu_gib=38,
    ram_gb=8,
    disk_gb=7,
    minutes=30,
)
PROFILES = {profile.name: profile for profile in (POCKET, T4, L4, A100)}


def differences():
    """Where the profiles differ: a `pandas.DataFrame` of text, a row a field, a column a profile.

    "about" marks what is estimated.
    """
    import pandas as pd

    names = [field.name for field in fields(Profile) if field.name != "name"]
    columns = {}
    for profile in PROFILES.values():
        about = ESTIMATED if profile.gpu_gib else ()
        columns[profile.name] = [
            f"{'about ' if name in about else ''}{_text(getattr(profile, name))}" for name in names
        ]
    table = pd.DataFrame(columns, index=names)
    return table[table.nunique(axis=1) > 1]


def auto(card=None, colab: bool = False) -> Profile:
    """The profile for `card` (as `environment.card` gives it).

    Outside Colab it is always `pocket`: gigabytes are downloaded only when someone asks for them.
    Capability 8 and later computes in bfloat16. `torch.cuda.is_bf16_supported` is not used: on older
    cards it says yes to a slow emulation.
    """
    if card is None or not colab:
        return POCKET
    _, gib, capability = card
    if capability < (7, 0) or gib < T4.gpu_gib:
        return POCKET
    if capability < (8, 0):
        return T4
    with_bf16 = replace(T4, compute_dtype="bfloat16")
    return A100 if gib >= A100.gpu_gib else L4 if gib >= L4.gpu_gib else with_bf16


def choose(name: str = "auto", **changes) -> Profile:
    """The profile called `name`, with `changes` to its fields; "auto" picks it by the machine.

    Raises ValueError for an unknown name, an unknown field or an impossible value, and for a profile
    that needs a GPU on a machine without one.
    """
    card = environment.card()
    if name == "auto":
        profile = auto(card, environment.in_colab())
    elif name in PROFILES:
        profile = PROFILES[name]
    else:
        known = ", ".join(f'"{known}"' for known in ("auto", *PROFILES))
        raise ValueError(f"profile_name = {name!r} is unknown: it has to be one of {known}")
    known = [field.name for field in fields(Profile)]
    unknown = [change for change in changes if change not in known]
    if unknown:
        raise ValueError(
            f"changes: a profile has no field {', '.join(unknown)}; it has {', '.join(known)}"
        )
    if "optim" in changes:
        _check_optimizer(changes["optim"])
    try:
        profile = replace(profile, **changes)
    except ValueError as error:
        raise ValueError(str(error)) from None  # without the way through dataclasses
    if profile.gpu_gib and card is None:
        raise ValueError(
            f"profile {profile.name} needs a GPU with {profile.gpu_gib:.0f} GiB and this machine has "
            "none. In Colab: Runtime → Change runtime type → T4 GPU. Without a GPU: "
            'profile_name = "pocket"'
        )
    if profile.compute_dtype == "bfloat16" and card is not None and card[2] < (8, 0):
        raise ValueError(
            f'{card[0]} has no bfloat16 hardware: use changes = {{"compute_dtype": "float16"}}'
        )
    return profile


def _check_optimizer(name) -> None:
    from transformers.training_args import OptimizerNames

    known = [known.value for known in OptimizerNames]
    if name not in known:
        raise ValueError(
            f"optim = {name!r}: transformers has no optimizer of this name. It has {', '.join(known)}"
        )


def _text(value) -> str:
    """A field's value as a learner reads it."""
    if value is None:
        return "the newest"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _short(revision: str | None) -> str:
    """A revision with its long hash cut to 10 digits, as in "sha256 0123456789"."""
    words = _text(revision).split(" ")
    return " ".join([*words[:-1], words[-1][:10] if len(words[-1]) >= 40 else words[-1]])


def _table(rows: dict[str, str]) -> str:
    cells = "".join(
        f"<tr><td>{name}</td><td>{escape(text)}</td></tr>" for name, text in rows.items()
    )
    return f"<table>{cells}</table>"
