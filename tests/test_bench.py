"""make bench: its parts run, on a few items, and README quotes nothing that it did not measure."""

import re

import bench
import pytest
from support import ROOT


def test_it_trains_with_the_settings_of_lesson_8s_own_cell():
    settings = bench.lessons_settings()
    assert settings["learning_rate"] == bench.POCKET.learning_rate
    assert settings["lr_scheduler_type"] == "cosine" and "output_dir" not in settings


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench, "N_ITEMS", 16)
    monkeypatch.setattr(bench, "N_ROUNDS", 1)
    monkeypatch.setattr(bench, "N_SCORED", 2)


@pytest.mark.parametrize("part", ["training", "where", "scoring"])
def test_a_part_gives_a_title_what_was_measured_and_a_table(part, small):
    title, about, table = bench.PARTS[part]()
    head, rule, *rows = table.splitlines()
    assert title and about and len(rows) >= 4
    assert {line.count("|") for line in (head, rule, *rows)} == {5}
    assert "100 %" in table or "tokens/s" in table or "together" in table


def test_a_part_replaces_its_own_section_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "TABLE", tmp_path / "bench.md")
    for title, text in (("A", "old"), ("B", "kept"), ("A", "new")):
        bench.keep(title, f"## {title}\n\n{text}\n")
    written = bench.TABLE.read_text(encoding="utf-8")
    assert re.findall(r"(?m)^## (.+)\n\n(.+)", written) == [("A", "new"), ("B", "kept")]
    assert written.startswith("# ")


def test_what_the_readme_says_of_speed_is_in_the_table():
    [said] = re.findall(r"(?m)^- `make bench`.*$", (ROOT / "README.md").read_text(encoding="utf-8"))
    table = bench.TABLE.read_text(encoding="utf-8")
    figures = re.findall(r"\d[\d,.]*\d", said)
    assert len(figures) >= 3
    for figure in figures:
        assert re.search(rf"(?<![\d.,]){re.escape(figure)}(?![\d.,]\d)", table), figure
