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
    """The committed page shows what the last pass of this run shows: see `differences`.

    The page of a lesson that trains is compared only on the kind of CPU that wrote it: on another,
    the training ends a little elsewhere, and with it which items are the worst.
    """
    committed, page = runner.read(path), runner.settings(path)["page"]
    if page.get("trains") and committed.metadata["course"]["cpu"] != runner.cpu():
        return
    found = differences(committed, run.notebook, page)
    again = f"run: make notebooks LESSONS=notebooks/{path.name}"
    assert found == [], "\n".join([again, *found])


def differences(committed, ran, page) -> list[str]:
    """What the page `committed` shows and the run `ran` does not, a text for each line.

    Words and whole numbers are equal, pictures by their text alternatives, and other numbers within
    the share `rel` of page, which is an NN.toml's [page]. `loose` gives cells a `rel` or an `abs` of
    their own, for all their numbers; those in `varies` may show anything. Verdicts on answers are
    left out, because the run has other answers than the page.
    Raises ValueError if `loose` or `varies` name a cell that is not there.
    """
    now = {re.sub(r"-\d+$", "", cell.id): cell for cell in ran.cells}  # the last pass
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    loose, varies = page.get("loose", {}), page.get("varies", {})
    if unknown := {*loose, *varies} - {cell.id for cell in code}:
        raise ValueError(f"no code cell has the id {', '.join(sorted(unknown))}")
    found = []
    for cell in code:
        if cell.id in varies or cell.source.startswith("progress."):
            continue
        olds, news = _lines(cell), _lines(now[cell.id])
        if len(olds) != len(news):
            found.append(f"{cell.id}: {len(olds)} lines are now {len(news)}: {olds}, {news}")
            continue
        for old, new in zip(olds, news, strict=True):
            if not _same(old, new, page["rel"], loose.get(cell.id)):
                found.append(f"{cell.id}: {old}\n{' ' * len(cell.id)}  {new}")
    return found


def _same(old, new, rel, loose):
    """Whether two lines are the same, up to what their numbers may differ by."""
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return False
    for was, is_now in zip(NUMBER.findall(old), NUMBER.findall(new), strict=True):
        whole = "." not in was and "e" not in was
        may = loose or {"rel": 0 if whole else rel}
        was, is_now = (float(n.replace(",", "").replace("−", "-")) for n in (was, is_now))
        if not math.isclose(was, is_now, rel_tol=may.get("rel", 0), abs_tol=may.get("abs", 0)):
            return False
    return True


def _lines(cell):
    lines = [" ".join(line.split()) for line in runner.all_text_of(cell).splitlines()]
    return [line for line in lines if line and not line.startswith(VERDICTS)]


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
