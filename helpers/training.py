"""Around a training run: its folder, its newest whole checkpoint, a live view with a stop, its record."""

import hashlib
import json
import os
import shutil
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import TrainerCallback

from helpers import BUILD
from helpers.catalogue import sha256_of
from helpers.environment import device_name

WHOLE = "whole.json"  # what marks a checkpoint as complete
PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets")


def run_folder(lesson: str, settings: dict) -> Path:
    """build/<lesson>/<hash of settings>/, made if needed: other settings never resume this run."""
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
    """Write checkpoint/whole.json, after all else: each file's sha256, and the run's record so far."""
    files = [path for path in sorted(Path(checkpoint).iterdir()) if path.is_file()]
    sums = {path.name: sha256_of(path) for path in files if path.stem != Path(WHOLE).stem}
    write_json(Path(checkpoint) / WHOLE, {"sha256": sums, **record})


def fault_of(checkpoint: Path) -> str | None:
    """Why `checkpoint` cannot be resumed from, in a few words; None if it is as it was written."""
    try:
        sums = json.loads((Path(checkpoint) / WHOLE).read_text(encoding="utf-8"))["sha256"]
    except OSError:
        return "it was cut off while it was written"
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
    for checkpoint in Path(folder).glob("checkpoint-*"):
        shutil.rmtree(checkpoint)


def write_json(path: Path, value) -> None:
    """Write `value` as JSON, whole or not at all: a run that is killed leaves the file of before."""
    new = Path(path).with_suffix(".new")
    new.write_text(json.dumps(value, indent=1), encoding="utf-8")
    new.replace(path)


def tokens_per_second(trainer, n_steps: int = 3) -> float:
    """The rate of training steps (forward and backward) on this machine, measured on the spot.

    Counts tokens that are not padding. One more step goes before, to warm up. Weights, gradients
    and random numbers are afterwards as they were before.
    """
    model, size = trainer.model, trainer.args.per_device_train_batch_size
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
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
    return n_tokens / (time.perf_counter() - start)


def has_live_frontend() -> bool:
    """True when someone is watching: JupyterLab, VS Code or Colab started this kernel."""
    return any(os.environ.get(k) for k in ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"))


class AlreadyTrained(Exception):
    """A run resumes at its last step. The trainer would go one step further."""


class LiveView(TrainerCallback):
    """What a run looks like while it runs: loss, learning rate, seconds left, one guess, a stop.

    guess: a function of the model that gives its price (dollars) for one fixed item, called
        every `guess_every` steps. live: widgets and a growing picture, or four quiet lines;
        None chooses by `has_live_frontend`.
    Use it as a context around `trainer.train()`: the stop button, or the kernel's own
    interrupt, then ends the run and keeps what was learnt. The button needs a kernel that takes
    clicks while a cell runs (ipykernel 7 in JupyterLab; not Colab's), the interrupt does not.
    `history` is the record: one dict a logged step (step, loss, learning_rate, and guess where
    one was made); `guesses` is {step: price}. A step is also logged at each checkpoint, at the last
    step and at a stop. Each checkpoint is marked whole, with the record so far, so that a resumed
    run ends with the record of an unbroken one.
    """

    def __init__(self, guess=None, guess_every: int = 25, live: bool | None = None):
        self.guess, self.guess_every = guess, guess_every
        self.live = has_live_frontend() if live is None else live
        self.history, self.stopped, self.step, self.max_steps = [], False, 0, 0
        self.guesses = {}
        self._quarter = 0  # of the run, printed last

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is KeyboardInterrupt:
            self.stopped = True
        if self.stopped:
            print(f"Stopped at step {self.step} of {self.max_steps}; what was learnt is kept.")
        return kind in (KeyboardInterrupt, AlreadyTrained)

    def stop(self, _button=None):
        """End the run after the step under way."""
        self.stopped = True

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self.max_steps, self._first, self._start = state.max_steps, state.global_step, time.time()
        self.stopped, self.step, self.history, self.guesses = False, state.global_step, [], {}
        if self.step:
            self._restore(_checkpoint(args, state) / WHOLE)
        else:
            self._take_guess(model)
        if self.step >= self.max_steps:
            raise AlreadyTrained
        self._quarter = 4 * self.step // self.max_steps
        if self.live:
            self._open()

    def on_step_end(self, args, state, control, model=None, **kwargs):
        self.step = state.global_step
        if self.step % self.guess_every == 0:
            self._take_guess(model)
        if self.stopped:
            control.should_training_stop = control.should_save = True
        if control.should_save or control.should_training_stop:
            control.should_log = True

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" not in (logs or {}):
            return
        row = {"step": state.global_step, **{k: logs[k] for k in ("loss", "learning_rate")}}
        if state.global_step in self.guesses:
            row["guess"] = self.guesses[state.global_step]
        self.history.append(row)
        quarter = 4 * state.global_step // self.max_steps
        if self.live:
            self._draw(row)
        elif quarter > self._quarter:
            print("   ".join(self._figures(row)))
        self._quarter = quarter

    def on_save(self, args, state, control, **kwargs):
        record = {"history": self.history, "guesses": self.guesses}
        mark_whole(_checkpoint(args, state), record)

    def on_train_end(self, args, state, control, **kwargs):
        if self.live:
            self._stop.disabled = True

    def save(self, path: Path, profile) -> None:
        """Write the run as JSON: the profile with its resolved revisions, versions, the curve."""
        record = {
            "profile": asdict(profile),
            "versions": {name: version(name) for name in PACKAGES},
            "machine": device_name(),
            "history": self.history,
            "guesses": self.guesses,
            "stopped": self.stopped,
        }
        write_json(path, record)

    def _restore(self, marked):
        """Take up the record of the checkpoint that this run resumes from."""
        record = json.loads(marked.read_text(encoding="utf-8"))
        self.history = record["history"]
        self.guesses = {int(step): price for step, price in record["guesses"].items()}

    def _take_guess(self, model):
        if self.guess is not None:
            self.guesses[self.step] = float(self.guess(model))

    def _figures(self, row):
        figures = [f"step {row['step']:4} of {self.max_steps}", f"loss {row['loss']:.3f}"]
        figures.append(f"learning rate {row['learning_rate']:.2e}")
        if self.guesses:
            figures.append(f"guess ${list(self.guesses.values())[-1]:.0f}")
        return figures

    def _open(self):
        import ipywidgets as widgets
        from IPython.display import DisplayHandle, display

        self._bar = widgets.IntProgress(value=self.step, max=self.max_steps, description="steps")
        tip = "end now, keep what was learnt; if it does not answer, interrupt the kernel instead"
        self._stop = widgets.Button(description="stop", tooltip=tip)
        self._stop.on_click(self.stop)
        self._label = widgets.Label(value="starting")
        display(widgets.VBox([widgets.HBox([self._bar, self._stop]), self._label]))
        # ipykernel 7.4 gives a click to the thread that spoke to the button last, which is this one,
        # busy until the run ends. Without its note the frontend's own thread takes the click.
        if self._stop.comm is not None:
            vars(self._stop.comm).pop("_reply_subshell_id", None)
        self._picture = DisplayHandle()
        self._picture.display(
            {"text/plain": "the curve comes with the first logged loss"}, raw=True
        )

    def _draw(self, row):
        from helpers.plots import png
        from helpers.plots.training import live_curve

        done, left = self.step - self._first, self.max_steps - self.step
        seconds = (time.time() - self._start) / max(done, 1) * left
        self._bar.value = self.step
        self._label.value = " · ".join([*self._figures(row), f"{seconds:.0f} s left"])
        data, metadata = png(*live_curve(self.history, self.guesses, self.max_steps))
        self._picture.update(data, metadata=metadata, raw=True)


def _checkpoint(args, state) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}"
