"""Write the repository's address and ref into what a learner clicks: `make links`.

python tests/links.py [owner/name [ref]]     # without arguments: stamp again what pyproject.toml says

The address stands in pyproject.toml ([project.urls], [tool.course]) and is copied from there into
the notebooks' badges and first cells, and into the README.
"""

import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT, README = ROOT / "pyproject.toml", ROOT / "README.md"
UNSTAMPED = ("OWNER/REPO", "main")


def address() -> tuple[str, str]:
    """("owner/name", ref) as pyproject.toml has it."""
    project = tomllib.loads(PYPROJECT.read_text())
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


def main(repo=None, ref=None):
    old_repo, old_ref = address()
    repo, ref = repo or old_repo, ref or old_ref
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or not re.fullmatch(r"[\w.-]+", ref):
        sys.exit(f"REPO={repo} REF={ref}: wanted owner/name, and a branch, tag or commit")
    text = PYPROJECT.read_text()
    text = re.sub(r'(?m)^(Repository = )".*?"', f'Repository = "https://github.com/{repo}"', text)
    PYPROJECT.write_text(re.sub(r'(?m)^ref = ".*"', f'ref = "{ref}"', text))
    README.write_text(stamp(README.read_text(), repo, ref))
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.source = stamp(cell.source, repo, ref)
        nbformat.write(notebook, path)
    print(f"stamped: https://github.com/{repo} at {ref}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
