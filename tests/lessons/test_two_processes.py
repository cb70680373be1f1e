"""Lesson 8 as a script on two CPU processes, with the README's two commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import run_lessons as runner
from safetensors.torch import load_file

LESSON = runner.NOTEBOOKS / "08_qlora_sft.ipynb"
EXPORT = "jupyter nbconvert --to python notebooks/08_qlora_sft.ipynb --output-dir build"
LAUNCH = "accelerate launch --num_processes 2 build/08_qlora_sft.py"
ON_A_CPU = ["--multi_gpu", "--main_process_port", "0"]  # as it starts where it finds two cards
FEW = {"n_train": 32, "n_test": 20, "batch_size": 4, "save_steps": 2}


def command(line, notebook, script, *more):
    """A command of the README as a list: this Python's programs, other files, `more` options."""
    places = {"notebooks/08_qlora_sft.ipynb": notebook, "build/08_qlora_sft.py": script}
    places["build"] = script.parent
    program, first, *rest = line.split()
    modules = {"jupyter": "jupyter", "accelerate": "accelerate.commands.accelerate_cli"}
    rest = [str(places.get(word, word)) for word in rest]
    return [sys.executable, "-m", modules[program], first, *more, *rest]


def exported(folder, n_cells=None, **changes):
    """(notebook, script): lesson 8 exported, with `changes`; n_cells: only so many of its cells."""
    notebook = runner.read(LESSON)
    notebook.cells = notebook.cells[:n_cells]
    parameters = {"profile_name": "pocket", "changes": FEW | changes}
    folder.mkdir()
    nbformat.write(runner.with_knobs(notebook, parameters), folder / LESSON.name)
    script = folder / f"{LESSON.stem}.py"
    run(command(EXPORT, folder / LESSON.name, script), folder)
    return folder / LESSON.name, script


def run(arguments, folder):
    """stdout of a run without a network, one thread for each process."""
    ours = {
        "PYTHONPATH": str(runner.TESTS / "fakes" / "no_network"),
        "COURSE_NETWORK_LOG": str(folder / "network.log"),
        "COURSE_BUILD": str(folder / "build"),
        "HF_HOME": str(folder / "hub"),
        "OMP_NUM_THREADS": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | ours
    done = subprocess.run(arguments, cwd=folder, env=env, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not (folder / "network.log").exists()
    return done.stdout


def left_by(folder):
    """(names of what the run left beside its adapter, the adapter, the record)."""
    [place] = (folder / "build" / LESSON.stem).iterdir()
    record = json.loads((place / "run.json").read_text(encoding="utf-8"))
    names = {path.name for path in place.glob("[acr]*")}
    return names, load_file(place / "adapter" / "adapter_model.safetensors"), record


def training_cell():
    cells = runner.read(LESSON).cells
    return next(i for i, cell in enumerate(cells) if "trainer.train(" in cell.source)


@pytest.mark.lesson
@pytest.mark.skipif(sys.platform == "win32", reason="torch has no launcher for it there")
def test_two_processes_end_with_the_adapter_of_one_that_accumulates_twice_as_much(tmp_path):
    """Bit for bit, with the order of items that the Trainer draws by default.

    Both shuffle with one seed; of two processes each takes every other batch. The mean of two
    gradients is exact but for one addition, which is the same in either order. (With accumulation
    in both, the sums have another order, and adapters differ by about 1e-5.)
    """
    notebook, script = exported(tmp_path / "two")
    said = run(command(LAUNCH, notebook, script, *ON_A_CPU), script.parent)
    assert said.count("seed 42") == 1, "one process prints"
    assert "step 4 of 4" in said and "[picture] Mean absolute error" in said
    assert "\\x89PNG" not in said, "a picture's bytes are not for a terminal"

    _, script = exported(tmp_path / "one", training_cell() + 1, accumulation=2)
    run([sys.executable, str(script)], script.parent)

    names, two, record = left_by(tmp_path / "two")
    _, one, record_of_one = left_by(tmp_path / "one")
    assert names == {"adapter", "run.json"}, "the checkpoints are removed"
    assert [row["step"] for row in record["history"]] == [2, 4]
    assert set(two) == set(one)
    assert all((two[name] != 0).any() for name in two if "lora_B" in name), "nothing was trained"
    assert {name for name in two if not two[name].equal(one[name])} == set()
    for row, row_of_one in zip(record["history"], record_of_one["history"], strict=True):
        assert row["loss"] == pytest.approx(row_of_one["loss"], rel=1e-5)


def test_the_readme_has_the_two_commands():
    lines = (Path(runner.TESTS).parent / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines.index(EXPORT) + 1 == lines.index(LAUNCH)
