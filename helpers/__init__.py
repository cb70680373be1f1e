"""The course's helpers: they draw, check, load, seed and measure; the lessons teach."""

import json
import os
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  # before any import that an older Python cannot read
    raise ImportError(f"This course needs Python 3.11 or newer; this is {sys.version.split()[0]}.")

ROOT = Path(__file__).resolve().parent.parent  # the course's folder, wherever a lesson runs
INSTALL = "Install them with: make lab   (without make: see the README)"  # packages
DATA = ROOT / "data"  # what is shipped
BUILD = Path(os.environ.get("COURSE_BUILD", ROOT / "build"))  # what a run writes; not in git


def write_json(path: Path, value) -> None:
    """Write `value` as JSON, whole or not at all: if the run is killed, the old file is still there."""
    new = Path(path).with_suffix(".new")
    new.write_text(json.dumps(value, indent=1), encoding="utf-8")
    new.replace(path)
