"""Runs that stop: resumed equals unbroken, a stop keeps what was learnt, settings are not mixed."""

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import nbformat
import numpy as np
import pytest
import support
import torch

from helpers import base_model, catalogue, profiles, runs
from helpers.lesson_08 import plots, widget


def make_trainer(folder, callbacks=(), steps=6):
    return support.make_trainer(
        base_model.POCKET,
        catalogue.load("train").select(range(48)),
        folder,
        lora={"r": 4, "lora_dropout": 0.1, "target_modules": ["q_proj", "v_proj"]},
        callbacks=callbacks,
        max_steps=steps,
        per_device_train_batch_size=4,
        learning_rate=2e-3,
        save_steps=3,
        save_total_limit=2,
    )


def adapters(trainer):
    return {n: p.detach().clone() for n, p in trainer.model.named_parameters() if p.requires_grad}


class StopAt(runs.RunRecord):
    """A learner who presses stop in step `at`."""

    def __init__(self, at):
        super().__init__(watch, watch_every=2)
        self.at = at

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.at:
            self.stop()
        super().on_step_end(args, state, control, **kwargs)


def train(trainer, record, resume=None):
    """Train, and give what is left: the adapters, the rows of the record and what it watched."""
    trainer.add_callback(record)
    with record:
        trainer.train(resume_from_checkpoint=resume)
    return adapters(trainer), record.history, record.watched


def watch(model):
    """Two numbers that change with the adapters."""
    size = sum(p.abs().sum().item() for n, p in model.named_parameters() if "lora_B.default" in n)
    return {"held-out error": 100 - size, "guess": 100 + size}


def recorder():
    return runs.RunRecord(watch, watch_every=2)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """(folder, adapters, rows, watched) of 6 steps, with checkpoints at 3 and 6."""
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
    checkpoint = runs.newest_checkpoint(tmp_path)
    assert checkpoint.endswith("checkpoint-4")
    assert capsys.readouterr().out.endswith("Resuming from step 4.\n")

    shutil.rmtree(checkpoint)  # a row at step 4 is in the stopped run alone
    checkpoint = runs.newest_checkpoint(tmp_path)
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
    "it was cut off while it was being written": lambda c: (c / "whole.json").unlink(),
    "whole.json is damaged": lambda c: os.truncate(c / "whole.json", 100),
}


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("says", DAMAGE)
def test_a_damaged_checkpoint_is_left_alone_and_the_one_before_it_taken(
    says, unbroken, tmp_path, capsys
):
    shutil.copytree(unbroken[0], tmp_path, dirs_exist_ok=True)
    assert runs.newest_checkpoint(tmp_path).endswith("checkpoint-6")
    DAMAGE[says](tmp_path / "checkpoint-6")
    capsys.readouterr()
    assert runs.newest_checkpoint(tmp_path).endswith("checkpoint-3")
    said = f"checkpoint-6 is left alone: {says}.\nResuming from step 3.\n"
    assert capsys.readouterr().out == said
    DAMAGE[says](tmp_path / "checkpoint-3")
    assert runs.newest_checkpoint(tmp_path) is None
    assert "from is left: starting from step 0." in capsys.readouterr().out
    left = {path.name: bytes_in(path) for path in tmp_path.glob("*check*")}
    assert set(left) == {"damaged-checkpoint-3", "damaged-checkpoint-6"}


def test_a_run_neither_writes_over_a_checkpoint_that_is_left_alone_nor_removes_it(
    unbroken, tmp_path
):
    shutil.copytree(unbroken[0] / "checkpoint-6", tmp_path / "checkpoint-6")
    DAMAGE["scheduler.pt is missing"](tmp_path / "checkpoint-6")
    left = bytes_in(tmp_path / "checkpoint-6")
    assert runs.newest_checkpoint(tmp_path) is None
    train(make_trainer(tmp_path, steps=9), recorder())
    assert bytes_in(tmp_path / "damaged-checkpoint-6") == left
    kept = {path.name for path in tmp_path.glob("checkpoint-*")}
    assert kept == {"checkpoint-6", "checkpoint-9"}
    runs.remove_checkpoints(tmp_path)
    assert list(tmp_path.glob("*check*")) == []


@pytest.mark.parametrize("reads", ["sha256_of", "_mark"])
def test_a_checkpoint_that_cannot_be_read_for_a_while_is_not_lost(
    reads, unbroken, tmp_path, monkeypatch, capsys
):
    """As in Google Drive."""

    def lost(path):
        raise OSError(errno.EIO, "Input/output error")

    shutil.copytree(unbroken[0] / "checkpoint-6", tmp_path / "checkpoint-6")
    with monkeypatch.context() as patch:
        patch.setattr(runs, reads, lost)
        assert runs.newest_checkpoint(tmp_path) is None
    assert "cannot be read ([Errno 5] Input/output error)" in capsys.readouterr().out
    assert runs.newest_checkpoint(tmp_path) == str(tmp_path / "checkpoint-6")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-6"]


def bytes_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_checkpoint_of_other_versions_waits_until_these_are_installed_again(
    unbroken, tmp_path, capsys, monkeypatch
):
    def install(**versions):
        there = {name: "1.0" for name in runs.PACKAGES} | versions
        monkeypatch.setattr(runs, "version", there.get)

    install(peft="0.20")
    old = make_trainer(tmp_path, [StopAt(5)])
    old.train()
    written = bytes_in(tmp_path / "checkpoint-5")
    assert json.loads(written["whole.json"])["versions"]["peft"] == "0.20"

    install(peft="0.21")
    capsys.readouterr()
    assert runs.newest_checkpoint(tmp_path) is None
    assert capsys.readouterr().out.startswith(
        "checkpoint-5 is left alone: peft 0.20 wrote it, and peft 0.21 is installed; to resume from "
        "it, go back to peft 0.20.\n"
    )
    new = make_trainer(tmp_path, [StopAt(5)])  # a step of the same number, and two more before it
    new.train()
    assert runs.newest_checkpoint(tmp_path) == str(tmp_path / "checkpoint-5")

    install(peft="0.20")
    assert runs.newest_checkpoint(tmp_path) == str(tmp_path / "checkpoint-5")
    assert capsys.readouterr().out.endswith("Resuming from step 5.\n")
    assert bytes_in(tmp_path / "checkpoint-5") == written
    got = train(make_trainer(tmp_path), recorder(), str(tmp_path / "checkpoint-5"))
    assert_equal_runs((got[0], None), (unbroken[1], None))
    install(peft="0.21")
    assert runs.newest_checkpoint(tmp_path) == str(tmp_path / "checkpoint-5")


def test_a_half_written_mark_of_a_killed_run_does_no_harm(unbroken, tmp_path):
    shutil.copytree(unbroken[0] / "checkpoint-6", tmp_path / "checkpoint-6")
    (tmp_path / "checkpoint-6" / "whole.new").write_text("{", encoding="utf-8")
    runs.mark_whole(tmp_path / "checkpoint-6", {"history": [], "watched": {}})
    assert runs.fault_of(tmp_path / "checkpoint-6") is None
    (tmp_path / "checkpoint-9").write_bytes(b"a file, not a folder")
    (tmp_path / "checkpoint-last").mkdir()
    assert runs.newest_checkpoint(tmp_path).endswith("checkpoint-6")


def test_the_newest_is_the_one_with_the_largest_number(unbroken, tmp_path):
    for step in (50, 100, 200):
        shutil.copytree(unbroken[0] / "checkpoint-6", tmp_path / f"checkpoint-{step}")
    assert runs.newest_checkpoint(tmp_path).endswith("checkpoint-200")
    (tmp_path / "checkpoint-200" / "whole.json").unlink()  # cut off while it was written
    assert runs.newest_checkpoint(tmp_path).endswith("checkpoint-100")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_at_five_random_moments_runs_end_as_if_unbroken():
    tool = support.ROOT / "tests" / "tools" / "kills.py"
    done = subprocess.run(
        [sys.executable, str(tool), "5", "3"], capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^5 kills of \d+ runs .*: 0 not as unbroken$", done.stdout, re.MULTILINE)


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[1:3]
from transformers import TrainerState
from test_runs import make_trainer, recorder, train

def torn(state, path):
    whole(state, path)
    if state.global_step == 6:
        open(path, "wb").close()  # what a kill in the middle of writing left
        os.kill(os.getpid(), signal.SIGKILL)

whole, TrainerState.save_to_json = TrainerState.save_to_json, torn
train(make_trainer(sys.argv[3]), recorder())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_while_a_checkpoint_is_written_it_ends_as_if_unbroken(unbroken, tmp_path, capsys):
    here = Path(__file__).parent
    arguments = [str(here), str(here.parent), str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "checkpoint-6" / "trainer_state.json").stat().st_size == 0
    checkpoint = runs.newest_checkpoint(tmp_path)
    assert "checkpoint-6 is left alone: it was cut off" in capsys.readouterr().out
    got = train(make_trainer(tmp_path), recorder(), checkpoint)
    assert_equal_runs(got, unbroken[1:])
    assert runs.newest_checkpoint(tmp_path).endswith("checkpoint-6")  # written again, whole


def test_killed_after_the_last_step_nothing_is_trained_again(unbroken, tmp_path):
    shutil.copytree(unbroken[0], tmp_path, dirs_exist_ok=True)
    got = train(make_trainer(tmp_path), recorder(), runs.newest_checkpoint(tmp_path))
    assert_equal_runs(got, unbroken[1:])


def test_the_last_two_checkpoints_are_kept_until_they_are_removed(tmp_path):
    train(make_trainer(tmp_path, steps=9), recorder())
    assert {p.name for p in tmp_path.glob("c*")} == {"checkpoint-6", "checkpoint-9"}
    runs.remove_checkpoints(tmp_path)
    assert list(tmp_path.glob("c*")) == []
    assert runs.newest_checkpoint(tmp_path) is None


def test_the_last_step_and_the_step_of_a_stop_are_watched(tmp_path):
    _, _, watched = train(make_trainer(tmp_path / "a", steps=3), recorder())
    assert list(watched) == [0, 2, 3]
    _, rows, watched = train(make_trainer(tmp_path / "b"), StopAt(1))
    assert list(watched) == [0, 1]
    assert [row["step"] for row in rows] == [1]


def test_started_over_in_one_kernel_a_run_equals_the_first_whatever_happened_in_between(
    tmp_path, capsys
):
    trainer = make_trainer(tmp_path)
    at_start = adapters(trainer)

    def run_the_cell(record):
        runs.start_over(trainer, at_start)
        left = train(trainer, record, runs.newest_checkpoint(tmp_path))
        record.save(tmp_path / "run.json", profiles.POCKET)
        return left

    first = run_the_cell(recorder())
    trainer.model.save_pretrained(tmp_path / "adapter")
    trainer.model.load_adapter(str(tmp_path / "adapter"), "from the file")
    trainer.model.set_adapter("from the file")
    stopped = run_the_cell(StopAt(2))
    assert stopped[1] == first[1][:2]
    assert_equal_runs(run_the_cell(recorder()), first)
    records = [c for c in trainer.callback_handler.callbacks if isinstance(c, runs.RunRecord)]
    assert len(records) == 1, "an earlier record would take the stop"
    assert "Resuming" not in capsys.readouterr().out


def test_started_over_after_a_crash_a_run_resumes(unbroken, tmp_path, capsys):
    trainer = make_trainer(tmp_path)
    at_start = adapters(trainer)

    class Crash(runs.RunRecord):
        def on_step_end(self, args, state, control, **kwargs):
            super().on_step_end(args, state, control, **kwargs)
            if state.global_step == 5:
                raise MemoryError

    runs.start_over(trainer, at_start)
    with pytest.raises(MemoryError):
        train(trainer, Crash(watch, watch_every=2))
    runs.start_over(trainer, at_start)
    got = train(trainer, recorder(), runs.newest_checkpoint(tmp_path))
    assert capsys.readouterr().out == "Resuming from step 3.\n"
    assert [row["step"] for row in got[1]] == [1, 2, 3, 4, 5, 6]
    assert_equal_runs(got, unbroken[1:])


def test_stopped_before_the_first_logged_loss_the_record_still_has_it(tmp_path, capsys):
    trainer = make_trainer(tmp_path, [record := StopAt(2)])
    trainer.state.logging_steps = trainer.args.logging_steps = 99
    with record:
        trainer.train()
    assert [row["step"] for row in record.history] == [2]
    said = capsys.readouterr().out
    assert "Stopped at step 2 of 6; what was learnt is kept.\nThe text that follows is" in said


def test_an_interrupt_keeps_what_was_learnt(capsys):
    record = runs.RunRecord()
    with record:
        raise KeyboardInterrupt
    assert record.stopped
    assert "what was learnt is kept" in capsys.readouterr().out
    with pytest.raises(ZeroDivisionError), runs.RunRecord():
        raise ZeroDivisionError


BELIEF = np.full(1000, 1e-3)


def view(live, price=89.0, floor=20.0):
    return widget.LiveView(lambda model: (watch(model), BELIEF), price, floor, 2, live)


@pytest.mark.parametrize("live", [True, False])
def test_an_interrupt_before_the_first_step_leaves_nothing_to_draw(live, capsys):
    with view(live):
        raise KeyboardInterrupt
    assert "Nothing to draw: the run was stopped before its first step." in capsys.readouterr().out


class Press(runs.TrainerCallback):
    """A click on the button of `view` in step 2."""

    def __init__(self, view):
        self.view = view

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 2:
            self.view._stop.click()


def told_by(live):
    """The parts of the line beside the progress bar."""
    return re.fullmatch(
        r'<span role="status" class="tex2jax_ignore">(.*)</span>', live._text.value
    )[1].split(" · ")


def test_the_live_view_draws_and_its_stop_button_stops_a_second_run_too(tmp_path):
    trainer = make_trainer(tmp_path, steps=4)
    at_start = adapters(trainer)
    for n_run in range(2):
        runs.start_over(trainer, at_start)
        trainer.add_callback(live := view(live=True))
        trainer.add_callback(press := Press(live))
        with live:
            trainer.train()
        live.save(tmp_path / "record.json", profiles.POCKET)
        trainer.remove_callback(press)
        assert live.stopped and trainer.state.global_step <= 3, n_run
        assert live._bar.value == live.step
        assert live._stop.disabled
        assert live._belief.value.startswith("<svg") and list(live.beliefs) == list(live.watched)
        said = told_by(live)
        assert said[0] == f"step {live.step} of 4"
        assert said[-1] == f"stopped at step {live.step}"
    assert json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))["stopped"] is True


def test_at_its_end_the_live_view_says_how_long_it_took(tmp_path):
    live = view(live=True)
    train(make_trainer(tmp_path, steps=2), live)
    assert told_by(live)[-1].startswith("done in ")
    assert type(live._text) is ipywidgets.HTML  # a Label sets "$64 · guess $35" as a formula


def test_with_nobody_watching_four_lines_and_one_picture_are_left(tmp_path, capsys, monkeypatch):
    drawn = []
    monkeypatch.setattr(widget.plots, "show", lambda figure, alt: drawn.append(alt))
    train(make_trainer(tmp_path), view(live=False))
    lines = capsys.readouterr().out.splitlines()
    lines = [line for line in lines if line.startswith("step ")]
    assert [line.split()[1] for line in lines] == ["2", "3", "5", "6"]
    assert "guess $1" in lines[-1] and "held-out error $" in lines[-1]
    assert len(drawn) == 1 and drawn[0].startswith("Step 6 of 6.")


@pytest.mark.parametrize("floor", [20.0, float("nan")])
@pytest.mark.parametrize("n_seen", [0, 1, 2])
def test_the_picture_of_a_run_can_be_drawn_at_any_step(n_seen, floor):
    history = [{"step": s, "loss": 7.0 - s, "learning_rate": 1e-3} for s in range(n_seen)]
    watched = {25 * s: {"held-out error": 70.0 - s, "guess": 22.0} for s in range(n_seen)}
    beliefs = dict.fromkeys(watched, BELIEF)
    figure, alt = plots.run_so_far(history, watched, beliefs, 250, 1299, floor)
    assert ("floor" in alt) == (floor == floor)
    assert ("median at 499 after step 0" in alt) == (n_seen > 0)
    plots.plt.close(figure)


def test_a_run_whose_rate_was_measured_first_equals_one_that_just_began(unbroken, tmp_path):
    """Dropout draws random numbers in each of the measured steps."""
    trainer = make_trainer(tmp_path)
    runs.tokens_per_second(trainer)
    assert all(p.grad is None for p in trainer.model.parameters())
    assert_equal_runs(train(trainer, recorder()), unbroken[1:])


def test_the_rate_is_of_tokens_that_are_not_padding_after_a_step_to_warm_up(tmp_path, monkeypatch):
    trainer = make_trainer(tmp_path)
    lengths = [len(item["input_ids"]) for item in trainer.train_dataset][4:12]
    assert len(set(lengths)) > 1, "else nothing is padded"
    for processes in ("1", "2"):
        clock = iter([100.0, 105.0])
        monkeypatch.setattr(runs, "time", SimpleNamespace(perf_counter=clock.__next__))
        monkeypatch.setenv("WORLD_SIZE", processes)
        rate = runs.tokens_per_second(trainer, n_steps=2)
        assert rate == int(processes) * sum(lengths) / 5


def test_other_settings_have_another_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "BUILD", tmp_path)
    a = runs.run_folder("x", {"r": 32})
    assert a == runs.run_folder("x", {"r": 32})
    assert a != runs.run_folder("x", {"r": 16})
    assert a.is_dir()
    monkeypatch.setenv("WORLD_SIZE", "2")  # each step of two processes takes other items
    assert a != runs.run_folder("x", {"r": 32})


def test_of_several_processes_the_main_one_marks_saves_and_removes(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(runs.environment, "wait_for_all", lambda: waited.append(1))
    for rank, files in (("1", set()), ("0", {"record.json"})):
        monkeypatch.setenv("RANK", rank)
        record = recorder()
        train(make_trainer(tmp_path, steps=3), record)
        marked = [path.name for path in tmp_path.glob("checkpoint-3/whole.json")]
        assert marked == (["whole.json"] if rank == "0" else [])
        record.save(tmp_path / "record.json", profiles.POCKET)
        assert {path.name for path in tmp_path.glob("*.json")} == files
        runs.remove_checkpoints(tmp_path)
        assert (tmp_path / "checkpoint-3").exists() is (rank == "1")
    assert len(waited) == 6  # the others wait, so that they find what it wrote


@pytest.fixture(scope="module")
def fingerprints():
    """The function that lesson 8 writes in the open."""
    path = support.ROOT / "notebooks" / "08_qlora_sft.ipynb"
    [cell] = [c for c in nbformat.read(path, 4).cells if "def fingerprints(" in c.source]
    names = {"hashlib": hashlib, "torch": torch}
    exec(cell.source.partition("\n\n\n")[0], names)
    return names["fingerprints"]


FROZEN = {  # every tensor that the value of a 4-bit weight depends on
    "weight": lambda weight: weight.data,
    "absmax": lambda weight: weight.quant_state.absmax,
    "code": lambda weight: weight.quant_state.code,
    "state2.absmax": lambda weight: weight.quant_state.state2.absmax,
    "state2.code": lambda weight: weight.quant_state.state2.code,
    "offset": lambda weight: weight.quant_state.offset,
}


@pytest.mark.parametrize("part", FROZEN)
def test_lesson_8s_fingerprints_notice_a_change_of_one_bit(part, fingerprints):
    model = base_model.load_base(base_model.POCKET, None, support.nf4(), "float32")
    before = fingerprints(model)
    changed = FROZEN[part](model.model.layers[1].self_attn.v_proj.weight)
    changed.reshape(-1).view(torch.uint8)[0] ^= 1
    after = fingerprints(model)
    assert [n for n in after if after[n] != before[n]], f"{part} is not in the fingerprints"
    assert all(".layers.1.self_attn.v_proj." in n for n in after if after[n] != before[n])
