"""Build the course's site in build/site, from the committed notebooks, offline: `make site`.

Pages are written to build/site-source. Sphinx makes HTML and an EPUB of them, Pagefind the search.
A page is a notebook without what says nothing on paper: Colab's set-up, progress, empty answers.
What the site alone has (first page, look, what moves) is in the folder `site` beside this file.
The theme (BSD, with Font Awesome's icons) and Pagefind (MIT) come from PyPI: nothing is vendored.
"""

import csv
import functools
import re
import shutil
import subprocess
import sys
from html import escape
from itertools import groupby
from zipfile import ZipFile

import links
import nbformat
import pictures
from links import ROOT
from nbformat.v4 import new_markdown_cell

sys.path.append(str(ROOT))
from helpers import questions  # noqa: E402

HERE = ROOT / "tests" / "tools" / "site"
SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
LESSONS = sorted(links.NOTEBOOKS.glob("[0-9]*.ipynb"))
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
VALLEY = '<div class="moving" data-course="valley"></div>'
FILM = """<details class="film" open>
<summary>Watch the line close (fold it away to stop it)</summary>
<img src="_static/closing.gif" width="360" alt="The same training as a film: the black line, where
p is 0.5, is nearly straight at first, bends, and closes around the points of label 1.">
</details>"""
ONLY = "```{{only}} {}\n{}\n```\n"  # where, and what
ITALIC = r"(?<![*\w\\])\*([A-Za-z][^*\n]*\w)\*(?![*\w])"  # in Markdown; no bold, no formula
LANGUAGES = {"japanese": "ja", "korean": "ko"}


@functools.cache
def terms() -> list[dict]:
    """The glossary's rows: of each term its words, meaning, lesson and section."""
    with open(ROOT / "data" / "glossary.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def slug(text: str) -> str:
    """What a heading or a term is called in an address, as MyST forms it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def place(lesson: str, section: str) -> str:
    """The address of a section of a lesson ("04"), for a link in Markdown."""
    [path] = [path for path in LESSONS if path.stem.startswith(lesson)]
    return f"{path.name}#{slug(section)}"


def with_terms(text: str) -> str:
    """Markdown whose *terms* lead to the glossary and say what they mean under the pointer."""
    known = {row["term"].casefold(): row for row in terms()}

    def linked(found):
        said = found[1].casefold()
        row = next((known[form] for form in (said, said.removesuffix("s")) if form in known), None)
        if row is None:
            return found[0]
        hint = f"{row['meaning']} {row['japanese']} · {row['korean']}".replace('"', "&quot;")
        return f'[*{found[1]}*](glossary.md#{term_id(row)} "{hint}")'

    parts = re.split(r"(```.*?```|`[^`\n]*`|\[[^\]]*\]\([^)]*\))", text, flags=re.S)
    parts[::2] = [re.sub(ITALIC, linked, part) for part in parts[::2]]
    return "".join(parts)


def term_id(row: dict) -> str:
    return f"term-{slug(row['term'])}"


def quiz(lesson: str) -> str:
    """The questions of a lesson in HTML; each option folds out whether it is right, and why."""
    found = []
    for n, question in enumerate(questions.load()[lesson], 1):
        found.append(f'<div class="quiz"><p><b>{n}. {escape(question.question)}</b></p>')
        for option in question.options:
            text, said = escape(option.text), escape(option.verdict)
            found.append(f"<details><summary>{text}</summary><p>{said}</p></details>")
        found.append("</div>")
    return "".join(found)


def interactive(course: str, name: str) -> str:
    """What course.js moves under the name `course`, without a kernel, from site/`name`.json."""
    data = escape((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return f'<div class="moving" data-course="{course}" data-{name}="{data}"></div>'


def prose(source: str) -> str:
    """A cell of text for the site: terms linked, the badge from here, the README at its home."""
    repo, ref = links.address()
    source = source.replace(BADGE, "static/colab.svg")
    source = source.replace("](../README.md", f"](https://github.com/{repo}/blob/{ref}/README.md")
    source = source.replace(" The first choice counts.", "")
    source = re.sub(r"\n\nBelow is a recorded run\..+", "", source)  # here nothing is cleared
    return with_terms(source)


def outputs(cell) -> list:
    """The outputs of a code cell that say something to a reader."""
    kept = []
    for output in cell.outputs:
        data = output.get("data", {})
        if data.get("text/plain", "").strip("'").startswith("·"):  # nothing answered yet
            continue
        if "<style scoped>" in data.get("text/html", ""):
            table = re.sub(r"<style scoped>.*?</style>", "", data["text/html"], flags=re.S)
            data["text/html"] = re.sub(' (border="1"|valign="top")', "", table)
        if "text/html" in data:  # a book wants XML
            data["text/html"] = data["text/html"].replace("<br>", "<br/>")
        kept.append(output)
    return kept


def code(cell, tags: set[str]):
    """A code cell for the site, with the words of its picture where MyST-NB looks for them."""
    cell.outputs = [] if "setup" in tags else outputs(cell)
    if "setup" in tags:
        title, _, cell.source = cell.source.partition("\n")
        cell.metadata.tags = ["hide-input"]
        cell.metadata.mystnb = {"code_prompt_show": title.removeprefix("# @title ")}
    alts = [
        o.metadata["image/png"]["alt"] for o in cell.outputs if "image/png" in o.get("data", {})
    ]
    if alts:
        [alt] = alts
        cell.metadata.mystnb = {"image": {"alt": alt}}
    return cell


def page(path):
    """The notebook at `path` as the site shows it."""
    notebook, cells = nbformat.read(path, as_version=4), []
    for cell in notebook.cells:
        tags, source = set(cell.metadata.get("tags", [])), cell.source
        if "colab" in tags or source.startswith(("progress.", "Each ✓, ")):
            continue
        if cell.cell_type == "markdown":
            cell.source = prose(source)
        elif source.startswith("quiz.show("):
            cell = new_markdown_cell(quiz(path.stem[:2]))
        else:
            cell = code(cell, tags)
        cells.append(cell)
        if "plots.walks(" in source:
            cells.append(moving("Now with your hands: move the rate.", VALLEY))
        if source.startswith("Each hidden neuron is zero along one dashed line"):
            cells.append(moving("", FILM))
        if "widget.show_calculator(" in source:
            html = interactive("calculator", "models")
            cells.append(moving("On this page you can use it right away.", html, cell))
        if "widget.show_beliefs(" in source:
            html = interactive("beliefs", "beliefs")
            cells.append(moving("Typing needs the notebook. Here, choose two texts.", html, cell))
    notebook.cells = cells
    return notebook


def moving(sentence: str, html: str, cell=None):
    """A cell of text with something to move; a book has the static outputs of `cell` instead."""
    text = ONLY.format("not epub", f"{sentence}\n\n{html}")
    if cell:
        still = "".join(output["data"]["text/html"] for output in cell.outputs)
        text, cell.outputs = text + ONLY.format("epub", still), []
    return new_markdown_cell(text)


def glossary() -> str:
    """The page of all terms, in the order of the alphabet."""
    lines = ["# Glossary\n", "Each term in English, Japanese and Korean, and the section that"]
    lines[-1] += (
        " explains it. Machine-translated captions garble some: those forms are listed too.\n"
    )
    rows = sorted(terms(), key=lambda row: row["term"].casefold())
    for letter, found in groupby(rows, key=lambda row: row["term"][0].upper()):
        lines.append(f"## {letter}\n")
        for row in found:
            words = [f'<span lang="{LANGUAGES[name]}">{row[name]}</span>' for name in LANGUAGES]
            lines.append(f"({term_id(row)})=\n**{row['term']}** · {' · '.join(words)}\n")
            where = f"[Lesson {int(row['lesson'])}, {row['section']}]"
            where += f"({place(row['lesson'], row['section'])})"
            heard = f" Captions say: {row['captions'].rstrip('.')}." if row["captions"] else ""
            lines.append(f": {row['meaning']} {where}.{heard}\n")
    return "\n".join(lines)


def table_below(heading: str) -> str:
    """The table that the README folds below `heading`, its links leading to sections here."""
    readme = links.README.read_text(encoding="utf-8")
    [table] = re.findall(
        rf"<details><summary>{re.escape(heading)}</summary>\n\n(.*?)\n\n</details>", readme, re.S
    )
    return re.sub(
        r"\[\d\]\(notebooks/((\d\d)_[^)]+)\), \*(.+?)\*",
        lambda found: f"[{int(found[2])}, {found[3]}]({place(found[2], found[3])})",
        table,
    )


def lectures() -> str:
    """The page of the lectures: a table for each, minute by minute, then what is so."""
    lines = ["# The lectures, minute by minute\n", "Which section goes with which minute.\n"]
    _, _, *rows = table_below("Which lesson goes with which minute of a lecture?").splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    for name, found in groupby(cells, key=lambda row: row[0]):
        lines.append(f"## {name}\n\n| minute | topic | lesson and section |\n|---|---|---|")
        lines += [f"| {' | '.join(row[1:])} |" for row in found] + [""]
    heading = "Where do the lectures simplify, and what did we measure?"
    return "\n".join([*lines, f"## {heading}\n", table_below(heading), ""])


def cards() -> str:
    """The lessons for the first page: title, question, minutes."""
    cards = []
    for path in LESSONS:
        link, question, _, minutes, *_ = links.table_row(path).strip("| ").split(" | ")
        cards.append(f"- **{link.replace('](notebooks/', '](')}**\\\n  {question}\\\n  {minutes}")
    return "{.cards}\n" + "\n".join(cards)


def shown(file: str) -> str:
    """One of the README's pictures in Markdown."""
    _, words = pictures.picture(file)
    return f"```{{image}} {file}\n:alt: {words['alt']}\n:width: {words['width']}px\n```"


def first_page() -> str:
    """The first page: index.md with the address, the lessons and the pictures put in."""
    repo, ref = links.address()
    text = (HERE / "index.md").read_text(encoding="utf-8")
    text = re.sub(r"@([a-z_]+\.png)@", lambda found: shown(found[1]), text)
    for name, value in {
        "REPO": repo,
        "REF": ref,
        "VALLEY": VALLEY,
        "CARDS": cards(),
        "LESSONS": "\n".join(path.stem for path in LESSONS),
    }.items():
        text = text.replace(f"@{name}@", value)
    return text


def bind(made, book) -> None:
    """Copy the EPUB that Sphinx `made` to `book`, made valid: its pages with formulas are marked,
    a folded cell has one title, and none asks for MyST-NB's style sheet, which Sphinx leaves out.
    """
    with ZipFile(made) as old, ZipFile(book, "w") as new:
        pages = {item: old.read(item) for item in old.infolist()}
        formulas = [item.filename for item, page in pages.items() if b"</math>" in page]
        for item, page in pages.items():
            if item.filename.endswith((".xhtml", ".opf")):
                text = re.sub(r"<link [^>]*mystnb[^>]*>", "", page.decode())
                title = r'<p class="collapsed[^>]*>(.*?)</p>\s*<p class="expanded.*?</p>'
                text = re.sub(title, r"\1", text)
                for name in formulas:
                    text = text.replace(f'href="{name}" m', f'href="{name}" properties="mathml" m')
                page = text.encode()
            new.writestr(item, page)


def main() -> None:
    """Write the pages, run Sphinx and Pagefind; exits with their message if one fails."""
    for folder in (SOURCE, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE, SOURCE)
    for file in pictures.CELLS:
        shutil.copy(pictures.FOLDER / file, SOURCE)
    for path in LESSONS:
        nbformat.write(page(path), SOURCE / path.name)
    for name, text in (("index", first_page()), ("lectures", lectures()), ("glossary", glossary())):
        (SOURCE / f"{name}.md").write_text(text, encoding="utf-8")
    python = (sys.executable, "-m")
    sphinx = (*python, "sphinx", "-q", "-W", "--keep-going", "-d", SOURCE / "doctrees", "-b")
    # one index: a search finds English, Japanese and Korean words on the same page
    pagefind = (*python, "pagefind_bin_extended", "--quiet", "--force-language", "ja")
    pagefind += ("--root-selector", "article.bd-article", "--exclude-selectors", ".headerlink")
    for command in (
        (*sphinx, "html", SOURCE, SITE),
        (*sphinx, "epub", SOURCE, SOURCE / "epub"),
        (*pagefind, "--site", SITE),
    ):
        if subprocess.run(command).returncode:
            sys.exit(f"{command[2]} failed; the lines above say why.")
    bind(SOURCE / "epub" / "course.epub", SITE / "course.epub")
    print(f"{SITE.relative_to(ROOT)}: look at it with  python3 -m http.server -d build/site")


if __name__ == "__main__":
    main()
