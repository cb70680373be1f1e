"""Write what the README and the lessons share: the repository's address, and the table of lessons.

python tests/links.py [owner/name [ref]]     # without arguments: write again what is known

The address is in pyproject.toml ([project.urls], [tool.course]); it is copied from there into the
notebooks' badges and first cells, and into the README. A lesson's title, question, minutes, seconds
and memory are in its title cell; the README's table is made of them.
"""

import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT, README, NOTEBOOKS = ROOT / "pyproject.toml", ROOT / "README.md", ROOT / "notebooks"
UNSTAMPED = ("OWNER/REPO", "main")


def address() -> tuple[str, str]:
    """("owner/name", ref) as pyproject.toml has it."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    url = project["project"]["urls"]["Repository"]
    return url.removeprefix("https://github.com/"), project["tool"]["course"]["ref"]


def stamp(text: str, repo: str, ref: str) -> str:
    """`text` with every badge, first cell and clone address leading to `repo` at `ref`."""
    badge = r"(colab\.research\.google\.com/github/)[^/]+/[^/]+(/blob/)[^/]+(/notebooks/)"
    text = re.sub(badge, rf"\g<1>{repo}\g<2>{ref}\g<3>", text)
    url = f"https://github.com/{repo}"
    text = re.sub(r"(git clone )\S+( && cd )\S+", rf"\g<1>{url}\g<2>{repo.split('/')[1]}", text)
    return stamp_cell(text, url, ref)


def stamp_cell(source: str, url: str, ref: str) -> str:
    """The first code cell of a lesson, fetching `ref` of the repository at `url`."""
    return re.sub(
        r'^COURSE, REF = "[^"]*", "[^"]*"', f'COURSE, REF = "{url}", "{ref}"', source, flags=re.M
    )


def table_row(path: Path) -> str:
    """The README's row for the lesson at `path`, from its title cell."""
    title = " ".join(nbformat.read(path, as_version=4).cells[0].source.split())
    name, question, minutes, seconds, memory, badge = re.fullmatch(
        r"# (.+?) \*\*(.+?)\*\* .+ (\d+) minutes to work through · runs in (.+?) on two CPU cores"
        r" · ([\d.]+ GB) of memory.* (\[!\[Open In Colab\].+)",
        title,
    ).groups()
    link = f"[{name}](notebooks/{path.name})"
    return f"| {link} | {question} | {minutes} min | {seconds} | {memory} | {badge} |"


def write_readme(repo: str, ref: str) -> None:
    """Write the address and the table of lessons into the README."""
    text = README.read_text(encoding="utf-8")
    rows = "".join(f"{table_row(path)}\n" for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")))
    text = re.sub(r"(?m)(^\|(?: *-+ *\|)+\n)(?:\| \[\d.*\n)+", lambda found: found[1] + rows, text)
    README.write_text(stamp(text, repo, ref), encoding="utf-8")


def main(repo=None, ref=None):
    old_repo, old_ref = address()
    repo, ref = repo or old_repo, ref or old_ref
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or not re.fullmatch(r"[\w.-]+", ref):
        sys.exit(f"REPO={repo} REF={ref}: wanted owner/name, and a branch, tag or commit")
    text = PYPROJECT.read_text(encoding="utf-8")
    text = re.sub(r'(?m)^(Repository = )".*?"', f'Repository = "https://github.com/{repo}"', text)
    PYPROJECT.write_text(re.sub(r'(?m)^ref = ".*"', f'ref = "{ref}"', text), encoding="utf-8")
    for path in NOTEBOOKS.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.source = stamp(cell.source, repo, ref)
        nbformat.write(notebook, path)
    write_readme(repo, ref)
    print(f"stamped: https://github.com/{repo} at {ref}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
