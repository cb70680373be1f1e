"""Runs that stop: resumed equals unbroken, a stop keeps what was learnt, settings are not mixed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

from helpers import base_model, catalogue, profiles, training


def make_trainer(folder, callbacks=(), steps=6):
    torch.manual_seed(0)
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    trainer = SFTTrainer(
        model=base_model.load_base(base_model.POCKET),
        args=SFTConfig(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=4,
            learning_rate=2e-3,
            logging_steps=1,
            save_steps=3,
            save_total_limit=2,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            disable_tqdm=True,
            report_to="none",
            seed=0,
        ),
        train_dataset=catalogue.load("train")
        .select(range(48))
        .select_columns(["prompt", "completion"]),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=4, lora_dropout=0.1, target_modules=["q_proj", "v_proj"]),
        callbacks=list(callbacks),
    )
    return trainer


def adapters(trainer):
    return {n: p.detach().clone() for n, p in trainer.model.named_parameters() if p.requires_grad}


class StopAt(training.LiveView):
    """A learner who presses stop in step `at`."""

    def __init__(self, at):
        super().__init__(guess=a_guess, guess_every=2, live=False)
        self.at = at

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.at:
            self.stop()
        super().on_step_end(args, state, control, **kwargs)


def train(trainer, view, resume=None):
    """Train, and give what is left: the adapters, the rows and the guesses of the record."""
    trainer.add_callback(view)
    with view:
        trainer.train(resume_from_checkpoint=resume)
    return adapters(trainer), view.history, view.guesses


def a_guess(model):
    """A price that changes with the adapters."""
    return 100 + sum(p.abs().sum().item() for n, p in model.named_parameters() if "lora_B" in n)


def recorder():
    return training.LiveView(guess=a_guess, guess_every=2, live=False)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """(folder, adapters, rows, guesses) of 6 steps, with checkpoints at 3 and 6."""
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, *train(make_trainer(folder), recorder())


def assert_equal_runs(got, wanted):
    for name in wanted[0]:
        torch.testing.assert_close(got[0][name], wanted[0][name], rtol=0, atol=0)
    assert got[1:] == wanted[1:]


def test_a_stopped_run_resumes_where_it_was_and_equals_an_unbroken_one(unbroken, tmp_path, capsys):
    broken = make_trainer(tmp_path, [StopAt(4)])
    broken.train()
    assert broken.state.global_step == 4
    checkpoint = training.newest_checkpoint(tmp_path)
    assert checkpoint.endswith("checkpoint-4")
    assert capsys.readouterr().out.endswith("Resuming from step 4.\n")

    shutil.rmtree(checkpoint)  # a row at step 4 is in the stopped run alone
    checkpoint = training.newest_checkpoint(tmp_path)
    assert checkpoint.endswith("checkpoint-3")
    got = train(make_trainer(tmp_path), recorder(), checkpoint)
    assert [row["step"] for row in got[1]] == [1, 2, 3, 4, 5, 6]
    assert_equal_runs(got, unbroken[1:])
    assert any((got[0][n] != p).any() for n, p in adapters(make_trainer(tmp_path / "c")).items())


DAMAGE = {
    "trainer_state.json is damaged": lambda c: (c / "trainer_state.json").write_bytes(b""),
    "optimizer.pt is damaged": lambda c: os.truncate(c / "optimizer.pt", 1000),
    "scheduler.pt is missing": lambda c: (c / "scheduler.pt").unlink(),
    "adapter_model.safetensors is damaged": lambda c: flip_a_bit(c / "adapter_model.safetensors"),
    "it was cut off while it was written": lambda c: (c / "whole.json").unlink(),
    "whole.json is damaged": lambda c: os.truncate(c / "whole.json", 100),
}


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("says", DAMAGE)
def test_a_torn_checkpoint_is_left_alone_and_the_one_before_it_taken(
    says, unbroken, tmp_path, capsys
):
    shutil.copytree(unbroken[0], tmp_path, dirs_exist_ok=True)
    assert training.newest_checkpoint(tmp_path).endswith("checkpoint-6")
    DAMAGE[says](tmp_path / "checkpoint-6")
    capsys.readouterr()
    assert training.newest_checkpoint(tmp_path).endswith("checkpoint-3")
    said = f"checkpoint-6 is left alone: {says}.\nResuming from step 3.\n"
    assert capsys.readouterr().out == said
    assert (tmp_path / "checkpoint-6").exists()
    DAMAGE[says](tmp_path / "checkpoint-3")
    assert training.newest_checkpoint(tmp_path) is None
    assert capsys.readouterr().out.endswith("No whole checkpoint is left: starting from step 0.\n")


def test_what_a_kill_left_of_the_mark_is_in_nobodys_way(unbroken, tmp_path):
    shutil.copytree(unbroken[0] / "checkpoint-6", tmp_path / "checkpoint-6")
    (tmp_path / "checkpoint-6" / "whole.new").write_text("{", encoding="utf-8")
    training.mark_whole(tmp_path / "checkpoint-6", {"history": [], "guesses": {}})
    assert training.fault_of(tmp_path / "checkpoint-6") is None
    (tmp_path / "checkpoint-9").write_bytes(b"a file, not a folder")
    (tmp_path / "checkpoint-last").mkdir()
    assert training.newest_checkpoint(tmp_path).endswith("checkpoint-6")


def test_the_newest_is_the_one_with_the_largest_number(unbroken, tmp_path):
    for step in (50, 100, 200):
        shutil.copytree(unbroken[0] / "checkpoint-6", tmp_path / f"checkpoint-{step}")
    assert training.newest_checkpoint(tmp_path).endswith("checkpoint-200")
    (tmp_path / "checkpoint-200" / "whole.json").unlink()  # cut off while it was written
    assert training.newest_checkpoint(tmp_path).endswith("checkpoint-100")


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[1:2]
from transformers import TrainerState
from test_training import make_trainer, recorder, train

def torn(state, path):
    whole(state, path)
    if state.global_step == 6:
        open(path, "wb").close()  # what a kill in the middle of writing left
        os.kill(os.getpid(), signal.SIGKILL)

whole, TrainerState.save_to_json = TrainerState.save_to_json, torn
train(make_trainer(sys.argv[2]), recorder())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_while_a_checkpoint_is_written_it_ends_as_if_unbroken(unbroken, tmp_path, capsys):
    arguments = [str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "checkpoint-6" / "trainer_state.json").stat().st_size == 0
    checkpoint = training.newest_checkpoint(tmp_path)
    assert "checkpoint-6 is left alone: it was cut off" in capsys.readouterr().out
    got = train(make_trainer(tmp_path), recorder(), checkpoint)
    assert_equal_runs(got, unbroken[1:])
    assert training.newest_checkpoint(tmp_path).endswith("checkpoint-6")  # written again, whole


def test_killed_after_the_last_step_nothing_is_trained_again(unbroken, tmp_path):
    shutil.copytree(unbroken[0], tmp_path, dirs_exist_ok=True)
    got = train(make_trainer(tmp_path), recorder(), training.newest_checkpoint(tmp_path))
    assert_equal_runs(got, unbroken[1:])


def test_the_last_two_checkpoints_are_kept_until_they_are_removed(tmp_path):
    train(make_trainer(tmp_path, steps=9), recorder())
    assert {p.name for p in tmp_path.glob("c*")} == {"checkpoint-6", "checkpoint-9"}
    training.remove_checkpoints(tmp_path)
    assert list(tmp_path.glob("c*")) == []
    assert training.newest_checkpoint(tmp_path) is None


def test_stopped_before_the_first_logged_loss_the_record_still_has_it(tmp_path, capsys):
    trainer = make_trainer(tmp_path, [view := StopAt(2)])
    trainer.state.logging_steps = trainer.args.logging_steps = 99
    with view:
        trainer.train()
    assert [row["step"] for row in view.history] == [2]
    assert "Stopped at step 2 of 6; what was learnt is kept." in capsys.readouterr().out


def test_an_interrupt_in_the_first_step_leaves_nothing_to_draw(capsys):
    from helpers.plots.training import run_record

    view = training.LiveView(live=False)
    with view:
        raise KeyboardInterrupt
    run_record(view.history, view.guesses, 35)
    assert "stopped before its first step ended" in capsys.readouterr().out


def test_an_interrupt_keeps_what_was_learnt(capsys):
    view = training.LiveView(live=False)
    with view:
        raise KeyboardInterrupt
    assert view.stopped
    assert "what was learnt is kept" in capsys.readouterr().out
    with pytest.raises(ZeroDivisionError), training.LiveView(live=False):
        raise ZeroDivisionError


def test_the_live_view_draws_and_its_stop_button_stops(tmp_path):
    view = training.LiveView(guess=lambda model: 89.0, guess_every=2, live=True)
    trainer = make_trainer(tmp_path, [view], steps=4)

    class Press(training.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 2:
                view._stop.click()

    trainer.add_callback(Press())
    trainer.train()
    assert trainer.state.global_step <= 3
    assert view.guesses[0] == view.guesses[2] == 89
    assert "guess $89" in view._label.value
    assert view._bar.value == view.history[-1]["step"]
    assert view._stop.disabled
    view.save(tmp_path / "record.json", profiles.POCKET)
    assert json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))["stopped"] is True


def test_other_settings_have_another_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "BUILD", tmp_path)
    a = training.run_folder("x", {"r": 32})
    assert a == training.run_folder("x", {"r": 32})
    assert a != training.run_folder("x", {"r": 16})
    assert a.is_dir()
