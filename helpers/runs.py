"""Around a training run: its folder, its checkpoints, its rate, its record. No display."""

import hashlib
import json
import shutil
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import PrinterCallback, TrainerCallback, set_seed

from helpers import BUILD, environment, write_json
from helpers.catalogue import sha256_of

WHOLE = "whole.json"  # what marks a checkpoint as complete
PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets")


def run_folder(lesson: str, settings: dict) -> Path:
    """build/<lesson>/<hash of settings>/, made if needed: other settings never resume this run.

    Nor does another number of processes, whose steps take other items.
    """
    if environment.n_processes() > 1:
        settings = settings | {"processes": environment.n_processes()}
    text = json.dumps(settings, sort_keys=True, default=str)
    folder = BUILD / lesson / hashlib.sha256(text.encode()).hexdigest()[:10]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def newest_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint-N in `folder`, to resume from, or None to start from step 0.

    Prints which one it takes, and which it leaves alone because of what `fault_of` finds.
    """
    found = {
        int(p.name[11:]): p for p in Path(folder).glob("checkpoint-*") if p.name[11:].isdigit()
    }
    for step in sorted(found, reverse=True):
        if fault := fault_of(found[step]):
            print(f"{found[step].name} is left alone: {fault}.")
        else:
            print(f"Resuming from step {step}.")
            return str(found[step])
    if found:
        print("No whole checkpoint is left: starting from step 0.")
    return None


def mark_whole(checkpoint: Path, record: dict) -> None:
    """Write checkpoint/whole.json, last of all: each file's sha256, and the run's record so far."""
    files = [path for path in sorted(Path(checkpoint).iterdir()) if path.is_file()]
    sums = {path.name: sha256_of(path) for path in files if path.stem != Path(WHOLE).stem}
    write_json(Path(checkpoint) / WHOLE, {"sha256": sums, **record})


def fault_of(checkpoint: Path) -> str | None:
    """Why `checkpoint` cannot be resumed from, in a few words; None if it is as it was written."""
    try:
        sums = json.loads((Path(checkpoint) / WHOLE).read_text(encoding="utf-8"))["sha256"]
    except OSError:
        return "it was cut off while it was being written"
    except (ValueError, KeyError, TypeError):
        return f"{WHOLE} is damaged"
    for name, sha256 in sums.items():
        path = Path(checkpoint) / name
        if not path.exists():
            return f"{name} is missing"
        if sha256_of(path) != sha256:
            return f"{name} is damaged"
    return None


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run whose adapter is saved: the next run starts from step 0."""
    if environment.is_main():
        for checkpoint in Path(folder).glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
    environment.wait_for_all()


def tokens_per_second(trainer, n_steps: int = 3) -> float:
    """The rate of training steps (forward and backward) on this machine, measured on the spot.

    Counts tokens that are not padding, after one step to warm up, and multiplies by the number of
    processes, which all do this at once. Leaves weights and random numbers as they were, and
    gradients at None.
    """
    model, size = trainer.model, trainer.args.per_device_train_batch_size
    wait = torch.cuda.synchronize if environment.card() else lambda: None
    start = n_tokens = 0
    with torch.random.fork_rng():
        model.train()
        for step in range(-1, n_steps):
            if step == 0:
                wait()
                start = time.perf_counter()
            places = [(step + 1) * size + i for i in range(size)]
            n_items = len(trainer.train_dataset)
            batch = trainer.data_collator([trainer.train_dataset[i % n_items] for i in places])
            batch = {key: value.to(model.device) for key, value in batch.items()}
            with trainer.compute_loss_context_manager():
                model(**batch).loss.backward()
            n_tokens += int(batch["attention_mask"].sum()) if step >= 0 else 0
        wait()
    model.zero_grad(set_to_none=True)
    return environment.n_processes() * n_tokens / (time.perf_counter() - start)


class AlreadyTrained(Exception):
    """A run was resumed at its last step, where the trainer would go one step too far."""


class RunRecord(TrainerCallback):
    """The record of a training run, which can be stopped and resumed; shows nothing itself.

    watch: a function of the model, called before the first step, every `watch_every` steps, after
        the steps `watch_also` and at the last; what it returns (a dict of numbers) is kept in
        `watched`, {step: dict}.
    Use it as a context around `trainer.train()`: `stop()`, or the kernel's own interrupt, then
    ends the run and keeps what was learnt. `history` has one dict a logged step (step, loss,
    learning_rate). A step is also logged at each checkpoint, at the last step and at a stop. Each
    checkpoint is marked whole, with the record so far, so that a resumed run ends with the record
    of an unbroken one. A display overrides `opened`, `logged` and `ended`.
    """

    def __init__(self, watch=None, watch_every: int = 25, watch_also: tuple[int, ...] = ()):
        self.watch, self.watch_every, self.watch_also = watch, watch_every, watch_also
        self.history, self.watched = [], {}
        self.stopped, self.over = False, False  # stopped early; no longer under way
        self.step, self.max_steps, self.first_step = 0, 0, 0

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is KeyboardInterrupt:
            self.stopped = True
        if self.stopped:
            print(f"Stopped at step {self.step} of {self.max_steps}; what was learnt is kept.")
        if kind in (None, KeyboardInterrupt, AlreadyTrained):
            self.over = True
            self.ended()
        return kind in (KeyboardInterrupt, AlreadyTrained)

    def stop(self, _button=None):
        """End the run after the step under way."""
        self.stopped = True

    def opened(self):
        """The run begins, or goes on after `first_step`."""

    def logged(self, row: dict):
        """A step was logged: `row` is the newest of `history`."""

    def ended(self):
        """The run is over: at its last step, stopped, or with nothing left to train."""

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.max_steps, self.step, self.first_step = state.max_steps, state.global_step, 0
        self.stopped, self.over, self.history, self.watched = False, False, [], {}
        if self.step:
            self.first_step = self.step
            self._restore(_checkpoint(args, state) / WHOLE)
        else:
            self._look_at(model)
        if self.step >= self.max_steps:
            raise AlreadyTrained
        self.opened()

    def on_step_end(self, args, state, control, model=None, **kwargs):
        self.step = state.global_step
        if self.stopped:
            control.should_training_stop = control.should_save = True
        last = control.should_training_stop or self.step == self.max_steps
        if last or self.step % self.watch_every == 0 or self.step in self.watch_also:
            self._look_at(model)
        if last or control.should_save:
            control.should_log = True

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" not in (logs or {}):
            return
        row = {"step": state.global_step, **{k: logs[k] for k in ("loss", "learning_rate")}}
        self.history.append(row)
        self.logged(row)

    def on_save(self, args, state, control, **kwargs):
        environment.wait_for_all()  # each process writes its random numbers into the checkpoint
        if environment.is_main():
            mark_whole(_checkpoint(args, state), {"history": self.history, "watched": self.watched})

    def save(self, path: Path, profile) -> None:
        """Write the run as JSON: the profile with its resolved revisions, versions, the curve.

        Of several processes only the main one writes; the others wait for it.
        """
        record = {
            "profile": asdict(profile),
            "versions": {name: version(name) for name in PACKAGES},
            "machine": environment.device_name(),
            "history": self.history,
            "watched": self.watched,
            "stopped": self.stopped,
        }
        if environment.is_main():
            write_json(path, record)
        environment.wait_for_all()

    def _restore(self, marked: Path):
        """Take up the record of the checkpoint that this run resumes from."""
        record = json.loads(marked.read_text(encoding="utf-8"))
        self.history = record["history"]
        self.watched = {int(step): seen for step, seen in record["watched"].items()}

    def _look_at(self, model):
        if self.watch is not None:
            self.watched[self.step] = {k: float(v) for k, v in self.watch(model).items()}


def start_over(trainer, at_start: dict[str, torch.Tensor]) -> None:
    """Make `trainer` ready to train from the weights `at_start`, as if for the first time.

    at_start: {name: value} of all that is trained. Forgets the optimizer's state, the callback
    that prints each log, and the records of earlier runs. The checkpoints of a run that ended or
    was stopped are removed; those of one that crashed are left, to be resumed.
    """
    records = [c for c in trainer.callback_handler.callbacks if isinstance(c, RunRecord)]
    if any(record.over for record in records):
        remove_checkpoints(trainer.args.output_dir)
    for callback in (*records, PrinterCallback):
        trainer.remove_callback(callback)
    trainer.model.set_adapter("default")  # whichever is active now
    trainer.model.load_state_dict(at_start, strict=False)
    trainer.model.zero_grad(set_to_none=True)
    trainer.optimizer = trainer.lr_scheduler = None
    set_seed(trainer.args.seed)  # of the order of the items and of dropout


def _checkpoint(args, state) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"
