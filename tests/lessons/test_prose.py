"""Numbers in the text of a lesson are those of its cells, or are listed in NN.toml with a reason."""

import re

import nbformat
import pytest
import run_lessons as runner

POWERS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12, "kB": 3, "MB": 6, "GB": 9}
UNITS = "kB|MB|GB|GiB|bytes?|bits?|percent|ms|seconds?|dollars?|nats?|tokens?"
IN_TEXT = re.compile(
    r"(?<![\w.,:/])(?<!\w-)(?P<dollars>\$)?(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?P<e>e-?\d+)?(?!\w|[:.]\d)(?: (?P<word>thousand|million|billion|trillion)\b)?"
    rf"(?: ?(?P<unit>%|(?:{UNITS})\b))?"
)
IN_CELLS = re.compile(r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d[\d_]*)(?:\.\d+)?(?:e[-+]?\d+)?")
YEARS = range(1900, 2030)


def numbers_of(text):
    """{as written: (value, half a unit of its last digit, the powers of ten that it may stand for)}.

    Of numbers with a unit, and of those with three significant digits or more that are no year.
    Without code blocks, addresses and sources.
    """
    text = re.sub(r"```.*?```|^## Sources\n.*|\]\([^)]*\)", "", text, flags=re.S | re.M)
    found = {}
    for match in IN_TEXT.finditer(text):
        number, unit, word = match["number"], match["unit"], match["word"]
        digits = number.replace(",", "").replace(".", "").lstrip("0")
        n_digits = len(digits if "." in number else digits.rstrip("0"))
        year = number.isdigit() and int(number) in YEARS
        if unit or match["dollars"] or (n_digits >= 3 and not year):
            last = 10.0 ** -len(number.partition(".")[2])
            power = float("1" + (match["e"] or "e0"))
            value = float(number.replace(",", "")) * power
            powers = {POWERS.get(word, 0), POWERS.get(unit, POWERS.get(word, 0))}
            powers |= {-2} if unit in ("%", "percent") else set()
            found[match[0].lstrip("$")] = value, last * power / 2, powers
    return found


def numbers_in_cells(notebook, varies=()):
    """The numbers in the code of `notebook` and in what it shows, but for the parts all lessons share.

    varies: ids of cells that show something else each time.
    """
    found = set()
    for cell in notebook.cells:
        shared = "colab" in runner.tags(cell) or cell.source.startswith(("quiz.", "progress."))
        if cell.cell_type == "code" and not shared:
            shown = "" if cell.id in varies else runner.all_text_of(cell)
            text = f"{cell.source}\n{shown}"
            found |= {float(n.replace(",", "").replace("_", "")) for n in IN_CELLS.findall(text)}
    return found


def not_in_cells(notebook, varies=()):
    """The numbers of the text behind the title that no cell has, in the order of the text."""
    known = numbers_in_cells(notebook, varies)
    return [
        written
        for cell in notebook.cells[1:]  # the title's seconds and memory are measured by make bench
        if cell.cell_type == "markdown"
        for written, (value, half, powers) in numbers_of(cell.source).items()
        if not any(
            abs(n - value * 10.0**p) <= half * 10.0**p * (1 + 1e-9) for n in known for p in powers
        )
    ]


@pytest.mark.parametrize("path", runner.LESSONS, ids=lambda path: path.stem)
def test_each_number_of_the_text_is_one_of_a_cells_or_has_a_reason(path):
    settings = runner.settings(path)
    varies = settings["page"].get("varies", {})
    assert set(not_in_cells(runner.read(path), varies)) == set(settings.get("prose", {}))


@pytest.mark.parametrize(
    "text",
    [
        "It takes 67.3 MB.",
        "It takes 67.10 MB",  # rounded, it is 67.11
        "`$67.3` on average",
        "It has 67,108,865 bytes",
        "It has 67.2 million weights",
        "A share of 38 %.",
        "The slope is -0.0899, not 0.",
        "about 6e-4 nats",
    ],
)
def test_a_number_that_no_cell_has_is_found(text):
    assert len(not_in_cells(made_up(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "It takes 67.1 MB, 67,108,864 bytes, 0.0671 GB: 67.11 million weights.",
        "A share of 37 % and 36.8 %, in [lesson 8](08_qlora_sft.ipynb) at 6:52.",
        "The slope is -0.0898; GPT-20480 of 1979 costs more (`float16`).",
        "a few: 3 of 7, 200 steps",
        "```python\nx = 12345\n```\nand\n\n## Sources\n\nA paper, 12345",
    ],
)
def test_a_number_that_a_cell_has_a_name_a_year_and_a_time_are_not(text):
    assert not_in_cells(made_up(text)) == []


def made_up(text):
    """A notebook that says `text` below its title and shows three numbers."""
    code = nbformat.v4.new_code_cell("n_bytes = 4096 * 4096 * 4\nassert slope == -0.08983")
    code.outputs = [nbformat.v4.new_output("stream", text="67,108,864 bytes, a share of 0.368\n")]
    cells = [nbformat.v4.new_markdown_cell(source) for source in ("# A title, 12345", text)]
    return nbformat.v4.new_notebook(cells=[*cells, code])
