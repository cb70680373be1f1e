"""The recorded experiments: made by their script, on a tiny case; the shipped files are whole."""

import dataclasses
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import make_experiments as script
import pytest
from support import ROOT

from helpers import tuning

RUNS, GUESSES = script.read(script.RUNS), script.read(script.GUESSES)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The script with two tiny settings, one of lesson 9's, writing into a folder of its own."""
    tiny = tuning.Knobs(steps=2, batch_size=2, r=2)
    full = tuning.Knobs(steps=2, batch_size=2, r=None, nf4=False, learning_rate=1e-4)
    monkeypatch.setattr(script, "COST", {"tiny": tiny})
    monkeypatch.setattr(script, "SETTINGS", {"tiny": tiny, "full, tiny": full})
    monkeypatch.setattr(script, "SEEDS", (0, 1))
    for name in ("RUNS", "GUESSES", "SPEED"):
        monkeypatch.setattr(script, name, tmp_path / f"{name.lower()}.csv")
    return tmp_path


def test_a_run_is_measured_as_its_row_says(here):
    knobs = script.SETTINGS["full, tiny"]
    row, guesses = script.measure("full, tiny", knobs)
    assert guesses is None
    assert row["n_weights"] == 3_557_632
    assert row == row | dataclasses.asdict(knobs)
    again, _ = script.measure("full, tiny", knobs)
    assert again["error"] == row["error"]
    assert 20 < row["error"] < 130 and 2 < row["price_loss"] < 9 and 0.5 < row["own_text_loss"] < 2


def test_rows_are_kept_in_order_and_a_run_that_is_there_is_not_repeated(here, monkeypatch):
    ran = []

    def measure(name, knobs):
        ran.append((name, knobs.seed))
        guesses = [1, 2] if name in script.COST else None
        return {"setting": name, "seed": knobs.seed, "error": 1 / 3}, guesses

    monkeypatch.setattr(script, "measure", measure)
    monkeypatch.setattr(script, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))
    script.main("full")
    assert ran == [("full, tiny", 0), ("full, tiny", 1)]
    script.main()
    assert ran[2:] == [("tiny", 0), ("tiny", 1)]
    rows = script.read(script.RUNS)
    assert [(row["setting"], row["seed"]) for row in rows] == [
        ("tiny", "0"), ("tiny", "1"), ("full, tiny", "0"), ("full, tiny", "1"),
    ]  # fmt: skip
    assert rows[0]["error"] == "0.333333"
    assert [row["guesses"] for row in script.read(script.GUESSES)] == ["1 2", "1 2"]
    assert sorted(path.name for path in here.iterdir()) == ["guesses.csv", "runs.csv"]


TIMED = """
import json
import make_experiments as script
from helpers.tuning import Knobs
script.COST["tiny"] = Knobs(steps=2, batch_size=2, r=2)
script.N_TIMED = 20  # seconds of loading differ from run to run
print(json.dumps(script.time_steps("tiny", repeat=1)))
"""


def test_a_step_is_timed_in_a_process_of_its_own():
    """What ran before in a process would be in its peak, or have left room for the model."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "data")))
    timed = [sys.executable, "-c", TIMED]
    said = subprocess.check_output(timed, env=os.environ | {"PYTHONPATH": path})
    row = json.loads(said.splitlines()[-1])
    assert row["setting"] == "tiny" and row["ms_per_step"] > 0 and row["peak_mb"] > 7


def test_the_shipped_rows_are_of_the_settings_that_the_script_has():
    assert {row["setting"] for row in RUNS} == set(script.SETTINGS)
    for row in RUNS:
        knobs = dataclasses.asdict(script.SETTINGS[row["setting"]]) | {"seed": int(row["seed"])}
        assert {name: row[name] for name in knobs} == {n: script.text(v) for n, v in knobs.items()}
    keys = [(row["setting"], row["seed"]) for row in RUNS]
    assert len(keys) == len(set(keys))


def test_the_seeds_of_a_setting_are_the_first_ones_and_lesson_9_has_their_guesses():
    seeds = {name: [] for name in script.SETTINGS}
    for row in RUNS:
        seeds[row["setting"]].append(int(row["seed"]))
    assert all(numbers == list(range(len(numbers))) for numbers in seeds.values())
    for name in ("standard", "full, 1.2e-04", "not quantized", "r 4", "r 1"):
        assert len(seeds[name]) == 5, "what the lessons' conclusions rest on"
    kept = [(row["setting"], int(row["seed"])) for row in GUESSES]
    assert kept == [(name, seed) for name in script.COST for seed in seeds[name]]
    assert {len(row["guesses"].split()) for row in GUESSES} == {1000}
