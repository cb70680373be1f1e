"""Impossible knobs of lesson 8: what a learner is told, and how early."""

import json
import os
import subprocess
import sys

import pytest
import run_lessons as runner
from support import ROOT

CASES = [  # knobs, what is said before the base is loaded, or before the run has a folder
    ({"watched_item": 1000}, "watched_item = 1,000: here it has to be 999 or less"),
    ({"watched_item": -1}, "watched_item = -1: it has to be a whole number, 0"),
    ({"changes": {"target_modules": ["q", "v_proj"]}}, "no module q in this model"),
    ({"changes": {"max_length": 20}}, "max_length = 20 cuts off the answer"),
    ({"log_every": 0}, "log_every = 0: it has to be a whole number"),
    ({"log_every": 2.5}, "log_every = 2.5: it has to be a whole number"),
]  # fmt: skip

SCRIPT = """
import json, sys
setup, cells, cases = json.load(sys.stdin)
start = {}
exec(setup, start)
start["base_model"].load_base = start["runs"].run_folder = lambda *_: 1 / 0
told = []
for knobs, _ in cases:
    names = start | {"changes": {}, "profile_name": "pocket", "watched_item": 7} | knobs
    try:
        for cell in cells:
            if "log_every" not in knobs or "log_every" in cell:
                exec(cell, names)
        told.append("nothing")
    except Exception as error:
        told.append(str(error))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told():
    """What each of CASES ends with. What may not begin yet divides by zero."""
    [path] = [path for path in runner.LESSONS if path.stem.startswith("08")]
    code = [cell for cell in runner.read(path).cells if cell.cell_type == "code"]
    [setup] = [cell.source for cell in code if "setup" in runner.tags(cell)]
    wanted = (
        "hub.resolve",
        "catalogue.load(",
        "llama_3",
        "load_config(",
        "load_base(",
        "log_every,",
    )
    cells = [cell.source for cell in code if any(name in cell.source for name in wanted)]
    cells = [source.replace("plots.memory_parts(", "print(") for source in cells]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([setup, cells, CASES]),
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.lesson
@pytest.mark.parametrize("place", range(len(CASES)), ids=[str(case[0]) for case in CASES])
def test_an_impossible_knob_of_lesson_8_is_refused_before_anything_long(told, place):
    assert CASES[place][1] in told[place]
