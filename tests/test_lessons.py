"""Every lesson as committed, headless and offline; each exercise's stub, solution and wrong answers."""

import importlib.util
import math
import re
import tomllib

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


@pytest.mark.parametrize("path", runner.LESSONS, ids=lambda path: path.stem)
def test_lesson(path, record_property):
    notebook, wrong = runner.read(path), wrong_answers(path)
    tasks = runner.exercises(notebook)
    assert 2 <= len(tasks) <= 4
    assert {task.check for task in tasks} == set(wrong)
    assert all(len(answers) >= 2 for answers in wrong.values())
    expected = tomllib.loads((runner.TESTS / "expected" / f"{path.stem}.toml").read_text())

    once_is_enough = "accelerator" in notebook.metadata  # lesson 08 takes minutes
    whole = runner.with_answers(notebook, wrong, twice=not once_is_enough)
    run = runner.run(whole, path.stem, list(expected))
    for name in ("seconds", "peak_gb"):
        record_property(name, getattr(run, name))
    record_property("lesson", path.stem)
    seconds, peak_gb = readme_figures(path)
    # seen: 0.72 GB with one stack, 0.41 with the other; why was not looked into
    assert peak_gb - 0.4 <= run.peak_gb <= peak_gb + 0.2, "README: memory"
    assert run.seconds <= 4 * seconds + 30, "README: seconds, with room for a slower machine"

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
