"""Each lesson in JupyterLab as `make lab` starts it: Run All, then its widgets by keyboard.

    make test-browser                      # every lesson; TESTS="tests/browser -k 04" for one
    make test-browser STACK=classic        # in the classic Notebook, with the widgets of Colab
    make test-browser CHROMIUM=/opt/chrome # a browser that is not on the PATH

It needs Chromium or Chrome on this machine and downloads none. What a failed lesson looked like is
left in build/failed/.
"""

import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import chromium
import nbformat
import pytest
import run_lessons as runner
from judging import judge_page

pytestmark = pytest.mark.browser
MINUTES = 15  # for one lesson, on a slow machine
QUIET = {  # every cell in the page, also those out of view; no news, no updates
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@dataclass
class FrontEnd:
    """A program that shows notebooks: how to start it, and selectors of what its page has."""

    command: list[str]
    app: str  # its name in options
    page: str  # the address of a notebook's page, or of the list that `listed` is in
    listed: str  # a notebook in the list of files, to be opened from there
    idle: str  # there when the kernel has nothing to do
    menu: str
    run_all: str  # in the menu
    notebook: str
    prompt: str  # of a code cell
    faults: dict[str, tuple[str, str]]  # what goes wrong: where, and a pattern of its text


OUTPUT = ".jp-OutputArea-output, .output_subarea"
GONE = "Loading widget|Error displaying widget|Click to show javascript|could not be displayed"
EITHER = {"a widget that is not there": (OUTPUT, GONE), "a progress bar": (OUTPUT, r"\d+%\|")}
JUPYTERLAB = FrontEnd(
    command=["jupyterlab", "--IdentityProvider.token=test"],
    app="ServerApp",
    page="lab?reset",
    listed=".jp-DirListing-content :text-is('{name}')",
    idle="text=| Idle",
    menu="role=menuitem[name='Run']",
    run_all="role=menuitem[name='Run All Cells']",
    notebook=".jp-Notebook",
    prompt=".jp-Notebook .jp-InputPrompt",
    faults={
        **EITHER,
        "stderr or an error": ("[data-mime-type='application/vnd.jupyter.stderr']", ""),
        "a dialog": (".jp-Dialog", ""),
        "in the log console": (".jp-LogConsoleStatusItem:not(.lm-mod-hidden)", "[1-9]"),
    },
)
CLASSIC = FrontEnd(  # a callback's error is below its widget there
    command=["notebook", "--NotebookApp.token=test"],
    app="NotebookApp",
    page="notebooks/{name}?",
    listed="",  # it would open another page
    idle=".kernel_idle_icon",
    menu="#celllink",
    run_all="#run_all_cells",
    notebook="#notebook-container",
    prompt=".code_cell .input_prompt",
    faults={
        **EITHER,
        "stderr or an error": (".output_stderr, .output_error", ""),
        "a dialog": (".modal.in", ""),
    },
)
SLIDER = "[role=slider], .ui-slider-handle"  # of ipywidgets 8 and 7
HERE = CLASSIC if os.environ.get("STACK") == "classic" else JUPYTERLAB
PROMPTS = f"[...document.querySelectorAll('{HERE.prompt}')].map(e => e.textContent)"
BEGUN = PROMPTS + ".some(text => /[0-9*]/.test(text))"  # no cell has a number before it was run
OVER = PROMPTS + ".every(text => !text.includes('*'))"
WIDER = """[...document.querySelectorAll('.widget-vbox')]
    .filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)"""
WITH_ITS_CELL = """found => found.map(
    e => [e.textContent, e.closest(".jp-Cell, .cell")?.textContent ?? ""])"""
AT_ITS_MIDDLE = """dot => { dot.scrollIntoView({block: "center"});
    const {x, y, width, height} = dot.getBoundingClientRect();
    return document.elementFromPoint(x + width / 2, y + height / 2).dataset.place; }"""
LENGTH = f"document.querySelector('{HERE.notebook}').textContent.length"


@dataclass
class Server:
    address: str
    folder: Path  # with the notebooks

    def end_kernels(self) -> None:
        """End all kernels and remove what they wrote: lesson 9 would find lesson 8's adapter."""
        for session in ask(f"{self.address}/api/sessions"):
            ask(f"{self.address}/api/sessions/{session['id']}", "DELETE")
        shutil.rmtree(self.folder.parent / "build", ignore_errors=True)


@contextmanager
def served(folder):
    """`HERE` in a copy of the lessons without outputs, with settings of its own."""
    notebooks = folder / "notebooks"
    shutil.copytree(runner.NOTEBOOKS, notebooks)
    for path in notebooks.glob("*.ipynb"):
        notebook = runner.read(path)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, path)
    for name, values in QUIET.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    ours = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    ours["COURSE_BUILD"] = str(folder / "build")
    ours["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    ours["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
    command = [sys.executable, "-m", *HERE.command, "--no-browser", "--ip=127.0.0.1"]
    command += [f"--port={random.randrange(20_000, 60_000)}"]  # or one of the 50 that follow
    command += [f"--{HERE.app}.shutdown_no_activity_timeout=1800"]  # if the tests were killed
    command += ["--allow-root"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    command += shlex.split(os.environ.get("LAB_FLAGS", ""))
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=notebooks, env=os.environ | ours, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield Server(address_of(folder), notebooks)
        finally:
            server.terminate()  # which ends its kernels
            server.wait()


def address_of(folder: Path) -> str:
    """Where the server in `folder` answers, from the file that it writes about itself."""
    for _ in range(240):
        with suppress(OSError, ValueError):  # it answers not yet, or its file is not whole yet
            for path in folder.glob("RUNTIME/*server-*.json"):
                address = json.loads(path.read_text(encoding="utf-8"))["url"].rstrip("/")
                ask(f"{address}/api/status")
                return address
        time.sleep(0.5)
    said = (folder / "server.log").read_text(encoding="utf-8")
    raise RuntimeError(f"{HERE.command[0]} did not start in two minutes:\n{said}")


def ask(url: str, method: str = "GET"):
    """What the server answers, from JSON; None if it answers nothing."""
    request = urllib.request.Request(f"{url}?token=test", method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or "null")


@pytest.fixture(scope="session")
def server(browser, tmp_path_factory):
    with served(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture(scope="session")
def browser():
    with chromium.launched() as browser:
        yield browser


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    page.faults = []  # what the page itself reports
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    page.close()


def begin(page, address: str, name: str) -> None:
    """Open the lesson `name` from the list of files, and choose Run All Cells."""
    page.goto(f"{address}/{HERE.page.format(name=name)}&token=test")
    if HERE.listed:
        page.locator(HERE.listed.format(name=name)).dblclick()
    page.locator(HERE.idle).wait_for()
    page.locator(HERE.menu).click()
    page.locator(HERE.run_all).click()
    page.wait_for_function(BEGUN)


def run_all(page, address: str, name: str) -> None:
    """The same, and wait until the kernel is idle."""
    begin(page, address, name)
    page.wait_for_function(OVER, polling=500, timeout=MINUTES * 60_000)
    page.locator(HERE.idle).wait_for()
    before = None
    while before != (before := page.evaluate(LENGTH)):  # until the widgets are drawn
        page.wait_for_timeout(500)


def faults(page) -> dict[str, list[str]]:
    """What went wrong in sight, by its kind."""
    found = {}
    for kind, (where, pattern) in HERE.faults.items():
        seen = page.locator(where).evaluate_all(WITH_ITS_CELL)
        found[kind] = [f"{text} ({cell[:80]})" for text, cell in seen if re.search(pattern, text)]
    return {kind: texts for kind, texts in found.items() if texts}


def said(page, label: str):
    """What the widget with the control `label` says."""
    widget = page.locator(f'.widget-vbox:has(label:text-is("{label}")) [role="status"]')
    return re.sub(r"\s+", " ", widget.last.inner_text())


def wait(page, looked, true) -> None:
    """Wait until `true` of what `looked` returns: a minute at most."""
    end = time.time() + 60
    while not true(seen := looked()):
        assert time.time() < end, f"after a minute: {seen!r}"
        page.wait_for_timeout(100)


def until(page, label: str, words: str) -> None:
    """Wait until the widget with the control `label` says `words`."""
    wait(page, lambda: said(page, label), lambda text: words in text)


def type_into(page, label: str, text: str) -> None:
    """Replace what is in the control `label`, as with a keyboard."""
    control = page.get_by_label(label, exact=True)
    control.focus()
    control.press("Control+a")
    page.keyboard.type(text)
    if control.evaluate("e => e.tagName") == "INPUT":
        control.press("Enter")


def run_again(page, source: str) -> None:
    """Run the cell that has `source` in it once more, and wait for its end."""
    cell = page.locator(".jp-CodeCell, .code_cell", has_text=source).first
    prompt = cell.locator(".jp-InputPrompt, .input_prompt")
    before = prompt.inner_text()
    cell.locator(".cm-content, .CodeMirror").click()
    page.keyboard.press("Control+Enter")
    wait(page, prompt.inner_text, lambda text: text != before and "*" not in text)


def choose(page, label: str, option: str) -> None:
    """Open the list `label`, choose an option by its letters, and close it.

    In a list that is closed, letters and arrows are commands of the notebook's.
    """
    page.get_by_label(label, exact=True).focus()
    page.keyboard.press("Space")
    page.keyboard.type(option)
    page.keyboard.press("Enter")


def judge_what_is_shown(page, path: Path, saved: Path) -> None:
    """JupyterLab shows what the committed lesson shows, but for cells with widgets."""
    before = saved.stat().st_mtime_ns  # JupyterLab has saved it on its own, while it ran
    page.keyboard.press("Control+s")
    wait(page, lambda: saved.stat().st_mtime_ns, lambda now: now > before)
    shown, committed = runner.read(saved), {cell.id: cell for cell in runner.read(path).cells}
    n_widgets = 0
    for cell in shown.cells:
        if any(runner.WIDGET in output.get("data", {}) for output in cell.get("outputs", [])):
            cell.outputs = committed[cell.id].outputs
            n_widgets += 1
        cell.id += "-1"  # as the first pass of a run
    assert n_widgets > 1, "a quiz, and what the lesson has to move"
    judge_page(SimpleNamespace(notebook=shown), path)


def narrow_as_a_phone(page) -> None:
    """Make JupyterLab's page narrow, without its side bar: no widget is wider than its place."""
    if HERE is JUPYTERLAB:
        page.locator(".jp-SideBar.jp-mod-left .lm-mod-current").click()  # which closes it
        page.set_viewport_size({"width": 390, "height": 844})
        wait(
            page,
            lambda: page.locator(HERE.notebook).bounding_box()["width"],
            lambda w: 250 < w < 390,
        )
        wait(page, lambda: page.evaluate(WIDER), lambda wider: wider == [])


def lesson_01(page):
    until(page, "first shape", "(2, 3) + (3, 4): refused")
    choose(page, "operation", "@")
    until(page, "first shape", "(2, 3) @ (3, 4) makes (2, 4)")
    type_into(page, "second shape", "4")
    until(page, "first shape", "refused, because 3 meets 4")


def lesson_02(page):
    type_into(page, "steps back", "1")
    until(page, "steps back", "Step 1 of 6, from loss to p")
    type_into(page, "w", "1")
    until(page, "steps back", "from loss to p: 1 times the slope -1.333")  # 1 + exp(-1.1)


def lesson_03(page):
    until(page, "layers", "8,030,261,248 parameters")
    type_into(page, "heads", "24")
    until(page, "layers", "✗ 4096 (embedding dimension) does not divide by 24")
    page.get_by_role("button", name="Hollis", exact=True).press("Enter")
    words = page.locator(".widget-vbox:has(.widget-toggle-buttons) [role=status]")
    words.get_by_text("Hollis looks most at").wait_for()


def lesson_04(page):
    before = said(page, "second text")
    assert before.startswith("Both texts: most likely $")
    type_into(page, "second text", "Well used. A lamp.")
    until(page, "second text", "Second: most likely $")
    changed = said(page, "second text")
    type_into(page, "temperature", "3")
    wait(page, lambda: said(page, "second text"), lambda text: text != changed)
    type_into(page, "second text", " ")
    until(page, "second text", "✗ second text")


def lesson_05(page):
    until(page, "learning rate", "it comes down")
    type_into(page, "learning rate", "0.05")
    until(page, "learning rate", "SGD, learning rate 0.05: it diverges")
    choose(page, "optimizer", "AdamW")
    until(page, "learning rate", "AdamW, learning rate 0.05: it comes down")


def lesson_06(page):
    until(page, "rank r", "27,262,976 weights")
    choose(page, "rank r", "64")
    until(page, "rank r", "54,525,952 weights")
    type_into(page, "rank", "12")
    until(page, "rank", "rank 12: ")
    page.locator(SLIDER).first.focus()
    page.keyboard.press("ArrowRight")
    until(page, "rank", "rank 13: ")


def lesson_07(page):
    until(page, "bits", "16 levels, 4.50 bits a number")
    type_into(page, "bits", "2")
    until(page, "bits", "4 levels, 2.50 bits a number")


def lesson_08(page):
    type_into(page, "your price in dollars", "100")
    until(page, "your price in dollars", "; you said $100: ")
    until(page, "look", "Look 1 of 15, after step 0 of 250: median $")
    page.locator('.widget-vbox:has(label:text-is("look"))').last.locator(SLIDER).focus()
    page.keyboard.press("ArrowRight")
    until(page, "look", "Look 2 of 15, after step 5 of 250: median $")
    type_into(page, "look", "99")
    until(page, "look", "Look 15 of 15, after step 250 of 250: median $")


def lesson_09(page):
    type_into(page, "your price in dollars", "a lot")
    until(page, "your price in dollars", "is no price")
    type_into(page, "your price in dollars", "45")
    until(page, "your price in dollars", "Item 1: It costs $")
    run_again(page, "played.show()")
    until(page, "your price in dollars", "Item 1: It costs $")
    page.get_by_role("button", name="start over", exact=True).press("Enter")
    until(page, "your price in dollars", "What does it cost?")
    until(page, "place", "1 of 1,000: it costs $")
    page.get_by_role("button", name="next", exact=True).press("Enter")
    until(page, "place", "2 of 1,000: it costs $")
    choose(page, "order", "price")
    until(page, "place", "1 of 1,000: it costs $921")
    type_into(page, "words in the text", "refurbished")
    until(page, "place", "1 of 147: it costs $")
    type_into(page, "words in the text", "no such thing")
    until(page, "place", "✗ no item has 'no' and 'such' and 'thing' in its text")
    type_into(page, "words in the text", "piano")
    until(page, "place", "1 of 67: it costs $")
    dots = page.locator("[data-place]")
    place = dots.nth(30).evaluate(AT_ITS_MIDDLE)
    dots.nth(30).click(force=True)  # or what lies on top of it
    until(page, "place", f"{place} of 67: it costs $")


def quiz(page):
    """The first question refuses a wrong answer and accepts the right one, by Tab and Space."""
    question = page.locator(".course-quiz .widget-radio-box").first
    answer = page.locator('.course-quiz [role="status"]').first
    options = question.locator("input").all()
    options[0].focus()
    heard = [answer.inner_text()]
    for option in options:
        if HERE is CLASSIC:  # it takes the focus from what was pressed
            option.focus()
        page.keyboard.press("Space")
        wait(page, answer.inner_text, lambda text: text != heard[-1])
        heard.append(answer.inner_text())
        page.keyboard.press("Tab")
    assert {text[:2].strip() for text in heard[1:]} == {"✓", "✗"}


@contextmanager
def looked_at(server, page, name: str):
    """Around what a test does with a lesson: a picture of what failed, and the end of its kernel."""
    try:
        yield
    except Exception:
        runner.FAILED.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=runner.FAILED / f"{name}.png")
        raise
    finally:
        server.end_kernels()


@pytest.mark.parametrize("path", runner.LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_clean_and_its_widgets_answer_the_keyboard(server, page, path):
    with looked_at(server, page, path.stem):
        run_all(page, server.address, path.name)
        assert (faults(page), page.faults) == ({}, [])
        if HERE is JUPYTERLAB:
            judge_what_is_shown(page, path, server.folder / path.name)
        if moves := globals().get(f"lesson_{path.stem[:2]}"):
            moves(page)
        quiz(page)
        assert (faults(page), page.faults) == ({}, []), "after its widgets were moved"
        narrow_as_a_phone(page)


@pytest.mark.skipif(HERE is CLASSIC, reason="there a click waits until the cell has ended")
def test_stop_ends_a_training_under_way_and_the_lesson_goes_on_with_what_was_learnt(server, page):
    with looked_at(server, page, "08_stopped"):
        begin(page, server.address, "08_qlora_sft.ipynb")
        stop = page.get_by_role("button", name="stop", exact=True)
        stop.wait_for(timeout=MINUTES * 60_000)
        told = page.locator(".widget-vbox:has(button:text-is('stop')) [role=status]")
        wait(page, told.inner_text, lambda text: re.match(r"step [1-9]\d+ of 250", text))
        stop.press("Enter")
        wait(page, told.inner_text, lambda text: "stopped at step" in text)
        step = re.match(r"step (\d+) of 250", told.inner_text())[1]
        page.get_by_text(f"Stopped at step {step} of 250; what was learnt is kept.").wait_for()
        page.wait_for_function(OVER, polling=500, timeout=MINUTES * 60_000)
        assert int(step) < 250, "it had ended before"
        assert (faults(page), page.faults) == ({}, [])


FAULTY = [
    "import sys, ipywidgets; print('careful', file=sys.stderr)",
    "print(' 50%|#####     | 5/10')",
    "kind = 'application/vnd.jupyter.widget-view+json'; gone = {'model_id': 'gone'}\n"
    "display({kind: gone | {'version_major': 2, 'version_minor': 0}}, raw=True)",
    "button = ipywidgets.Button(description='press'); button.on_click(lambda _: 1 / 0); button",
    "1 / 0",
]


def test_what_goes_wrong_in_a_notebook_is_seen(server, page):
    """The test above would pass none of these cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in FAULTY]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, server.folder / "faulty.ipynb")
    run_all(page, server.address, "faulty.ipynb")
    page.get_by_role("button", name="press", exact=True).press("Enter")
    wait(page, lambda: faults(page), lambda seen: sum(map(len, seen.values())) == len(FAULTY))
    assert {*faults(page)} == {*HERE.faults} - {"a dialog"}
