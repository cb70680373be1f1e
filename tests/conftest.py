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


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """What runs lessons first, so that no core waits for a long test at the end.

    The tests of a file share what it has set up, so one worker takes them all; only test_run.py's
    runs are apart. The last lessons are the longest.
    """
    lessons = [item for item in items if item.get_closest_marker("lesson")]
    runs = [item for item in lessons if item.path.name == "test_run.py"]
    for item in items:
        group = item.nodeid if item in runs else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))
    rest = [item for item in items if item not in lessons]
    items[:] = [*reversed(runs), *(item for item in lessons if item not in runs), *rest]


def pytest_runtest_logreport(report):
    measured = dict(report.user_properties)
    if report.when == "call" and "lesson" in measured:
        print(
            f"\n{measured['lesson']:28} {measured['seconds']:5.0f} s  {measured['peak_gb']:.2f} GB",
            end=" ",
        )
    if report.when == "call" and "seen" in measured:
        print(f"\n{measured['seen']}", end=" ")
