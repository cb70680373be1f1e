"""Lesson 8 on a CUDA card, with a random model of Llama 3.1 8B's shape: no network, no licence.

    make test-gpu        # writes what it measured to tests/gpu/measured.json and README.md

The checkpoints (16 GB, and 6 GB in 4 bits) are written once, to build/gpu/. A smaller card is played
by capping the memory that a process may take; its rate is not played. Random weights cost the same
time and memory as trained ones.
"""

import ast
import datetime
import gc
import json
import time
from dataclasses import replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import median

import nbformat
import pytest
import run_lessons as runner
import support
import torch
from datasets import Dataset
from judging import judge_cells
from support import LLAMA, TOY_8B, nf4
from transformers import AutoModelForCausalLM, TrainerCallback

from helpers import base_model, catalogue, environment, memory, pricing, profiles, runs


def needs_gpu(test):
    """Off by default. `make test-gpu` runs it, and skips it where there is no card."""
    here = torch.cuda.is_available()
    return pytest.mark.gpu(pytest.mark.skipif(not here, reason="no CUDA card here")(test))


HERE = Path(__file__).parent
MEASURED, README = HERE / "measured.json", HERE / "README.md"
CHECKPOINTS = support.ROOT / "build" / "gpu"
LESSON = runner.NOTEBOOKS / "08_qlora_sft.ipynb"
CARDS = [profiles.T4, profiles.L4, profiles.A100]
N_STEPS, N_WARM = 12, 2  # of training; of those, not counted
LEVER_STEPS, LEVER_WARM = 60, 24  # CUDA has met most shapes of a batch by then
LECTURES = replace(profiles.T4, compute_dtype="bfloat16", accumulation=1)
FIXED = {"pad_to_multiple_of": LECTURES.max_length, "loss_type": "nll"}
LEVERS = {  # one change each, all but the first and the last
    "the lectures' settings": FIXED,
    "padded to the batch's longest": FIXED | {"pad_to_multiple_of": None},
    "and batches by length": FIXED
    | {"pad_to_multiple_of": None, "train_sampling_strategy": "group_by_length"},
    "loss in chunks": FIXED | {"loss_type": "chunked_nll"},
    "no checkpointing": FIXED | {"gradient_checkpointing": False},
    "batch 16": FIXED | {"batch_size": 16},
    "fused AdamW": FIXED | {"optim": "adamw_torch_fused"},
    "eager attention": FIXED | {"attn_implementation": "eager"},
    "all that help": {
        "loss_type": "chunked_nll",
        "gradient_checkpointing": False,
        "batch_size": 16,
        "optim": "adamw_torch_fused",
        "train_sampling_strategy": "group_by_length",
    },
}


# ---- what is trained


def write_random_checkpoint(config, folder, shard_size="2GB"):
    """A checkpoint of `config`'s shape in `folder`: bf16 shards with an index, as on the hub."""
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    base_model.load_tokenizer(base_model.POCKET).save_pretrained(folder)
    model.save_pretrained(folder, max_shard_size=shard_size)  # the index last: then it is whole


def items(n, texts=(2, 3, 4)):
    """Items with their text written several times over: 116 tokens each, as long as the lectures'."""
    rows = catalogue.load("train").select(range(n))
    prompts = []
    for i, prompt in enumerate(rows["prompt"]):
        question, text, price = prompt.split("\n\n")
        prompts.append("\n\n".join([question, " ".join([text] * texts[i % len(texts)]), price]))
    return Dataset.from_dict({"prompt": prompts, "completion": rows["completion"]})


def load(folder, profile):
    return base_model.load_base(
        str(folder), None, nf4(profile.compute_dtype), profile.compute_dtype
    )


def make_trainer(model, profile, out, texts=(2, 3, 4), n_steps=N_STEPS, **more):
    """A trainer of `n_steps` with `profile`'s settings."""
    return support.make_trainer(
        model,
        items(n_steps * profile.batch_size * profile.accumulation, texts),
        out,
        lora=dict(
            r=profile.r,
            lora_alpha=profile.lora_alpha,
            lora_dropout=profile.lora_dropout,
            target_modules=list(profile.target_modules),
        ),
        use_cpu=not torch.cuda.is_available(),
        max_steps=n_steps,
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
    """Around a trainer's collator: when each step ended, and the shape and tokens of each batch."""

    def __init__(self, collator):
        self.collator, self.marks, self.batches = collator, [], []

    def __call__(self, examples):
        batch = self.collator(examples)
        mask = batch["attention_mask"]
        self.batches.append((int(mask.sum()), mask.numel()))
        return batch

    def on_step_end(self, args, state, control, **kwargs):
        torch.cuda.synchronize()
        self.marks.append(time.perf_counter())

    def rates(self, accumulation, n_warm):
        """Of all steps after the first `n_warm`: seconds, tokens a second, and which share was padding.

        step_seconds: of the fastest step, the median and the slowest. CUDA prepares itself once for
        each new shape of a batch, so a short run is slower than a long one.
        """
        n_steps = len(self.marks) - n_warm
        counted = self.batches[n_warm * accumulation : len(self.marks) * accumulation]
        n_tokens, n_places = (sum(column) for column in zip(*counted, strict=True))
        marks = self.marks[n_warm - 1 :]
        seconds = marks[-1] - marks[0]
        steps = sorted(b - a for a, b in pairwise(marks))
        return dict(
            seconds_a_step=seconds / n_steps,
            step_seconds=[steps[0], median(steps), steps[-1]],
            tokens_a_second=n_tokens / seconds,
            padding=1 - n_tokens / n_places,
        )


def train(folder, profile, out, attn_implementation=None, n_warm=N_WARM, **more):
    """Figures of a short training: seconds, tokens, memory, the last loss."""
    gc.collect()
    torch.cuda.empty_cache()
    model = load(folder, profile)
    if attn_implementation:
        model.set_attn_implementation(attn_implementation)
    trainer = make_trainer(model, profile, out, **more)
    clock = trainer.data_collator = Clock(trainer.data_collator)
    trainer.add_callback(clock)
    record = runs.RunRecord(profile=profile)
    trainer.add_callback(record)
    torch.cuda.reset_peak_memory_stats()
    with record:
        trainer.train()
    longest = max(len(ids) for ids in trainer.train_dataset["input_ids"])
    predicted = memory.training_memory(model.config, replace(profile, max_length=longest))
    state = trainer.optimizer.optimizer.state if "paged" in profile.optim else {}
    paged = sum(t.nbytes for s in state.values() for t in s.values() if hasattr(t, "is_paged"))
    found = clock.rates(profile.accumulation, n_warm) | dict(
        peak_bytes=torch.cuda.max_memory_allocated() + paged,  # torch does not see paged memory
        longest=longest,
        loss=record.history[-1]["loss"],
    )
    if more.get("loss_type") != "nll":  # lesson 8 takes the loss in chunks, and predicts that
        found["predicted_bytes"] = sum(predicted.values())
    return found


# ---- what is kept of it


def keep(kind, name, **figures):
    """Keep measured figures, beside the card, the versions and the day, and write the README again."""
    found = recorded()
    entry = found.setdefault(environment.device_name(), {})
    entry["date"] = datetime.date.today().isoformat()
    entry["versions"] = {package: version(package) for package in runs.PACKAGES}
    entry.setdefault(kind, {})[name] = figures
    MEASURED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    README.write_text(readme(found), encoding="utf-8")


def recorded():
    """{card: {date, versions, kind: {name: figures}}} of all runs so far."""
    return json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}


def readme(found):
    """README.md with a section for each card in `found`."""
    head = README.read_text(encoding="utf-8").partition("\n## ")[0].rstrip("\n") + "\n"
    return head + "".join(section(card, entry) for card, entry in found.items())


def section(card, entry):
    said = ", ".join(f"{package} {number}" for package, number in entry["versions"].items())
    lines = ["", f"## {card}", "", f"{entry['date']}: {said}", ""]
    lines += ["| | s a step | tokens/s | of the places, padding | peak, GB | predicted, GB |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    levers = entry.get("levers", {})
    first = levers.get("the lectures' settings", {}).get("tokens_a_second")
    for rows in (entry.get("training", {}), levers):
        for name, row in rows.items():
            predicted = f"{row['predicted_bytes'] / 1e9:.2f}" if "predicted_bytes" in row else ""
            gain = f" ({row['tokens_a_second'] / first:.2f} ×)" if rows is levers else ""
            lines.append(
                f"| {name} | {row['seconds_a_step']:.2f} | {row['tokens_a_second']:,.0f}{gain} | "
                f"{row['padding']:.0%} | {row['peak_bytes'] / 1e9:.2f} | {predicted} |"
            )
    lines.append("")
    for kind in ("loading", "scoring", "lesson 8"):
        for name, figures in entry.get(kind, {}).items():
            said = ", ".join(f"{k.replace('_', ' ')} {v:,.4g}" for k, v in figures.items())
            lines.append(f"- {kind}, {name}: {said}")
    return "\n".join(lines) + "\n"


def test_the_readme_says_what_was_measured():
    assert README.read_text(encoding="utf-8") == readme(recorded())


# ---- the tests


@pytest.fixture(scope="module")
def plain():
    """The 8B's shape in 16 bits, as on the hub."""
    folder = CHECKPOINTS / "llama-8b"
    if not (folder / "model.safetensors.index.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        environment.check_disk(17 * 10**9, folder)
        write_random_checkpoint(LLAMA, folder)
    return folder


@pytest.fixture(scope="module")
def base(plain):
    """The same, stored in 4 bits, as lesson 8 downloads it."""
    folder = CHECKPOINTS / "llama-8b-4bit"
    if not (folder / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        environment.check_disk(6 * 10**9, folder)
        model = load(plain, profiles.A100)
        model.save_pretrained(folder)
        base_model.load_tokenizer(base_model.POCKET).save_pretrained(folder)
    return folder


def share_of_the_card(profile):
    """Of the memory of the card that is here, what `profile` may have."""
    return min(1, profile.gpu_gib * 2**30 / torch.cuda.get_device_properties(0).total_memory)


@pytest.fixture
def cap():
    """A function that caps this process at a profile's memory, in bytes; lifted at the end."""

    def at(profile):
        torch.cuda.set_per_process_memory_fraction(share_of_the_card(profile))
        return int(profile.gpu_gib * 2**30)

    yield at
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
def test_footprint_and_load_time(plain, base, tmp_path):
    found = {}
    for name, folder in (("from 16 bits", plain), ("from 4 bits", base)):
        model = None
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        model = load(folder, profiles.A100)
        torch.cuda.synchronize()
        found[name] = dict(
            seconds=time.perf_counter() - start,
            footprint_gb=model.get_memory_footprint() / 1e9,
            peak_gb=torch.cuda.max_memory_allocated() / 1e9,
            predicted_peak_gb=memory.load_peak(LLAMA) / 1e9,
        )
    trainer = make_trainer(model, profiles.A100, tmp_path)
    n_trainable = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    trainer.model.save_pretrained(tmp_path / "adapter")
    n_file = (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size
    with_them = trainer.model.get_memory_footprint() / 1e9
    found["adapters"] = dict(weights=n_trainable, file_bytes=n_file, footprint_gb=with_them)
    for name, figures in found.items():
        keep("loading", name, **figures)
    assert n_trainable == 27_262_976
    assert 0 < n_file - 4 * n_trainable < 100_000
    for name in ("from 16 bits", "from 4 bits"):
        assert found[name]["footprint_gb"] == pytest.approx(5.5915, abs=1e-3)
        assert found[name]["peak_gb"] < 1.1 * found[name]["predicted_peak_gb"]


@needs_gpu
@pytest.mark.parametrize("profile", CARDS, ids=lambda p: p.name)
def test_training_fits_the_card_and_the_prediction(base, tmp_path, cap, profile):
    room = cap(profile)
    found = train(base, profile, tmp_path)
    keep("training", f"{profile.name}, in {profile.gpu_gib:g} GiB", **found)
    assert found["peak_bytes"] == pytest.approx(found["predicted_bytes"], rel=0.10)
    assert found["peak_bytes"] < room


@needs_gpu
def test_the_cap_bites(cap):
    room = cap(profiles.T4)
    assert torch.cuda.mem_get_info()[0] > 2 * room  # the card itself has more
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(room, dtype=torch.uint8, device="cuda")
    assert torch.empty(room // 2, dtype=torch.uint8, device="cuda").nbytes == room // 2


@needs_gpu
def test_too_little_memory_is_told_and_the_first_advice_helps(base, tmp_path, cap):
    cap(profiles.T4)
    profile = replace(profiles.A100, max_length=300)
    texts = (8, 9)
    with pytest.raises(torch.OutOfMemoryError, match="does not fit into the memory of") as caught:
        train(base, profile, tmp_path, texts=texts)
    advice = [line for line in str(caught.value).splitlines() if line.startswith("  {")]
    change = ast.literal_eval(advice[0].partition("#")[0].strip())
    del caught
    found = train(base, replace(profile, **change), tmp_path, texts=texts)
    assert found["loss"] > 0


@needs_gpu
def test_what_each_lever_gains(base, tmp_path):
    found, steps = {}, {"n_steps": LEVER_STEPS, "n_warm": LEVER_WARM}
    for name, change in LEVERS.items():
        fields = {k: v for k, v in change.items() if k in vars(LECTURES)}
        more = {k: v for k, v in change.items() if k not in fields}
        found[name] = train(base, replace(LECTURES, **fields), tmp_path, **steps, **more)
        keep("levers", name, **found[name])
    slow = found["the lectures' settings"]["tokens_a_second"]
    assert found["all that help"]["tokens_a_second"] > 2 * slow


@needs_gpu
def test_long_sequences(base, tmp_path):
    """1,000 to 2,000 tokens: what published rates are for."""
    profile = replace(profiles.A100, batch_size=2, max_length=2300)
    for name, checkpointing in (("with", True), ("without", False)):
        there = replace(profile, gradient_checkpointing=checkpointing)
        found = train(base, there, tmp_path, texts=(28, 36, 44, 52, 60))
        keep("training", f"2 × 1,000 to 2,000 tokens, {name} checkpointing", **found)
        assert found["peak_bytes"] == pytest.approx(found["predicted_bytes"], rel=0.10)


@needs_gpu
def test_scoring_in_batches(base):
    model = load(base, profiles.A100)
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    prompts, seconds = items(100)["prompt"], {}
    for batch_size in (50, 1, 50):  # the first one warms
        start = time.perf_counter()
        pricing.price_distribution(model, tokenizer, prompts, batch_size)
        seconds[batch_size] = time.perf_counter() - start
    figures = {f"seconds_in_batches_of_{size}": seconds[size] for size in (1, 50)}
    keep("scoring", "100 items", **figures, times=seconds[1] / seconds[50])
    assert 4 * seconds[50] < seconds[1]


@needs_gpu
def test_the_pocket_lesson_on_cuda():
    facts = ["tuned_errors.mean()", "over_floor", "torch.cuda.is_available()", "tuned.device.index"]
    notebook = runner.one_after_the_other([(runner.read(LESSON), facts)])
    run = runner.run(notebook, LESSON.stem)
    judge_cells(run)
    [values] = run.values
    assert values.pop("torch.cuda.is_available()") and values.pop("tuned.device.index") == 0
    keep("lesson 8", "pocket", seconds=run.seconds, **values)
    assert values["over_floor"] < 0.10


@needs_gpu
@pytest.mark.parametrize("profile", CARDS, ids=lambda p: p.name)
def test_the_lesson_on_the_8bs_shape_in_a_cards_memory(base, tmp_path, profile):
    """The whole notebook with a card's own profile: its precision, its optimizer, its memory."""
    data = support.write_items(tmp_path / "items", n_train=10 * 16, n_test=50)
    notebook = runner.read(LESSON)
    set_up = next(i for i, cell in enumerate(notebook.cells) if "setup" in runner.tags(cell))
    cap = f"torch.cuda.set_per_process_memory_fraction({share_of_the_card(profile)})"
    notebook.cells.insert(set_up + 1, nbformat.v4.new_code_cell(cap))
    facts = ["trainer.state.global_step", "torch.cuda.max_memory_allocated()"]
    facts += ["sum(needed.values())", "len(changed)"]
    notebook = runner.one_after_the_other([(notebook, facts)])
    changes = {"base": str(base), "data": str(data)}
    run = runner.run(
        notebook, "08_gpu", parameters={"profile_name": profile.name, "changes": changes}
    )
    judge_cells(run)
    [values] = run.values
    assert values["trainer.state.global_step"] == 10 and values["len(changed)"] == 0
    figures = dict(
        peak_gb=values["torch.cuda.max_memory_allocated()"] / 1e9,
        predicted_gb=values["sum(needed.values())"] / 1e9,
        peak_of_ram_gb=run.peak_gb,
    )
    keep("lesson 8", f"{profile.name} on the 8B's shape", seconds=run.seconds, **figures)
    assert figures["peak_gb"] < profile.gpu_gib * 2**30 / 1e9
