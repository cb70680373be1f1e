"""The house: what stands where, one place for each version range, a README that says what was measured."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import lesson_runner as runner
from packaging.version import Version

from helpers import ROOT, colab
from helpers.colab import requirements

TOP = {"README.md", "requirements.txt", "pyproject.toml", "Makefile", "LICENSE"}
TOP |= {"notebooks", "helpers", "data", "tests", ".ci", ".github", ".gitignore"}


def tracked():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in done.stdout.splitlines()]


def test_nothing_else_stands_at_the_top():
    assert {path.parts[0] for path in tracked()} <= TOP


def test_the_repository_stays_small():
    assert sum((ROOT / path).stat().st_size for path in tracked()) < 25e6


def test_a_version_range_stands_in_one_file_only():
    for path in tracked():
        if path.suffix in {".py", ".toml", ".md"} or path.name == "Makefile":
            text = (ROOT / path).read_text()
            for requirement in requirements():
                assert not re.search(rf"\b{requirement.name}\s*(>=|==|<|~=)\s*\d", text), (
                    path,
                    requirement,
                )


def pins_of(stack):
    text = (ROOT / "tests" / "stacks" / f"{stack}.txt").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))
    return {name.lower().replace("_", "-"): Version(pin) for name, pin in pins.items()}


def test_both_stacks_are_within_the_ranges():
    pinned, colabs = pins_of("pinned"), pins_of("colab")
    for requirement in requirements():
        assert requirement.specifier.contains(pinned[requirement.name.lower()])
        if requirement.name in colabs and requirement.name not in colab.ADDED:
            assert requirement.specifier.contains(colabs[requirement.name]), requirement


def test_what_is_installed_is_within_the_ranges():
    for requirement in requirements():
        assert requirement.specifier.contains(Version(version(requirement.name)))


def test_helpers_import_without_torch():
    code = (
        "import sys, helpers, helpers.catalogue, helpers.checks, helpers.plots, helpers.widgets\n"
    )
    code += "import helpers.plots.training, helpers.plots.tensors\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_readme_names_every_lesson_and_its_links_resolve():
    readme = (ROOT / "README.md").read_text()
    for path in runner.LESSONS:
        assert f"](notebooks/{path.name})" in readme
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", readme):
        target = target[0] or target[1]
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_readme_gives_the_measured_result():
    readme = (ROOT / "README.md").read_text()
    expected = tomllib.loads((runner.TESTS / "expected" / "08_qlora_sft.toml").read_text())
    for expression in (
        "tuned_errors.mean()",
        "floor",
        "scoring.absolute_errors(guesses['words, ridge'], prices).mean()",
        "scoring.absolute_errors(guesses['words, boosted trees'], prices).mean()",
        "untuned.mean()",
    ):
        assert f"${expected[expression]['value']:.1f}" in readme, expression
