"""Record the experiments that are too long for a lesson: data/experiments/.

    make experiments                 # all of them; hours on two CPU cores, safe to interrupt
    make experiments NAME=full       # those with "full" in their name
    make experiments NAME=speed      # seconds and memory of lesson 9's; leave the machine idle

A setting is lesson 8's run with the named knobs changed. It is trained once for each seed and
priced on the 500 validation items; as many runs at a time as there are cores, one thread each.
Runs that are in the files already are not repeated: to repeat them, delete their rows.
"""

import contextlib
import csv
import datetime
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

from tqdm.auto import tqdm

HERE = Path(__file__).parent / "experiments"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: two trainings would wait in turns
sys.path.insert(0, str(HERE.parent.parent))

from helpers.tuning import Knobs  # noqa: E402

SEEDS = (0, 1, 2, 3, 4)
ALL = "all-linear"
RATES = (1e-4, 4e-4, 1.2e-3, 5e-3)

STANDARD = Knobs()
FULL = Knobs(r=None, nf4=False)
# Lesson 9 asks what these cost, so their guesses on the 1,000 test items are kept.
COST = {
    "standard": STANDARD,
    "full, 1.2e-04": replace(FULL, learning_rate=1.2e-4),
    "not quantized": replace(STANDARD, nf4=False),
    "r 4": Knobs(r=4),
    "r 1": Knobs(r=1),
    "all linear, r 11": Knobs(r=11, target_modules=ALL),  # as many weights as the standard
    "all linear, r 1": Knobs(r=1, target_modules=ALL),
    "all linear, r 4": Knobs(r=4, target_modules=ALL),
    "all linear, r 32": Knobs(r=32, target_modules=ALL),
}
SETTINGS = COST | {
    "all tokens": Knobs(completion_only=False),
    **{f"rate {rate:.0e}": Knobs(learning_rate=rate) for rate in RATES if rate != 1.2e-3},
    **{f"full, {rate:.1e}": replace(FULL, learning_rate=rate) for rate in (4e-5, 4e-4, 1.2e-3)},
    **{f"steps {n}": Knobs(steps=n) for n in (30, 60, 120)},
    **{
        f"r {r}, rate {rate:.0e}": Knobs(r=r, learning_rate=rate)
        for r in (4, 1)
        for rate in (4e-4, 5e-3)
    },
    "batch 64": Knobs(batch_size=64, steps=63),  # as many items as the standard
    "constant": Knobs(schedule="constant_with_warmup"),
    "no warm-up": Knobs(warmup=0.0),
    "dropout 0.1": Knobs(lora_dropout=0.1),
    "weight decay 0.1": Knobs(weight_decay=0.1),
    "batch 4": Knobs(batch_size=4, steps=1000),
    "linear": Knobs(schedule="linear"),
    "two epochs": Knobs(steps=500),
}
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")
RUNS, GUESSES, SPEED = HERE / "runs.csv", HERE / "guesses.csv", HERE / "speed.csv"
N_REPEATS, N_TIMED = 2, 10  # rounds over all settings; steps of a timed run


def measure(name: str, knobs: Knobs) -> tuple[dict, list[int] | None]:
    """(a row of runs.csv, the guesses on the test items if lesson 9 needs them) of one run."""
    import numpy as np

    from helpers import base_model, catalogue, environment, market, pricing, scoring, tuning

    environment.start(knobs.seed)
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    model, losses = tuning.tune(knobs, catalogue.load("train"), tokenizer, unpack=True)
    held_out = catalogue.load("validation")
    prices = catalogue.prices(held_out)
    belief = pricing.price_distribution(model, tokenizer, held_out["prompt"])
    error = scoring.absolute_errors(pricing.median(belief), prices).mean()
    p_label = belief[range(len(prices)), prices.astype(int)].astype(float)
    row = {
        "setting": name,
        **asdict(knobs),
        "n_weights": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "training_loss": sum(losses[-20:]) / 20,  # nats a token, over the last 20 steps
        "error": error,  # dollars, on the validation items
        "price_loss": float(-np.log(np.maximum(p_label, 1e-30)).mean()),  # nats, of the price alone
        "own_text_loss": market.own_text_loss(model, tokenizer),  # nats a token
    }
    row |= made_with()
    guesses = None
    if name in COST:
        test = catalogue.load("test")["prompt"]
        guesses = pricing.median(pricing.price_distribution(model, tokenizer, test))
        guesses = guesses.astype(int).tolist()
    return row, guesses


def time_steps(name: str, repeat: int) -> dict:
    """A row of speed.csv: milliseconds a step and the memory (MB) that a run takes at its peak.

    Call it in a fresh process. One thread, as in the other runs; weights in 4 bits stay so.
    """
    import resource  # not on Windows

    import psutil

    from helpers import base_model, catalogue, environment, tuning

    environment.start()
    items, tokenizer = catalogue.load("train"), base_model.load_tokenizer(base_model.POCKET)
    before = psutil.Process().memory_info().rss
    seconds = {}
    for steps in (1, 2, 2 + N_TIMED):  # the first one warms up
        start = time.perf_counter()
        tuning.tune(replace(COST[name], steps=steps), items, tokenizer)
        seconds[steps] = time.perf_counter() - start
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB on Linux
    row = {
        "setting": name,
        "repeat": repeat,
        "ms_per_step": 1000 * (seconds[2 + N_TIMED] - seconds[2]) / N_TIMED,
        "peak_mb": (peak - before) / 1e6,
    }
    return row | made_with()


def made_with() -> dict:
    """Columns that say which packages, machine and day a row comes from."""
    versions = {name: version(name) for name in PACKAGES}
    return versions | {"machine": machine(), "date": datetime.date.today().isoformat()}


def machine() -> str:
    """The processor's name, as Linux gives it."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        [name, *_] = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
        return f"{name}, {os.cpu_count()} cores"
    return f"unknown, {os.cpu_count()} cores"


def read(path: Path) -> list[dict]:
    """The rows of a CSV file, none if there is no such file."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def add(path: Path, row: dict) -> None:
    """Put `row` into the CSV file, whose rows stay in the order of SETTINGS and seeds."""
    rows = [*read(path), {name: text(value) for name, value in row.items()}]
    names = list(SETTINGS)
    rows.sort(key=lambda row: (names.index(row["setting"]), int(row.get("seed") or row["repeat"])))
    path.parent.mkdir(exist_ok=True)
    new = path.with_suffix(".new")
    with open(new, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    new.replace(path)


def text(value) -> str:
    """A value as the file has it: six digits are enough for a float."""
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def main(wanted: str = "") -> None:
    if wanted == "speed":
        SPEED.unlink(missing_ok=True)
        rounds = [(name, repeat) for repeat in range(N_REPEATS) for name in COST]
        with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            for one in tqdm(rounds, unit="run"):
                add(SPEED, pool.apply(time_steps, one))
        return
    done = {(row["setting"], int(row["seed"])) for row in read(RUNS)}
    todo = [
        (name, replace(knobs, seed=seed))
        for settings in (COST, SETTINGS)  # what two lessons draw comes first
        for seed in SEEDS
        for name, knobs in settings.items()
        if wanted in name and (name, seed) not in done
    ]
    todo = list(dict.fromkeys(todo))
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        runs = [pool.submit(measure, *run) for run in todo]
        for run in tqdm(as_completed(runs), total=len(runs), unit="run", smoothing=0):
            row, guesses = run.result()
            if guesses is not None:
                key = {"setting": row["setting"], "seed": row["seed"]}
                add(GUESSES, key | {"guesses": guesses})
            add(RUNS, row)
            tqdm.write(f"{row['setting']}, seed {row['seed']}: {row['error']:.2f} dollars")


if __name__ == "__main__":
    main(*sys.argv[1:])
