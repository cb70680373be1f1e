"""Measure the budgets on this machine: python tests/tools/bench.py

The rate of lesson 8's SFTTrainer against a bare PyTorch loop on the same items in the same
process, evaluation in batches against one item at a time, and the import of helpers.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from helpers import base_model, catalogue, environment, pricing

sys.path.append(str(Path(__file__).resolve().parent.parent))  # of support, as pytest has it
from support import ATTENTION, make_trainer, nf4  # noqa: E402

N_ITEMS, BATCH_SIZE = 800, 16
LEARNING_RATE = 2e-3
LORA = dict(r=32, lora_alpha=64, lora_dropout=0.1, target_modules=ATTENTION)


def load():
    return base_model.load_base(base_model.POCKET, quantization_config=nf4())


def with_trainer(items):
    """Seconds that SFTTrainer takes for one epoch of `items`, and what it feeds the model."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(
            load(),
            items,
            folder,
            lora=LORA,
            per_device_train_batch_size=BATCH_SIZE,
            num_train_epochs=1,
            learning_rate=LEARNING_RATE,
            max_length=182,
            logging_steps=10,
        )
        batches = list(trainer.get_train_dataloader())
        start = time.perf_counter()
        trainer.train()
        return time.perf_counter() - start, batches


def with_bare_loop(batches):
    """Seconds of the shortest loop that does the same steps."""
    model = get_peft_model(load(), LoraConfig(task_type="CAUSAL_LM", **LORA)).train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=LEARNING_RATE)
    start = time.perf_counter()
    for batch in batches:
        fields = {k: batch[k] for k in ("input_ids", "attention_mask", "labels")}
        model(**fields).loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 0.3)
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - start


def evaluation(model, tokenizer, prompts):
    """Seconds for `prompts` one at a time, and in batches."""
    seconds = []
    for batch_size in (1, 50):
        start = time.perf_counter()
        pricing.price_distribution(model, tokenizer, prompts, batch_size)
        seconds.append(time.perf_counter() - start)
    return seconds


def main():
    environment.start()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    items = catalogue.load("train").select(range(N_ITEMS))
    trainer, batches = with_trainer(items)
    bare = with_bare_loop(batches)
    print(
        f"{N_ITEMS} items: SFTTrainer {trainer:.1f} s, bare loop {bare:.1f} s: {bare / trainer:.2f} of its rate (budget: at least 0.85)"
    )
    single, batched = evaluation(load(), tokenizer, catalogue.load("test")["prompt"][:250])
    print(f"250 items: one at a time {single:.1f} s, in batches {batched:.1f} s")
    code = "import time; t = time.perf_counter(); import helpers; print(time.perf_counter() - t)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    print(f"import helpers: {float(done.stdout):.3f} s (budget: 0.1)")


if __name__ == "__main__":
    main()
