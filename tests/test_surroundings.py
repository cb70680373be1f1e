"""The helpers work in any locale, time zone, umask and order of hashing, and give the same there."""

import json
import locale
import os
import subprocess
import sys

import pytest
from support import ROOT

# No backslash: as an argument, it is a yen sign in Shift JIS.
WORK = """
import json, os
os.umask(int(os.environ["COURSE_TEST_UMASK"], 8))
import matplotlib
matplotlib.use("Agg")
import numpy as np
from helpers import BUILD, catalogue, progress, scoring
from helpers.lesson_04 import checks
from tokenizers import Tokenizer

items = catalogue.load("test").select(range(50))
prices = catalogue.prices(items)
words = Tokenizer.from_file(str(catalogue.checked("pocket-llama/tokenizer.json")))
ids = words.encode("Caf" + chr(0xE9) + " piano, I" + chr(0x130) + chr(0x131) + "i: $99").ids
errors = scoring.absolute_errors(np.full(50, 100.0), prices)
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
axes.plot(errors)
axes.set_title(chr(0x2212) + "log p(89), " + chr(0xE9))
BUILD.mkdir(parents=True)
figure.savefig(BUILD / "picture.png")
assert checks.best_guess(lambda b, c: int((c @ b).argmin())).state == "right"
assert (BUILD / "picture.png").stat().st_size > 5000
print(json.dumps([progress.read(), ids, [round(float(e), 6) for e in errors]]))
"""

IN_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": "7"}
PLACES = {  # in the first, Python takes UTF-8 mode by itself
    "C, far east, umask 077, hash seed 0": {
        "LC_ALL": "C",
        "TZ": "Pacific/Chatham",
        "COURSE_TEST_UMASK": "077",
        "PYTHONHASHSEED": "0",
    },
    "tr_TR.UTF-8": {"LC_ALL": "tr_TR.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "1"},
    "tr_TR.ISO-8859-9": {"LC_ALL": "tr_TR.ISO-8859-9", "PYTHONUTF8": "0"},
    "ja_JP.UTF-8": {"LC_ALL": "ja_JP.UTF-8", "TZ": "Asia/Tokyo"},
    "ja_JP.SHIFT_JIS": {"LC_ALL": "ja_JP.SHIFT_JIS", "PYTHONUTF8": "0"},
}


def there_is(name):
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, name)
        return True
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_ALL, before)


def work(build, **place):
    env = os.environ | {"COURSE_BUILD": str(build), "COURSE_TEST_UMASK": "022"} | place
    done = subprocess.run(
        [sys.executable, "-c", WORK], cwd=ROOT, env=env, capture_output=True, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def in_ascii(tmp_path_factory):
    return work(tmp_path_factory.mktemp("ascii") / "build", **IN_ASCII)


@pytest.mark.parametrize("place", PLACES)
def test_the_helpers_do_the_same_everywhere(place, in_ascii, tmp_path):
    if not there_is(PLACES[place]["LC_ALL"]):
        pytest.skip(f"the locale {place} is not installed here")
    assert work(tmp_path / "build", **PLACES[place]) == in_ascii
    mode = (tmp_path / "build" / "progress.json").stat().st_mode & 0o777
    if os.name == "posix":
        assert mode == (0o600 if "077" in place else 0o644)
