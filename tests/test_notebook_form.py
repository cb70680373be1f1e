"""The machine-checkable part of a lesson's form."""

import ast
import base64
import json
import re
import statistics

import lesson_runner as runner
import pytest

BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


@pytest.fixture(params=runner.LESSONS, ids=lambda path: path.stem)
def lesson(request):
    return request.param, runner.read(request.param)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def n_lines(cell):
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def test_outputs_are_fresh_and_complete(lesson):
    path, notebook = lesson
    again = f"run: make notebooks LESSONS=notebooks/{path.name}"
    assert notebook.metadata.get("course", {}).get("sources_sha256") == runner.sources_sha256(
        notebook
    ), again
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), again
    for cell in cells:
        kinds = {o.output_type if o.output_type != "stream" else o.name for o in cell.outputs}
        assert kinds <= {"stdout", "display_data", "execute_result"}, cell.source
    assert "widgets" not in notebook.metadata
    assert path.stat().st_size <= 400_000


def test_tidying_twice_changes_nothing(lesson):
    _, notebook = lesson
    assert runner.tidy(notebook) == notebook


def test_no_machine_paths_no_debris(lesson):
    _, notebook = lesson
    for cell in code_cells(notebook):
        for output in cell.outputs:
            text = json.dumps(
                {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}
            )
            text += output.get("text", "")
            assert not re.search(r"/(home|root|tmp|work|Users)/|[A-Z]:\\\\Users", text), text[:300]
            assert not re.search(r"\d+%\|| 0x[0-9a-f]{6}", text), text[:300]


def test_every_picture_has_a_text_alternative(lesson):
    _, notebook = lesson
    pictures = [
        o for c in code_cells(notebook) for o in c.outputs if "image/png" in o.get("data", {})
    ]
    assert 3 <= len(pictures) <= 8
    for picture in pictures:
        alt = picture.metadata.get("image/png", {}).get("alt", "")
        assert len(alt) >= 20
        assert base64.b64decode(picture.data["image/png"])[:4] == b"\x89PNG"


def test_the_order_of_a_lesson(lesson):
    path, notebook = lesson
    first, colab, setup, knobs = notebook.cells[:4]
    number = int(path.stem[:2])
    assert re.match(rf"# {number}\. .+\n\n\*\*.+\?\*\*\n", first.source)
    assert BADGE in first.source
    assert f"/notebooks/{path.name})" in first.source
    assert "Needs" in first.source
    assert runner.tags(colab) == ["colab"]
    assert colab.source == runner.read(runner.LESSONS[0]).cells[1].source
    assert runner.tags(setup) == ["setup"]
    assert n_lines(setup) <= 12
    assert runner.tags(knobs) == ["parameters"]
    for line in knobs.source.splitlines():
        assert re.match(r"\w+ = .+  # .+", line), f"a knob and its reason, one a line: {line}"
        ast.literal_eval(line.partition(" = ")[2].partition("  #")[0])
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    ends = ["### Exercise 1", "## What to remember", "## In the lecture", "## Sources"]
    places = [prose.index(end) for end in ends]
    assert places == sorted(places)


def test_colab_offers_a_gpu_to_the_lessons_that_train_and_to_no_other(lesson):
    _, notebook = lesson
    trains = any("SFTTrainer(" in cell.source for cell in code_cells(notebook))
    wanted = {"accelerator": "GPU", "colab": {"gpuType": "T4"}} if trains else {}
    found = {k: v for k, v in notebook.metadata.items() if k in ("accelerator", "colab")}
    assert found == wanted


def test_code_cells_are_small(lesson):
    _, notebook = lesson
    cells = code_cells(notebook)
    sizes = [n_lines(cell) for cell in cells]
    assert max(sizes) <= 25
    assert 2 <= statistics.median(sizes) <= 8
    run = 0
    for cell in notebook.cells:
        run = run + 1 if cell.cell_type == "code" else 0
        assert run <= 3
    for cell in cells:
        assert max(map(len, cell.source.splitlines())) <= 88, cell.source
        assert "import *" not in cell.source


def test_prose_leads_into_code(lesson):
    _, notebook = lesson
    for before, cell in zip(notebook.cells[3:], notebook.cells[4:], strict=False):
        stub = "exercise" in runner.tags(cell)
        if cell.cell_type == "code" and not stub and before.cell_type == "markdown":
            assert before.source.rstrip().endswith(":"), before.source[-200:]


def test_links_resolve(lesson):
    path, notebook = lesson
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    local = [t for t in re.findall(r"\]\(([^)\s]+)\)", prose) if not t.startswith("http")]
    assert any(target.endswith(".ipynb") for target in local), "link to the next lesson"
    for target in local:
        assert (path.parent / target.partition("#")[0]).exists(), target
