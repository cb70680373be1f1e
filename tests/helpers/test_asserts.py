"""Below a failed assert a learner reads what it compared, and what differs from the page's run."""

import nbformat
import pytest
import run_lessons as runner

from helpers import asserts, packages

PAGE = {"as_shipped": {"r": 32, "rates": [0.1, 0.2]}, "cpu": "AVX2"}
HERE = {"seed": 42, "device": "the CPU", "cpu": "AVX2"}


@pytest.fixture(autouse=True)
def tested_versions(monkeypatch):
    """As if the tested versions were installed, on whatever stack this runs; {} to change them."""
    moved = {}
    monkeypatch.setattr(packages, "other_than_tested", lambda: moved)
    return moved


def cause(names=None, page=PAGE, **here):
    return asserts.likely_cause({"r": 32, "rates": [0.1, 0.2]} | (names or {}), page, **HERE | here)


@pytest.mark.parametrize(
    "names, here, says",
    [
        ({"r": 8}, {}, "r is 8 here, and was 32 when this page was made."),
        ({"rates": [0.1]}, {}, "rates is [0.1] here, and was [0.1, 0.2] when"),
        ({}, {"seed": 7}, "the seed is 7 here, and was 42 when"),
        ({}, {"device": "Tesla T4, 14.7 GiB"}, "the device is Tesla T4, 14.7 GiB here, and was the CPU"),
        ({}, {"cpu": "AVX512"}, "the kind of CPU is AVX512 here, and was AVX2 when"),
    ],
)  # fmt: skip
def test_the_one_thing_that_differs_is_the_likely_cause(names, here, says):
    said = cause(names, **here)
    assert said.startswith(f"Likely cause: {says}") and "Also" not in said


def test_another_version_is_named_and_of_many_the_first_few(tested_versions):
    tested_versions["torch"] = ("2.12.0", "2.13.0")
    said = cause()
    assert said == "Likely cause: torch is 2.12.0 here, and was 2.13.0 when this page was made."
    tested_versions |= {f"package{i}": (f"1.{i}", "1.0") for i in range(5)}
    said = cause(device="Tesla T4")
    assert said.startswith("Likely cause: the device is Tesla T4 here")
    assert ", package2 1.2 (was 1.0), and 2 more packages." in said and "package3" not in said


def test_a_turned_knob_comes_before_the_seed_and_the_kind_of_cpu_last(tested_versions):
    tested_versions["torch"] = ("2.12.0", "2.13.0")
    assert cause({"r": 8}, seed=7, cpu="AVX512") == (
        "Likely cause: r is 8 here, and was 32 when this page was made. Also different: the seed 7 "
        "(was 42), torch 2.12.0 (was 2.13.0), the kind of CPU AVX512 (was AVX2)."
    )


def test_where_nothing_differs_nothing_is_blamed():
    for page in (PAGE, {}):  # also of a page that says nothing, or cannot be read
        said = cause(page=page)
        assert "Likely cause" not in said and "Restart Kernel and Run All Cells" in said


def test_the_tested_versions_are_those_of_pinned_txt(monkeypatch):
    monkeypatch.undo()
    pinned = (runner.TESTS / "stacks" / "pinned.txt").read_text(encoding="utf-8").lower()
    pins = dict(line.split("==") for line in pinned.splitlines() if "==" in line)
    monkeypatch.setattr(packages, "installed", lambda name: pins[name.lower()] + "+cpu")
    assert packages.other_than_tested() == {}
    monkeypatch.setattr(
        packages, "installed", lambda name: "0" if name == "trl" else pins[name.lower()]
    )
    assert packages.other_than_tested() == {"trl": ("0", pins["trl"])}


def test_the_values_in_an_assert_are_told_and_nothing_runs_again():
    import torch

    error, limits, calls = torch.tensor(31.25), {"low": 30, "high": 90_000}, []
    with pytest.raises(AssertionError) as caught:
        assert not error.shape and error.item() < limits["low"] < max(
            number for number in (calls.append(1) or 7, 1)
        )  # fmt: skip
    said = asserts.what_it_compared(caught.value)
    assert said == "error.shape is (), error is 31.25, limits['low'] is 30, calls is [1]"
    with pytest.raises(AssertionError) as caught:
        torch.testing.assert_close(error, torch.tensor(0.0))  # says all of it in its own message
    assert asserts.what_it_compared(caught.value) == ""


@pytest.mark.lesson
def test_a_learner_with_another_seed_reads_it_below_the_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "FAILED", tmp_path)
    setup = "from helpers import environment\nenvironment.start(seed={})\n"
    setup += "from helpers.lesson_09 import checks"
    cells = [setup.format(42), setup.format(7), "steps = 20", "error = 31.25", "assert error < 30"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    with pytest.raises(runner.LessonFailed):
        runner.run(notebook, "another_seed")
    *_, last = runner.read(tmp_path / "another_seed.ipynb").cells
    compared, cause = runner.text_of(last).splitlines()
    assert compared == "· error is 31.25"
    assert cause.startswith("· Likely cause: steps is 20 here, and was 60 when this page was made.")
    assert "the seed 7 (was 42)" in cause
