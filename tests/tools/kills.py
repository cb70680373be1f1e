"""Kill training runs at random moments, run them again, and compare with an unbroken run.

python tests/tools/kills.py 100 [seed]      # `make kills N=100`; needs Linux or macOS

A small run does what lesson 8's training cell and its clean-up do, in a process of its own that
gets SIGKILL up to three times. In the end adapter, losses and watched values have to be those of the
unbroken run, to the last bit. Prints a line for each kill and a sum; fails if a run ends otherwise.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from functools import wraps
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

from helpers import environment  # noqa: E402

STEPS, SAVE_STEPS, WATCH_EVERY = 9, 3, 2
# What a run does, each with the function at whose beginning it tells
MOMENTS = ("step", "watch", "checkpoint", "mark", "adapter", "record", "removal")


class Run:
    """A trainer that is built once; each call of `start` trains it in a fork of this process."""

    def __init__(self, folder: Path):
        import support

        from helpers import base_model, catalogue, runs

        self.runs, self.tokenizer = runs, base_model.load_tokenizer(base_model.POCKET)
        items = catalogue.load("train").select(range(STEPS * 2))
        self.prompts = items["prompt"][:2]
        self.trainer = support.make_trainer(
            base_model.load_base(base_model.POCKET, None, support.nf4(), "float32"),
            items,
            folder,
            lora={"r": 4, "lora_dropout": 0.1, "target_modules": ["q_proj", "v_proj"]},
            max_steps=STEPS,
            per_device_train_batch_size=2,
            learning_rate=2e-3,
            save_steps=SAVE_STEPS,
            save_total_limit=2,
        )
        trained = self.trainer.model.named_parameters()
        self.at_start = {n: p.detach().clone() for n, p in trained if p.requires_grad}

    def start(self, folder: Path) -> tuple[int, int]:
        """(process, the end of a pipe that tells its moments, one byte each) of a run in `folder`."""
        there, here = os.pipe()
        process = os.fork()
        if process:
            os.close(here)
            return process, there
        code = 1
        try:
            os.close(there)
            with open(os.devnull, "w", encoding="utf-8") as nowhere:
                sys.stdout = nowhere
                self._train(folder, lambda moment: os.write(here, bytes([MOMENTS.index(moment)])))
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)

    def _train(self, folder, tell):
        """Lesson 8's training cell, and its removal of the checkpoints."""
        from helpers import pricing, profiles, saving

        def telling(moment, function):
            @wraps(function)
            def told(*args, **kwargs):
                tell(moment)
                return function(*args, **kwargs)

            return told

        def watch(model):
            belief = pricing.price_distribution(model, self.tokenizer, self.prompts)
            return {"guess": float(pricing.median(belief)[0]), "surest": float(belief.max())}

        runs, trainer = self.runs, self.trainer
        kind = type(trainer)
        kind._save_checkpoint = telling("checkpoint", kind._save_checkpoint)
        kind.training_step = telling("step", kind.training_step)
        runs.mark_whole = telling("mark", runs.mark_whole)
        saving.whole = telling("adapter", saving.whole)

        trainer.args.output_dir = str(folder)
        runs.start_over(trainer, self.at_start)
        live = runs.RunRecord(telling("watch", watch), WATCH_EVERY)
        trainer.add_callback(live)
        with live:
            trainer.train(resume_from_checkpoint=runs.newest_checkpoint(folder))
        runs.save_adapter(trainer.model, folder / "adapter")
        tell("record")
        live.save(folder / "run.json", profiles.POCKET)
        tell("removal")
        runs.remove_checkpoints(folder)


def end_of(process: int) -> int:
    """How `process` ended: 0 well, above 0 with an error, below 0 by that signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def unbroken(run: Run, folder: Path) -> tuple[list, dict[str, float]]:
    """(its moments in their order, the longest of each kind in seconds) of a run to its end."""
    process, pipe = run.start(folder)
    seen, longest, since = [], {}, time.perf_counter()
    while told := os.read(pipe, 1):
        now = time.perf_counter()
        if seen:
            longest[seen[-1]] = max(longest.get(seen[-1], 0), now - since)
        seen.append(MOMENTS[told[0]])
        since = now
    longest[seen[-1]] = time.perf_counter() - since
    os.close(pipe)
    assert end_of(process) == 0, "the unbroken run failed"
    return seen, longest


def killed(run: Run, folder: Path, moment: str, nth: int, delay: float) -> bool:
    """Run in `folder`; kill `delay` seconds after the nth `moment`. False if it ended before."""
    process, pipe = run.start(folder)
    while told := os.read(pipe, 1):
        nth -= MOMENTS[told[0]] == moment
        if nth < 0:
            time.sleep(delay)
            os.kill(process, signal.SIGKILL)
            break
    os.close(pipe)
    code = end_of(process)
    assert code in (0, -signal.SIGKILL), f"a run in {folder} failed"
    return code == -signal.SIGKILL


def result(folder: Path) -> dict:
    """What a run leaves: its adapter's bytes, its losses, and what it watched."""
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    names = sorted(path.name for path in folder.iterdir() if path.name != "lock")
    return {
        "adapter": (folder / "adapter" / "adapter_model.safetensors").read_bytes(),
        "names": names,
        **{name: record[name] for name in ("history", "watched", "stopped")},
    }


def main(n_kills: int, seed: int) -> int:
    """Kill `n_kills` times. The number of runs that did not end as the unbroken one."""
    environment.start(0)
    chance = random.Random(seed)
    n_runs, wrong, counted = 0, 0, Counter()
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        run, first = Run(Path(scratch) / "built"), Path(scratch) / "unbroken"
        first.mkdir()
        moments, longest = unbroken(run, first)
        wanted = result(first)
        while sum(counted.values()) < n_kills:
            n_runs += 1
            folder = Path(scratch) / f"run-{n_runs}"
            if chance.random() < 0.3:  # trained before: it is trained again
                shutil.copytree(first, folder)
            else:
                folder.mkdir()
            in_a_row = chance.choice((1, 1, 2, 3))
            while in_a_row and sum(counted.values()) < n_kills:
                in_a_row -= 1
                moment = chance.choice(MOMENTS)
                nth = chance.randrange(moments.count(moment))
                delay = chance.uniform(0, longest[moment])
                if not killed(run, folder, moment, nth, delay):
                    continue
                counted[moment] += 1
                left = sorted(folder.glob("*checkpoint-*"))
                left = [p.name + (" (torn)" if run.runs.fault_of(p) else "") for p in left]
                print(
                    f"kill {sum(counted.values())}, run {n_runs}: {1000 * delay:.1f} ms after "
                    f"{moment} {nth + 1}; left: {', '.join(left) or 'no checkpoint'}"
                )
                adapter = folder / "adapter" / "adapter_model.safetensors"
                if adapter.exists() and adapter.read_bytes() != wanted["adapter"]:
                    wrong += 1
                    print("  the adapter is torn")
            process, pipe = run.start(folder)
            code = end_of(process)
            os.close(pipe)
            if code:
                wrong += 1
                print(f"  run {n_runs} ended with {code}")
                continue
            got = result(folder)
            if differs := [name for name in wanted if got[name] != wanted[name]]:
                wrong += 1
                print(f"  run {n_runs} ended with another {', '.join(differs)}")
            shutil.rmtree(folder)
    kinds = ", ".join(f"{counted[moment]} in {moment}" for moment in MOMENTS)
    print(f"{sum(counted.values())} kills of {n_runs} runs ({kinds}): {wrong} not as unbroken")
    return wrong


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0) > 0)
