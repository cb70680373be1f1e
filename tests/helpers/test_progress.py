"""What a learner has solved is kept, counted once, and never in the way of a lesson."""

import importlib
import json
import os
import subprocess
import sys

import pytest
from support import ROOT

from helpers import exercises, progress
from helpers.lesson_04 import checks


@pytest.fixture(autouse=True)
def build(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "BUILD", tmp_path / "build")
    return tmp_path / "build"


@pytest.fixture
def prediction(monkeypatch):
    judge = exercises.Prediction("nats", near=1.1)
    monkeypatch.setattr(checks, "first_loss", judge, raising=False)
    return judge


def test_a_solved_exercise_is_kept_and_stays_solved(build):
    assert "exercises 0 of" in str(progress.Progress(4))
    assert checks.best_guess(lambda belief, cost: 0).state == "wrong"
    assert not build.exists(), "nothing is written for a wrong or an untouched answer"
    assert checks.best_guess(lambda b, c: int((c @ b).argmin())).state == "right"
    checks.best_guess(lambda belief, cost: 0)
    assert progress.read() == {"04": {"exercises": {"best_guess": True}}}
    assert "4. Next-token loss: exercises 1 of 4" in str(progress.Progress(4))
    code = "from helpers import progress; print(progress.Progress(4))"
    env = os.environ | {"COURSE_BUILD": str(build)}
    later = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True)
    assert b"exercises 1 of 4" in later.stdout, "in another process"


def test_the_first_prediction_counts(prediction):
    assert prediction(None, 7.66).state == "untouched"
    assert prediction("much", 7.66).state == "untouched"
    assert progress.read() == {}
    assert "predictions 0 of 3," in str(progress.Progress(4))
    assert prediction(100, 7.66).state == "wrong"
    assert prediction(7.66, 7.66).state == "right"
    assert progress.read() == {"04": {"predictions": {"first_loss": False}}}
    assert "predictions 1 of 3 (0 near)," in str(progress.Progress(4))


@pytest.mark.parametrize(
    "guess, came_out, state",
    [
        (7, 7.66, "right"), (8.4, 7.66, "right"), (8.5, 7.66, "wrong"), (6.9, 7.66, "wrong"),
        (-7.66, 7.66, "wrong"), (0, 7.66, "wrong"), (0, 0.0, "right"), (1, 0.0, "wrong"),
        (float("nan"), 7.66, "wrong"), (float("inf"), 7.66, "wrong"), (-5, -5.2, "right"),
        ("Falls ", "falls", "right"), ("rises", "falls", "wrong"), (3, "falls", "wrong"),
        (True, 1.0, "untouched"),
    ],
)  # fmt: skip
def test_a_prediction_is_near_or_the_same_word(guess, came_out, state, prediction):
    verdict = prediction(guess, came_out)
    assert verdict.state == state
    assert state == "untouched" or "it is" in verdict.reason


def test_only_the_words_that_were_asked_for_count():
    word = exercises.Prediction(among=("rises", "falls"))
    assert repr(word("5.73", "falls")) == """· '5.73' does not count: type "rises" or "falls\""""
    assert word(" Rises", "falls").state == "wrong" and word("FALLS", "falls").state == "right"


def test_a_prediction_is_told_how_far_off_it_was():
    nats, plain = exercises.Prediction("nats", near=1.1), exercises.Prediction()
    said = "✗ you said 100; it is 7.66 nats: too high by a factor of 13.1"
    assert repr(nats(100, 7.66)) == said
    assert repr(nats(0.5, 7.5)) == "✗ you said 0.5; it is 7.5 nats: too low by a factor of 15"
    assert repr(nats(7.5, 7.66)) == "✓ you said 7.5; it is 7.66 nats: near, within a factor of 1.1"
    assert repr(plain(-8, -2.0)) == "✗ you said -8; it is -2: too high by a factor of 4"
    assert repr(plain("rises", "falls")) == "✗ you said 'rises'; it is falls"


def test_every_lesson_is_counted_and_all_solved_is_said(build):
    names = progress.there_are()
    for lesson, kinds in names.items():
        module = importlib.import_module(f"helpers.lesson_{lesson}.checks")
        for name in kinds["exercises"]:
            assert isinstance(getattr(module, name), exercises.Check)
        assert 2 <= len(kinds["quiz"]) <= 3
    assert sum(len(kinds["exercises"]) for kinds in names.values()) >= 23
    build.mkdir()
    solved = {le: {k: dict.fromkeys(v, True) for k, v in ks.items()} for le, ks in names.items()}
    (build / "progress.json").write_text(json.dumps(solved), encoding="utf-8")
    said = str(progress.Progress())
    assert said.endswith("All exercises are solved. Well done!")
    page = str(progress.LastPage()).splitlines()
    assert page[:2] == [
        "1. Tensors. How does a tensor hold a batch, and which shapes may meet?",
        "   A tensor is one line of numbers of one dtype, with a shape and strides to read it. "
        "A view changes how the line is read, not the line.",
    ]
    assert len(page) == 2 * len(names) + 2 and not any(set("*`") & set(line) for line in page)
    solved["04"]["exercises"]["best_guess"] = False
    (build / "progress.json").write_text(json.dumps(solved), encoding="utf-8")
    assert str(progress.Progress()).endswith("Lessons with unsolved exercises: 4.")
    assert str(progress.LastPage()).startswith("· Exercises left: 1.")
    assert str(progress.Progress(4)).splitlines()[0].startswith("4. Next-token loss: ")


def test_a_damaged_file_is_put_aside_and_a_full_disk_ends_no_lesson(build, monkeypatch, capsys):
    build.mkdir()
    for text in (
        "{",
        "",
        "[]",
        '{"04": 3}',
        '{"04": {"exercises": 3}}',
        '{"04": {"quiz": {"a": "b"}}}',
    ):
        (build / "progress.json").write_text(text, encoding="utf-8")
        assert progress.read() == {}
        assert (build / "progress.damaged").read_text(encoding="utf-8") == text
        assert capsys.readouterr().out == (
            "progress.json is damaged: it is now progress.damaged, and counting starts anew.\n"
        )

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress, "write_json", full)
    assert checks.best_guess(lambda b, c: int((c @ b).argmin())).state == "right"
    assert capsys.readouterr().out == (
        "Your progress could not be saved (No space left on device). The lesson goes on.\n"
    )


def test_where_build_can_be_neither_read_nor_written_a_lesson_goes_on(build, capsys):
    build.write_text("a file in place of the folder", encoding="utf-8")
    assert progress.read() == {}
    assert checks.best_guess(lambda b, c: int((c @ b).argmin())).state == "right"
    [said] = capsys.readouterr().out.splitlines()
    assert said.startswith("Your progress could not be saved (") and "goes on" in said


def test_what_another_version_of_the_course_noted_is_kept(build):
    build.mkdir()
    other = {
        "04": {"exercises": {"gone": True}, "games": {"a": True}},
        "17": {"quiz": {"b": False}},
    }
    (build / "progress.json").write_text(json.dumps(other), encoding="utf-8")
    assert "4. Next-token loss: exercises 0 of 4" in str(progress.Progress(4))
    assert checks.best_guess(lambda b, c: int((c @ b).argmin())).state == "right"
    other["04"]["exercises"]["best_guess"] = True
    assert progress.read() == other


def test_a_check_outside_a_lesson_is_not_noted():
    assert exercises.Check(lambda x: x, cases=[(1,)])(lambda x: x).state == "right"
    assert progress.read() == {}
