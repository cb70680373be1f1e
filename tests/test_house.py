"""The house: where things are, one place for each version range, a README that says what was measured."""

import ast
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import links
import pytest
import run_lessons as runner
import torch
from packaging.utils import canonicalize_name
from packaging.version import Version
from support import commit_of_the_tree, git

from helpers import ROOT, colab
from helpers.packages import requirements

TOP = {"README.md", "requirements.txt", "pyproject.toml", "Makefile", "LICENSE"}
TOP |= {"notebooks", "helpers", "data", "tests", ".ci", ".github"}
TOP |= {".gitignore", ".gitattributes", ".pre-commit-config.yaml"}


def tracked():
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    return [Path(name) for name in done.stdout.splitlines()]


def test_nothing_else_is_at_the_top():
    assert {path.parts[0] for path in tracked()} <= TOP


def test_the_repository_stays_small():
    assert sum((ROOT / path).stat().st_size for path in tracked()) < 25e6


def test_a_version_range_is_in_one_file_only():
    for path in tracked():
        if path.suffix in {".py", ".toml", ".md"} or path.name == "Makefile":
            text = (ROOT / path).read_text(encoding="utf-8")
            for requirement in requirements():
                assert not re.search(rf"\b{requirement.name}\s*(>=|==|<|~=)\s*\d", text), (
                    path,
                    requirement,
                )


def pins_of(stack):
    text = (ROOT / "tests" / "stacks" / f"{stack}.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))
    return {canonicalize_name(name): Version(pin) for name, pin in pins.items()}


def test_the_tested_stacks_are_within_the_ranges():
    pinned, colabs, oldest = pins_of("pinned"), pins_of("colab"), pins_of("oldest")
    for requirement in requirements():
        name, allowed = canonicalize_name(requirement.name), requirement.specifier
        assert allowed.contains(pinned[name])
        if name in colabs and requirement.name not in colab.ADDED:
            assert allowed.contains(colabs[name]), requirement
        if name != "torch":  # see tests/stacks/oldest.txt
            [lowest] = [s.version for s in allowed if s.operator == ">="]
            assert oldest[name] >= Version(lowest), requirement
            assert oldest[name].release[:2] == (Version(lowest).release + (0,))[:2], requirement


@pytest.mark.skipif(os.environ.get("STACK") == "newest", reason="newest ignores the ranges")
def test_what_is_installed_is_within_the_ranges():
    for requirement in requirements():
        assert requirement.specifier.contains(Version(version(requirement.name)))


def calls():
    """(where, call) for every call in our Python files and in the lessons' code cells."""
    sources = [(p, (ROOT / p).read_text(encoding="utf-8")) for p in tracked() if p.suffix == ".py"]
    for path in runner.LESSONS:
        cells = [cell.source for cell in runner.read(path).cells if cell.cell_type == "code"]
        sources += [(path.name, source) for source in cells]
    for path, source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call):
                yield f"{path}, line {node.lineno}: {ast.unparse(node)[:60]}", node


def names_no_encoding(call):
    """Whether `call` reads or writes text in whatever encoding the machine has."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
    if "encoding" in given:
        return False
    if name == "open":
        places = call.args[:1] if isinstance(call.func, ast.Attribute) else call.args[1:2]
        mode = given.get("mode", getattr(places[0], "value", "r") if places else "r")
        return getattr(call.func, "value", None) is None and "b" not in str(mode)
    binary = name == "NamedTemporaryFile" and (not call.args or "b" in call.args[0].value)
    texts = ("read_text", "write_text", "NamedTemporaryFile")
    return given.get("text") is True or (name in texts and not binary)


def test_text_is_read_and_written_in_an_encoding_that_is_named():
    assert [where for where, call in calls() if names_no_encoding(call)] == []


@pytest.mark.parametrize(
    "code, wrong",
    [
        ("path.read_text()", True),
        ("path.write_text(x)", True),
        ("open(path)", True),
        ("open(path, 'w')", True),
        ("subprocess.run(x, text=True)", True),
        ("NamedTemporaryFile('w')", True),
        ("NamedTemporaryFile()", False),
        ("open(path, 'rb')", False),
        ("open(path, mode='rb')", False),
        ("path.read_text(encoding='utf-8')", False),
        ("subprocess.run(x, encoding='utf-8')", False),
    ],
)
def test_a_call_without_an_encoding_is_found(code, wrong):
    assert names_no_encoding(ast.parse(code).body[0].value) == wrong


EVERYTHING = r"""
import locale, sys
sys.path.insert(0, "helpers")
assert "played" not in sys.argv or "utf" not in locale.getpreferredencoding(False).lower()
import colab
from helpers import base_model, catalogue, hub, packages, profiles, questions
assert packages.requirements() and colab.missing() is not None
assert [len(catalogue.load(split)) for split in catalogue.SPLITS] == [4000, 500, 1000]
assert base_model.load_tokenizer("pocket-llama").encode("\u00e9")
assert hub.resolve(profiles.POCKET).base_revision
assert len(questions.load()) == 9
print("all there")
"""


def in_ascii(folder):
    """Load every shipped file in `folder`'s copy of the course where text is ASCII by default.

    ASCII stands for cp932, cp949, cp950 and the others: it can decode none of our text. It is
    played on Linux, unless torch itself would be imported from a path that is not ASCII.
    """
    played = sys.platform == "linux" and sys.prefix.isascii()
    ascii_locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    return subprocess.run(
        [sys.executable, "-c", EVERYTHING, *["played"] * played],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | (ascii_locale if played else {}),
    )


def test_a_clone_made_with_autocrlf_loads_in_a_locale_that_is_not_utf_8(tmp_path):
    """Both as with Git for Windows on a Japanese or Korean machine."""
    commit_of_the_tree(tmp_path / "here")
    git("clone", "-q", "-c", "core.autocrlf=true", "here", "there", cwd=tmp_path)
    there = tmp_path / "there"
    assert b"\r\n" in (there / "README.md").read_bytes(), "autocrlf was not played"
    assert b"\r\n" not in (there / "Makefile").read_bytes()
    done = in_ascii(there)
    assert done.stdout == "all there\n", done.stderr


def test_no_test_that_needs_a_card_runs_by_default(request):
    """Each writes 16 GB or trains an 8B: `make test-gpu` alone may run them."""
    text = (ROOT / "tests" / "gpu" / "test_gpu.py").read_text(encoding="utf-8")
    tests = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    tests = [test for test in tests if test.name.startswith("test_")]
    marked = [t for t in tests if "needs_gpu" in map(ast.unparse, t.decorator_list)]
    assert len(tests) - len(marked) == 2 and len(marked) >= 5  # two need no card
    if request.config.option.markexpr != "gpu":
        assert not [i.name for i in request.session.items if i.get_closest_marker("gpu")]
        assert not torch.cuda.is_available()


def test_the_workflows_name_their_actions_by_hash_and_may_only_read():
    """Two jobs may write: a fresh copy's address into its own notebooks, and the site to Pages."""
    may_write = {"stamp": ["contents"], "pages": ["pages", "id-token"]}
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        used = re.findall(r"uses: (.+)", text)
        assert used and all(re.fullmatch(r"\S+@[0-9a-f]{40} # v[\d.]+", line) for line in used)
        assert re.findall(r"(?m)^permissions:\n((?:  .+\n)+)", text) == ["  contents: read\n"]
        assert re.findall(r"(\S+): write\b", text) == may_write.get(path.stem, [])


def imports_of(path):
    """The modules of helpers that the module at `path` imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            inside = node.module.split(".")[1:]
            found |= {".".join(inside)} if inside else {alias.name for alias in node.names}
    return found - {"ROOT", "DATA", "BUILD", "INSTALL", "write_json"}


# Each may import what is above it, nothing below. A lesson's own modules may import all of these,
# and no other lesson's.
ORDER = """questions progress packages comparing asserts limits environment saving profiles catalogue
base_model earlier market hub colab shapes counting activations memory pricing scoring tuning runs
exercises plots svg widgets game quiz doctor""".split()


def test_arrows_point_one_way():
    helpers = ROOT / "helpers"
    assert {p.stem for p in helpers.glob("*.py")} == {*ORDER, "__init__"}
    for name in ORDER:
        for imported in imports_of(helpers / f"{name}.py"):
            assert ORDER.index(imported) < ORDER.index(name), f"{name} imports {imported}"
    for path in helpers.glob("lesson_*/*.py"):
        for imported in imports_of(path):
            first, *rest = imported.split(".")
            assert first in ORDER or first == path.parent.name, f"{path} imports {imported}"


def test_only_environment_asks_the_machine():
    asks = r"torch\.cuda\.(is_available|get_device|mem_get)|psutil|disk_usage|COLAB_RELEASE_TAG"
    found = {
        path.stem
        for path in (ROOT / "helpers").rglob("*.py")
        if re.search(asks, path.read_text(encoding="utf-8"))
    }
    assert found == {"environment"}


def test_colours_are_named_in_plots_alone():
    literal = r"[\"']#[0-9A-Fa-f]{6}[\"']"
    for path in (ROOT / "helpers").rglob("*.py"):
        if path.name != "plots.py" or path.parent.name != "helpers":
            assert not re.search(literal, path.read_text(encoding="utf-8")), path


def test_helpers_import_without_torch():
    modules = ["helpers", "helpers.catalogue", "helpers.exercises", "helpers.plots"]
    modules += ["helpers.svg", "helpers.widgets", "helpers.counting", "helpers.memory"]
    modules += [f"helpers.lesson_{path.stem[:2]}.plots" for path in runner.LESSONS]
    with_widget = {path.parent.name for path in (ROOT / "helpers").glob("*/widget.py")}
    modules += [
        f"helpers.{name}.widget" for name in with_widget - {"lesson_08"}
    ]  # a torch trainer's
    code = f"import sys, {', '.join(modules)}\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_readme_names_every_lesson_and_its_links_resolve():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in runner.LESSONS:
        assert f"](notebooks/{path.name})" in readme
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", readme):
        target = target[0] or target[1]
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_the_readmes_table_is_made_of_the_title_cells():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in runner.LESSONS:
        assert links.table_row(path) in readme.splitlines(), "run: make links"


def test_readme_gives_the_measured_result():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [path] = [path for path in runner.LESSONS if path.stem.startswith("08")]
    values = runner.settings(path)["values"]
    for expression in (
        "tuned_errors.mean()",
        "floor",
        "ridge.mean()",
        "scoring.absolute_errors(guesses['words, boosted trees'], prices).mean()",
        "untuned.mean()",
    ):
        assert f"${values[expression]['value']:.1f}" in readme, expression


def test_each_minute_of_a_lecture_leads_to_a_section_that_exists():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"(?m)^\| .+ \| (\d:\d\d|page) \| .+ \| \[(\d)\]\(notebooks/(.+)\), \*(.+)\* \|$", readme
    )
    assert len(rows) == 49
    for _, number, name, section in rows:
        assert name.startswith(f"0{number}_")
        prose = "\n".join(c.source for c in runner.read(ROOT / "notebooks" / name).cells)
        assert f"## {section}\n" in prose, section


def test_what_the_readme_says_of_the_lectures_was_printed_by_the_lesson_that_it_names():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| said | what is so | shown in |")[2].partition("</details>")[0]
    rows = re.findall(r"(?m)^\| .+ \| (.+) \| \[\d\]\(notebooks/(.+)\), \*(.+)\* \|$", table)
    assert len(rows) == len(table.strip().splitlines()) - 1 >= 13
    for measured, name, section in rows:
        cells = runner.read(ROOT / "notebooks" / name).cells
        assert any(f"## {section}\n" in cell.source for cell in cells), section
        said = "\n".join(runner.all_text_of(c) for c in cells if c.cell_type == "code")
        for number in re.findall(r"`(.+?)`", measured):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", said), (name, number)
