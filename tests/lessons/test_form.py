"""The form of a lesson, as far as a machine can judge it: .github/CONTRIBUTING.md explains each rule."""

import ast
import base64
import io
import json
import re
import statistics
from itertools import zip_longest

import first_cell
import links
import pytest
import run_lessons as runner
from leaks import MACHINE_PATH
from PIL import Image

from helpers import progress

BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
TITLES = {int(p.stem[:2]): runner.read(p).cells[0].source.splitlines()[0] for p in runner.LESSONS}
FILES = {int(path.stem[:2]): path.name for path in runner.LESSONS}
NAMED = r"\*About \d+ minutes?, \d+ (lines?|numbers?|shapes?|words?|letters?)\.\*$"


@pytest.fixture(params=runner.LESSONS, ids=lambda path: path.stem)
def lesson(request):
    return request.param, runner.read(request.param)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def n_lines(cell):
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def without_code(text):
    """Markdown without its code blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "CODE", re.sub(r"```.*?```", "", text, flags=re.S))


def test_outputs_are_fresh_and_complete(lesson):
    path, notebook = lesson
    again = f"run: make notebooks LESSONS=notebooks/{path.name}"
    hashes = notebook.metadata.get("course", {})
    assert hashes.get("sources_sha256") == runner.sources_sha256(notebook), again
    assert hashes.get("outputs_sha256") == runner.outputs_sha256(notebook), again
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), again
    for cell in cells:
        kinds = {o.output_type if o.output_type != "stream" else o.name for o in cell.outputs}
        assert kinds <= {"stdout", "display_data", "execute_result"}, cell.source
    assert "widgets" not in notebook.metadata
    assert path.stat().st_size <= 400_000


def test_tidying_twice_changes_nothing(lesson, monkeypatch):
    _, notebook = lesson
    monkeypatch.setattr(runner, "cpu", lambda: notebook.metadata["course"]["cpu"])
    assert runner.tidy(notebook) == notebook


def test_no_machine_paths_no_debris(lesson):
    _, notebook = lesson
    for cell in code_cells(notebook):
        for output in cell.outputs:
            text = json.dumps(
                {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}
            )
            text += output.get("text", "")
            assert not MACHINE_PATH.search(text.encode()), text[:300]
            assert not re.search(r"\d+%\|| 0x[0-9a-f]{6}", text), text[:300]


def test_every_picture_is_sharp_fits_a_phone_and_is_told_in_words_below_it(lesson):
    _, notebook = lesson
    n_pictures = 0
    for cell in code_cells(notebook):
        for picture, words in zip_longest(cell.outputs, cell.outputs[1:]):
            if "image/png" not in (picture or {}).get("data", {}):
                continue
            n_pictures += 1
            look = picture.metadata["image/png"]
            assert len(look["alt"]) >= 20
            html = words["data"]["text/html"]
            assert html.startswith("<details><summary>This picture in words</summary>")
            assert words["data"]["text/plain"] == look["alt"]
            image = Image.open(io.BytesIO(base64.b64decode(picture.data["image/png"])))
            assert [side // 2 for side in image.size] == [look["width"], look["height"]]
            assert look["width"] <= 700
            assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255), "a white margin"
    assert n_pictures >= 3


def test_the_first_screen_is_the_title_and_the_subject(lesson):
    path, notebook = lesson
    title, subject, colab, setup = notebook.cells[:4]
    number = int(path.stem[:2])
    assert re.match(rf"# {number}\. .+\n\n\*\*.+\?\*\*\n\nAt the end .+\n\nNeeds: ", title.source)
    assert BADGE in title.source
    assert "\n\nBelow is a recorded run. To guess before you see, clear it first: " in title.source
    assert f"/notebooks/{path.name})" in title.source
    assert runner.tags(colab) == ["colab"] and runner.tags(setup) == ["setup"]
    assert colab.source == first_cell.source(*links.address())
    for cell in (colab, setup):
        assert cell.source.startswith("# @title Set-up"), "the label of the folded cell"
        assert cell.metadata["cellView"] == "form" and cell.metadata["jupyter"]["source_hidden"]
    assert n_lines(setup) <= 15
    line = rf"from helpers\.lesson_{number:02} import checks, plots(, widget)?"
    assert re.search(rf"(?m)^{line}$", setup.source)
    assert subject.cell_type == "markdown" and subject.source.startswith("## ")


def test_knobs_are_plain_literals_in_lower_case_where_they_are_used(lesson):
    _, notebook = lesson
    cells = [i for i, cell in enumerate(notebook.cells) if "parameters" in runner.tags(cell)]
    assert cells and cells[0] > 3
    for i in cells:
        assert notebook.cells[i - 1].cell_type == "markdown"
        for line in notebook.cells[i].source.splitlines():
            assert re.match(r"[a-z]\w* = .+  # .+", line), f"a knob and its reason a line: {line}"
            assert line.split(" = ")[0].islower(), line
            ast.literal_eval(line.partition(" = ")[2].partition("  #")[0])


def test_each_prediction_is_typed_in_a_cell_of_its_own_and_judged_once(lesson):
    path, notebook = lesson
    code = "\n".join(cell.source for cell in code_cells(notebook))
    typed = [cell.source for cell in code_cells(notebook) if "prediction" in runner.tags(cell)]
    judged = [
        re.findall(rf"(?m)^checks\.(\w+)\({source.split(' =')[0]}, ", code) for source in typed
    ]
    for source, judges in zip(typed, judged, strict=True):
        assert re.fullmatch(r"my_\w+ = None  # .+", source)
        assert len(judges) == 1, source
    there = progress.there_are()[path.stem[:2]]
    assert sorted(there["predictions"]) == sorted(name for [name] in judged)
    assert typed, "a learner predicts something in each lesson"
    assert sorted(there["exercises"]) == sorted(e.check for e in runner.exercises(notebook))
    number = int(path.stem[:2])
    assert f"\nquiz.show({number})\n" in code and f"\nprogress.Progress({number})" in code


def test_an_exercise_is_a_task_a_stub_and_its_folded_help(lesson):
    _, notebook = lesson
    stubs = [i for i, cell in enumerate(notebook.cells) if "exercise" in runner.tags(cell)]
    minutes = []
    for number, i in enumerate(stubs, start=1):
        task, folded = notebook.cells[i - 1].source, notebook.cells[i + 1].source
        assert re.match(rf"### Exercise {number}\. \w.*\n\n", task), task
        assert re.search(NAMED, task), task
        minutes.append(int(re.search(r"About (\d+)", task)[1]))
        assert folded.startswith("<details><summary>Hint</summary>"), folded
    assert minutes[0] == min(minutes), "the easiest comes first"
    assert not any("## Exercises" in cell.source for cell in prose_cells(notebook))
    assert any(cell.source.startswith("## ") for cell in notebook.cells[stubs[0] : stubs[-1]])


def test_a_lesson_ends_with_what_to_remember_the_lecture_sources_and_the_next_one(lesson):
    path, notebook = lesson
    prose = "\n\n".join(cell.source for cell in prose_cells(notebook))
    ends = ["### Exercise 1", "## What to remember\n", "## In the lecture\n", "## Sources\n"]
    places = [prose.index(end) for end in ends]
    assert places == sorted(places)
    number = int(path.stem[:2]) + 1
    last = "Back to the [list of lessons](../README.md#lessons)"
    if number in FILES:
        last = f"Next: [{TITLES[number].removeprefix('# ')}]({FILES[number]})"
    assert prose.splitlines()[-1] == last
    remembered = prose[places[1] : places[2]].strip().splitlines()[2:]
    assert 3 <= len(remembered) <= 5 and all(line.startswith("- ") for line in remembered)


def test_colab_offers_a_gpu_to_the_lessons_that_train_and_to_no_other(lesson):
    _, notebook = lesson
    trains = any("SFTTrainer(" in cell.source for cell in code_cells(notebook))
    wanted = {"accelerator": "GPU", "colab": {"gpuType": "T4"}} if trains else {}
    found = {k: v for k, v in notebook.metadata.items() if k in ("accelerator", "colab")}
    assert found == wanted


def test_code_cells_are_small(lesson):
    _, notebook = lesson
    cells = [cell for cell in code_cells(notebook) if "colab" not in runner.tags(cell)]
    sizes = [n_lines(cell) for cell in cells]
    assert max(sizes) <= 25
    assert 2 <= statistics.median(sizes) <= 8
    run = 0
    for cell in notebook.cells:
        run = run + 1 if cell.cell_type == "code" else 0
        assert run <= 3
    for cell in code_cells(notebook):
        assert max(map(len, cell.source.splitlines())) <= 88, cell.source
        assert "import *" not in cell.source


def test_imports_are_in_the_set_up(lesson):
    _, notebook = lesson
    for cell in code_cells(notebook):
        if not {"colab", "setup"} & set(runner.tags(cell)):
            found = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Import)]
            assert not found, cell.source


def test_a_paragraph_is_one_line(lesson):
    _, notebook = lesson
    for cell in prose_cells(notebook):
        lines = re.sub(r"```.*?```", "", cell.source, flags=re.S).splitlines()
        for line, following in zip(lines, lines[1:], strict=False):
            plain = [re.match(r"[^\s<|\-#>*\d]", text) for text in (line, following)]
            assert not all(plain), f"{line}\n{following}"


def prose_between_dollars(text):
    """What Markdown would set as a formula although it is prose."""
    inline = re.findall(r"(?<![\\$])\$([^$\n]+)(?<!\\)\$(?!\$)", without_code(text))
    return [found for found in inline if re.search(r"(?<![\\a-z{])[A-Za-z]{3,} ", found + " ")]


def test_no_prose_is_set_as_a_formula(lesson):
    _, notebook = lesson
    for cell in prose_cells(notebook):
        assert prose_between_dollars(cell.source) == [], cell.source
        if "$" in without_code(cell.source):
            assert len(re.findall(r"(?<!\\)\$", without_code(cell.source))) % 2 == 0, cell.source


def test_prose_between_dollar_signs_is_found_and_a_formula_is_not():
    assert prose_between_dollars('It says "It sold for $". The words "Price is $" mean more')
    assert prose_between_dollars("between $5 and then $7")
    assert not prose_between_dollars(r"the product $c_{ij} = \sum_k a_{ik}\, b_{kj}$ is")
    assert not prose_between_dollars("`Price is $` and `It sold for $`")


def test_another_lesson_is_named_by_a_link(lesson):
    path, notebook = lesson
    here = int(path.stem[:2])
    for cell in prose_cells(notebook):
        text = without_code(cell.source)
        for found in re.finditer(r"[Ll]esson 0?(\d)\b", text):
            number = int(found[1])
            if number in FILES and number != here:
                after = text[found.end() : found.end() + 60]
                assert after.startswith(f"]({FILES[number]}"), text[found.start() - 40 :][:120]
            assert "0" not in found[0], f"lesson {number}, not {found[0]}"


def test_links_resolve(lesson):
    path, notebook = lesson
    prose = "\n".join(cell.source for cell in prose_cells(notebook))
    local = [t for t in re.findall(r"\]\(([^)\s]+)\)", prose) if not t.startswith("http")]
    assert any(target.endswith(".ipynb") for target in local), "link to the next lesson"
    for target in local:
        assert (path.parent / target.partition("#")[0]).exists(), target
