"""What the report adds: a lesson's seconds and peak memory, and what a test saw of this CPU.

The card, if there is one, is hidden from all tests but those of `make test-gpu`. What a test writes
to build/, such as the progress of a learner, goes to a folder of its own.
"""

import os
import shutil
import tempfile

import pytest


def pytest_configure(config):
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["COURSE_BUILD"] = tempfile.mkdtemp(prefix="course-build-")


def pytest_unconfigure():
    shutil.rmtree(os.environ["COURSE_BUILD"], ignore_errors=True)


def pytest_itemcollected(item):
    """The tests of a file share what it has set up, so one worker takes them all, but for lessons.

    Here and not below, because xdist reads the groups before it.
    """
    group = item.nodeid if _runs_a_lesson(item) else item.path.name
    item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_modifyitems(items):
    """Lessons first, the last ones of all, which are the longest: no core waits for them at the end."""
    runs = [item for item in items if _runs_a_lesson(item)]
    others = [item for item in items if not _runs_a_lesson(item)]
    others.sort(key=lambda item: item.get_closest_marker("lesson") is None)
    items[:] = [*reversed(runs), *others]


def _runs_a_lesson(item):
    return item.path.name == "test_run.py" and item.get_closest_marker("lesson")


def pytest_runtest_logreport(report):
    measured = dict(report.user_properties)
    if report.when == "call" and "lesson" in measured:
        print(
            f"\n{measured['lesson']:28} {measured['seconds']:5.0f} s  {measured['peak_gb']:.2f} GB",
            end=" ",
        )
    if report.when == "call" and "seen" in measured:
        print(f"\n{measured['seen']}", end=" ")
