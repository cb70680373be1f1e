"""Run lessons headless: for the tests, and for `make notebooks`, which writes outputs back.

python tests/tools/run_lessons.py notebooks/*.ipynb     # run each and write its outputs back
"""

import ast
import copy
import hashlib
import json
import os
import re
import sys
import tempfile
import threading
import time
import tomllib
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import links
import nbformat
import papermill
import psutil
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from papermill.translators import PythonTranslator

TESTS = Path(__file__).resolve().parent.parent
NOTEBOOKS = TESTS.parent / "notebooks"
FAILED = TESTS.parent / "build" / "failed"  # what a lesson that failed leaves to look at
LESSONS = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"


class LessonFailed(Exception):
    """A cell of a lesson failed; the message holds the cell's source and the whole traceback."""


@dataclass
class Run:
    notebook: NotebookNode
    seconds: float
    peak_gb: float  # resident memory of the kernel at its highest, 10⁹ bytes, looked at 20 times a second
    values: list[dict[str, float]]  # what the expressions of each probe gave
    reached: list[str]  # hosts that the lesson tried to reach


@dataclass
class Exercise:
    cell: int  # index in notebook.cells
    check: str  # the check's name in helpers/lesson_NN/checks.py
    call: str  # the stub's last line
    solution: str


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def sources_sha256(notebook) -> str:
    """A hash of what a person wrote: kind, tags and source of each cell.

    The address that `make links` writes is left out: stamping changes no output.
    """
    parts = [
        [c.cell_type, sorted(tags(c)), links.stamp(c.source, *links.UNSTAMPED)]
        for c in notebook.cells
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def outputs_sha256(notebook) -> str:
    """A hash of what the cells show."""
    shown = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def cpu() -> str:
    """What torch computes with here, such as AVX2 or AVX512: by it trainings end a little elsewhere."""
    import torch

    return torch.backends.cpu.get_cpu_capability()


def settings(path: Path) -> dict:
    """tests/lessons/NN.toml of the lesson at `path`: its values, its knobs to try, its answers."""
    text = (TESTS / "lessons" / f"{path.stem[:2]}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def exercises(notebook) -> list[Exercise]:
    """Every exercise: its stub, and the solution folded in the prose cell behind it."""
    found = []
    for index, cell in enumerate(notebook.cells):
        if "exercise" in tags(cell):
            call = cell.source.strip().splitlines()[-1]
            folded = notebook.cells[index + 1].source
            solution = re.search(r"<summary>Solution</summary>\s*```python\n(.*?)```", folded, re.S)
            check = re.search(r"^checks\.(\w+)\(", call)
            assert check, f"the last line of an exercise is its check, not {call!r}"
            assert solution, f"no folded solution behind the exercise {check[1]}"
            found.append(Exercise(index, check[1], call, solution[1]))
    return found


def with_answers(notebook, answers: dict[str, list[dict]]) -> NotebookNode:
    """A copy in which predictions are typed and each stub has its solution and `answers` behind it.

    answers: {check: [{"code": …, "says": what the verdict has to say}]}.
    """
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if "prediction" in tags(cell):
            cell.source = cell.source.replace("None", "3")
    for exercise in reversed(exercises(notebook)):
        tried = [{"code": exercise.solution, "says": "✓"}, *answers.get(exercise.check, [])]
        cells = []
        for answer in tried:
            cell = nbformat.v4.new_code_cell(f"{answer['code'].rstrip()}\n\n{exercise.call}")
            cell.metadata["answer"] = {"says": answer["says"], "check": exercise.check}
            cells.append(cell)
        notebook.cells[exercise.cell + 1 : exercise.cell + 1] = cells
    return notebook


def one_after_the_other(passes: list[tuple[NotebookNode, list[str]]]) -> NotebookNode:
    """A notebook of several, as when a learner changes a lesson and chooses Run All again.

    passes: (notebook, expressions to evaluate behind its last cell), all for one kernel.
    """
    cells = []
    for number, (notebook, expressions) in enumerate(passes, 1):
        for cell in [*copy.deepcopy(notebook.cells), probe(expressions)]:
            cell.id = f"{cell.id}-{number}"
            cells.append(cell)
    return nbformat.v4.new_notebook(cells=cells, metadata=passes[-1][0].metadata)


def probe(expressions: list[str]) -> NotebookNode:
    """A cell that prints what each expression gives, a number, as JSON."""
    code = f"print(__import__('json').dumps({{e: float(eval(e)) for e in {list(expressions)!r}}}))"
    return nbformat.v4.new_code_cell(code, metadata={"tags": ["probe"]})


def knobs(cell) -> dict:
    """{name: value} of a cell tagged `parameters`."""
    lines = ast.parse(cell.source).body
    return {line.targets[0].id: ast.literal_eval(line.value) for line in lines}


def with_knobs(notebook, parameters: dict) -> NotebookNode:
    """A copy with `parameters` behind the knobs that they replace, as papermill injects them.

    papermill itself looks at the first cell tagged `parameters` only; a lesson has its knobs where
    they are used. Raises KeyError for a name that is no knob of the lesson.
    """
    notebook, left = copy.deepcopy(notebook), dict(parameters)
    for index in reversed(range(len(notebook.cells))):
        if "parameters" in tags(notebook.cells[index]):
            here = {name: left.pop(name) for name in knobs(notebook.cells[index]) if name in left}
            code = PythonTranslator.codify(here, "turned by a test")
            cell = nbformat.v4.new_code_cell(code, metadata={"tags": ["injected-parameters"]})
            notebook.cells[index + 1 : index + 1] = [cell] if here else []
    if left:
        raise KeyError(f"no knob called {', '.join(left)}")
    return notebook


def text_of(cell) -> str:
    """What a cell printed to stdout, and its value."""
    results = [o for o in cell.outputs if o.output_type == "execute_result"]
    printed = [o.text for o in cell.outputs if o.get("name") == "stdout"]
    return "".join(printed + [o["data"]["text/plain"] for o in results])


def all_text_of(cell) -> str:
    """What a cell printed and shows, pictures as the text beside them."""
    shown = [o for o in cell.outputs if o.output_type == "display_data" and WIDGET not in o.data]
    return "\n".join([text_of(cell), *(o["data"].get("text/plain", "") for o in shown)])


def run(notebook, name: str, env=None, parameters=None) -> Run:
    """Execute `notebook` in a clean kernel, an empty folder, with no network.

    env: more environment variables. parameters: values for the lesson's knobs.
    Raises LessonFailed; the executed notebook and the traceback are then in build/failed/.
    """
    notebook = with_knobs(notebook, parameters or {})
    with tempfile.TemporaryDirectory() as scratch, peak_of_the_kernel() as peak:
        scratch = Path(scratch)
        network = scratch / "network.log"
        nbformat.write(notebook, scratch / "in.ipynb")
        (scratch / "empty").mkdir()
        ours = {
            "PYTHONPATH": str(TESTS / "fakes" / "no_network"),
            "COURSE_NETWORK_LOG": str(network),
            "COURSE_BUILD": str(scratch / "build"),
            "HF_HOME": str(scratch / "hub"),
            **(env or {}),
        }
        before = dict(os.environ)
        os.environ.update(ours)  # papermill takes no environment for the kernel
        start = time.perf_counter()
        try:
            with kept_if_it_fails(name, scratch / "out.ipynb"):
                done = papermill.execute_notebook(
                    scratch / "in.ipynb",
                    scratch / "out.ipynb",
                    kernel_name="python3",
                    cwd=str(scratch / "empty"),
                    progress_bar=False,
                    request_save_on_cell_execute=False,  # a whole notebook, checked twice a cell
                    execution_timeout=900,
                )
        except PapermillExecutionError as error:
            trace = without_colours("\n".join(error.traceback))
            said = f"{name}, cell {error.cell_index}:\n{error.source}\n{trace}"
            raise LessonFailed(f"{said}\nExecuted up to there: {FAILED / name}.ipynb") from None
        except (DeadKernelError, CellTimeoutError) as error:
            raise LessonFailed(f"{name}: {type(error).__name__}: {error}") from None
        finally:
            os.environ.clear()
            os.environ.update(before)
        seconds = time.perf_counter() - start
        reached = network.read_text(encoding="utf-8").splitlines() if network.exists() else []
    values = [json.loads(text_of(cell)) for cell in done.cells if "probe" in tags(cell)]
    done.cells = [cell for cell in done.cells if "probe" not in tags(cell)]
    return Run(done, seconds, peak[0], values, reached)


@contextmanager
def kept_if_it_fails(name: str, notebook: NotebookNode | Path):
    """Around what runs or judges a lesson: on an error, write build/failed/NAME.ipynb and NAME.txt."""
    for old in FAILED.glob(f"{name}.*"):
        old.unlink()
    try:
        yield
    except Exception:
        FAILED.mkdir(parents=True, exist_ok=True)
        if not isinstance(notebook, Path):
            nbformat.write(notebook, FAILED / f"{name}.ipynb")
        elif notebook.exists():
            (FAILED / f"{name}.ipynb").write_bytes(notebook.read_bytes())
        trace = without_colours(traceback.format_exc())
        (FAILED / f"{name}.txt").write_text(trace, encoding="utf-8")
        raise


def without_colours(text: str) -> str:
    """`text` without a terminal's escape sequences."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@contextmanager
def peak_of_the_kernel():
    """[the highest resident memory (10⁹ bytes) of the kernel that this process starts]."""
    peak, over = [0.0], threading.Event()

    def watch():
        kernel = None
        while not over.wait(0.05):
            try:
                if kernel is None:
                    children = psutil.Process().children(recursive=True)
                    kernels = [c for c in children if "ipykernel" in " ".join(c.cmdline())]
                    kernel = kernels[-1] if kernels else None
                else:
                    peak[0] = max(peak[0], kernel.memory_info().rss / 1e9)
            except psutil.Error:  # it has ended
                kernel = None

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def tidy(notebook: NotebookNode) -> NotebookNode:
    """`notebook` as it is committed: no timestamps, widget state, transient ids or versions."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata = NotebookNode(
        {k: notebook.metadata[k] for k in ("accelerator", "colab") if k in notebook.metadata}
    )
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    notebook.metadata["language_info"] = {"name": "python"}
    count = 0
    for cell in notebook.cells:
        cell.metadata = NotebookNode({"tags": tags(cell)} if tags(cell) else {})
        if {"colab", "setup"} & set(tags(cell)):  # collapsed, in JupyterLab and in Colab
            cell.metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        kept = []
        for output in cell.outputs:
            if WIDGET in output.get("data", {}):
                continue  # lives in a kernel only; the static form beside it stays
            output.pop("transient", None)
            if output.output_type == "execute_result":
                output.execution_count = count
            same_stream = (
                kept and output.output_type == "stream" and kept[-1].get("name") == output.name
            )
            if same_stream:
                kept[-1].text += output.text
            else:
                kept.append(output)
        cell.outputs = kept
    knob_cells = [cell for cell in notebook.cells if "parameters" in tags(cell)]
    notebook.metadata["course"] = {  # helpers/asserts.py compares knobs and CPU with a learner's
        "as_shipped": {name: value for cell in knob_cells for name, value in knobs(cell).items()},
        "sources_sha256": sources_sha256(notebook),
        "outputs_sha256": outputs_sha256(notebook),
        "cpu": cpu(),
    }
    return notebook


def refresh(path: Path) -> Run:
    """Run the lesson at `path` as committed and write its outputs back, whole or not at all."""
    result = run(read(path), path.stem)
    new = path.with_suffix(".new")
    nbformat.write(tidy(result.notebook), new)
    new.replace(path)
    return result


if __name__ == "__main__":
    for name in sys.argv[1:]:
        try:
            result = refresh(Path(name))
        except LessonFailed as error:
            sys.exit(f"{error}\nNothing was written back for this lesson.")
        print(f"{Path(name).stem:28} {result.seconds:5.0f} s  {result.peak_gb:.2f} GB", flush=True)
    links.write_readme(*links.address())
