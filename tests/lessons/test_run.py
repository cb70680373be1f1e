"""Every lesson, headless and offline, in one kernel: with its knobs turned, then as committed."""

import copy
import os
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import nbformat
import pytest
import run_lessons as runner
from judging import differences, in_kernels, judge, judge_page, report

KILL_BEFORE_SAVING = """
import os, signal
save = trainer.model.save_pretrained
trainer.model.save_pretrained = lambda path, *more, **kwargs: (
    os.kill(os.getpid(), signal.SIGKILL) if "adapter" in os.path.basename(path) else save(path, *more, **kwargs)
)
"""
STACK = os.environ.get("STACK", "pinned")
LESSON_08 = runner.NOTEBOOKS / "08_qlora_sft.ipynb"


@pytest.mark.lesson
@pytest.mark.parametrize("name", [*(path.stem for path in runner.LESSONS), "08_qlora_sft_knobs"])
def test_lesson(name, record_property):
    [path] = [path for path in runner.LESSONS if name.startswith(path.stem)]
    passes = in_kernels(path)[name]
    run = runner.run(runner.one_after_the_other(passes), name)
    report(record_property, run, name)
    with runner.kept_if_it_fails(name, run.notebook):
        judge(run, passes)
        if STACK == "pinned" and name == path.stem:  # other versions say things in other words
            judge_page(run, path)
    assert run.peak_gb <= 1.5, "GB, the budget of a laptop"


SHOWN = {  # what each cell of a made-up page shows
    "text": "1,600 items, loss 1.200\n3 steps",
    "near": "gap 3e-07 at 16",
    "trained": "$24 for a desk",
    "timed": "0.3 seconds",
    "drawn": "[picture] Loss falls from 7.0 to 1.20.",
}
PAGE = {
    "rel": 0.02,
    "loose": {"near": {"abs": 1e-5}, "trained": {"rel": 0.1}},
    "varies": {"timed": "seconds"},
}


def page_with(**changed):
    """The made-up page as a notebook, with some of its texts changed."""
    cells = []
    for name, text in {**SHOWN, **changed}.items():
        kind, data = "execute_result", {"text/plain": text}
        if text.startswith("[picture]"):
            kind, data = "display_data", {"image/png": "", "text/plain": text}
        shown = nbformat.v4.new_output(kind, data)
        cells.append(nbformat.v4.new_code_cell(f"{name}()", id=name, outputs=[shown]))
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.parametrize(
    "changed",
    [
        {"text": "1,600 items, error 1.200\n3 steps"},
        {"text": "1,600 items, loss 1.250\n3 steps"},
        {"text": "1,601 items, loss 1.200\n3 steps"},  # a whole number is counted, not measured
        {"text": "1,600 items, loss 1.200"},
        {"text": "1,600 items, loss 1.200\n3 steps\n4 steps"},
        {"near": "gap 3e-05 at 16"},
        {"near": "gap 3e-07 at 17"},
        {"trained": "$28 for a desk"},
        {"trained": "$24 for a sofa"},
        {"drawn": "[picture] Loss rises from 7.0 to 1.20."},
        {"drawn": "[picture] Loss falls from 7.0 to 1.30."},
    ],
)
def test_a_page_that_shows_something_else_than_the_run_is_found(changed):
    [name] = changed
    for old, new in ((page_with(), page_with(**changed)), (page_with(**changed), page_with())):
        [said] = differences(old, new, PAGE)
        assert said.startswith(f"{name}: ")


def test_a_page_may_differ_by_what_its_settings_allow():
    run = page_with(text="1,600 items, loss 1.21\n3 steps", near="gap 9e-06 at 16", timed="none")
    run.cells[2].outputs[0].data["text/plain"] = "$25 for a desk"
    assert differences(page_with(), run, PAGE) == []


@pytest.mark.parametrize("setting", [{"varies": {"gone": "?"}}, {"loose": {"gone": {"rel": 1}}}])
def test_a_setting_for_a_cell_that_is_not_there_is_refused(setting):
    with pytest.raises(ValueError, match="no code cell has the id gone"):
        differences(page_with(), page_with(), PAGE | setting)


@pytest.mark.parametrize(
    "trains, cpu, judged", [(True, "A", True), (True, "B", False), (False, "B", True)]
)
def test_a_page_that_trains_is_judged_on_a_cpu_like_its_own(
    trains, cpu, judged, tmp_path, monkeypatch
):
    committed = page_with()
    committed.metadata["course"] = {"cpu": "A"}
    nbformat.write(committed, tmp_path / "01_made_up.ipynb")
    monkeypatch.setattr(runner, "settings", lambda path: {"page": PAGE | {"trains": trains}})
    monkeypatch.setattr(runner, "cpu", lambda: cpu)
    run = SimpleNamespace(notebook=page_with(trained="$48 for a desk"))
    with pytest.raises(AssertionError, match="trained: ") if judged else nullcontext():
        judge_page(run, tmp_path / "01_made_up.ipynb")


@pytest.mark.parametrize("path", runner.LESSONS, ids=lambda path: path.stem)
def test_every_knob_is_turned(path):
    cells = [cell for cell in runner.read(path).cells if "parameters" in runner.tags(cell)]
    known = [name for cell in cells for name in runner.knobs(cell)]
    turned = [name for row in runner.settings(path)["knobs"] for name in row["turn"]]
    assert len(known) == len(set(known)), "a knob is set in one cell only"
    assert set(turned) == set(known)


def test_a_turned_knob_reaches_the_cells_behind_it_wherever_it_is():
    def code(source, *tags):
        return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})

    cells = [code("a = 1", "parameters"), code("b = [2]", "parameters"), code("print(a, b)")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    turned = runner.with_knobs(notebook, {"b": ["two"], "a": None})
    run = runner.run(turned, "knobs")
    assert runner.text_of(run.notebook.cells[-1]) == "None ['two']\n"
    assert len(notebook.cells) == 3
    with pytest.raises(KeyError, match="no knob called c"):
        runner.with_knobs(notebook, {"c": 1})


@pytest.mark.lesson
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_lesson_08_killed_before_it_could_save_resumes_and_ends_with_its_adapter(
    tmp_path, monkeypatch
):
    """With knobs turned as well: two of four target modules, few items, no loss in between."""
    changes = {"target_modules": ["q_proj", "v_proj"], "n_train": 64, "n_test": 20}
    knobs = {"changes": changes, "log_every": 999}
    settings = dict(env={"COURSE_BUILD": str(tmp_path)}, parameters=knobs)
    notebook = runner.read(LESSON_08)
    [training] = [i for i, cell in enumerate(notebook.cells) if "trainer.train(" in cell.source]
    killed = copy.deepcopy(notebook)
    killed.cells.insert(training, nbformat.v4.new_code_cell(KILL_BEFORE_SAVING))
    with monkeypatch.context() as patch, pytest.raises(runner.LessonFailed, match="DeadKernel"):
        patch.setattr(runner, "FAILED", tmp_path / "failed")
        runner.run(killed, "08_killed", **settings)
    [folder] = (tmp_path / "08_qlora_sft").iterdir()
    left = {file.name for file in folder.glob("[acr]*")}
    assert left == {"checkpoint-4"}  # no adapter, no run.json

    facts = ["len(live.history)", "len(live.watched)"]
    run = runner.run(runner.one_after_the_other([(notebook, facts)]), "08_resumed", **settings)
    [said] = [runner.text_of(c) for c in run.notebook.cells if "trainer.train(" in c.source]
    assert said.startswith("Resuming from step 4.\n")
    assert run.values == [{"len(live.history)": 1, "len(live.watched)": 2}]
    assert {file.name for file in folder.glob("[acr]*")} == {"adapter", "run.json"}
    n_bytes = (folder / "adapter" / "adapter_model.safetensors").stat().st_size
    assert n_bytes > 4 * 106_496


def test_a_lesson_that_fails_leaves_its_notebook_and_its_whole_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "FAILED", tmp_path / "failed")
    cells = ["print('so far')", "def f():\n    return 1 / 0\n\n\nf()", "print('never')"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    with pytest.raises(runner.LessonFailed) as error:
        runner.run(notebook, "planted")
    text = (tmp_path / "failed" / "planted.txt").read_text(encoding="utf-8")
    for said in (str(error.value), text):
        assert "return 1 / 0" in said and "ZeroDivisionError: division by zero" in said
        assert "\x1b" not in said
    executed = runner.read(tmp_path / "failed" / "planted.ipynb")
    assert [runner.text_of(c) for c in executed.cells if c.source in cells] == ["so far\n", "", ""]

    notebook.cells[1].source = "1 + 1"
    run = runner.run(notebook, "planted")
    assert list((tmp_path / "failed").iterdir()) == []
    assert 0.01 < run.peak_gb < 0.5
    with (
        pytest.raises(AssertionError, match="as a judge would"),
        runner.kept_if_it_fails("planted", run.notebook),
    ):
        raise AssertionError("as a judge would")
    assert (tmp_path / "failed" / "planted.ipynb").exists()
    assert "as a judge would" in (tmp_path / "failed" / "planted.txt").read_text(encoding="utf-8")
