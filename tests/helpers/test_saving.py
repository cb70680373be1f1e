"""Files of a run: one process at a time, whole or not at all, and a full disk or a lost one."""

import errno
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import support
import torch
from safetensors import SafetensorError
from test_runs import adapters, assert_equal_runs, make_trainer, recorder, train, watch
from transformers import TrainerState

from helpers import memory, profiles, runs, saving

HOLD = """
import sys
from helpers import saving
saving.hold(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process, which holds tmp_path."""
    env = os.environ | {"PYTHONPATH": str(support.ROOT)}
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=env, **pipes) as process:
        assert process.stdout.readline().strip() == b"held"
        yield process
        process.kill()


@pytest.fixture(autouse=True)
def nothing_held():
    yield
    for folder in list(saving._held):
        saving.let_go(folder)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """(adapters, rows, watched) of 6 steps."""
    return train(make_trainer(tmp_path_factory.mktemp("unbroken")), recorder())


@pytest.fixture
def lesson(tmp_path):
    """A function that does what lesson 8's training cell does, and may be called again."""
    trainer = make_trainer(tmp_path)
    at_start = adapters(trainer)

    def cell(record=None):
        runs.start_over(trainer, at_start)
        record = record or recorder()
        left = train(trainer, record, runs.newest_checkpoint(tmp_path))
        runs.save_adapter(trainer.model, tmp_path / "adapter")
        record.save(tmp_path / "run.json", profiles.POCKET)
        return left

    cell.trainer = trainer
    return cell


def names(folder):
    return {path.name for path in folder.iterdir()} - {saving.LOCK, "README.md"}


def test_a_second_process_is_told_and_touches_nothing_until_the_first_is_gone(
    other, tmp_path, monkeypatch
):
    (tmp_path / "checkpoint-3").mkdir()
    ended = runs.RunRecord()
    ended.saved = True  # its checkpoints would be removed
    removed, args = [], SimpleNamespace(output_dir=str(tmp_path))
    handler = SimpleNamespace(callbacks=[ended])
    trainer = SimpleNamespace(args=args, callback_handler=handler, remove_callback=removed.append)
    with pytest.raises(RuntimeError, match="another notebook or script is training this run, in "):
        runs.start_over(trainer, {})
    assert names(tmp_path) == {"checkpoint-3"} and removed == []

    monkeypatch.setenv("RANK", "1")  # of several processes the main one holds it for all
    with pytest.raises(AttributeError, match="model"):
        runs.start_over(trainer, {})
    monkeypatch.delenv("RANK")

    other.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    other.wait()
    saving.hold(tmp_path)
    saving.hold(tmp_path)  # the cell once more


def test_a_folder_is_free_again_when_its_checkpoints_are_removed(tmp_path):
    saving.hold(tmp_path)
    runs.remove_checkpoints(tmp_path)
    env = os.environ | {"PYTHONPATH": str(support.ROOT)}
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.stdout.strip() == b"held", done.stderr


@pytest.mark.parametrize("error", [BlockingIOError(), PermissionError()])  # Linux's, Windows's
def test_what_another_process_has_locked_is_held(error, tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "_lock", fails(error))
    with pytest.raises(RuntimeError, match="shut its kernel down"):
        saving.hold(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOTSUP, errno.EIO])
def test_where_files_cannot_be_locked_it_goes_on(code, tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "_lock", fails(OSError(code, "no locks here")))
    saving.hold(tmp_path)
    saving.hold(tmp_path / "not there")
    assert saving._held == {}


def fails(error):
    def function(*_args, **_kwargs):
        raise error

    return function


def failing(monkeypatch, error, *at):
    """Let writing trainer_state.json fail at the steps `at`, in the middle of the file."""
    whole = TrainerState.save_to_json

    def save(state, path):
        if state.global_step not in at:
            return whole(state, path)
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"epoch": ')
        raise error

    monkeypatch.setattr(TrainerState, "save_to_json", save)


FULL = [  # what Python, tokenizers, safetensors and torch said on a full disk
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    Exception(f"{os.strerror(errno.ENOSPC)} (os error 28)"),
    SafetensorError(
        f"Error while serializing: I/O error: {os.strerror(errno.ENOSPC)} (os error 28)"
    ),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 1080576 vs 1080468"),
]


def only_torch_needs_to_ask(monkeypatch, error):
    """torch does not say that the disk is full: then the disk itself has to."""
    if isinstance(error, RuntimeError):
        usage = SimpleNamespace(free=1_000)
        monkeypatch.setattr(saving.environment.shutil, "disk_usage", lambda _: usage)


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_full_disk_ends_a_run_in_a_sentence_and_with_room_again_it_resumes(
    error, unbroken, lesson, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        failing(patch, error, 6)
        only_torch_needs_to_ask(patch, error)
        with pytest.raises(saving.NotSaved) as said:
            lesson()
    assert str(said.value).startswith("checkpoint-6 could not be saved: this needs ")
    taken = sum(file.stat().st_size for file in (tmp_path / "checkpoint-3").iterdir())
    n_bytes = runs.checkpoint_bytes(lesson.trainer.model, lesson.trainer.processing_class)
    assert taken < n_bytes < taken + 500_000
    assert f"{n_bytes / 1e6:,.0f} MB of disk space" in str(said.value)
    assert "make room there, then run the cell again" in str(said.value)
    assert said.value.__suppress_context__ and "transformers" not in frames(said.tb)
    assert names(tmp_path) == {"checkpoint-3"}
    assert_equal_runs(lesson(), unbroken)
    assert capsys.readouterr().out == "Resuming from step 3.\n"
    assert {"adapter", "run.json"} <= names(tmp_path)


def frames(traceback):
    files = []
    while traceback:
        files.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    return " ".join(files)


@pytest.mark.parametrize("steps", [(3, 6), (3,)])
def test_a_folder_that_cannot_be_written_for_a_while_does_not_end_a_run(
    steps, unbroken, lesson, tmp_path, monkeypatch, capsys
):
    """As Google Drive's may be."""
    failing(monkeypatch, OSError(errno.EIO, "Input/output error"), *steps)
    assert_equal_runs(lesson(), unbroken)
    assert capsys.readouterr().out == (
        f"checkpoint-3 could not be saved in {tmp_path} ([Errno 5] Input/output error). "
        "Training goes on, and tries again at the next one.\n"
    )
    saved = {"checkpoint-6"} if steps == (3,) else set()
    assert names(tmp_path) == {"adapter", "run.json"} | saved


def test_another_error_while_a_checkpoint_is_saved_is_not_hidden(lesson, monkeypatch):
    failing(monkeypatch, ValueError("not of writing"), 3)
    with pytest.raises(ValueError, match="not of writing"):
        lesson()


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_an_adapter_that_finds_no_room_leaves_the_one_before_it_and_is_saved_by_the_next_run(
    error, unbroken, lesson, tmp_path, monkeypatch, capsys
):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"before")

    def half(new, **_):
        new.mkdir()
        (new / "adapter_model.safetensors").write_bytes(b"half")
        raise error

    with monkeypatch.context() as patch:
        save = lesson.trainer.model.save_pretrained
        only_torch_needs_to_ask(patch, error)
        patch.setattr(
            lesson.trainer.model,
            "save_pretrained",
            lambda new, **more: (half if "adapter" in str(new)[-11:] else save)(new, **more),
        )
        with pytest.raises(saving.NotSaved, match="adapter could not be saved: this needs .* room"):
            lesson()
    assert (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes() == b"before"
    assert names(tmp_path) == {"adapter", "checkpoint-3", "checkpoint-6"}
    assert_equal_runs(lesson(), unbroken)
    assert capsys.readouterr().out == "Resuming from step 6.\n", "nothing is trained again"
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size > 1000
    assert "run.json" in names(tmp_path) and "adapter.new" not in names(tmp_path)


def test_a_record_that_cannot_be_written_says_so(tmp_path):
    record = runs.RunRecord()
    with pytest.raises(saving.NotSaved, match="run.json could not be saved: .* can be written"):
        record.save(tmp_path / "gone" / "run.json", profiles.POCKET)
    assert not record.saved


class OutOfMemory(runs.RunRecord):
    """A card whose memory runs out in step 3."""

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 2:
            activations = torch.ones(3)
            self.held_on_to = activations.untyped_storage()._weak_ref()
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


def test_out_of_memory_the_learner_reads_what_to_turn_down(lesson):
    settings = lesson.trainer.args.to_dict()
    profile = profiles.POCKET
    with pytest.raises(torch.OutOfMemoryError) as said:
        lesson(record := OutOfMemory(watch, 2, profile=profile))
    first, *changes = str(said.value).splitlines()
    assert first.startswith("step 3 of 6 does not fit into the memory of the CPU (")
    config = lesson.trainer.model.config
    need = sum(memory.training_memory(config, profile, cpu=True).values())
    assert f"({need / 1e9:.2f} GB are predicted" in first
    assert "Restart the kernel, put one of these into `changes`" in first
    assert [line.partition("#")[0].strip() for line in changes] == list(
        memory.smaller(config, profile, cpu=True)
    )
    assert said.value.__suppress_context__ and "transformers" not in frames(said.tb)
    assert lesson.trainer.args.to_dict() == settings, "it never trains less than was asked for"
    assert record.step == 2
    assert torch.UntypedStorage._expired(record.held_on_to), "the tensors are let go"
    with pytest.raises(torch.OutOfMemoryError, match="step 3 of 6 does not fit"):
        lesson(OutOfMemory(watch, 2))


def test_where_not_even_a_new_folder_can_be_made_the_first_line_says_why(tmp_path):
    with pytest.raises(saving.NotSaved) as said:
        with saving.whole(tmp_path / "adapter", 10):
            raise OSError("it is read-only.\nThe rest of a long report")
    assert str(said.value).startswith("adapter could not be saved: it is read-only. See that ")
    assert "long report" not in str(said.value) and list(tmp_path.iterdir()) == []
