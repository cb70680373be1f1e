"""Every lesson as committed, headless and offline; each exercise's stub, solution and wrong answers."""

import copy
import importlib.util
import math
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor, wait
from multiprocessing import get_context

import lesson_runner as runner
import nbformat
import pytest

KILL_BEFORE_SAVING = """
import os, signal
save = trainer.model.save_pretrained
trainer.model.save_pretrained = lambda path, *more, **kwargs: (
    os.kill(os.getpid(), signal.SIGKILL) if str(path).endswith("adapter") else save(path, *more, **kwargs)
)
"""


def wrong_answers(lesson):
    """tests/wrong_answers/lesson_XX.py's WRONG: {check: [(code, what the refusal says)]}."""
    path = runner.TESTS / "wrong_answers" / f"lesson_{lesson.stem[:2]}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WRONG


def prepared(path):
    """(the lesson with its answers behind its stubs, the values that its end has to give)."""
    notebook, wrong = runner.read(path), wrong_answers(path)
    tasks = runner.exercises(notebook)
    assert 2 <= len(tasks) <= 4
    assert {task.check for task in tasks} == set(wrong)
    assert all(len(answers) >= 2 for answers in wrong.values())
    expected = tomllib.loads(
        (runner.TESTS / "expected" / f"{path.stem}.toml").read_text(encoding="utf-8")
    )
    return runner.with_answers(notebook, wrong, twice=not trains(notebook)), expected


def trains(notebook):
    return "accelerator" in notebook.metadata  # lesson 08: it takes minutes, on every core


def run_lesson(path):
    notebook, expected = prepared(path)
    return runner.run(notebook, path.stem, list(expected))


def judge(run, path, expected):
    """Offline, quiet, every exercise checked both ways, every number as it should be."""
    assert run.reached == [], "a lesson must not reach the network"
    for cell in run.notebook.cells:
        if cell.cell_type == "code":
            stderr = [o.text for o in cell.outputs if o.get("name") == "stderr"]
            assert stderr == [], f"noise on stderr from:\n{cell.source}"
            shown = [o.get("data", {}).get("text/plain", "") for o in cell.outputs]
            assert not any("%|" in text for text in shown), f"a progress bar from:\n{cell.source}"
        if "exercise" in runner.tags(cell):
            assert runner.text_of(cell).strip() == "· not done yet", cell.source
        if answer := cell.metadata.get("answer"):
            printed = runner.text_of(cell)
            if answer["kind"] == "solution":
                assert printed.startswith("✓"), f"{answer['check']}: solution refused:\n{printed}"
            else:
                assert printed.startswith("✗"), f"{answer['check']}: accepted:\n{cell.source}"
                assert answer["says"] in printed, f"{answer['check']} refused, but said:\n{printed}"
    for expression, want in expected.items():
        close = math.isclose(
            run.values[expression],
            want["value"],
            rel_tol=want.get("rel", 0.0),
            abs_tol=want.get("abs", 0.0),
        )
        assert close, f"{path.stem}: {expression} = {run.values[expression]}, expected {want}"


def report(record_property, run, path):
    """What the suite's one line a lesson shows."""
    record_property("seconds", run.seconds)
    record_property("peak_gb", run.peak_gb)
    record_property("lesson", path.stem)


@pytest.fixture(scope="module")
def under_way(request):
    """{lesson: future of its run}: those that do not train start at once, two at a time."""
    items = [item for item in request.session.items if item.function is test_lesson]
    paths = [item.callspec.params["path"] for item in items]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield {
            path: pool.submit(run_lesson, path)
            for path in reversed(paths)  # later lessons take longer
            if not trains(runner.read(path))
        }


@pytest.mark.lesson
@pytest.mark.parametrize("path", runner.LESSONS, ids=lambda path: path.stem)
def test_lesson(path, under_way, record_property):
    _, expected = prepared(path)  # so that a fault in it is told here, of this lesson alone
    if path in under_way:
        if error := under_way[path].exception():
            raise error from None
        run = under_way[path].result()
    else:
        wait(under_way.values())
        run = run_lesson(path)
    report(record_property, run, path)
    with runner.kept_if_it_fails(path.stem, run.notebook):
        judge(run, path, expected)
    assert run.peak_gb <= 1.5, "the budget of a laptop"


@pytest.mark.lesson
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_lesson_08_killed_before_it_could_save_resumes_and_ends_with_its_adapter(
    under_way, tmp_path, monkeypatch
):
    """With knobs turned besides: two of four target modules, few items, no loss logged in between."""
    wait(under_way.values())
    notebook = runner.read(runner.NOTEBOOKS / "08_qlora_sft.ipynb")
    [training] = [i for i, cell in enumerate(notebook.cells) if "trainer.train(" in cell.source]
    knobs = {"target_modules": ["q_proj", "v_proj"], "n_train": 64, "n_test": 20}
    settings = dict(
        env={"COURSE_BUILD": str(tmp_path)}, parameters={"CHANGES": knobs, "LOG_EVERY": 999}
    )
    killed = copy.deepcopy(notebook)
    killed.cells.insert(training, nbformat.v4.new_code_cell(KILL_BEFORE_SAVING))
    monkeypatch.setattr(runner, "FAILED", tmp_path / "failed")
    with pytest.raises(runner.LessonFailed, match="DeadKernelError"):
        runner.run(killed, "08_killed", **settings)
    [folder] = (tmp_path / "08_qlora_sft").iterdir()
    assert {p.name for p in folder.glob("[acr]*")} == {"checkpoint-4"}  # no adapter, no run.json

    run = runner.run(notebook, "08_resumed", ["len(live.history)", "len(live.guesses)"], **settings)
    [said] = [runner.text_of(c) for c in run.notebook.cells if "trainer.train(" in c.source]
    assert said == "Resuming from step 4.\n"
    assert run.values == {"len(live.history)": 1, "len(live.guesses)": 1}
    assert {p.name for p in folder.glob("[acr]*")} == {"adapter", "run.json"}
    assert (folder / "adapter" / "adapter_model.safetensors").stat().st_size > 4 * 106_496


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
    run = runner.run(notebook, "planted", parameters={})
    assert list((tmp_path / "failed").iterdir()) == []
    assert 0.01 < run.peak_gb < 0.5
    with (
        pytest.raises(AssertionError, match="as a judge would"),
        runner.kept_if_it_fails("planted", run.notebook),
    ):
        raise AssertionError("as a judge would")
    assert (tmp_path / "failed" / "planted.ipynb").exists()
    assert "as a judge would" in (tmp_path / "failed" / "planted.txt").read_text(encoding="utf-8")
