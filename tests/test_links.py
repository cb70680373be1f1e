"""The repository's address: the same everywhere, written by `make links` and in a fresh copy by itself."""

import os
import re
import subprocess
import sys
from pathlib import Path

import first_cell
import links
import pytest
import run_lessons as runner
from support import copy_of_the_tree, git

ROOT = Path(__file__).resolve().parent.parent
STAMP = ROOT / ".github" / "workflows" / "stamp.yml"


def test_the_repositorys_address_is_the_same_everywhere():
    repo, ref = links.address()
    texts = [links.README.read_text(encoding="utf-8")]
    texts += [cell.source for path in runner.LESSONS for cell in runner.read(path).cells]
    for text in texts:
        assert links.stamp(text, repo, ref) == text
    assert sum(f"blob/{ref}/notebooks/" in text for text in texts) == 1 + len(runner.LESSONS)


@pytest.mark.parametrize("ref", ["v1.2", "feature/x", "a/notebooks/b"])
def test_stamping_changes_badges_and_first_cells_and_nothing_else(ref):
    notebook = runner.read(runner.LESSONS[0])
    notebook.cells[2].source = first_cell.source()
    before = runner.sources_sha256(notebook)
    for repo, place in (("some/where", ref), links.UNSTAMPED, ("some/where", ref)):
        for cell in notebook.cells:
            cell.source = links.stamp(cell.source, repo, place)
        assert f"github/{repo}/blob/{place}/notebooks/01_tensors.ipynb)" in notebook.cells[0].source
        assert notebook.cells[2].source == first_cell.source(repo, place)
        assert runner.sources_sha256(notebook) == before  # no output has to be made again
    assert f'COURSE, REF = "https://github.com/some/where", "{ref}"' in notebook.cells[2].source
    notebook.cells[2].source += "\n"
    assert runner.sources_sha256(notebook) != before


def test_two_badges_in_one_paragraph_are_two():
    badge = "[B](https://colab.research.google.com/github/OWNER/REPO/blob/main/notebooks/{}.ipynb)"
    both = f"{badge.format(1)} {badge.format(2)}"
    stamped = links.stamp(both, "a/b", "x/y")
    assert stamped == both.replace("OWNER/REPO", "a/b").replace("main", "x/y")


@pytest.mark.parametrize(
    "address",
    [
        ("not an address",),
        ("a/b/c",),
        ("a/b", "-q"),
        ("a/b", "x y"),
        ("a/b", "x//y"),
        ("a/b", "x..y"),
    ]
    + [("a/b", '"; import os'), ("a/b\n", "main"), ("a/b", "x/")],
)
def test_an_invalid_address_is_written_nowhere(address):
    before = links.PYPROJECT.read_bytes()
    with pytest.raises(SystemExit, match="wanted owner/name, and a branch, tag or commit"):
        links.main(*address)
    assert links.PYPROJECT.read_bytes() == before


@pytest.fixture
def copy(tmp_path):
    """(a clone of a fresh copy of the course, its unstamped lessons; the repository it pushes to)."""
    clone, origin = tmp_path / "clone", tmp_path / "origin.git"
    copy_of_the_tree(clone)
    git("init", "-q", "-b", "main", cwd=clone)
    script = [sys.executable, "tests/tools/links.py", *links.UNSTAMPED]
    subprocess.run(script, cwd=clone, check=True, capture_output=True)
    git("add", "-A", cwd=clone)
    git("commit", "-qm", "fresh", cwd=clone)
    git("clone", "-q", "--bare", clone.as_posix(), origin.as_posix(), cwd=tmp_path)
    git("remote", "add", "origin", origin.as_posix(), cwd=clone)
    git("push", "-qu", "origin", "main", cwd=clone)
    return clone, origin


def said_by(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", check=True)
    return done.stdout


def test_links_writes_badges_readme_and_first_cells_from_their_one_source(copy):
    clone, _ = copy
    for path in (clone / "notebooks").glob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("does nothing elsewhere", "of last year"), encoding="utf-8")
    readme = clone / "README.md"
    text = readme.read_text(encoding="utf-8").replace("| lesson | question |", "| lesson | ? |")
    readme.write_text(
        text.replace("](notebooks/01_tensors.ipynb) |", "](gone) |"), encoding="utf-8"
    )
    said_by(sys.executable, "tests/tools/links.py", "a-b/c.d", "feature/x", cwd=clone)
    for path in runner.LESSONS:
        notebook = runner.read(clone / "notebooks" / path.name)
        assert notebook.cells[2].source == first_cell.source("a-b/c.d", "feature/x")
        assert f"github/a-b/c.d/blob/feature/x/notebooks/{path.name})" in notebook.cells[0].source
        assert f"a-b/c.d/blob/feature/x/notebooks/{path.name})" in readme.read_text(
            encoding="utf-8"
        )
    assert links.HEAD in readme.read_text(encoding="utf-8")
    assert "](gone)" not in readme.read_text(encoding="utf-8")
    assert "https://github.com/a-b/c.d && cd c.d" in readme.read_text(encoding="utf-8")
    said_by(sys.executable, "tests/tools/links.py", *links.UNSTAMPED, cwd=clone)
    assert said_by("git", "status", "--porcelain", cwd=clone) == ""


def script_of_the_workflow():
    """The shell script in stamp.yml."""
    text = STAMP.read_text(encoding="utf-8")
    [block] = re.findall(r"(?m)^      - run: \|\n((?:          .*\n)+)", text)
    return re.sub(r"(?m)^ {10}", "", block)


@pytest.mark.skipif(sys.platform == "win32", reason="the workflow runs on Linux")
def test_the_first_push_of_a_fresh_copy_is_stamped_once(copy, tmp_path, monkeypatch):
    clone, origin = copy
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    # pip is not run: nbformat is here, maybe in another version than the pinned one
    shim = f'#!/bin/sh\n[ "$2" = pip ] && exit\nexec "{sys.executable}" "$@"\n'
    python.write_text(shim, encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{python.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GITHUB_REPOSITORY", "some-one/the.course")
    monkeypatch.setenv("GITHUB_REF_NAME", "trunk/x")
    shell = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c"]  # as GitHub starts it
    said_by(*shell, script_of_the_workflow(), cwd=clone)
    log = said_by("git", "log", "--format=%s", "main", cwd=origin).splitlines()
    assert log == ["Lead badges and first cells to some-one/the.course", "fresh"]
    pyproject = said_by("git", "show", "main:pyproject.toml", cwd=origin)
    assert (
        '"https://github.com/some-one/the.course"' in pyproject and 'ref = "trunk/x"' in pyproject
    )
    said = said_by(*shell, script_of_the_workflow(), cwd=clone)
    assert said == "The address is already here.\n"
    assert len(said_by("git", "log", "--format=%s", "main", cwd=origin).splitlines()) == 2

    monkeypatch.setenv("GITHUB_REPOSITORY", "another/copy-of-it")  # made from the stamped one
    said_by(*shell, script_of_the_workflow(), cwd=clone)
    assert "another/copy-of-it" in said_by("git", "show", "main:README.md", cwd=origin)


def test_the_workflow_runs_on_pushes_to_the_default_branch_unless_it_is_a_fork():
    text = STAMP.read_text(encoding="utf-8")
    [when] = re.findall(r"(?m)^on:\n((?:  .*\n)+)", text)
    assert re.findall(r"(?m)^  (\w+):", when) == ["push"]
    [condition] = re.findall(r"(?m)^    if: (.*)$", text)
    assert condition.split(" && ") == [
        "github.ref_name == github.event.repository.default_branch",
        "!github.event.repository.fork",
    ]
