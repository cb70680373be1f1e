"""Runs that stop: resumed equals unbroken, a stop keeps what was learnt, settings are not mixed."""

import json

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
        super().__init__(live=False)
        self.at = at

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.at:
            self.stop()
        super().on_step_end(args, state, control, **kwargs)


def test_a_resumed_run_equals_an_unbroken_one(tmp_path, capsys):
    unbroken = make_trainer(tmp_path / "a")
    unbroken.train()

    view = StopAt(4)  # after the checkpoint at step 3
    broken = make_trainer(tmp_path / "b", [view])
    with view:
        broken.train()
    assert "Stopped at step 4 of 6; what was learnt is kept." in capsys.readouterr().out
    assert broken.state.global_step == 4

    view = training.LiveView(live=False)
    resumed = make_trainer(tmp_path / "b", [view])
    checkpoint = training.newest_checkpoint(tmp_path / "b")
    assert checkpoint.endswith("checkpoint-3")
    resumed.train(resume_from_checkpoint=checkpoint)
    assert [row["step"] for row in view.history] == [1, 2, 3, 4, 5, 6]
    wanted, got = adapters(unbroken), adapters(resumed)
    for name in wanted:
        torch.testing.assert_close(got[name], wanted[name], rtol=1e-5, atol=1e-7)
    assert any((wanted[n] != p).any() for n, p in adapters(make_trainer(tmp_path / "c")).items())


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
    assert json.loads((tmp_path / "record.json").read_text())["stopped"] is True


def test_checkpoints_the_newest_whole_one(tmp_path):
    assert training.newest_checkpoint(tmp_path) is None
    for step in (50, 100, 200):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (50, 100):  # 200 was cut off while it was written
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    assert training.newest_checkpoint(tmp_path).endswith("checkpoint-100")
    training.finish(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_settings_have_another_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "BUILD", tmp_path)
    a = training.run_folder("x", {"r": 32})
    assert a == training.run_folder("x", {"r": 32})
    assert a != training.run_folder("x", {"r": 16})
    assert a.is_dir()
