"""Around a training run: its folder, its checkpoints, its rate, its record. No display."""

import hashlib
import json
import re
import shutil
import time
import traceback as tracebacks
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import PrinterCallback, TrainerCallback, set_seed

from helpers import BUILD, environment, memory, saving, write_json
from helpers.catalogue import sha256_of

WHOLE = "whole.json"  # what marks a checkpoint as complete
PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets")


def run_folder(lesson: str, settings: dict) -> Path:
    """build/<lesson>/<hash of settings>/, made if needed: other settings never resume this run.

    Nor does another number of processes, whose steps take other items.
    """
    if environment.n_processes() > 1:
        settings = settings | {"processes": environment.n_processes()}
    folder = BUILD / lesson / _digest(settings)[:10]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def newest_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint-N in `folder`, to resume from, or None to start from step 0.

    Prints which one it takes, and which it leaves alone because of what `fault_of` or
    `other_versions` finds. Those get another name, so that the run writes over none of them. One that
    can be resumed from after all, because its versions are installed again, gets its own name back.
    """
    if not environment.is_main():
        environment.wait_for_all()  # for the main process, which renames
    taken = _newest_checkpoint(Path(folder))
    if environment.is_main():
        environment.wait_for_all()
    return taken


def _newest_checkpoint(folder: Path) -> str | None:
    pattern = re.compile(r"(damaged-|versions-\w+-)?checkpoint-(\d+)")
    found = [(m, path) for path in folder.iterdir() if (m := pattern.fullmatch(path.name))]
    for match, path in sorted(found, key=lambda f: (int(f[0][2]), not f[0][1]), reverse=True):
        name = f"checkpoint-{match[2]}"
        if said := fault_of(path):
            aside = f"damaged-{name}"
        elif said := other_versions(path):
            aside = f"versions-{_digest(_mark(path)['versions'])[:6]}-{name}"
        else:
            print(f"Resuming from step {match[2]}.")
            return str(_rename(path, name))
        with suppress(OSError):  # then it keeps its name
            _rename(path, aside)
        print(f"{name} is left alone: {said}.")
    if found:
        print("No checkpoint to resume from is left: starting from step 0.")
    return None


def mark_whole(checkpoint: Path, record: dict) -> None:
    """Write checkpoint/whole.json, last of all: sha256 of each file, versions, the record so far."""
    files = [path for path in sorted(Path(checkpoint).iterdir()) if path.is_file()]
    sums = {path.name: sha256_of(path) for path in files if path.stem != Path(WHOLE).stem}
    write_json(Path(checkpoint) / WHOLE, {"sha256": sums, "versions": versions(), **record})


def checkpoint_bytes(model, tokenizer) -> int:
    """The most that a checkpoint takes on disk: adapters and two moments in 32 bits, and the rest.

    A tokenizer's file has 60 to 140 bytes a token (Pocket Llama's and Llama 3.1's).
    """
    return 12 * _n_trained(model) + 150 * len(tokenizer) + 200_000


def fault_of(checkpoint: Path) -> str | None:
    """Why `checkpoint` cannot be resumed from, in a few words; None if it is as it was written."""
    try:
        mark = _mark(checkpoint)
        sums, _ = mark["sha256"], mark["versions"]
    except (FileNotFoundError, NotADirectoryError):
        return "it was cut off while it was being written"
    except OSError as error:
        return f"{WHOLE} cannot be read ({saving.one_line(error)})"
    except (ValueError, KeyError, TypeError):
        return f"{WHOLE} is damaged"
    for name, sha256 in sums.items():
        path = Path(checkpoint) / name
        if not path.exists():
            return f"{name} is missing"
        try:
            if sha256_of(path) != sha256:
                return f"{name} is damaged"
        except OSError as error:
            return f"{name} cannot be read ({saving.one_line(error)})"
    return None


def other_versions(checkpoint: Path) -> str | None:
    """Which packages a whole `checkpoint` was written with, if not with the installed ones.

    Resumed with others, a run may end with another adapter than an unbroken one, or not load.
    """
    here, there = versions(), _mark(checkpoint)["versions"]
    moved = [name for name in here if there.get(name) != here[name]]
    if not moved:
        return None
    wrote = ", ".join(f"{name} {there.get(name, 'of another version')}" for name in moved)
    has = ", ".join(f"{name} {here[name]}" for name in moved)
    return f"{wrote} wrote it, and {has} is installed; to resume from it, go back to {wrote}"


def versions() -> dict[str, str]:
    """The installed versions of what a run depends on."""
    return {name: version(name) for name in PACKAGES}


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run whose adapter is saved: the next run starts from step 0.

    Other notebooks may then train in `folder`.
    """
    if environment.is_main():
        _remove_checkpoints(folder)
        saving.let_go(folder)
    environment.wait_for_all()


def _remove_checkpoints(folder: Path) -> None:
    for checkpoint in Path(folder).glob("*checkpoint-*"):
        shutil.rmtree(checkpoint, ignore_errors=True)  # one that is left is not whole, and is found


def save_adapter(model, folder: Path) -> None:
    """`model.save_pretrained(folder)`, whole or not at all; of several processes by the main one.

    model: peft's. Raises saving.NotSaved with what to do if there is no room, for example.
    """
    if not environment.is_main():
        return  # peft makes the folder in every process, even after the main one has removed it
    with saving.whole(folder, 4 * _n_trained(model) + 10**6) as new:
        model.save_pretrained(new)


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


class Diverged(ArithmeticError):
    """What the model answers is no number any more."""

    def __init__(self, step: int):
        super().__init__(
            f"By step {step} the training has diverged: what the model answers is no number any "
            "more. Take a smaller learning_rate, and run all cells again."
        )


class RunRecord(TrainerCallback):
    """The record of a training run, which can be stopped and resumed; shows nothing itself.

    watch: a function of the model, called before the first step, every `watch_every` steps, after
        the steps `watch_also` and at the last; what it returns (a dict of numbers) is kept in
        `watched`, {step: dict}.
    Use it as a context around `trainer.train()`: `stop()`, or the kernel's own interrupt, then
    ends the run and keeps what was learnt. `history` has one dict a logged step (step, loss,
    learning_rate). A step is also logged at each checkpoint, at the last step and at a stop. Each
    checkpoint is marked whole, with the record so far, so that a resumed run ends with the record
    of an unbroken one. A checkpoint that cannot be written does not end the run, unless the disk is
    full. A display overrides `opened`, `logged` and `ended`.
    profile: what is trained, for the advice that it gives if a card's memory runs out.
    Leaving the context raises saving.NotSaved if the disk is full, torch.OutOfMemoryError, and
    Diverged, which `watch` may raise, each with what to do.
    """

    def __init__(
        self, watch=None, watch_every: int = 25, watch_also: tuple[int, ...] = (), profile=None
    ):
        self.watch, self.watch_every, self.watch_also = watch, watch_every, watch_also
        self.profile = profile
        self.history, self.watched = [], {}
        self.stopped, self.saved = False, False  # stopped early; the record is on disk
        self.step, self.max_steps, self.first_step = 0, 0, 0
        self.failed_write, self._told = None, False  # of the checkpoint under way; of any

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is KeyboardInterrupt:
            self.stopped = True
        if self.stopped:
            print(f"Stopped at step {self.step} of {self.max_steps}; what was learnt is kept.")
            print("The text that follows is about a run to the end.")
        if kind in (None, KeyboardInterrupt, AlreadyTrained):
            self.ended()
        elif isinstance(error, torch.OutOfMemoryError):
            tracebacks.clear_frames(traceback)  # they hold on to the tensors
            raise torch.OutOfMemoryError(self._advice()) from None
        elif isinstance(error, Diverged):
            self.stopped = True
            self.ended()
        if isinstance(error, saving.NotSaved | Diverged):
            raise error.with_traceback(None) from None
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
        self.stopped, self.saved, self.history, self.watched = False, False, [], {}
        self.failed_write, self._told, self._config = None, False, getattr(model, "config", None)
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

    def on_save(self, args, state, control, model=None, processing_class=(), **kwargs):
        environment.wait_for_all()  # each process writes its random numbers into the checkpoint
        if not environment.is_main():
            return
        checkpoint, failed, self.failed_write = _checkpoint(args, state), self.failed_write, None
        if failed is None:
            try:
                mark_whole(checkpoint, {"history": self.history, "watched": self.watched})
            except OSError as error:
                failed = error
        if failed is not None:
            shutil.rmtree(checkpoint, ignore_errors=True)
            self._not_saved(checkpoint, failed, checkpoint_bytes(model, processing_class))

    def save(self, path: Path, profile) -> None:
        """Write the run as JSON: the profile with its resolved revisions, versions, the curve.

        Of several processes only the main one writes; the others wait for it.
        """
        record = {
            "profile": asdict(profile),
            "versions": versions(),
            "machine": environment.device_name(),
            "history": self.history,
            "watched": self.watched,
            "stopped": self.stopped,
        }
        if environment.is_main():
            try:
                write_json(path, record)
            except OSError as error:
                raise saving.not_saved(Path(path), error, 10**6) from None
        environment.wait_for_all()
        self.saved = True

    def _not_saved(self, checkpoint: Path, error: Exception, n_bytes: int):
        """Raise NotSaved if the disk is full; else say, once, that the run goes on without."""
        folder = checkpoint.parent
        if why := saving.if_full(error, n_bytes, folder):
            raise saving.NotSaved(
                f"{checkpoint.name} could not be saved: {why}. It resumes from the newest whole "
                "checkpoint"
            )
        if not self._told:
            print(
                f"{checkpoint.name} could not be saved in {folder} ({saving.one_line(error)}). "
                "Training goes on, and tries again at the next one."
            )
        self._told = True

    def _advice(self) -> str:
        """What to turn down after the card's memory ran out, with what memory.py predicts of it."""
        said = (
            f"step {self.step + 1} of {self.max_steps} does not fit into the memory of "
            f"{environment.device_name()}"
        )
        if self.profile is None:
            return said
        cpu = environment.card() is None
        with suppress(ValueError):  # layers whose bytes are not known
            need = sum(memory.training_memory(self._config, self.profile, cpu).values())
            said += f" ({need / 1e9:.2f} GB are predicted, and half a GB for the libraries)"
        said += (
            ". Restart the kernel, put one of these into `changes`, and run all cells. It will be "
            "another run, so it starts from step 0."
        )
        for change, need in memory.smaller(self._config, self.profile, cpu).items():
            said += f"\n  {change}" + (f"  # {need / 1e9:.2f} GB predicted" if need else "")
        return said

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
    that prints each log, and the records of earlier runs. The checkpoints of a run whose record is
    saved are removed; those of any other are left, to be resumed. From here on, a checkpoint that
    cannot be written is for a RunRecord to judge.
    Raises RuntimeError if another process trains in the trainer's folder.
    """
    if environment.is_main():
        Path(trainer.args.output_dir).mkdir(parents=True, exist_ok=True)
        saving.hold(trainer.args.output_dir)
    records = _records(trainer)
    if environment.is_main() and any(record.saved for record in records):
        _remove_checkpoints(trainer.args.output_dir)
    for callback in (*records, PrinterCallback):
        trainer.remove_callback(callback)
    trainer.model.set_adapter("default")  # whichever is active now
    trainer.model.load_state_dict(at_start, strict=False)
    trainer.model.zero_grad(set_to_none=True)
    trainer.optimizer = trainer.lr_scheduler = None
    trainer._save_checkpoint = partial(_try_to_save, trainer)  # the Trainer has no hook for it
    set_seed(trainer.args.seed)  # of the order of the items and of dropout


def _try_to_save(trainer, model, trial=None):
    """The Trainer's own `_save_checkpoint`; a failed write is handed to the records."""
    try:
        type(trainer)._save_checkpoint(trainer, model, trial)
    except Exception as error:
        records = _records(trainer)
        if not (records and environment.is_main() and saving.is_failed_write(error)):
            raise
        for record in records:
            record.failed_write = error


def _records(trainer) -> list[RunRecord]:
    return [c for c in trainer.callback_handler.callbacks if isinstance(c, RunRecord)]


def _checkpoint(args, state) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"


def _mark(checkpoint: Path) -> dict:
    return json.loads((Path(checkpoint) / WHOLE).read_text(encoding="utf-8"))


def _rename(checkpoint: Path, name: str) -> Path:
    """Give `checkpoint` another name, in the place of an older one that has it; the new path."""
    new = checkpoint.with_name(name)
    if environment.is_main() and new != checkpoint:
        shutil.rmtree(new, ignore_errors=True)
        checkpoint.rename(new)
    return new


def _digest(value) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _n_trained(model) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
