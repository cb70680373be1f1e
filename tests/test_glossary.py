"""data/glossary.csv: each term that a lesson introduces, in three languages, where it is explained."""

import re

import pytest
import run_lessons as runner
from build_site import ITALIC, terms

ROWS = terms()
NOTEBOOKS = {path.stem[:2]: runner.read(path) for path in runner.LESSONS}
ENDS = ("What to remember", "In the lecture", "Sources")  # lectures and papers are italic there
# Words that a lesson stresses, names and titles: no terms
STRESSED = {"would", "that", "turns", "adds", "change", "you", "exactly", "and", "more", "stop"}
STRESSED |= {"other items", "difference", "forgotten", "inner levels", "LoRA Without Regret"}
STRESSED |= {"GPT-2 small", "Llama 3.1 8B"}


def sections(notebook):
    """(heading, prose without code) of each section."""
    heading, found = "", []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and not cell.source.startswith("# "):
            for part in re.split(r"(?m)^(?=## )", cell.source):
                if part.startswith("## "):
                    heading, _, part = part.removeprefix("## ").partition("\n")
                found.append((heading, re.sub(r"```.*?```|`[^`\n]*`", "", part, flags=re.S)))
    return found


def italics(notebook):
    """Each italic text and its heading; formulas and the size of an exercise left out."""
    for heading, prose in sections(notebook):
        if heading not in ENDS:
            for text in re.findall(ITALIC, prose):
                yield heading, text


def known(text, terms):
    """True if `text` is a term or a whole word at one of its ends, in capitals or plural or not."""
    forms = {text.casefold().removesuffix(end) for end in ("", "s", "es")}
    return any(
        term == form or term.startswith(f"{form} ") or term.endswith(f" {form}")
        for form in forms
        for term in terms
    )


def short_names():
    """What a meaning begins with if a term has a short name, as in "NF4: sixteen levels"."""
    return {found[1].casefold() for row in ROWS if (found := re.match(r"(\w+): ", row["meaning"]))}


@pytest.mark.parametrize("lesson", NOTEBOOKS)
def test_every_new_term_is_in_the_glossary(lesson):
    terms = {row["term"].casefold() for row in ROWS} | short_names()
    new = [text for _, text in italics(NOTEBOOKS[lesson]) if text not in STRESSED]
    assert [text for text in new if not known(text, terms)] == []
    assert len(new) >= 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["term"])
def test_an_entry_is_complete_and_its_section_exists_and_uses_the_term(row):
    assert all(row[name] for name in row if name != "captions")
    assert row["meaning"].endswith(".")
    prose = [
        text for heading, text in sections(NOTEBOOKS[row["lesson"]]) if heading == row["section"]
    ]
    assert prose, f"lesson {row['lesson']} has no section {row['section']!r}"
    assert not re.search(r"[가-힣]", row["japanese"]) and not re.search(r"[ぁ-ヿ]", row["korean"])


def test_a_term_is_italic_for_the_first_time_in_the_lesson_of_its_entry():
    lessons = {row["term"].casefold(): row["lesson"] for row in ROWS}
    first = {}
    for lesson, notebook in NOTEBOOKS.items():
        for _, text in italics(notebook):
            term = next((t for t in (text.casefold(), text.casefold()[:-1]) if t in lessons), None)
            first.setdefault(term, lesson)
    assert {t: (at, lessons[t]) for t, at in first.items() if t and at < lessons[t]} == {}


def test_no_term_is_there_twice_and_the_order_is_that_of_the_lessons():
    terms = [row["term"].casefold() for row in ROWS]
    assert len(terms) == len(set(terms))
    assert [row["lesson"] for row in ROWS] == sorted(row["lesson"] for row in ROWS)


def test_the_garbled_captions_lead_to_the_right_term():
    garbled = {said: row["term"] for row in ROWS for said in row["captions"].split("; ") if said}
    assert garbled["ローラ"] == garbled["로라"] == garbled["Laura"] == "low-rank adaptation"
    assert garbled["상실감"] == garbled["喪失感"] == "loss"
    assert garbled["너무 꽉 찬 옷"] == "overfitting"
    assert garbled["역증식"] == "backpropagation"
    assert all(said not in (row["japanese"], row["korean"]) for said in garbled for row in ROWS)
