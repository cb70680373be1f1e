"""Change the helpers in one place, and see whether a test notices: `make mutants`.

mutmut makes the changes. Its own runner changes functions alone and hands checks other functions
than the file has; here a file is changed as a whole, so that profiles, constants and checks count.
The tests of a change run in a fork of a process that has torch and the rest imported.
"""

import gc
import os
import random
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from difflib import unified_diff
from importlib import import_module
from pathlib import Path

import libcst as cst
import pytest
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).resolve().parents[2]

HELPERS, LESSONS = "tests/helpers/test_{}.py", "tests/lessons/test_{}.py"
OPTIONS = ["-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not gpu and not lesson"]
COUNTED = [*map(HELPERS.format, ("counting", "memory")), "-k", "counting or stored or footprints"]
# pytest's arguments for modules that have no test file of their own name, or more than one
TESTS = {
    "activations": [HELPERS.format("memory")],
    "base_model": [*map(HELPERS.format, ("base_model", "hub")), "-k", "base_model or in_4_bits"],
    "catalogue": [*map(HELPERS.format, ("catalogue", "hub")), "-k", "catalogue or laid_out"],
    "colab": [LESSONS.format("colab"), "-k", "pip_that or drive or missing or held_to or torchao"],
    "comparing": [HELPERS.format("exercises"), LESSONS.format("answers")],
    "counting": COUNTED,
    "exercises": [HELPERS.format(name) for name in ("exercises", "progress")],
    "packages": [HELPERS.format("doctor")],
    "questions": [HELPERS.format("quiz")],
    "runs": [HELPERS.format(name) for name in ("runs", "saving")],
    "shapes": COUNTED,
    "widgets": [HELPERS.format(name) for name in ("calculator", "game", "quiz")],
}


class EveryFunction(MutationVisitor):
    """mutmut's own, which also enters decorated functions."""

    def _skip_node_and_children(self, node):
        decorated = isinstance(node, cst.FunctionDef) and node.decorators
        return not decorated and super()._skip_node_and_children(node)


def mutants(code: str, sample: int) -> tuple[list[str], int]:
    """(`code` with one change, for each of `sample` random changes; how many there are).

    Of the changes of a text, only the one that puts XX around it.
    """
    wrapper = cst.MetadataWrapper(cst.parse_module(code))
    visitor = EveryFunction(mutation_operators, IgnoredCode(set(), set(), set()))
    wrapper.visit(visitor)
    changes = [(change.original_node, change.mutated_node) for change in visitor.mutations]
    changes = [
        (old, new)
        for old, new in changes
        if not isinstance(old, cst.SimpleString) or new.raw_value.startswith("XX")
    ]
    chosen = random.Random(0).sample(changes, min(sample, len(changes)))
    return [wrapper.module.deep_replace(old, new).code for old, new in chosen], len(changes)


def tests_of(path: Path) -> list[str]:
    """pytest's arguments for the tests of helpers/<name>.py or helpers/lesson_NN/checks.py."""
    if path.stem == "checks":
        files = [LESSONS.format("mistakes"), LESSONS.format("answers")]
        return [*files, "-k", f"{path.parent.name[-2:]}. or {path.parent.name}"]
    return TESTS.get(path.stem, [HELPERS.format(path.stem)])


def passes(tests: list[str], seconds: float, after=lambda: None) -> bool | None:
    """Whether `tests` pass in a fork, None after so many seconds; `after` is run there at the end."""
    gc.freeze()  # a fork need not look through all that was imported
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setsid()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1), os.dup2(nowhere, 2)
            code = int(pytest.main([*OPTIONS, *tests]))
            after()
        finally:
            os._exit(code)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, 9)
    os.waitpid(child, 0)
    return None


def judge(path: Path, sample: int) -> tuple[int, int, int]:
    """(killed, too slow, tried) of `sample` random changes of a file of the copy.

    Prints the survivors, and those whose tests take too long: a loop without an end, or luck.
    """
    code, tests = path.read_text(encoding="utf-8"), tests_of(path)
    start, seen = time.monotonic(), Path("seen.txt")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if not passes(tests, 600, lambda: seen.write_text(" ".join(sys.modules), encoding="utf-8")):
        sys.exit(f"{path}: its tests fail without a change: pytest {' '.join(tests)}")
    seconds = time.monotonic() - start
    ours = {file.stem for file in Path().rglob("*.py")} | {"helpers", "answers"}
    for name in seen.read_text(encoding="utf-8").split():  # so that each fork finds them imported
        if name.partition(".")[0] not in ours:
            with suppress(Exception):
                import_module(name)
    # From here on the bytecode of the unchanged files is read, and none is written: two changes in
    # one second would share it.
    os.environ["PYTHONDONTWRITEBYTECODE"], sys.dont_write_bytecode = "1", True
    chosen, n_changes = mutants(code, sample)
    killed = slow = 0
    for changed in chosen:
        path.write_text(changed, encoding="utf-8")
        passed = passes(tests, 20 + 3 * seconds)
        killed, slow = killed + (passed is False), slow + (passed is None)
        if passed is not False:
            lines = unified_diff(code.splitlines(), changed.splitlines(), n=0, lineterm="")
            said = "survives" if passed else "too slow"
            print(f"\n{path}: {said}", *list(lines)[2:], sep="\n", flush=True)
    path.write_text(code, encoding="utf-8")
    print(
        f"\n{path}: {killed} of {len(chosen)} killed, {slow} too slow (of {n_changes})", flush=True
    )
    return killed, slow, len(chosen)


def main(files: list[str], sample: int) -> None:
    paths = [Path(file) for file in files] or sorted(
        path.relative_to(ROOT)
        for pattern in ("*.py", "lesson_*/checks.py")
        for path in (ROOT / "helpers").glob(pattern)
        if path.stem not in ("__init__", "plots")
    )
    with tempfile.TemporaryDirectory() as folder:
        hidden = shutil.ignore_patterns(".*", "build", "__pycache__")
        shutil.copytree(ROOT, folder, ignore=hidden, dirs_exist_ok=True)
        os.chdir(folder)
        os.environ["PYTHONPATH"] = folder
        sys.path[:0] = [folder]
        scores = [judge(path, sample) for path in paths]
    killed, slow, tried = map(sum, zip(*scores, strict=True))
    print(f"\n{killed} of {tried} changes were noticed, {slow} too slow: {killed / tried:.0%}")


if __name__ == "__main__":
    main(sys.argv[2:], int(sys.argv[1]))
