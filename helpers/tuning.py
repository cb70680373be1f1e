"""Tune Pocket Llama in one call: the loop that lesson 5 builds, for its experiments and lesson 9."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from helpers import base_model, limits

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
END = "<|end_of_text|>"
IGNORED = -100  # the label of a token that carries no loss


@dataclass(frozen=True)
class Knobs:
    """What a run sets before it starts; lesson 8's settings unless changed."""

    r: int | None = 32  # rank of the adapters; None trains every weight (full fine-tuning)
    lora_alpha: int | None = None  # None: 2 r, so that the adapters' scale stays 2
    lora_dropout: float = 0.0
    target_modules: tuple[str, ...] | str = ATTENTION  # "all-linear": the MLP's too
    nf4: bool = True  # base in 4 bits, with double quantization
    learning_rate: float = 1.2e-3  # the highest of the schedule
    schedule: str = "cosine"  # any name that transformers.get_scheduler knows
    warmup: float = 0.03  # share of the steps in which the learning rate rises
    steps: int = 250
    batch_size: int = 16  # items a step
    accumulation: int = 1  # forward passes a step, each with batch_size / accumulation items
    weight_decay: float = 0.001
    max_grad_norm: float = 0.3
    completion_only: bool = True  # False: loss on the prompt's tokens, too
    seed: int = 42  # of the adapters, of dropout and of the items' order

    def __post_init__(self):
        known = {k: v for k, v in vars(self).items() if k in limits.RULES and v is not None}
        if known["target_modules"] == "all-linear":
            del known["target_modules"]
        limits.check(**known)
        limits.check(most=self.batch_size, accumulation=self.accumulation)


def load(knobs: Knobs, unpack: bool = False):
    """Pocket Llama as `knobs` wants it: in 4 bits or 32, with adapters or with all weights trained.

    unpack: unpack the 4-bit weights once instead of at each use. The same numbers come out, a fifth
    faster on a CPU; the memory is that of 32 bits.
    """
    from transformers import BitsAndBytesConfig

    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype="float32",
    )
    if knobs.r is None and knobs.nf4:
        raise ValueError("weights in 4 bits cannot be trained: set nf4=False, or give r a number")
    model = base_model.load_base(base_model.POCKET, quantization_config=nf4 if knobs.nf4 else None)
    if knobs.nf4 and unpack:
        model = model.dequantize()
    return with_adapters(model, knobs)


def with_adapters(model, knobs: Knobs):
    """`model` with new adapters as `knobs` wants them; as it is if all weights are to be trained."""
    from peft import LoraConfig, get_peft_model

    if knobs.r is None:
        return model
    targets = knobs.target_modules
    lora = LoraConfig(
        r=knobs.r,
        lora_alpha=2 * knobs.r if knobs.lora_alpha is None else knobs.lora_alpha,
        lora_dropout=knobs.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora)


def tune(knobs: Knobs, items, tokenizer, unpack: bool = False, base=None):
    """Train on `items` and return (the model, in eval mode; the loss of each step in nats a token).

    items: a data set with the columns prompt and completion. tokenizer: one that pads on the left.
    base: a loaded model to tune in place of Pocket Llama as `load` gives it (lesson 7).
    A step's loss is the mean over all of its tokens that carry a label, however they are split
    into forward passes. Equal to SFTTrainer's on the same items in the same order.
    """
    from transformers import get_scheduler

    torch.manual_seed(knobs.seed)
    model = load(knobs, unpack) if base is None else with_adapters(base, knobs)
    model.train()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, knobs.learning_rate, weight_decay=knobs.weight_decay)
    rising = round(knobs.warmup * knobs.steps)
    schedule = get_scheduler(knobs.schedule, optimizer, rising, knobs.steps)
    losses, batches = [], endless_batches(items, knobs.batch_size, knobs.seed)
    for _ in range(knobs.steps):
        batch, loss = next(batches), 0.0
        parts = [batch[i :: knobs.accumulation] for i in range(knobs.accumulation)]
        passes = [encode(part, tokenizer, knobs.completion_only) for part in parts]
        n_labels = sum((labels != IGNORED).sum() for _, _, labels in passes)
        for ids, mask, labels in passes:
            kept = labels.shape[1]  # the last positions: nothing before them carries a label
            logits = model(ids, attention_mask=mask, logits_to_keep=kept + 1).logits[:, :-1]
            each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
            (each / n_labels).backward()
            loss += each.item() / n_labels.item()
        torch.nn.utils.clip_grad_norm_(weights, knobs.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss)
    return model.eval(), losses


def endless_batches(items, batch_size: int, seed: int) -> Iterator[list[tuple[str, str]]]:
    """Lists of `batch_size` (prompt, completion), in a new order each time all have been seen."""
    pairs = list(zip(items["prompt"], items["completion"], strict=True))
    chance, order = torch.Generator().manual_seed(seed), []
    while True:
        while len(order) < batch_size:
            order += torch.randperm(len(pairs), generator=chance).tolist()
        yield [pairs[i] for i in order[:batch_size]]
        order = order[batch_size:]


def encode(pairs: list[tuple[str, str]], tokenizer, completion_only: bool = True):
    """(input ids (B, T), attention mask (B, T), labels (B, K)) of prompts and completions.

    Padded on the left, so that the completions end together. The labels are those of the last K
    places; before them no token carries one. The completion is followed by the end of the text.
    """
    rows, labels = [], []
    for prompt, completion in pairs:
        question = tokenizer(prompt)["input_ids"]
        answer = tokenizer(completion + END, add_special_tokens=False)["input_ids"]
        rows.append(question + answer)
        labels.append(answer if completion_only else rows[-1][1:])
    batch = tokenizer.pad({"input_ids": rows}, return_tensors="pt")
    K = max(map(len, labels))
    labels = torch.tensor([[IGNORED] * (K - len(row)) + row for row in labels])
    return batch["input_ids"], batch["attention_mask"], labels
