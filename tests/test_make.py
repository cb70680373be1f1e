"""`make`, where it might do harm: paths with spaces, folders that are not ours, a stack that is none."""

import base64
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import links
import nbformat
import pictures
import pytest
import run_lessons as runner
from support import copy_of_the_tree

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("make") is None,
    reason="the Makefile needs make and bash",
)

# Stands in for pip: the new environment sees the packages of the one that runs this test.
INSTALL = """#!/bin/sh
"{python}" - <<'END'
import pathlib
for site in pathlib.Path(".venv").glob("lib/python*/site-packages"):
    (site / "these.pth").write_text({packages!r}, encoding="utf-8")
END
"""


@pytest.fixture
def make(tmp_path):
    """A function that runs make in a folder as a learner does, without a network."""
    install = tmp_path / "install.sh"
    packages = sysconfig.get_path("purelib") + "\n"
    install.write_text(INSTALL.format(python=sys.executable, packages=packages), encoding="utf-8")
    install.chmod(0o755)

    def run(folder, *arguments):
        command = ["make", f"PYTHON={sys.executable}", f"INSTALL='{install}'", *arguments]
        ours = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "STACK", "PYTEST_ADDOPTS")  # if make runs us
        env = {k: v for k, v in os.environ.items() if k not in ours}
        done = subprocess.run(
            command,
            cwd=folder,
            env=env,
            encoding="utf-8",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout

    return run


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_in_a_path_with_spaces_it_works_and_touches_nothing_beside_it(make, tmp_path):
    """Each word of the path is also the name of a folder with somebody's files in it.

    In the clone itself, an installation was cut off: it starts over.
    """
    clone = tmp_path / "home" / "OneDrive - Company" / "コース 1"
    copy_of_the_tree(clone)
    (clone / ".venv" / "lib").mkdir(parents=True)
    (clone / ".venv" / "made-by-make").touch()
    (clone / ".venv" / "lib" / "half.py").touch()
    words = str(clone.relative_to(tmp_path)).split()
    theirs = [tmp_path / words[0], tmp_path / "home"]
    theirs += [clone.parent / word for word in words] + [tmp_path / "home" / w for w in words]
    theirs += [tmp_path / " ".join(words[:n]) for n in range(1, len(words))]
    for folder in {folder for folder in theirs if folder not in (clone, *clone.parents)}:
        (folder / ".venv").mkdir(parents=True, exist_ok=True)
        (folder / "thesis.txt").write_text("years of work", encoding="utf-8")
        (folder / ".venv" / "thesis.txt").write_text("more", encoding="utf-8")

    def beside():
        return {
            name: data
            for name, data in contents(tmp_path).items()
            if not (tmp_path / name).is_relative_to(clone)
        }

    before = beside()
    assert len(before) > 4
    code, said = make(clone, "test", "TESTS=tests/helpers/test_catalogue.py")
    assert code == 0 and " passed" in said, said
    assert (clone / ".venv" / "bin" / "python").exists()
    assert not (clone / ".venv" / "lib" / "half.py").exists()
    assert "Making" not in make(clone, ".venv/ready")[1]
    assert beside() == before
    assert make(clone, "clean")[0] == 0
    assert not (clone / ".venv").exists()
    assert beside() == before


def test_a_folder_that_make_did_not_make_is_left_alone(make, tmp_path):
    clone = tmp_path / "clone"
    copy_of_the_tree(clone)
    (clone / ".venv" / "photos").mkdir(parents=True)
    (clone / ".venv" / "photos" / "1.jpg").write_bytes(b"a year ago")
    before = contents(clone)
    code, said = make(clone, "lint")
    assert code != 0
    assert ".venv was not made by make, so it is left as it is.\nRename or remove it" in said
    assert make(clone, "clean")[0] == 0
    assert contents(clone) == before


@pytest.mark.parametrize("stack", ["nonsense", "../../x", "pinned colab", ""])
def test_an_unknown_stack_is_refused(make, stack):
    code, said = make(Path(__file__).parent.parent, "-n", "test", f"STACK={stack}")
    assert code != 0
    assert f"STACK={stack} is unknown; take one of pinned colab oldest newest classic" in said


def test_make_alone_lists_every_target(make):
    code, said = make(Path(__file__).parent.parent)
    assert code == 0
    listed = [line.split()[1] for line in said.splitlines()]
    assert {"lab", "test", "quick", "test-gpu", "notebooks", "lint", "clean"} <= set(listed)


PICTURE = """
import base64
png = base64.b64encode(f"drawn after {2 * 2}".encode()).decode()
data = {"image/png": png, "text/plain": "words"}
display(data, raw=True, metadata={"image/png": {"alt": "A picture.", "width": 40, "height": 30}})
"""
SHORT = "notebooks/08_qlora_sft.ipynb"


def test_make_notebooks_writes_outputs_pictures_and_the_readmes_table_or_nothing(make, tmp_path):
    """In a clone whose lesson 8 is its title and a few cells."""
    clone = tmp_path / "clone"
    copy_of_the_tree(clone)
    title = runner.read(clone / SHORT).cells[0]
    shown = [cell_id for lesson, cell_id in pictures.CELLS.values() if lesson == "08"]

    def write(*cells):
        cells = [nbformat.v4.new_code_cell(source) for source in cells]
        for cell_id in shown:  # the pictures that the README takes from this lesson
            cells.append(nbformat.v4.new_code_cell(PICTURE, id=cell_id))
        nbformat.write(nbformat.v4.new_notebook(cells=[title, *cells]), clone / SHORT)

    write("print(6 * 7)")
    readme = clone / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(text.replace(links.HEAD, "| lesson | ? |\n|---|---|\n"), encoding="utf-8")
    code, said = make(clone, "notebooks", f"LESSONS={SHORT}")
    assert code == 0 and "08_qlora_sft" in said, said
    _, printed, drawn, *_ = runner.read(clone / SHORT).cells
    assert runner.text_of(printed) == "42\n" and drawn.execution_count == 2
    assert base64.b64decode(drawn.outputs[0].data["image/png"]) == b"drawn after 4"
    assert (clone / ".github" / "four_steps.png").read_bytes() == b"drawn after 4"
    read = readme.read_text(encoding="utf-8")
    assert '<img src=".github/four_steps.png" width="40" alt="A picture.">' in read
    without_pictures = [
        [line for line in page.splitlines() if "<img" not in line] for page in (read, text)
    ]
    assert without_pictures[0] == without_pictures[1]

    write("print(6 * 9)", "1 / 0")
    before = contents(clone / "notebooks"), contents(clone / ".github")
    code, said = make(clone, "notebooks", f"LESSONS={SHORT}")
    assert code != 0
    assert "ZeroDivisionError" in said and "Nothing was written back for this lesson." in said
    assert (contents(clone / "notebooks"), contents(clone / ".github")) == before


def test_make_links_hands_on_the_address_that_it_is_given(make):
    """tests/test_links.py has what the script then writes."""
    address = "REPO=a-b/c.d", "REF=feature/x"
    code, said = make(Path(__file__).parent.parent, "-n", "links", *address)
    assert code == 0 and 'tests/tools/links.py "a-b/c.d" "feature/x"' in said
