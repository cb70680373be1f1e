"""Every lesson as committed, headless and offline; each exercise's stub, solution and wrong answers."""

import importlib.util
import math
import re
import tomllib
from concurrent.futures import ProcessPoolExecutor, wait
from multiprocessing import get_context

import lesson_runner as runner
import pytest


def wrong_answers(lesson):
    """tests/wrong_answers/lesson_XX.py's WRONG: {check: [(code, what the refusal says)]}."""
    path = runner.TESTS / "wrong_answers" / f"lesson_{lesson.stem[:2]}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WRONG


def readme_figures(lesson):
    """(seconds, GB) that the README's table promises for `lesson`."""
    readme = (runner.TESTS.parent / "README.md").read_text()
    row = re.search(rf"notebooks/{lesson.name}\).*\| (\d+) s \| ([\d.]+) GB", readme)
    return int(row[1]), float(row[2])


def prepared(path):
    """(the lesson with its answers behind its stubs, the values that its end has to give)."""
    notebook, wrong = runner.read(path), wrong_answers(path)
    tasks = runner.exercises(notebook)
    assert 2 <= len(tasks) <= 4
    assert {task.check for task in tasks} == set(wrong)
    assert all(len(answers) >= 2 for answers in wrong.values())
    expected = tomllib.loads((runner.TESTS / "expected" / f"{path.stem}.toml").read_text())
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
    judge(run, path, expected)
    seconds, peak_gb = readme_figures(path)
    assert peak_gb - 0.2 <= run.peak_gb <= peak_gb + 0.2, "README: memory"
    assert run.seconds <= 4 * seconds + 30, "README: seconds, with room for a slower machine"
