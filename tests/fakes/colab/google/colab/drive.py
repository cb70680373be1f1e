"""Google Drive, if COURSE_DRIVE says "yes"; else nobody is there to give leave."""

import os
from pathlib import Path


def mount(mountpoint, force_remount=False):
    if os.environ.get("COURSE_DRIVE") != "yes":
        raise ValueError("mount failed")
    (Path(mountpoint) / "MyDrive").mkdir(parents=True, exist_ok=True)
