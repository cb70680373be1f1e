"""Open in Colab: the first cell of every lesson, played as closely as this machine can.

`make test STACK=colab` makes an environment of what Colab comes with and runs every lesson there
from an empty folder, as a notebook of a fork's branch. What needs no such environment is tested in
any: a small repository takes the course's place, a server that of Colab's session list, and
fakes/colab that of the browser. git's url.….insteadOf leads from github.com to a folder.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import first_cell
import nbformat
import pytest
import run_lessons as runner
from judging import as_committed, judge, report
from support import commit_of_the_tree, git

from helpers import colab, packages

REPO, FORK = "some-one/the.course", "fork.er/a-b_c.d"
LISTS = os.environ.get("COLAB_LISTS")  # a clone of github.com/googlecolab/backend-info
FAKES = [str(runner.TESTS / "fakes" / name) for name in ("no_network", "colab")]
AS_IN_COLAB = {
    "COLAB_RELEASE_TAG": "release-colab-20260819-060048_RC00",
    "PYTHONPATH": os.pathsep.join(FAKES),
}
KERNEL = "7a5f0d3c-2f2e-4f0b-9a2e-3a1f7b1d9c55"
NOTHING = {"COURSE_BROWSER": "null"}  # a browser that answers, but knows nothing
NOBODY = {"COURSE_BROWSER": None}  # no browser
UNKNOWN = "does not say which repository it is from"
stack_colab = pytest.mark.skipif(
    os.environ.get("STACK") != "colab", reason="needs Colab's packages: make test STACK=colab"
)
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="Colab has curl; this has not")


# ---- a repository, Colab's session list, and the browser


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A repository whose helpers/colab.py prints which ref it is of."""
    folder = tmp_path_factory.mktemp("small")
    git("init", "-q", "-b", "main", cwd=folder)
    (folder / "helpers").mkdir()
    for ref in ("main", "feature/x", "a/notebooks/b", "fix#12", "no-course"):
        git("checkout", "-q", "-B", ref, cwd=folder)
        (folder / "helpers" / "colab.py").write_text(f"print('ran {ref}')\n", encoding="utf-8")
        if ref == "no-course":
            (folder / "helpers" / "colab.py").rename(folder / "README.md")
        git("add", "-A", cwd=folder)
        git("commit", "-qm", ref, cwd=folder)
        git("tag", f"tag-of-{ref}", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A repository with the working tree as it is now, on main and on feature/x."""
    folder = tmp_path_factory.mktemp("whole")
    commit_of_the_tree(folder)
    git("branch", "feature/x", cwd=folder)
    return folder


def on_github(repo, folder):
    """The environment in which git finds `folder` at github.com/`repo`, and nothing else there."""
    leads = {folder.as_uri(): f"https://github.com/{repo}", "file:///nowhere/": "https://"}
    env = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_COUNT": str(len(leads))}
    for n, (there, name) in enumerate(leads.items()):
        env |= {f"GIT_CONFIG_KEY_{n}": f"url.{there}.insteadOf", f"GIT_CONFIG_VALUE_{n}": name}
    return env


@contextmanager
def sessions(answer):
    """The environment with a server that answers with `answer`, or as `answer(handler)` does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if callable(answer):
                return answer(self)
            self.send_response(200 if self.path == "/api/sessions" else 404)
            self.end_headers()
            self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.over = True, threading.Event()
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield {"COLAB_JUPYTER_IP": "127.0.0.1", "KMP_TARGET_PORT": str(server.server_port)}
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


def lesson_at(repo, ref):
    return f"https://github.com/{repo}/blob/{quote(ref)}/notebooks/01_tensors.ipynb"


def session(file_id, kernel=KERNEL):
    path = f"fileId={quote(file_id, safe='')}"
    return {"id": "s", "name": "01_tensors.ipynb", "path": path, "kernel": {"id": kernel}}


def browser(*file_ids):
    """The environment with a browser that shows a notebook made from these, the newest first."""
    provenance = [{"file_id": file_id, "timestamp": 1_700_000_000_000} for file_id in file_ids]
    notebook = {"cells": [], "metadata": {"colab": {"provenance": provenance}}}
    return {"COURSE_BROWSER": json.dumps({"ipynb": notebook})}


def short(value):
    """`value` as the name of a test."""
    return getattr(value, "__name__", ascii(value)[:80])


def run_cell(folder, *env, stamp=first_cell.UNSTAMPED, source=None):
    """Run the first cell (or `source`) alone in `folder`; a CompletedProcess."""
    cell = source or first_cell.source(*stamp)
    (folder / "cell.py").write_text(cell, encoding="utf-8")
    all_env = os.environ | AS_IN_COLAB | NOTHING | {"GIT_TRACE": str(folder / "git.log")}
    for more in env:
        all_env |= more
    return subprocess.run(
        [sys.executable, "cell.py", "-f", f"/root/.local/share/jupyter/kernel-{KERNEL}.json"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env={name: value for name, value in all_env.items() if value is not None},
        timeout=60,
    )


def fetched(folder):
    """What git was told to fetch so far: [the arguments of each fetch]."""
    log = folder / "git.log"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [line.partition("--depth 1 ")[2] for line in lines if "built-in: git fetch" in line]


# ---- where the notebook was opened from


@pytest.mark.parametrize("repo", [REPO, FORK])
@pytest.mark.parametrize("ref", ["main", "feature/x", "a/notebooks/b", "fix#12", "tag-of-main"])
def test_opened_from_github_it_runs_that_repository_at_that_ref(repo, ref, small, tmp_path):
    with sessions([session(lesson_at(repo, ref))]) as colab_has:
        done = run_cell(tmp_path, colab_has, on_github(repo, small), browser(lesson_at(REPO, "x")))
    assert done.stdout == f"{repo}@{ref}\nran {ref.removeprefix('tag-of-')}\n", done.stderr


def test_a_commit_is_a_ref_too(small, tmp_path):
    commit = (small / ".git" / "refs" / "heads" / "main").read_text(encoding="utf-8").strip()
    with sessions([session(lesson_at(REPO, commit))]) as colab_has:
        done = run_cell(tmp_path, colab_has, on_github(REPO, small))
    assert done.stdout == f"{REPO}@{commit}\nran main\n", done.stderr


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_sessions_it_takes_its_own_kernels(order, small, tmp_path):
    open_now = [
        session(lesson_at("else/where", "main"), "another-kernel"),
        session(lesson_at(FORK, "feature/x")),
        session("1dRiVeId", "a-third"),
    ]
    with sessions(open_now[::order]) as colab_has:
        done = run_cell(tmp_path, colab_has, on_github(FORK, small))
    assert done.stdout == f"{FORK}@feature/x\nran feature/x\n", done.stderr


def test_an_only_session_is_its_own_whatever_the_kernels_id(small, tmp_path):
    with sessions([session(lesson_at(FORK, "main"), "not-in-the-arguments")]) as colab_has:
        done = run_cell(tmp_path, colab_has, on_github(FORK, small))
    assert done.stdout == f"{FORK}@main\nran main\n", done.stderr


def test_a_proxy_is_not_in_the_way(small, tmp_path):
    proxy = {name: "http://127.0.0.1:9" for name in ("http_proxy", "all_proxy")}
    with sessions([session(lesson_at(FORK, "main"))]) as colab_has:
        done = run_cell(tmp_path, colab_has, proxy, on_github(FORK, small))
    assert done.stdout == f"{FORK}@main\nran main\n", done.stderr


def test_of_several_sessions_that_are_all_anothers_it_takes_none(small, tmp_path):
    open_now = [session(lesson_at("else/where", "main"), f"other-{n}") for n in range(2)]
    with sessions(open_now) as colab_has:
        done = run_cell(tmp_path, colab_has, on_github(REPO, small), stamp=(REPO, "main"))
    assert done.stdout == f"{REPO}@main\nran main\n", done.stderr


def test_a_copy_in_drive_runs_the_newest_repository_that_it_was_made_from(small, tmp_path):
    copy = browser("1aNoThEr", lesson_at(FORK, "feature/x"), lesson_at(REPO, "main"))
    with sessions([session("1dRiVeId")]) as colab_has:
        done = run_cell(
            tmp_path, colab_has, copy, on_github(FORK, small), stamp=("else/where", "main")
        )
    assert done.stdout == f"{FORK}@feature/x\nran feature/x\n", done.stderr


@pytest.mark.parametrize("ref", ["main", "feature/x"])
def test_where_neither_is_known_it_runs_the_stamped_address(ref, small, tmp_path):
    with sessions([session("1dRiVeId")]) as colab_has:
        done = run_cell(tmp_path, colab_has, on_github(REPO, small), stamp=(REPO, ref))
    assert done.stdout == f"{REPO}@{ref}\nran {ref}\n", done.stderr


def test_with_no_address_at_all_it_says_what_to_do_and_fetches_nothing(tmp_path):
    with sessions([session(lesson_at("OWNER/REPO", "main"))]) as colab_has:
        done = run_cell(tmp_path, colab_has, browser(lesson_at("OWNER/REPO", "main")))
    assert done.stdout == "" and UNKNOWN in done.stderr
    assert "Open it with its badge on GitHub" in done.stderr
    assert not (tmp_path / "git.log").exists() and not (tmp_path / "course").exists()


# ---- answers that are none


def redirect(handler):
    """Elsewhere on the same server is a list that would do."""
    if handler.path == "/api/sessions":
        handler.send_response(302)
        handler.send_header("Location", "/elsewhere")
        handler.end_headers()
    else:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(json.dumps([session(lesson_at("else/where", "main"))]).encode())


def fault(handler):
    handler.send_error(500, "a page in HTML")


def hang(handler):
    handler.server.over.wait(60)


def drip(handler):
    """A byte every 0.1 s: no single wait is long."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while not handler.server.over.wait(0.1):
            handler.wfile.write(b" ")
    except OSError:  # it has hung up
        pass


GARBAGE = [b"", b"not JSON", b"<html>sign in</html>", b"\xff\xfe\x00", b"[" * 100_000, fault]
GARBAGE += [redirect, None, 7, {}, [], {"path": "x"}, ["x"], [[]], [None], [{}], [{"name": "x"}]]
GARBAGE += [[{"path": None}], [{"path": 7}], [{"path": ["x"]}], [{"path": ""}], [{"path": "x"}] * 2]
GARBAGE += [[session(lesson_at("else/where", "main")) | {"kernel": None}] * 2]


@pytest.mark.parametrize("answer", GARBAGE, ids=short)
def test_a_useless_session_list_is_ignored(answer, small, tmp_path):
    with sessions(answer) as colab_has:
        copy = browser(lesson_at(REPO, "main"))
        done = run_cell(tmp_path, colab_has, copy, on_github(REPO, small))
    assert (done.stdout, done.stderr) == (f"{REPO}@main\nran main\n", "")


@pytest.mark.parametrize(
    "env", [{}, {"COLAB_JUPYTER_IP": "127.0.0.1", "KMP_TARGET_PORT": "9"}], ids=["unset", "closed"]
)
def test_without_a_session_list_it_goes_on(env, small, tmp_path):
    done = run_cell(tmp_path, env, browser(lesson_at(REPO, "main")), on_github(REPO, small))
    assert (done.stdout, done.stderr) == (f"{REPO}@main\nran main\n", "")


@pytest.mark.parametrize(
    "reply",
    ["null", "7", "[]", "{}", '"x"', '{"ipynb": null}', '{"ipynb": {"metadata": {}}}']
    + [browser()["COURSE_BROWSER"].replace("[]}}", f"{odd}}}}}") for odd in ("7", "[7]", "[{}]")],
)
def test_a_useless_reply_of_the_browser_is_ignored(reply, small, tmp_path):
    env = [{"COURSE_BROWSER": reply}, on_github(REPO, small)]
    done = run_cell(tmp_path, *env, stamp=(REPO, "main"))
    assert (done.stdout, done.stderr) == (f"{REPO}@main\nran main\n", "")


@pytest.mark.parametrize("server", [hang, drip])
def test_it_waits_three_seconds_at_most(server, tmp_path):
    came = []

    def answer(handler):
        came.append(time.time())
        server(handler)

    log = tmp_path / "browser.log"
    with sessions(answer) as colab_has:
        done = run_cell(tmp_path, colab_has, NOBODY, {"COURSE_BROWSER_LOG": str(log)})
    assert UNKNOWN in done.stderr
    [(request, asked, limit)] = [
        json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()
    ]
    assert request == "get_ipynb"
    assert 0 < limit and asked - came[0] + limit < 3.8  # 3, and what a busy machine adds


# ---- addresses that must not be followed

PLACE = "blob/main/notebooks/01_tensors.ipynb"
HOSTILE = [
    f"https://evil.example/o/r/{PLACE}",
    f"http://github.com/o/r/{PLACE}",
    f"https://github.com.evil.example/o/r/{PLACE}",
    f"https://github.com@evil.example/o/r/{PLACE}",
    f"https://me:secret@github.com/o/r/{PLACE}",
    f"https://evil.example/?https://github.com/o/r/{PLACE}",
    f"https://github.com/o/r.git;touch pwned/{PLACE}",
    f"https://github.com/o/$(touch pwned)/{PLACE}",
    f"https://github.com/../r/{PLACE}",
    f"https://github.com/../../{PLACE}",
    f"https://github.com/o/r/x/{PLACE}",
    f"https://github.com/o/{PLACE}",
    f"file:///tmp/o/r/{PLACE}",
    f"ext::sh -c touch% pwned/{PLACE}",
    f"git@github.com:o/r/{PLACE}",
    "https://github.com/o/r/tree/main/notebooks",
    "https://github.com/o/r/blob/main/01_tensors.ipynb",
    "https://github.com/o/r/blob/main/notebooks/deeper/01_tensors.ipynb",
    f"https://github.com/o/r/{PLACE}.py",
    f"https://github.com/o/r/{PLACE} https://evil.example",
    "https://github.com/o/r/blob//notebooks/01_tensors.ipynb",
    "https://gist.github.com/o/0123456789abcdef",
    "1dRiVeId",
    *(
        f"https://github.com/{REPO}/blob/{ref}/notebooks/01_tensors.ipynb"
        for ref in ["-q", "--upload-pack=touch pwned;", "main;touch pwned", "main&&touch pwned"]
        + ["$(touch pwned)", "`touch pwned`", "main\ntouch pwned", "main|touch pwned", "ma in"]
        + ["main:refs/heads/x", "+main", "..", "a/../../../x", "x\0y", "'main'", '"main"']
    ),
]


@pytest.mark.parametrize("address", HOSTILE, ids=short)
def test_an_address_that_is_no_lesson_on_github_reaches_neither_git_nor_a_shell(
    address, small, tmp_path
):
    with sessions([session(address)]) as colab_has:
        env = [colab_has, browser(address, quote(address)), on_github(REPO, small)]
        done = run_cell(tmp_path, *env, stamp=(REPO, "feature/x"))
    assert done.stdout == f"{REPO}@feature/x\nran feature/x\n", done.stderr
    assert fetched(tmp_path) == [f"https://github.com/{REPO} feature/x"]
    assert not list(tmp_path.rglob("pwned"))
    assert {p.name for p in tmp_path.iterdir()} == {"cell.py", "git.log", "course"}
    assert [p.name for p in (tmp_path / "course").iterdir()] == ["some-one"]


@pytest.mark.parametrize("ref", ["-q", "main;touch pwned", "a/../x"])
def test_a_hostile_stamp_reaches_neither_git_nor_a_shell(ref, small, tmp_path):
    assert "shell" not in first_cell.CELL
    done = run_cell(tmp_path, on_github(REPO, small), stamp=(REPO, ref))
    assert done.stdout == "" and UNKNOWN in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["cell.py"]


# ---- the fetch


def test_elsewhere_the_first_cell_does_nothing(tmp_path):
    source = first_cell.source(REPO, "main") + "\nprint(sorted(set(dir()) - before))"
    (tmp_path / "cell.py").write_text(f"before = set(dir())\n{source}", encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if k != "COLAB_RELEASE_TAG"}
    done = subprocess.run([sys.executable, "cell.py"], cwd=tmp_path, capture_output=True, env=env)
    names = b"['COURSE', 'REF', 'before', 'keep_in_drive', 'os']"
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, names, b"")
    assert [p.name for p in tmp_path.iterdir()] == ["cell.py"]


def test_it_says_where_from_before_it_fetches(small, tmp_path):
    done = run_cell(tmp_path, on_github("else/where", small), stamp=(REPO, "main"))
    assert done.stdout == f"{REPO}@main\n"
    why = f"RuntimeError: Could not fetch the course from {REPO}@main. Run this cell again."
    assert why in done.stderr and "git said: fatal: '/nowhere/" in done.stderr


@pytest.mark.parametrize(
    "ref, said",
    [("none", "couldn't find remote ref none")]
    + [("no-course", "path 'helpers/colab.py' does not exist in 'FETCH_HEAD'")],
)
def test_a_failed_fetch_is_told_and_the_next_run_starts_over(ref, said, small, tmp_path):
    done = run_cell(tmp_path, on_github(REPO, small), stamp=(REPO, ref))
    assert f"Could not fetch the course from {REPO}@{ref}" in done.stderr and said in done.stderr
    assert not (tmp_path / "course" / REPO.split("/")[0]).exists()
    done = run_cell(tmp_path, on_github(REPO, small), stamp=(REPO, "main"))
    assert done.stdout == f"{REPO}@main\nran main\n", done.stderr


def test_what_a_killed_fetch_left_is_made_good_and_what_is_the_learners_stays(small, tmp_path):
    half = tmp_path / "course" / ".new"
    (half / ".git").mkdir(parents=True)
    (half / ".git" / "index.lock").touch()
    (half / "helpers").mkdir()
    (half / "helpers" / "colab.py").write_text("half", encoding="utf-8")
    theirs = [tmp_path / name for name in ("course/thesis.txt", "course/helpers/colab.py", "a.txt")]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_text("years of work", encoding="utf-8")
    done = run_cell(tmp_path, on_github(REPO, small), stamp=(REPO, "main"))
    assert done.stdout == f"{REPO}@main\nran main\n", done.stderr
    assert not half.exists()
    assert [path.read_text(encoding="utf-8") for path in theirs] == ["years of work"] * 3


def test_a_second_run_fetches_nothing_and_another_branch_gets_a_folder_of_its_own(small, tmp_path):
    assert run_cell(tmp_path, on_github(REPO, small), stamp=(REPO, "main")).returncode == 0
    mine = tmp_path / "course" / f"{REPO}@main" / "helpers" / "colab.py"
    mine.write_text("print('with a change')", encoding="utf-8")
    done = run_cell(tmp_path, on_github("else/where", small), stamp=(REPO, "main"))
    assert done.stdout == f"{REPO}@main\nwith a change\n", done.stderr
    assert len(fetched(tmp_path)) == 1
    done = run_cell(tmp_path, on_github(REPO, small), stamp=(REPO, "feature/x"))
    assert done.stdout == f"{REPO}@feature/x\nran feature/x\n", done.stderr
    assert mine.read_text(encoding="utf-8") == "print('with a change')"


@pytest.mark.parametrize("ticked", [False, True])
def test_it_passes_on_whether_to_keep_files_in_drive(ticked, small, tmp_path):
    repository = tmp_path / "repository"
    shutil.copytree(small, repository)
    git("checkout", "-q", "-b", "asks", "main", cwd=repository)
    (repository / "helpers" / "colab.py").write_text("print(in_drive)\n", encoding="utf-8")
    git("commit", "-qam", "asks", cwd=repository)
    cell = first_cell.source(REPO, "asks")
    ticked_cell = cell.replace("keep_in_drive = False", f"keep_in_drive = {ticked}")
    assert (ticked_cell != cell) == ticked
    done = run_cell(tmp_path, on_github(REPO, repository), source=ticked_cell)
    assert done.stdout == f"{REPO}@asks\n{ticked}\n", done.stderr


@pytest.mark.lesson
def test_in_a_kernel_it_fetches_this_course_and_makes_helpers_importable(whole, tmp_path):
    if os.environ.get("STACK") == "colab":
        pytest.skip("the lessons show it there")
    if colab.missing():  # with STACK=newest, which ignores the ranges
        pytest.skip("the cell would change this environment's packages")
    sources = [first_cell.source(), "from helpers import ROOT\n\nprint(ROOT)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    with sessions([session(lesson_at(FORK, "feature/x"))]) as colab_has:
        env = AS_IN_COLAB | NOTHING | colab_has | on_github(FORK, whole)
        run = runner.run(notebook, "first_cell", env=env)
    assert run.reached == []
    said, root = [runner.text_of(cell) for cell in run.notebook.cells]
    assert said.startswith(f"{FORK}@feature/x\nGoogle Colab with the CPU: profile pocket.")
    assert root.endswith(f"/course/{FORK}@feature/x\n")


# ---- what it installs


@pytest.fixture(scope="module")
def as_colab_comes():
    """Colab's own packages, whatever an earlier run of these tests added."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "uninstall", "-qy", "trl", "bitsandbytes"], check=True)
    stack = runner.TESTS / "stacks" / "colab.txt"
    subprocess.run([*pip, "install", "-q", "-r", str(stack)], check=True)
    assert colab.missing(), "nothing is missing: this is not as Colab comes"


@stack_colab
@pytest.mark.lesson
@pytest.mark.parametrize("path", runner.LESSONS, ids=lambda path: path.stem)
def test_lesson_from_an_empty_folder(path, whole, as_colab_comes, record_property):
    passes = [as_committed(path)]
    with sessions([session(lesson_at(FORK, "feature/x"))]) as colab_has:
        env = AS_IN_COLAB | NOTHING | colab_has | on_github(FORK, whole)
        run = runner.run(runner.one_after_the_other(passes), path.stem, env)
    report(record_property, run, path.stem)
    with runner.kept_if_it_fails(path.stem, run.notebook):
        judge(run, passes)
    assert runner.text_of(run.notebook.cells[2]) == (
        f"{FORK}@feature/x\n"
        "Google Colab with the CPU: profile pocket. For a GPU: Runtime → Change runtime type.\n"
    )
    seconds = run.notebook.cells[2].metadata.papermill.duration
    print(f"\n{path.stem}: first cell {seconds:.0f} s", end=" ")
    assert colab.missing() == [] and packages.installed("torchao") == "0"


def test_pip_that_fails_says_what_to_do():
    with pytest.raises(RuntimeError, match="`pip install` failed: .*(?s:.*)Disconnect and delete"):
        colab.pip("install", "--no-index", "no-such-package-at-all")


DRIVE_SCRIPT = """
import sys
from pathlib import Path
from helpers import colab
if {early}:
    import helpers
else:
    del sys.modules["helpers"]
colab.keep_in_drive(Path({mounted!r}))
import helpers
print(helpers.BUILD)
"""


@pytest.mark.parametrize(
    "leave, early, said",
    [
        ("yes", False, "What you solve and train is kept in {folder}.\n{folder}\n"),
        ("yes", True, "RuntimeError: This session has kept its files elsewhere until now"),
        ("no", False, "Google Drive could not be opened (mount failed). The lesson runs without"),
    ],
)
def test_on_request_what_a_learner_does_is_kept_in_drive(leave, early, said, tmp_path):
    script = DRIVE_SCRIPT.format(early=early, mounted=str(tmp_path))
    env = os.environ | AS_IN_COLAB | {"COURSE_DRIVE": leave}
    env["PYTHONPATH"] += os.pathsep + str(runner.TESTS.parent)
    del env["COURSE_BUILD"]
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, encoding="utf-8"
    )
    folder = tmp_path / "MyDrive" / "pocket-llm-course"
    assert said.format(folder=folder) in done.stdout + done.stderr
    assert folder.exists() == (leave == "yes")
    if leave == "no":
        assert done.stdout.endswith(f"{runner.TESTS.parent / 'build'}\n")


def test_drive_is_mounted_where_colabs_own_button_mounts_it():
    assert colab.keep_in_drive.__defaults__ == (Path("/content/drive"),)


def test_only_what_is_missing_is_installed(monkeypatch):
    there = {"trl": "1.13.0", "bitsandbytes": "0.50.2", "datasets": "4.0.0"}
    monkeypatch.setattr(packages, "installed", there.get)
    assert [line.partition("<")[0] for line in colab.missing()] == ["datasets"]
    kept = colab.others()
    assert any(pin.startswith("numpy==") for pin in kept)
    assert not {pin.partition("==")[0] for pin in kept} & colab.MAY_MOVE


@pytest.fixture
def pip_calls(monkeypatch):
    """What `prepare` has pip do: [(arguments, the constraints that pip could read then)]."""
    calls = []

    def pip(*arguments):
        files = [Path(word) for word in arguments if word.endswith(".txt")]
        calls.append((arguments, [file.read_text(encoding="utf-8") for file in files]))

    monkeypatch.setattr(colab, "pip", pip)
    monkeypatch.setattr(colab, "missing", lambda: [])
    monkeypatch.setattr(packages, "installed", lambda name: "0")
    for name in ("datasets", "pyarrow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return calls


def test_what_is_installed_is_held_to_what_is_there_or_the_session_is_restarted(
    pip_calls, monkeypatch
):
    colab.prepare()
    assert pip_calls == []
    added, there = ["trl>1", "datasets!=9"], ["google-colab==1.0", "wheel==0.45"]
    monkeypatch.setattr(colab, "missing", lambda: added)
    monkeypatch.setattr(colab, "others", lambda: there)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(colab.COURSE)])
    colab.prepare()
    [(arguments, [held])] = pip_calls
    assert arguments[:-2] == ("install", "--quiet", *added) and arguments[-2] == "--constraint"
    assert held.split() == there
    assert sys.path[0] == str(colab.COURSE)
    monkeypatch.setitem(sys.modules, "datasets", None)  # imported before the cell ran
    with pytest.raises(RuntimeError, match="^datasets had been imported .* Restart session"):
        colab.prepare()


@pytest.mark.parametrize("torchao, goes", [("0.10.0", True), ("0.16.0", False), ("0.17", False)])
def test_a_torchao_that_peft_refuses_is_uninstalled(torchao, goes, pip_calls, monkeypatch):
    monkeypatch.setattr(packages, "installed", {"torchao": torchao}.get)
    colab.prepare()
    uninstalled = [arguments for arguments, _ in pip_calls]
    assert uninstalled == ([("uninstall", "--quiet", "--yes", "torchao")] if goes else [])


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
    if LISTS is None or not Path(LISTS, name).exists():
        pytest.skip(f"no {name} of Colab's packages: set COLAB_LISTS to a folder that has it")
    lines = Path(LISTS, name).read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if "==" in line]
    there = {n.lower().replace("_", "-"): v for n, v in (line.split("==") for line in lines)}
    kept = [f"{n}=={v}" for n, v in there.items() if n not in colab.MAY_MOVE]
    (tmp_path / "constraints.txt").write_text("\n".join(kept), encoding="utf-8")
    stub_of_torch(tmp_path, there["torch"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "installed", lambda package: there.get(package, "0"))
        wanted = colab.missing()
    assert wanted
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in range(5, 36)]
    found = tmp_path / "report.json"
    options = ["--dry-run", "--quiet", "--ignore-installed", "--only-binary=:all:"]
    options += [f"--report={found}", f"--target={tmp_path}", f"--python-version={python}"]
    options += [*platforms, "--platform=manylinux2014_x86_64", f"--find-links={tmp_path}"]
    colab.pip("install", *options, "--constraint", str(tmp_path / "constraints.txt"), *wanted)
    items = json.loads(found.read_text(encoding="utf-8"))["install"]
    found = {
        i["metadata"]["name"].lower().replace("_", "-"): i["metadata"]["version"] for i in items
    }
    moved = {package for package, version in found.items() if there.get(package) != version}
    assert moved and moved <= colab.MAY_MOVE
