"""The course's helpers: they draw, check, load, seed and measure; the lessons teach."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # the course's folder, wherever a lesson runs
DATA = ROOT / "data"  # what is shipped
BUILD = Path(os.environ.get("COURSE_BUILD", ROOT / "build"))  # what a run writes; not in git
