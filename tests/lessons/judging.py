"""What a run of a lesson has to show: used by the tests that run lessons, here and in Colab's stack."""

import math

import run_lessons as runner


def prepared(path):
    """(the lesson with answers behind its stubs, the values that its end has to give).

    A lesson that does not train is followed by all of its cells once more, as when a learner
    chooses Run All again.
    """
    notebook, settings = runner.read(path), runner.settings(path)
    tasks = runner.exercises(notebook)
    assert 2 <= len(tasks) <= 4
    answers = settings.get("answers", {})
    assert set(answers) <= {task.check for task in tasks}
    return runner.with_answers(notebook, answers, twice=not trains(notebook)), settings["values"]


def trains(notebook):
    return "accelerator" in notebook.metadata  # lesson 8: it takes minutes, on every core


def judge(run, path, values):
    """Offline, quiet, every exercise checked both ways, every number as it should be."""
    judge_cells(run)
    for cell in run.notebook.cells:
        if "exercise" in runner.tags(cell):
            assert runner.text_of(cell).strip() == "· not done yet", cell.source
        if answer := cell.metadata.get("answer"):
            said = runner.text_of(cell)
            mark = "✓" if answer["says"] == "✓" else "✗"
            assert said.startswith(mark), f"{answer['check']}: {said}\nto:\n{cell.source}"
            assert answer["says"] in said, f"{answer['check']}: {said}\nto:\n{cell.source}"
    judge_values(run, path, values)


def judge_cells(run):
    """No network, nothing on stderr, no progress bar."""
    assert run.reached == [], "a lesson must not reach the network"
    for cell in run.notebook.cells:
        if cell.cell_type == "code":
            stderr = [o.text for o in cell.outputs if o.get("name") == "stderr"]
            assert stderr == [], f"noise on stderr from:\n{cell.source}"
            shown = [o.get("data", {}).get("text/plain", "") for o in cell.outputs]
            assert not any("%|" in text for text in shown), f"a progress bar from:\n{cell.source}"


def judge_values(run, path, values):
    for expression, want in values.items():
        close = math.isclose(
            run.values[expression],
            want["value"],
            rel_tol=want.get("rel", 0.0),
            abs_tol=want.get("abs", 0.0),
        )
        assert close, f"{path.stem}: {expression} = {run.values[expression]}, expected {want}"


def report(record_property, run, name):
    """What the suite's one line a lesson shows."""
    record_property("seconds", run.seconds)
    record_property("peak_gb", run.peak_gb)
    record_property("lesson", name)
