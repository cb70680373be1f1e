"""Lesson 08 on a CUDA card, with a random model of Llama 3.1 8B's shape: no network, no licence.

    make test-gpu        # writes what it measured to tests/gpu/measured.json

The checkpoint (16 GB) is written once, to build/gpu/. A smaller card is played by capping the
memory that this process may take. Random weights cost the same time and memory as trained ones.
"""

import datetime
import json
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
import run_lessons as runner
import support
import torch
from datasets import Dataset
from support import LLAMA, TOY_8B, nf4
from transformers import AutoModelForCausalLM, TrainerCallback

from helpers import (
    BUILD,
    base_model,
    catalogue,
    environment,
    memory,
    pricing,
    profiles,
    runs,
)


def needs_gpu(test):
    """Off by default. `make test-gpu` runs it, and skips it where there is no card."""
    here = torch.cuda.is_available()
    return pytest.mark.gpu(pytest.mark.skipif(not here, reason="no CUDA card here")(test))


MEASURED = Path(__file__).parent / "measured.json"
N_STEPS = 12  # of training, the first two not counted
LECTURES = replace(profiles.T4, compute_dtype="bfloat16", accumulation=1)
LEVERS = {  # one change each, all but the first
    "the lectures' settings": {},
    "no checkpointing": {"gradient_checkpointing": False},
    "batch 16": {"batch_size": 16},
    "fused AdamW": {"optim": "adamw_torch_fused"},
    "length-grouped batches": {"train_sampling_strategy": "group_by_length"},
    "eager attention": {"attn_implementation": "eager"},
    "all that help": {
        "gradient_checkpointing": False,
        "batch_size": 16,
        "optim": "adamw_torch_fused",
        "train_sampling_strategy": "group_by_length",
    },
}


def write_random_checkpoint(config, folder, shard_size="2GB"):
    """A checkpoint of `config`'s shape in `folder`: bf16 shards with an index, as on the hub."""
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    base_model.load_tokenizer(base_model.POCKET).save_pretrained(folder)
    model.save_pretrained(folder, max_shard_size=shard_size)  # the index last: then it is whole


def items(n):
    """Items as long as the lectures' (about 110 tokens with Llama's tokenizer)."""
    rows = catalogue.load("train").select(range(n))
    longer = [
        p.replace("\n\nPrice is $", " " + p.split("\n\n")[1] + "\n\nPrice is $")
        for p in rows["prompt"]
    ]
    return Dataset.from_dict({"prompt": longer, "completion": rows["completion"]})


def make_trainer(model, profile, out, **more):
    """A trainer of N_STEPS with `profile`'s settings."""
    return support.make_trainer(
        model,
        items(N_STEPS * profile.batch_size * profile.accumulation),
        out,
        lora=dict(
            r=profile.r,
            lora_alpha=profile.lora_alpha,
            lora_dropout=profile.lora_dropout,
            target_modules=list(profile.target_modules),
        ),
        use_cpu=False,
        max_steps=N_STEPS,
        per_device_train_batch_size=profile.batch_size,
        gradient_accumulation_steps=profile.accumulation,
        learning_rate=profile.learning_rate,
        optim=profile.optim,
        max_length=profile.max_length,
        gradient_checkpointing=profile.gradient_checkpointing,
        bf16=profile.compute_dtype == "bfloat16",
        fp16=profile.compute_dtype == "float16",
        max_grad_norm=0.3,
        **more,
    )


class Clock(TrainerCallback):
    """Seconds of each step after the second."""

    def __init__(self):
        self.marks = []

    def on_step_end(self, args, state, control, **kwargs):
        torch.cuda.synchronize()
        self.marks.append(time.perf_counter())

    def seconds_a_step(self):
        return (self.marks[-1] - self.marks[1]) / (len(self.marks) - 2)


def note(key, value):
    """Keep a measurement, beside the card, the versions and the day."""
    found = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
    card = environment.device_name()
    entry = found.setdefault(card, {})
    entry["date"] = datetime.date.today().isoformat()
    entry["versions"] = {name: version(name) for name in runs.PACKAGES}
    entry[key] = value
    MEASURED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def train(base, profile, tmp_path, **more):
    """Figures of N_STEPS of training: seconds, tokens, memory, the last loss."""
    attention = more.pop("attn_implementation", None)
    torch.cuda.empty_cache()
    model = base_model.load_base(str(base), None, nf4(profile.compute_dtype), profile.compute_dtype)
    if attention:
        model.set_attn_implementation(attention)
    trainer, clock = make_trainer(model, profile, tmp_path, **more), Clock()
    trainer.add_callback(clock)
    torch.cuda.reset_peak_memory_stats()
    trainer.train()
    lengths = [len(ids) for ids in trainer.train_dataset["input_ids"]]
    seconds = clock.seconds_a_step()
    return trainer, dict(
        seconds_a_step=seconds,
        tokens_a_second=sum(lengths) / N_STEPS / seconds,
        peak_bytes=torch.cuda.max_memory_allocated(),
        longest=max(lengths),
        loss=[row["loss"] for row in trainer.state.log_history if "loss" in row][-1],
    )


@pytest.fixture(scope="module")
def base():
    folder = BUILD / "gpu" / "llama-8b"
    if not (folder / "model.safetensors.index.json").exists():
        environment.check_disk(17 * 10**9, BUILD.parent)
        write_random_checkpoint(LLAMA, folder)
    return folder


@pytest.fixture
def card():
    """A function that caps this process at a profile's memory; lifted at the end."""

    def cap(profile):
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, profile.gpu_gib * 2**30 / total))

    yield cap
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_random_checkpoint_loads_in_shards(tmp_path):
    """The one test here that needs no card: the checkpoint's form."""
    write_random_checkpoint(TOY_8B, tmp_path, shard_size="400KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    model = base_model.load_base(str(tmp_path), None, nf4(torch.float32))
    assert sum(p.numel() for p in model.model.norm.parameters()) == TOY_8B.hidden_size
    tokenizer = base_model.load_tokenizer(str(tmp_path))
    assert pricing.price_distribution(model, tokenizer, ["Price is $"]).sum() == pytest.approx(
        1, abs=1e-3
    )


@needs_gpu
def test_footprint_and_load_time(base, tmp_path):
    profile = profiles.A100
    start = time.perf_counter()
    model = base_model.load_base(str(base), None, nf4(profile.compute_dtype), profile.compute_dtype)
    seconds = time.perf_counter() - start
    footprint = model.get_memory_footprint()
    trainer = make_trainer(model, profile, tmp_path)
    n_trainable = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    trainer.model.save_pretrained(tmp_path / "adapter")
    n_file = (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size
    note(
        "loading",
        dict(
            seconds=seconds,
            footprint_gb=footprint / 1e9,
            with_adapters_gb=trainer.model.get_memory_footprint() / 1e9,
            peak_gb=torch.cuda.max_memory_allocated() / 1e9,
            predicted_peak_gb=memory.load_peak(LLAMA) / 1e9,
            n_trainable=n_trainable,
            adapter_file_bytes=n_file,
        ),
    )
    assert n_trainable == 27_262_976
    assert footprint / 1e9 == pytest.approx(5.5915, abs=1e-3)
    assert 0 < n_file - 4 * n_trainable < 100_000


@needs_gpu
@pytest.mark.parametrize("profile", [profiles.T4, profiles.L4, profiles.A100], ids=lambda p: p.name)
def test_training_fits_the_card_and_the_prediction(base, tmp_path, card, profile):
    card(profile)
    trainer, found = train(base, profile, tmp_path)
    longest = replace(profile, max_length=found["longest"])
    predicted = memory.training_memory(LLAMA, longest)
    found["predicted_bytes"] = sum(predicted.values())
    note(profile.name, found)
    assert found["peak_bytes"] == pytest.approx(found["predicted_bytes"], rel=0.10), predicted
    assert found["peak_bytes"] < profile.gpu_gib * 2**30


@needs_gpu
def test_what_each_lever_gains(base, tmp_path):
    found = {}
    for name, change in LEVERS.items():
        fields = {k: v for k, v in change.items() if k in vars(LECTURES)}
        more = {k: v for k, v in change.items() if k not in fields}
        _, found[name] = train(base, replace(LECTURES, **fields), tmp_path, **more)
    slow = found["the lectures' settings"]["tokens_a_second"]
    for row in found.values():
        row["gain"] = row["tokens_a_second"] / slow
    note("levers", found)
    assert found["all that help"]["gain"] > 1


@needs_gpu
def test_evaluation_in_batches(base):
    profile = profiles.A100
    model = base_model.load_base(str(base), None, nf4(profile.compute_dtype), profile.compute_dtype)
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    prompts, seconds = items(250)["prompt"], {}
    for batch_size in (50, 1):
        start = time.perf_counter()
        pricing.price_distribution(model, tokenizer, prompts, batch_size)
        seconds[f"batches of {batch_size}"] = time.perf_counter() - start
    note("evaluation of 250 items", seconds)
    assert seconds["batches of 50"] < seconds["batches of 1"]


@needs_gpu
def test_the_pocket_lesson_on_cuda():
    path = runner.NOTEBOOKS / "08_qlora_sft.ipynb"
    notebook = [(runner.read(path), ["tuned_errors.mean()", "over_floor"])]
    run = runner.run(runner.one_after_the_other(notebook), path.stem)
    [values] = run.values
    note("pocket lesson", dict(seconds=run.seconds, **values))
    assert values["over_floor"] < 0.10
