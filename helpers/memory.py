"""Bytes while a model is loaded, trained and answering, from its config, and whether they fit."""

import math
from collections.abc import Iterable
from dataclasses import replace

from helpers.counting import lora_shapes, n_bytes, stored_bytes
from helpers.shapes import module_shapes, quantized_shapes, shared_model

LOSS_CHUNK = 256  # tokens: trl's SFTTrainer takes the loss of this many at a time
LIBRARIES = 5 * 10**8  # bytes: torch and the rest in memory, or CUDA's own part of a card


def optimizer_bytes(sizes: Iterable[int], optim: str) -> int:
    """Bytes of AdamW's two moments for trained tensors of `sizes` (numbers of weights).

    optim: as SFTConfig names it. In general two floats a weight, paged or not (a paged state may
    move to RAM). 8-bit optimizers: two bytes a weight and two 32-bit scales for 256 of them, but
    floats in tensors of fewer than 4,096 weights. Source: bitsandbytes' optim/optimizer.py.
    """
    if "8bit" not in optim:
        return sum(8 * size for size in sizes)
    return sum(8 * n if n < 4096 else 2 * n + 8 * math.ceil(n / 256) for n in sizes)


def training_memory(config, profile, cpu: bool = False) -> dict[str, int]:
    """Bytes at the peak of training `profile`'s adapters on the base of `config`, part by part.

    The peak is the sum of the parts; LIBRARIES come on top. "loss" is the larger of two things. One
    is what the loss needs: trl takes it in chunks of 256 tokens, each with logits, their
    log-softmax and the gradients of both, in 32 bits. The other is what the backward pass needs for
    a moment: one unpacked matrix and the gradients of an MLP. On a CPU the tensors that are not
    quantized stay in the checkpoint's file, which is mapped into memory as a whole; the system takes
    the rest of it back when memory is short.
    "activations" are what autograd keeps, as `helpers.activations.kept_bytes` counts it, for a batch
    without padding. With checkpointing: the inputs of all layers, and all of the one at work.
    Raises ValueError where that cannot count: mixtures of experts, convolutions, encoders.
    """
    from helpers.activations import kept_bytes

    layers, inputs, rest = kept_bytes(config, profile, cpu)
    kept = sum(inputs) + max(layers) if profile.gradient_checkpointing else sum(layers)
    dtype = profile.compute_dtype
    size = n_bytes(1, dtype)
    shapes = lora_shapes(config, profile.target_modules)
    tensors = [n for i, o in shapes.values() for n in (profile.r * i, profile.r * o)]
    n_adapter = sum(tensors)
    tokens = profile.batch_size * profile.max_length
    mlp = tokens * (3 * size * _widest(config) + 8 * config.hidden_size)
    logits = LOSS_CHUNK * config.vocab_size * (16 + (2 * size if size < 4 else 0))
    base = stored_bytes(config, "nf4", dtype)
    half_copies = 0 if size == 4 else n_adapter * size  # autocast keeps the adapters in 16 bits too
    parts = {
        "base, 4-bit": base["base weights"] + base["scales"],
        "base, not quantized": base["not quantized"],
        "adapters": n_bytes(n_adapter),
        "gradients": n_bytes(n_adapter),
        "optimizer": optimizer_bytes(tensors, profile.optim),
        "activations": kept + rest + half_copies,
        "loss": max(logits, _largest_matrix(config) * size + mlp),
    }
    if cpu:
        parts["file, mapped"] = n_bytes(2 * base["base weights"], config.dtype or "float32")
    return parts


def generating_memory(config, batch_size: int, n_tokens: int, dtype="bfloat16") -> dict[str, int]:
    """Bytes when the 4-bit base of `config` answers `batch_size` prompts of `n_tokens` each.

    The KV cache holds a key and a value for every layer and token. Logits are computed at the last
    position only. "layer at work" is its MLP's tensors and one unpacked matrix.
    Raises ValueError for the models that `training_memory` refuses.
    """
    from helpers.activations import cache_bytes

    size = n_bytes(1, dtype)
    tokens = batch_size * n_tokens
    base = stored_bytes(config, "nf4", dtype)
    return {
        "base, 4-bit": base["base weights"] + base["scales"],
        "base, not quantized": base["not quantized"],
        "KV cache": cache_bytes(config, batch_size, n_tokens, dtype),
        "layer at work": _largest_matrix(config) * size
        + tokens * size * (3 * _widest(config) + 4 * config.hidden_size),
        "logits": batch_size * config.vocab_size * (size + 4),
    }


def load_peak(config) -> int:
    """Bytes at the peak of loading in NF4: the whole, and the largest matrix not yet quantized."""
    return sum(stored_bytes(config).values()) + n_bytes(_largest_matrix(config), "bfloat16")


def on_cards(config, profile, n_cards: int, how: str, rate: float) -> dict[str, float]:
    """Predicted for training on `n_cards`, one process each: GB (10⁹ bytes) and rates of a step.

    how: "DDP", a whole copy on each card, with gradients averaged once a step; or "FSDP", where a
        card keeps its share of base, adapters, gradients and moments. Each forward and each
        backward pass then gathers the layers in turn (two are there at a time), and embeddings and
        head once. Activations stay whole, and so do the scales: bitsandbytes keeps these outside
        the parameters.
    rate: tokens a second of one card. "tokens/s" takes it times n_cards, as if the network cost
        nothing; "GB/s sent" is what the network must then carry.
    "GB sent a step": by one card, which receives as much. "GB read to load": by all processes
        together; with FSDP one process reads the file and sends the others their shares.
    Raises ValueError for another `how`. Sources: DDP (Li et al., 2020), FSDP (Zhao et al., 2023),
    bitsandbytes' pull request 970.
    """
    if how not in ("DDP", "FSDP"):
        raise ValueError(f"how = {how!r}: it has to be DDP or FSDP")
    parts = training_memory(config, profile)
    stored = stored_bytes(config, "nf4", profile.compute_dtype)
    gradients, at_work = parts["gradients"], parts["activations"] + parts["loss"]
    travels = (n_cards - 1) / n_cards  # of all bytes, a card has its own share already
    if how == "DDP":
        held = sum(parts.values()) + (gradients if n_cards > 1 else 0)  # a copy to send
        sent = 2 * travels * gradients  # added up, then handed round
        read = n_cards * sum(stored.values())
    else:
        layers, rest = stored["base weights"] + parts["adapters"], stored["not quantized"]
        share = (layers + rest + gradients + parts["optimizer"]) / n_cards
        gathered = 2 * layers / config.num_hidden_layers + rest
        held = share + gathered + stored["scales"] + at_work
        sent = travels * (profile.accumulation * (2 * layers + rest) + gradients)
        read = sum(stored.values())
    tokens = profile.batch_size * profile.max_length * profile.accumulation
    return {
        "GB a card": held / 1e9,
        "GB sent a step": sent / 1e9,
        "GB read to load": read / 1e9,
        "tokens/s": n_cards * rate,
        "GB/s sent": sent / 1e9 * rate / tokens,
    }


def fits(parts: dict[str, int], n_bytes_in_all: int, profile) -> str:
    """Whether `parts` (bytes) and the libraries fit into a machine with `n_bytes_in_all`, as text.

    If not, it says which of `profile`'s settings to change first.
    """
    need = sum(parts.values())
    said = (
        f"needs {need / 1e9:.2f} GB of the machine's {n_bytes_in_all / 1e9:.1f} GB; libraries take "
        "about half a GB more"
    )
    if need + LIBRARIES <= n_bytes_in_all:
        return f"fits: {said}"
    part = max(("activations", "loss", "optimizer", "base, 4-bit"), key=parts.get)
    fewer = 'a smaller "batch_size" and a larger "accumulation"'
    advice = {
        "activations": fewer
        if profile.gradient_checkpointing
        else '"gradient_checkpointing": True',
        "loss": fewer,
        "optimizer": '"optim": "paged_adamw_8bit", or a smaller "r"',
        "base, 4-bit": '"base": "unsloth/Llama-3.2-3B" (or "unsloth/Llama-3.2-1B")',
    }
    return f"does not fit: {said}. The largest part is {part}. Put into changes: {advice[part]}"


def smaller(config, profile, cpu: bool = False) -> dict[str, int]:
    """Changes of `profile` that take less memory, and the bytes they then need, the fewest first.

    {what to put into the lesson's `changes`: bytes}, with 0 where `training_memory` refuses.
    A smaller batch with more accumulation takes the same steps as before, and checkpointing too.
    """
    tries = [{"max_length": 3 * profile.max_length // 4}]
    if not profile.gradient_checkpointing:
        tries.append({"gradient_checkpointing": True})
    if profile.batch_size > 1:
        fewer = max(n for n in range(1, profile.batch_size) if profile.batch_size % n == 0)
        more = profile.accumulation * profile.batch_size // fewer
        tries.append({"batch_size": fewer, "accumulation": more})
    found = {}
    for change in tries:
        try:
            parts = training_memory(config, replace(profile, **change), cpu)
        except ValueError:
            parts = {}
        found[f"{change}"] = sum(parts.values())
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _widest(config) -> int:
    """Features of the widest input or output of a layer's matrix."""
    shapes = module_shapes(config, linear_only=True).values()
    return max(n for shape in shapes for n in shape)


def _largest_matrix(config) -> int:
    """Weights of the largest matrix that is quantized."""
    sizes = (i * o for i, o in quantized_shapes(shared_model(config)).values())
    return max(sizes, default=0)
