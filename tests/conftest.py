"""What the report adds: a lesson's seconds and peak memory, and what a test saw of this CPU.

The card, if there is one, is hidden from all tests but those of `make test-gpu`. What a test writes
to build/, such as the progress of a learner, goes to a folder of its own.
"""

import os
import shutil
import tempfile


def pytest_configure(config):
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["COURSE_BUILD"] = tempfile.mkdtemp(prefix="course-build-")


def pytest_unconfigure():
    shutil.rmtree(os.environ["COURSE_BUILD"], ignore_errors=True)


def pytest_collection_modifyitems(items):
    """The last lessons first: they are the longest, and no core should wait for one at the end."""
    lessons = [item for item in items if item.get_closest_marker("lesson")]
    items[:] = [*reversed(lessons), *(item for item in items if item not in lessons)]


def pytest_runtest_logreport(report):
    measured = dict(report.user_properties)
    if report.when == "call" and "lesson" in measured:
        print(
            f"\n{measured['lesson']:28} {measured['seconds']:5.0f} s  {measured['peak_gb']:.2f} GB",
            end=" ",
        )
    if report.when == "call" and "seen" in measured:
        print(f"\n{measured['seen']}", end=" ")
