"""One line a lesson in the report: its seconds and its peak memory."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "data")]


def pytest_runtest_logreport(report):
    measured = dict(report.user_properties)
    if report.when == "call" and "lesson" in measured:
        print(
            f"\n{measured['lesson']:28} {measured['seconds']:5.0f} s  {measured['peak_gb']:.2f} GB",
            end=" ",
        )
