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
    """Lessons first, the long ones of the end before the others, so that no core waits for one.

    The tests of a file share what it has set up, so one worker takes them all; each lesson is a
    group of its own, but for Colab's stack, whose first lesson installs what the others need.
    """
    of_lessons = [item for item in items if item.get_closest_marker("lesson")]
    for item in items:
        alone = item in of_lessons and os.environ.get("STACK") != "colab"
        item.add_marker(pytest.mark.xdist_group(item.nodeid if alone else item.path.name))
    items.sort(key=lambda item: item not in of_lessons)
    if os.environ.get("STACK") != "colab":
        items[: len(of_lessons)] = reversed(of_lessons)


def pytest_runtest_logreport(report):
    measured = dict(report.user_properties)
    if report.when == "call" and "lesson" in measured:
        print(
            f"\n{measured['lesson']:28} {measured['seconds']:5.0f} s  {measured['peak_gb']:.2f} GB",
            end=" ",
        )
    if report.when == "call" and "seen" in measured:
        print(f"\n{measured['seen']}", end=" ")
