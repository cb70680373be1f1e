"""Measure the budgets on this machine: python tests/bench.py

The rate of lesson 08's SFTTrainer against a bare PyTorch loop on the same items in the same
process, evaluation in batches against one item at a time, and the import of helpers.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

from helpers import base_model, catalogue, environment, pricing

N_ITEMS, BATCH_SIZE = 800, 16
LORA = dict(
    r=32,
    lora_alpha=64,
    lora_dropout=0.1,
    target_modules=["q_proj", "k_proj", "v_proj", "o_proj"],
    task_type="CAUSAL_LM",
)


def load():
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    return base_model.load_base(base_model.POCKET, quantization_config=quantization)


def with_trainer(items, tokenizer):
    """Seconds that SFTTrainer takes for one epoch of `items`, and what it feeds the model."""
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH_SIZE,
            num_train_epochs=1,
            learning_rate=2e-3,
            max_length=182,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            save_strategy="no",
            disable_tqdm=True,
            report_to="none",
        )
        trainer = SFTTrainer(
            model=load(),
            args=config,
            train_dataset=items.select_columns(["prompt", "completion"]),
            processing_class=tokenizer,
            peft_config=LoraConfig(**LORA),
        )
        for p in trainer.model.parameters():
            p.data = p.data.float() if p.requires_grad else p.data
        batches = list(trainer.get_train_dataloader())
        start = time.perf_counter()
        trainer.train()
        return time.perf_counter() - start, batches


def with_bare_loop(batches):
    """Seconds of the shortest loop that does the same steps."""
    model = get_peft_model(load(), LoraConfig(**LORA)).train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=2e-3)
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
    trainer, batches = with_trainer(items, tokenizer)
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
