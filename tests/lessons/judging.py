"""What a run of a lesson has to show: used by the tests that run lessons, here and in Colab's stack."""

import math
import re

import run_lessons as runner

NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
VERDICTS = ("✓", "✗", "·")  # how lines begin that depend on the answers


def in_kernels(path):
    """{name: the passes of one kernel, each (the lesson, what its end has to give)}.

    First with each row of its knobs turned, then as committed: a learner turns a knob, runs all,
    turns it back, and has to find the numbers of the text. Lesson 8, which trains for minutes, has
    a kernel for each half.
    """
    turned = [
        (runner.with_knobs(runner.read(path), row["turn"]), row.get("values", {}))
        for row in runner.settings(path)["knobs"]
    ]
    if "accelerator" in runner.read(path).metadata:  # it is made for a GPU: lesson 8
        return {f"{path.stem}_knobs": turned, path.stem: [as_committed(path)]}
    return {path.stem: [*turned, as_committed(path)]}


def as_committed(path):
    """(the lesson with answers behind its stubs, what its end has to give)."""
    notebook, settings = runner.read(path), runner.settings(path)
    tasks = runner.exercises(notebook)
    assert 2 <= len(tasks) <= 4
    answers = settings.get("answers", {})
    assert set(answers) <= {task.check for task in tasks}
    return runner.with_answers(notebook, answers), settings["values"]


def judge(run, passes):
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
    for found, (_, expected) in zip(run.values, passes, strict=True):
        judge_values(found, expected)


def judge_page(run, path):
    """The committed page shows what the last pass of this run shows.

    For the lessons that do not train, whose NN.toml has a [page]. Text is equal word by word, a
    number may differ by `rel`, and the cells of `varies` by anything.
    """
    page = runner.settings(path).get("page")
    if page is None:
        return
    ran = {re.sub(r"-\d+$", "", cell.id): cell for cell in run.notebook.cells}  # the last pass
    for cell in runner.read(path).cells:
        if cell.cell_type != "code" or cell.id in page["varies"]:
            continue
        if cell.source.startswith("progress."):
            continue  # the run has solved the exercises
        committed, now = _lines(cell), _lines(ran[cell.id])
        again = f"run: make notebooks LESSONS=notebooks/{path.name}\n{cell.id}: "
        assert len(committed) == len(now), f"{again}{committed}\n{now}"
        for old, new in zip(committed, now, strict=True):
            assert NUMBER.sub("#", old) == NUMBER.sub("#", new), f"{again}{old}\n{new}"
            for was, is_now in zip(_numbers(old), _numbers(new), strict=True):
                close = math.isclose(was, is_now, rel_tol=page["rel"])
                assert close, f"{again}{was} is now {is_now}\n{old}\n{new}"


def _lines(cell):
    lines = [" ".join(line.split()) for line in runner.all_text_of(cell).splitlines()]
    return [line for line in lines if line and not line.startswith(VERDICTS)]


def _numbers(line):
    found = NUMBER.findall(line)
    return [float(n.replace(",", "").replace("−", "-")) for n in found]


def judge_cells(run):
    """No network, nothing on stderr, no progress bar."""
    assert run.reached == [], "a lesson must not reach the network"
    for cell in run.notebook.cells:
        if cell.cell_type == "code":
            stderr = [o.text for o in cell.outputs if o.get("name") == "stderr"]
            assert stderr == [], f"noise on stderr from:\n{cell.source}"
            shown = [o.get("data", {}).get("text/plain", "") for o in cell.outputs]
            assert not any("%|" in text for text in shown), f"a progress bar from:\n{cell.source}"


def judge_values(found, expected):
    for expression, want in expected.items():
        close = math.isclose(
            found[expression],
            want["value"],
            rel_tol=want.get("rel", 0.0),
            abs_tol=want.get("abs", 0.0),
        )
        assert close, f"{expression} = {found[expression]}, expected {want}"


def report(record_property, run, name):
    """What the suite's one line a lesson shows."""
    record_property("seconds", run.seconds)
    record_property("peak_gb", run.peak_gb)
    record_property("lesson", name)
