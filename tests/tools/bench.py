"""Measure speed and growth on this machine: make bench (PARTS="training scoring" for some of it).

All parts take about 45 minutes on two cores. Each writes its section of bench.md beside this file,
with the machine and the date; README quotes only from there. What is compared is run in turns,
several rounds in one process, and a table gives the median and the spread of the rounds.
"""

import ast
import datetime
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import run_lessons as runner
import torch
import torch.nn.functional as F
from nbformat.v4 import new_code_cell
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils.logging import disable_progress_bar

from helpers import base_model, catalogue, environment, pricing, profiles, scoring, tuning

sys.path.append(str(Path(__file__).resolve().parent.parent))  # of support, as pytest has it
from support import make_trainer, nf4  # noqa: E402

HERE = Path(__file__).resolve().parent
TABLE = HERE / "bench.md"
POCKET = profiles.PROFILES["pocket"]
LESSON_08 = HERE.parent.parent / "notebooks" / "08_qlora_sft.ipynb"
LORA = dict(r=POCKET.r, lora_alpha=POCKET.lora_alpha, target_modules=list(POCKET.target_modules))
N_ROUNDS, N_SEEDS, N_ITEMS, N_SCORED = 3, 4, 640, 200  # items trained on in a round, and scored
NOTHING = nullcontext()
HEAD = "| what | median | smallest to largest | budget or goal |\n|---|---|---|---|"
# Before a lesson and behind it; their names begin with _ so that no lesson has them.
IN_WIDGETS = """
import time as _time
from helpers.widgets import Answer as _Answer
_answers, _seconds, _update = [], [], _Answer.update
def _timed(self, change=None):
    start = _time.perf_counter()
    _update(self, change)
    if self not in _answers:
        _answers.append(self)
        _seconds.append(_time.perf_counter() - start)
_Answer.update = _timed
"""
OF_WIDGETS = """
for _ in range(10):
    for _answer in _answers:
        _start = _time.perf_counter()
        _update(_answer)
        _seconds.append(_time.perf_counter() - _start)
print(*_seconds)
"""


def row(what: str, values: list[float], unit: str, goal: str = "", digits: int = 3) -> str:
    """One line of a table: the median of `values` and their spread."""
    low, middle, high = (f"{v:,.{digits}g}" for v in (min(values), median(values), max(values)))
    if min(values) >= 10**digits:
        low, middle, high = (f"{v:,.0f}" for v in (min(values), median(values), max(values)))
    return f"| {what} | {middle} {unit} | {low} to {high} | {goal} |"


def load():
    return base_model.load_base(base_model.POCKET, quantization_config=nf4())


def lessons_settings() -> dict:
    """What lesson 8 hands to SFTConfig: the `settings` of its own cell, with the pocket profile."""
    sources = [cell.source for cell in runner.read(LESSON_08).cells]
    [source] = [source for source in sources if source.startswith("settings = dict(")]

    def value(node):
        match node:
            case ast.Attribute(ast.Name("profile"), name):
                return getattr(POCKET, name)
            case ast.Compare(left, [ast.Eq()], [right]):
                return value(left) == value(right)
        return ast.literal_eval(node)

    return {k.arg: value(k.value) for k in ast.parse(source).body[0].value.keywords}


# ---- training: lesson 8 against loops and settings of others

DEFAULTS = dict(learning_rate=POCKET.learning_rate)
LECTURES = dict(  # of what the lectures set, what bears on the rate
    learning_rate=POCKET.learning_rate,
    per_device_train_batch_size=4,
    pad_to_multiple_of=POCKET.max_length,
    max_length=POCKET.max_length,
    gradient_checkpointing=True,
    loss_type="nll",
    bf16=False,
)


def with_trainer(items, around=NOTHING, **settings) -> float:
    """Seconds that an SFTTrainer of these settings takes for one epoch of `items`, in `around`."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"num_train_epochs": 1, "logging_steps": 10} | settings
        trainer = make_trainer(load(), items, folder, lora=LORA, **settings)
        with around:
            start = time.perf_counter()
            trainer.train()
            return time.perf_counter() - start


def with_sfttrainers_defaults(items) -> float:
    """The same, with what SFTConfig sets of its own accord (batch 8, checkpointing), in float32.

    It would compute in bf16, which takes a CPU without instructions for it ten times as long.
    """
    from trl import SFTConfig

    with tempfile.TemporaryDirectory() as folder:
        own = SFTConfig(output_dir=folder, use_cpu=True, report_to="none")
    names = ("gradient_checkpointing", "per_device_train_batch_size", "max_length")
    return with_trainer(items, **DEFAULTS, **{name: getattr(own, name) for name in names})


def in_rows(items, tokenizer) -> list[tuple[list[int], int]]:
    """(token ids, how many of them are the prompt's) of each item."""
    rows = []
    for item in items:
        question = tokenizer(item["prompt"])["input_ids"]
        answer = tokenizer(item["completion"] + tuning.END, add_special_tokens=False)["input_ids"]
        rows.append((question + answer, len(question)))
    return rows


def with_bare_loop(rows, completion_only: bool, by_length: bool = False, around=NOTHING) -> float:
    """Seconds of one epoch, in `around`, by a loop of ten lines.

    completion_only: logits of the tokens that carry a label, not of all.
    by_length: each batch has items of about one length; otherwise random ones.
    """
    model = get_peft_model(load(), LoraConfig(task_type="CAUSAL_LM", **LORA)).train()
    llama = model.base_model.model
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, POCKET.learning_rate)
    size, chance = POCKET.batch_size, np.random.default_rng(0)
    order = chance.permutation(len(rows))
    if by_length:
        order = np.argsort([len(ids) for ids, _ in rows])
    batches = np.split(order, range(size, len(order), size))
    with around:
        start = time.perf_counter()
        for at in chance.permutation(len(batches)):
            batch = [rows[i] for i in batches[at]]
            longest = max(len(ids) for ids, _ in batch)
            ids = torch.zeros(len(batch), longest, dtype=torch.long)  # filled up on the right: the
            target = torch.full(
                (len(batch), longest), -100
            )  # causal mask keeps the rest from seeing it
            for i, (row_ids, n_prompt) in enumerate(batch):
                ids[i, : len(row_ids)] = torch.tensor(row_ids)
                target[i, n_prompt - 1 : len(row_ids) - 1] = torch.tensor(row_ids[n_prompt:])
            hidden = llama.model(ids, use_cache=False).last_hidden_state
            counted = (
                target != -100 if completion_only else torch.ones_like(target, dtype=torch.bool)
            )
            logits = llama.lm_head(hidden[counted])
            F.cross_entropy(logits, target[counted], ignore_index=-100).backward()
            torch.nn.utils.clip_grad_norm_(trained, 0.3)
            optimizer.step()
            optimizer.zero_grad()
        return time.perf_counter() - start


def products_per_second() -> float:
    """FLOPs a second of a product of two float32 matrices of 1,024 × 1,024."""
    a = torch.randn(1024, 1024)
    start = time.perf_counter()
    for _ in range(40):
        a @ a
    return 40 * 2 * 1024**3 / (time.perf_counter() - start)


def training() -> tuple[str, str, str]:
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    items = catalogue.load("train").select(range(N_ITEMS))
    rows, settings = in_rows(items, tokenizer), lessons_settings()
    ways = {
        "lesson 8": lambda: with_trainer(items, **settings),
        "bare loop": lambda: with_bare_loop(rows, completion_only=False),
        "best bare loop": lambda: with_bare_loop(rows, completion_only=True),
        "lesson 8, batches by length": lambda: with_trainer(
            items, **settings, train_sampling_strategy="group_by_length"
        ),
        "best bare loop, batches by length": lambda: with_bare_loop(rows, True, by_length=True),
        "SFTTrainer's defaults": lambda: with_sfttrainers_defaults(items),
        "the lectures' settings": lambda: with_trainer(items, **LECTURES),
    }
    n_tokens = sum(len(ids) for ids, _ in rows)
    n_weights = sum(
        p.numel() * 2 for p in load().parameters() if p.dtype == torch.uint8
    )  # two 4-bit codes a byte
    rates, limits = {name: [] for name in ways}, []
    with_bare_loop(rows[:64], completion_only=True)  # warm
    for number in range(N_ROUNDS):
        limits.append(products_per_second())
        for name in list(ways)[:: 1 if number % 2 else -1]:
            rates[name].append(n_tokens / ways[name]())
    first, best = rates["lesson 8"], rates["best bare loop"]
    goals = {"best bare loop": "0.95", "SFTTrainer's defaults": "2", "the lectures' settings": "3"}
    table = [HEAD, *(row(name, values, "tokens/s") for name, values in rates.items())]
    for name in list(ways)[1:]:
        ratio = [a / b for a, b in zip(first, rates[name], strict=True)]
        goal = f"at least {goals[name]}" if name in goals else ""
        table.append(row(f"lesson 8 ÷ {name}", ratio, "", goal))
    for name, values in (("lesson 8", first), ("best bare loop", best)):
        shares = [4 * n_weights * v / limit for v, limit in zip(values, limits, strict=True)]
        table.append(row(f"{name}: share of the limit", shares, "", "at least 0.45"))
    table.append(
        row("the limit: products of float32 matrices", [v / 1e9 for v in limits], "GFLOP/s")
    )
    about = (
        f"{N_ITEMS} items, {n_tokens:,} tokens that are not padding, one epoch, {N_ROUNDS} rounds in "
        f"turns. The limit counts 4 FLOPs a token for each of the {n_weights:,} weights in 4 bits."
    )
    return "Training", about, "\n".join(table)


# ---- order: is the error the same when items of one length share a batch?


KINDS = {  # of torch's operations, by how their names begin
    "products of matrices": ("aten::mm", "aten::bmm", "aten::addmm"),
    "attention": ("aten::_scaled_dot_product", "aten::_flash_attention"),
    "unpacking 4 bits": ("bitsandbytes::", "MatMul4Bit"),
    "softmax and loss": ("aten::_log_softmax", "aten::nll", "aten::exp", "aten::argmax", "Nll"),
    "the optimizer's step": ("Optimizer.step",),
}


def seconds_by_kind(run) -> dict[str, float]:
    """Where `run(around)` spends its seconds: {kind of operation: s}, and outside of torch's."""
    from torch.profiler import ProfilerActivity, profile

    with tempfile.TemporaryFile() as quiet:
        old = os.dup(2)
        os.dup2(quiet.fileno(), 2)  # the profiler tells stderr that it starts
        profiler = profile(activities=[ProfilerActivity.CPU])
        try:
            wall = run(profiler)
        finally:
            os.dup2(old, 2)
            os.close(old)
    found = dict.fromkeys([*KINDS, "torch's other operations"], 0.0)
    for event in profiler.key_averages():
        kinds = [kind for kind, names in KINDS.items() if event.key.startswith(names)]
        found[(kinds or ["torch's other operations"])[0]] += event.self_cpu_time_total / 1e6
    return found | {"Python, outside of them": wall - sum(found.values()), "together": wall}


def where() -> tuple[str, str, str]:
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    items = catalogue.load("train").select(range(N_ITEMS))
    rows, settings = in_rows(items, tokenizer), lessons_settings()
    ways = {
        "lesson 8": lambda around: with_trainer(items, around, **settings),
        "best bare loop": lambda around: with_bare_loop(rows, True, around=around),
    }
    found = {name: [] for name in ways}
    with_bare_loop(rows[:64], completion_only=True)  # warm
    for _ in range(N_ROUNDS):
        for name, run in ways.items():
            found[name].append(seconds_by_kind(run))
    table = [HEAD]
    for name, rounds in found.items():
        for kind in rounds[0]:
            table.append(row(f"{name}: {kind}", [r[kind] for r in rounds], "s", digits=2))
    about = (
        f"One epoch of {N_ITEMS} items under torch's profiler, which itself takes some of the time. "
        "Python is what is left: the trainer's own work and the way from one operation to the next."
    )
    return "Where the time goes", about, "\n".join(table)


def error_after(seed: int, **settings) -> float:
    """Mean absolute error in dollars of lesson 8's run with another seed, on the 1,000 test items."""
    tokenizer, test = base_model.load_tokenizer(base_model.POCKET), catalogue.load("test")
    with tempfile.TemporaryDirectory() as folder:
        settings = lessons_settings() | settings | {"logging_steps": 50, "seed": seed}
        trainer = make_trainer(load(), catalogue.load("train"), folder, lora=LORA, **settings)
        trainer.train()
        beliefs = pricing.price_distribution(trainer.model, tokenizer, test["prompt"])
    return scoring.absolute_errors(pricing.median(beliefs), catalogue.prices(test)).mean()


def order() -> tuple[str, str, str]:
    by_length = {"train_sampling_strategy": "group_by_length"}
    errors = {"random batches": [], "batches by length": []}
    for seed in range(1, N_SEEDS + 1):
        errors["random batches"].append(error_after(seed))
        errors["batches by length"].append(error_after(seed, **by_length))
    pairs = zip(errors["batches by length"], errors["random batches"], strict=True)
    table = [HEAD, *(row(name, values, "dollars", digits=4) for name, values in errors.items())]
    table.append(row("by length − random, same seed", [a - b for a, b in pairs], "dollars"))
    about = f"Lesson 8's error on 1,000 test items after its whole training, {N_SEEDS} seeds."
    return "Batches by length", about, "\n".join(table)


# ---- scoring: batches against one generate an item


def answers_one_by_one(model, tokenizer, prompts) -> list[float]:
    """The price that `generate` writes behind each prompt, until the model ends its answer."""
    found = []
    for prompt in prompts:
        batch = tokenizer(prompt, return_tensors="pt")
        ids = model.generate(**batch, max_new_tokens=8, do_sample=False)[0]
        written = tokenizer.decode(ids[batch["input_ids"].shape[1] :], skip_special_tokens=True)
        found.append(float(re.match(r"\d*", written)[0] or -1))
    return found


def the_scoring() -> tuple[str, str, str]:
    model, tokenizer = load(), base_model.load_tokenizer(base_model.POCKET)
    prompts, seconds = catalogue.load("test")["prompt"][:N_SCORED], {"one": [], "batches": []}
    for _ in range(N_ROUNDS):
        start = time.perf_counter()
        one = answers_one_by_one(model, tokenizer, prompts)
        seconds["one"].append(time.perf_counter() - start)
        start = time.perf_counter()
        beliefs = pricing.price_distribution(model, tokenizer, prompts)
        batches = pricing.most_likely(beliefs)
        seconds["batches"].append(time.perf_counter() - start)
    same = float(np.mean(batches == one))
    ratio = [a / b for a, b in zip(seconds["one"], seconds["batches"], strict=True)]
    table = [
        HEAD,
        row("one `generate` an item", seconds["one"], "s"),
        row("beliefs in batches of 50", seconds["batches"], "s"),
        row("the first ÷ the second", ratio, "", "at least 4"),
        f"| equal answers | {100 * same:g} % | | 100 % |",
    ]
    return [
        "Scoring",
        f"{len(prompts)} test items, {N_ROUNDS} rounds in turns.",
        "\n".join(table),
    ]


# ---- growth: what happens at ten times and a hundred times the size


def step_seconds(model, n_tokens: int) -> float:
    """Seconds of one forward and backward pass of 8 texts of `n_tokens` random tokens."""
    ids = torch.randint(0, 2000, (8, n_tokens), generator=torch.Generator().manual_seed(0))
    times = []
    for _ in range(4):
        start = time.perf_counter()
        model(ids, use_cache=False, logits_to_keep=4).logits.logsumexp(-1).mean().backward()
        times.append(time.perf_counter() - start)
    return min(times)


def of_rank(r: int) -> float:
    model = get_peft_model(load(), LoraConfig(task_type="CAUSAL_LM", **(LORA | {"r": r})))
    return step_seconds(model.train(), 64)


def peak_of_a_step(width: int) -> tuple[int, int]:
    """(parameters, bytes at the peak of a LoRA step in float32) of a Llama of 8 layers."""
    import resource  # not on Windows

    before = psutil.Process().memory_info().rss
    config = LlamaConfig(
        vocab_size=2112,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=2,
    )
    lora = LoraConfig(task_type="CAUSAL_LM", **LORA)
    model = get_peft_model(LlamaForCausalLM(config), lora)
    step_seconds(model.train(), 64)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # KiB on Linux
    return sum(p.numel() for p in model.parameters()), peak - before


def memory_of(width: int) -> tuple[float, float]:
    """What `peak_of_a_step` returns, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory", str(width)],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    n_parameters, n_bytes = done.stdout.split()[-2:]
    return float(n_parameters), float(n_bytes)


def growth() -> tuple[str, str, str]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    train, test = catalogue.load("train"), catalogue.load("test")
    settings = lessons_settings()
    model = load()
    tuned = get_peft_model(load(), LoraConfig(task_type="CAUSAL_LM", **LORA)).train()

    def scored(n):
        start = time.perf_counter()
        pricing.price_distribution(model, tokenizer, test["prompt"][:n])
        return time.perf_counter() - start

    scored(50)  # warm
    curves = {
        ("training", "items", "s"): [
            (n, with_trainer(train.select(range(n)), **settings)) for n in (160, 320, 640, 1280)
        ],
        ("a step", "tokens a text", "s"): [
            (n, step_seconds(tuned, n)) for n in (32, 64, 128, 256, 512)
        ],
        ("a step", "rank", "s"): [(r, of_rank(r)) for r in (4, 16, 64, 256)],
        ("scoring", "items", "s"): [(n, scored(n)) for n in (100, 200, 400, 800)],
        ("memory of a step", "parameters", "bytes"): [
            memory_of(width) for width in (256, 512, 768, 1024)
        ],
    }
    table = [
        "| what | against | from | to | exponent | at 10 × the last | at 100 × |",
        "|---|---|---|---|---|---|---|",
    ]
    reached = {}  # at 10 and at 100 times
    figure, axes = plt.subplots(1, len(curves), figsize=(12, 2.6), layout="constrained")
    for ((what, against, unit), points), axis in zip(curves.items(), axes, strict=True):
        x, y = np.array(points, dtype=float).T
        exponent, _ = np.polyfit(np.log(x), np.log(y), 1)
        steep = np.log(y[-1] / y[-2]) / np.log(x[-1] / x[-2])  # where it is largest
        scale, unit = (1e9, "GB") if unit == "bytes" else (1, unit)
        ends = [f"{v / scale:.3g} {unit} at {n:,.0f}" for v, n in ((y[0], x[0]), (y[-1], x[-1]))]
        far = [f"{y[-1] * times**steep / scale:,.3g} {unit}" for times in (10, 100)]
        reached[what, against] = [y[-1] * times**steep / scale for times in (10, 100)]
        cells = [what, against, *ends, f"{exponent:.2f} ({steep:.2f} at the end)", *far]
        table.append(f"| {' | '.join(cells)} |")
        axis.loglog(x, y / scale, "o-")
        axis.set(xlabel=against, ylabel=f"{what}, {unit}")
    figure.savefig(HERE / "bench_growth.png", dpi=80)
    minutes = [seconds / 60 for seconds in reached["training", "items"]]
    gb = reached["memory of a step", "parameters"]
    about = (
        "The exponent is that of a power law through all points, and of the last two. The columns "
        "at 10 and 100 times are predicted with the latter. Patience breaks first: 10 × the items "
        f"train for {minutes[0]:.0f} minutes, 100 × for {minutes[1]:.0f}. A LoRA step in float32 takes "
        f"{gb[0]:.0f} GB at 10 × the parameters and {gb[1]:.0f} GB at 100 ×."
    )
    table += ["", "![What grows how: the table's points on log-log axes](bench_growth.png)"]
    return "Growth", about, "\n".join(table)


# ---- the course: set-up, lessons, widgets, site


def seconds_of(command: list[str], **environment_variables) -> float:
    start = time.perf_counter()
    env = os.environ | environment_variables
    subprocess.run(command, capture_output=True, check=True, env=env, cwd=HERE.parent.parent)
    return time.perf_counter() - start


def lessons(names: list[Path], n_workers: int) -> tuple[float, list]:
    """(seconds of all, each lesson's run), n_workers at a time."""
    start = time.perf_counter()
    if n_workers == 1:
        return 0.0, [runner.run(timed_widgets(path), path.stem) for path in names]
    command = [sys.executable, __file__, "--lesson"]
    with ThreadPoolExecutor(n_workers) as pool:
        jobs = [
            pool.submit(seconds_of, [*command, str(path)], OMP_NUM_THREADS="1") for path in names
        ]
        for job in jobs:
            job.result()
    return time.perf_counter() - start, []


def timed_widgets(path: Path):
    """The lesson at `path` with each of its widgets answered ten more times, behind its last cell."""
    notebook = runner.read(path)
    notebook.cells.insert(3, new_code_cell(IN_WIDGETS))
    notebook.cells.append(new_code_cell(OF_WIDGETS))
    return notebook


def course() -> tuple[str, str, str]:
    python, table = sys.executable, [HEAD]
    code = "import time; t = time.perf_counter(); import helpers; print(time.perf_counter() - t)"
    imports = [
        float(subprocess.run([python, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(N_ROUNDS)
    ]
    table.append(row("`import helpers`", imports, "s", "at most 0.1 s"))
    doctor = [seconds_of([python, "-m", "helpers.doctor"]) for _ in range(3)]
    table.append(row("`make doctor`", doctor, "s", "at most 3 s"))
    slow = sorted(runner.LESSONS, key=lambda path: path.stat().st_size)
    _, runs = lessons(runner.LESSONS, 1)
    for path, run in zip(runner.LESSONS, runs, strict=True):
        answers = [1000 * float(s) for s in runner.text_of(run.notebook.cells[-1]).split()]
        budget = 110 if path.stem.startswith("08") else 45
        table.append(row(f"{path.stem}", [run.seconds], "s", f"at most {budget} s"))
        table.append(row("its memory", [run.peak_gb], "GB", "at most 1.5 GB"))
        if answers:  # most are a quiz's, and quick
            slowest = "its widgets' slowest answer, the first showing included"
            table.append(row(slowest, [max(answers)], "ms", "at most 150 ms"))
    table.append(row("all lessons, one after the other", [sum(r.seconds for r in runs)], "s"))
    wall, _ = lessons(slow, 2)
    table.append(row("all lessons, two at a time, a thread each", [wall], "s"))
    make = ["make", "site"]
    seconds_of(make)  # its packages are there from now on
    table.append(row("`make site`", [seconds_of(make)], "s", "at most 60 s"))
    return "The course", "Lessons and the site were run once.", "\n".join(table)


PARTS = {
    "training": training,
    "where": where,
    "order": order,
    "scoring": the_scoring,
    "growth": growth,
    "course": course,
}


def machine() -> str:
    packages = ("torch", "transformers", "peft", "trl", "bitsandbytes")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    memory, info = psutil.virtual_memory().total / 1e9, Path("/proc/cpuinfo")
    named = (
        re.search(r"model name\s*: (.*)", info.read_text(encoding="utf-8"))
        if info.exists()
        else None
    )
    name = named[1] if named else platform.processor()
    return (
        f"{datetime.date.today()}: {name}, {os.cpu_count()} cores ({runner.cpu()}), "
        f"{torch.get_num_threads()} threads, {memory:.0f} GB, Python {platform.python_version()}, "
        f"{versions}. Figures of a card: tests/gpu/README.md."
    )


def main():
    if sys.argv[1:2] == ["--lesson"]:
        runner.run(runner.read(Path(sys.argv[2])), Path(sys.argv[2]).stem)
        return
    if sys.argv[1:2] == ["--memory"]:
        print(*peak_of_a_step(int(sys.argv[2])))
        return
    environment.start()
    disable_progress_bar()
    for name in sys.argv[1:] or PARTS:
        title, about, table = PARTS[name]()
        section = f"## {title}\n\n{about}\n\n{machine()}\n\n{table}\n"
        print(section)
        keep(title, section)


def keep(title: str, section: str) -> None:
    """Write `section` into bench.md in place of the one of that title; the others stay."""
    written = (
        TABLE.read_text(encoding="utf-8") if TABLE.exists() else "# Measured by `make bench`\n"
    )
    head, *old = re.split(r"(?m)^(?=## )", written)
    sections = {part.splitlines()[0][3:]: part.strip() + "\n" for part in old} | {title: section}
    TABLE.write_text("\n".join([head.strip() + "\n", *sections.values()]), encoding="utf-8")


if __name__ == "__main__":
    main()
