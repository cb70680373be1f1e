"""Write what the README and the lessons share: address, first cell, and the table of lessons.

python tests/tools/links.py [owner/name [ref]]     # without arguments: write again what is known

The address is in pyproject.toml ([project.urls], [tool.course]); it is copied from there into the
notebooks' badges and first cells, and into the README. The first cell is in first_cell.py. A row of
the README's table comes from the lesson's title cell, and from `lecture` in tests/lessons/NN.toml.
"""

import re
import sys
import tomllib
from pathlib import Path

import first_cell
import nbformat
from first_cell import UNSTAMPED  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent.parent
PYPROJECT, README, NOTEBOOKS = ROOT / "pyproject.toml", ROOT / "README.md", ROOT / "notebooks"
SETTINGS = ROOT / "tests" / "lessons"
HEAD = """\
| lesson | question | goes with the lecture | your time | runs in | memory | |
|---|---|---|---|---|---|---|
"""


def address() -> tuple[str, str]:
    """("owner/name", ref) as pyproject.toml has it."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    url = project["project"]["urls"]["Repository"]
    return url.removeprefix("https://github.com/"), project["tool"]["course"]["ref"]


def stamp(text: str, repo: str, ref: str) -> str:
    """`text` with every badge, first cell and clone address leading to `repo` at `ref`."""
    badge = r"(colab\.research\.google\.com/github/)[^/\s]+/[^/\s]+(/blob/)[^\s()]+(/notebooks/)"
    text = re.sub(badge, rf"\g<1>{repo}\g<2>{ref}\g<3>", text)
    url = f"https://github.com/{repo}"
    text = re.sub(r"(git clone )\S+( && cd )\S+", rf"\g<1>{url}\g<2>{repo.split('/')[1]}", text)
    return stamp_cell(text, url, ref)


def stamp_cell(source: str, url: str, ref: str) -> str:
    """The first code cell of a lesson; `ref` of the repository at `url` is its last resort."""
    return re.sub(
        r'^COURSE, REF = "[^"]*", "[^"]*"', f'COURSE, REF = "{url}", "{ref}"', source, flags=re.M
    )


def table_row(path: Path) -> str:
    """The README's row for the lesson at `path`."""
    title = " ".join(nbformat.read(path, as_version=4).cells[0].source.split())
    name, question, minutes, seconds, memory, badge = re.fullmatch(
        r"# (.+?) \*\*(.+?)\*\* .+ (\d+) minutes to work through · runs in (.+?) on two CPU cores"
        r" · ([\d.]+ GB) of memory.* (\[!\[Open In Colab\].+)",
        title,
    ).groups()
    settings = (SETTINGS / f"{path.stem[:2]}.toml").read_text(encoding="utf-8")
    lecture = tomllib.loads(settings).get("lecture", "")
    link = f"[{name}](notebooks/{path.name})"
    return f"| {link} | {question} | {lecture} | {minutes} min | {seconds} | {memory} | {badge} |"


def write_readme(repo: str, ref: str) -> None:
    """Write the address and the table of lessons into the README; its table begins `| lesson |`."""
    text = README.read_text(encoding="utf-8")
    rows = "".join(f"{table_row(path)}\n" for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")))
    text, n_tables = re.subn(r"(?m)^\| lesson \|.*\n(?:\|.*\n)+", lambda _: HEAD + rows, text)
    if n_tables != 1:
        sys.exit(f"{README.name} has {n_tables} tables that begin with `| lesson |`: wanted one")
    README.write_text(stamp(text, repo, ref), encoding="utf-8")


def main(repo: str = "", ref: str = "") -> None:
    """Write the address everywhere; exits with a message if it is not an address."""
    old_repo, old_ref = address()
    repo, ref = repo or old_repo, ref or old_ref
    named = re.fullmatch(r"[\w.-]+/[\w.-]+", repo)
    if not named or not re.fullmatch(r"(?!.*\.\.)\w[\w.-]*(/[\w.-]+)*", ref):
        sys.exit(f"REPO={repo} REF={ref}: wanted owner/name, and a branch, tag or commit")
    text = PYPROJECT.read_text(encoding="utf-8")
    text = re.sub(r'(?m)^(Repository = )".*?"', f'Repository = "https://github.com/{repo}"', text)
    PYPROJECT.write_text(re.sub(r'(?m)^ref = ".*?"', f'ref = "{ref}"', text), encoding="utf-8")
    for path in NOTEBOOKS.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if "colab" in cell.metadata.get("tags", []):
                cell.source = first_cell.source(repo, ref)
            cell.source = stamp(cell.source, repo, ref)
        nbformat.write(notebook, path)
    write_readme(repo, ref)
    print(f"stamped: https://github.com/{repo} at {ref}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
