"""Open in Colab: the first cell of every lesson, played as closely as this machine can.

`make test STACK=colab` makes an environment of what Colab comes with and runs every lesson there
from an empty folder. What needs no such environment is tested in any.
"""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import lesson_runner as runner
import links
import pytest
from support import commit_of_the_tree
from test_lessons import judge, prepared, report

ROOT = runner.TESTS.parent
HEAD = runner.read(runner.LESSONS[0]).cells[1].source
LISTS = Path(os.environ.get("COLAB_LISTS", ROOT.parent / "shared" / "colab"))
AS_IN_COLAB = {
    "COLAB_RELEASE_TAG": "release-colab-20260819-060048_RC00",
    "PYTHONPATH": os.pathsep.join(str(runner.TESTS / n) for n in ("no_network", "colab_like")),
}
stack_colab = pytest.mark.skipif(
    os.environ.get("STACK") != "colab", reason="needs Colab's packages: make test STACK=colab"
)
sys.path.insert(0, str(ROOT / "helpers"))
import colab as setup  # noqa: E402  helpers/ is not installed in Colab, nor in its stack


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A file:// address of the repository with the working tree as it is now."""
    folder = tmp_path_factory.mktemp("repository")
    commit_of_the_tree(folder)
    return folder.as_uri()


@pytest.fixture(scope="module")
def as_colab_comes():
    """Colab's own packages, whatever an earlier run of these tests added."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "uninstall", "-qy", "trl", "bitsandbytes"], check=True)
    stack = runner.TESTS / "stacks" / "colab.txt"
    subprocess.run([*pip, "install", "-q", "-r", str(stack)], check=True)
    assert setup.missing(), "nothing is missing: this is not as Colab comes"


@stack_colab
@pytest.mark.lesson
@pytest.mark.parametrize("path", runner.LESSONS, ids=lambda path: path.stem)
def test_lesson_from_an_empty_folder(path, repository, as_colab_comes, record_property):
    notebook, expected = prepared(path)
    for cell in notebook.cells:  # a second run in the kernel runs it a second time
        cell.source = links.stamp_cell(cell.source, repository, "main")
    run = runner.run(notebook, path.stem, list(expected), AS_IN_COLAB)
    report(record_property, run, path)
    with runner.kept_if_it_fails(path.stem, run.notebook):
        judge(run, path, expected)
    assert runner.text_of(run.notebook.cells[1]) == (
        "Google Colab with the CPU: profile pocket. For a GPU: Runtime → Change runtime type.\n"
    )
    seconds = run.notebook.cells[1].metadata.papermill.duration
    print(f"\n{path.stem}: first cell {seconds:.0f} s", end=" ")
    assert setup.missing() == [] and setup.installed("torchao") == "0"


def run_head(folder, url, env=AS_IN_COLAB, ref="main"):
    """Run the first cell alone in `folder`; a CompletedProcess."""
    source = links.stamp_cell(HEAD, url, ref)
    (folder / "cell.py").write_text(source, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "cell.py"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | env,
    )


def test_elsewhere_the_first_cell_does_nothing(tmp_path):
    (tmp_path / "cell.py").write_text(
        links.stamp_cell(HEAD, "file:///nowhere", "main"), encoding="utf-8"
    )
    env = {k: v for k, v in os.environ.items() if k != "COLAB_RELEASE_TAG"}
    done = subprocess.run([sys.executable, "cell.py"], cwd=tmp_path, capture_output=True, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [p.name for p in tmp_path.iterdir()] == ["cell.py"]


def test_unstamped_it_says_so(tmp_path):
    done = run_head(tmp_path, "https://github.com/OWNER/REPO")
    assert "Not stamped yet: its maintainer runs make links REPO=" in done.stderr


def test_a_failed_fetch_is_said_and_the_next_one_starts_over(tmp_path, repository):
    done = run_head(tmp_path, "file:///no/such/repository")
    assert "Could not fetch main of file:///no/such/repository: run this cell again" in done.stderr
    done = run_head(tmp_path, repository, ref="no-such-branch")
    assert "Could not fetch no-such-branch" in done.stderr
    done = run_head(tmp_path, repository)  # the half-made folder of before is in the way no more
    assert (tmp_path / "course" / "data" / "train.jsonl").exists(), done.stderr


def test_pip_that_fails_says_what_to_do():
    with pytest.raises(RuntimeError, match="pip could not .*(?s:.*)Disconnect and delete runtime"):
        setup.pip("install", "--no-index", "no-such-package-at-all")


def test_only_what_is_missing_is_asked_for(monkeypatch):
    there = {"trl": "1.13.0", "bitsandbytes": "0.50.2", "datasets": "4.0.0"}
    monkeypatch.setattr(setup, "installed", there.get)
    assert [line.partition("<")[0] for line in setup.missing()] == ["datasets"]
    kept = setup.others()
    assert any(pin.startswith("numpy==") for pin in kept)
    assert not {pin.partition("==")[0] for pin in kept} & setup.MAY_MOVE


def test_the_repositorys_address_is_the_same_everywhere():
    repo, ref = links.address()
    texts = [links.README.read_text(encoding="utf-8")]
    texts += [cell.source for path in runner.LESSONS for cell in runner.read(path).cells]
    for text in texts:
        assert links.stamp(text, repo, ref) == text
    assert sum(f"blob/{ref}/notebooks/" in text for text in texts) == 1 + len(runner.LESSONS)


def test_stamping_changes_badges_and_first_cells_and_nothing_else():
    notebook = runner.read(runner.LESSONS[0])
    before = runner.sources_sha256(notebook)
    for cell in notebook.cells:
        cell.source = links.stamp(cell.source, "some/where", "v1.2")
    assert "github/some/where/blob/v1.2/notebooks/01_tensors.ipynb" in notebook.cells[0].source
    assert 'COURSE, REF = "https://github.com/some/where", "v1.2"' in notebook.cells[1].source
    assert runner.sources_sha256(notebook) == before  # no output has to be made again
    notebook.cells[1].source += "\n"
    assert runner.sources_sha256(notebook) != before
    with pytest.raises(SystemExit, match="wanted owner/name"):
        links.main("not an address")


def stub_of_torch(folder, version):
    """A wheel of Colab's torch with no dependencies: its own are not on the package index."""
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}"
        )
        tags = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any"
        wheel.writestr(f"{info}/WHEEL", tags)
        wheel.writestr(f"{info}/RECORD", "")


@stack_colab
@pytest.mark.parametrize(
    "name, python",
    [
        ("pip-freeze.gpu.txt", "3.13"),
        ("pip-freeze.gpu.txt", "3.12"),
        ("2026.07/pip-freeze.gpu.txt", "3.12"),  # its numpy 2.0.2 has no wheel for 3.13
    ],
)
def test_what_the_first_cell_installs_moves_nothing_else(name, python, tmp_path):
    """pip resolves it against Colab's own list, every other package held where it is."""
    if not (LISTS / name).exists():
        pytest.skip(f"no list of Colab's packages in {LISTS} (set COLAB_LISTS)")
    lines = [
        line for line in (LISTS / name).read_text(encoding="utf-8").splitlines() if "==" in line
    ]
    there = {n.lower().replace("_", "-"): v for n, v in (line.split("==") for line in lines)}
    kept = [f"{n}=={v}" for n, v in there.items() if n not in setup.MAY_MOVE]
    (tmp_path / "constraints.txt").write_text("\n".join(kept), encoding="utf-8")
    stub_of_torch(tmp_path, there["torch"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup, "installed", lambda package: there.get(package, "0"))
        wanted = setup.missing()
    assert wanted
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in range(5, 36)]
    report = tmp_path / "report.json"
    options = ["--dry-run", "--quiet", "--ignore-installed", "--only-binary=:all:"]
    options += [f"--report={report}", f"--target={tmp_path}", f"--python-version={python}"]
    options += [*platforms, "--platform=manylinux2014_x86_64", f"--find-links={tmp_path}"]
    setup.pip("install", *options, "--constraint", str(tmp_path / "constraints.txt"), *wanted)
    found = [item["metadata"] for item in json.loads(report.read_text(encoding="utf-8"))["install"]]
    found = {item["name"].lower().replace("_", "-"): item["version"] for item in found}
    moved = {package for package, version in found.items() if there.get(package) != version}
    assert moved and moved <= setup.MAY_MOVE
