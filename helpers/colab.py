"""What the first cell of a lesson runs in Google Colab once it has fetched the course.

It installs trl and bitsandbytes, moves datasets and pyarrow to newer versions, and uninstalls
Colab's old torchao, which peft refuses to work beside. Every other installed package is a constraint
for pip: rather than change one of them, pip stops with a message. No restart is needed, and running
it again installs nothing again. On request, build/ is kept in the learner's Google Drive.
"""

import os
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

from packaging.version import Version

COURSE = Path(__file__).resolve().parent.parent
ADDED = ("trl", "bitsandbytes", "datasets")  # their ranges are in requirements.txt
MAY_MOVE = {*ADDED, "pyarrow"}  # datasets 4.7 and later need a newer one than Colab's
DRIVE = Path("/content/drive")
START_AFRESH = "To start afresh: Runtime → Disconnect and delete runtime, then Runtime → Run all."


def missing() -> list[str]:
    """The requirements that pip has to install: those of ADDED that are absent or out of range."""
    from helpers import packages

    added = [r for r in packages.requirements() if r.name in ADDED]
    return [str(r) for r in added if not r.specifier.contains(packages.installed(r.name))]


def others() -> list[str]:
    """One name==version for each installed package that has to stay as it is."""
    pins = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}
    return sorted(f"{n}=={v}" for n, v in pins.items() if n.lower() not in MAY_MOVE)


def pip(*arguments: str) -> None:
    """Run pip. Raises RuntimeError with the last line of its output and what to do."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise RuntimeError(
            f"`pip {arguments[0]}` failed: {said[-1]}\n{START_AFRESH} If it fails again, Colab's "
            "packages have changed since this course was tested: please open an issue on GitHub."
        )


def prepare() -> None:
    """Make `helpers` importable, and install what is missing."""
    if str(COURSE) not in sys.path:
        sys.path.insert(0, str(COURSE))
    from helpers import packages

    if add := missing():
        early = [name for name in ("pyarrow", "datasets") if name in sys.modules]
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as constraints:
            constraints.write("\n".join(others()))
            constraints.flush()
            pip("install", "--quiet", *add, "--constraint", constraints.name)
        if early:
            raise RuntimeError(
                f"{' and '.join(early)} had been imported before this cell installed a newer version: "
                "choose Runtime → Restart session, then Runtime → Run all."
            )
    # beside an older torchao, peft refuses to add LoRA
    if Version("0") < Version(packages.installed("torchao")) < Version("0.16"):
        pip("uninstall", "--quiet", "--yes", "torchao")


def keep_in_drive(mounted: Path = DRIVE) -> None:
    """Let build/ (progress, adapters, checkpoints) be a folder of the learner's Google Drive.

    Colab asks for leave. If Drive cannot be opened, a line says so and the lesson goes on without.
    """
    from google.colab import drive

    folder = mounted / "MyDrive" / "pocket-llm-course"
    try:
        drive.mount(str(mounted))
        folder.mkdir(exist_ok=True)
    except Exception as error:  # drive.mount does not document its errors
        print(
            f"Google Drive could not be opened ({error}). The lesson runs without it: what you "
            "solve and train is kept until this session ends."
        )
        return
    os.environ["COURSE_BUILD"] = str(folder)
    if "helpers" in sys.modules and sys.modules["helpers"].BUILD != folder:
        raise RuntimeError(
            "This session has kept its files elsewhere until now: choose Runtime → Restart session, "
            "then Runtime → Run all."
        )
    print(f"What you solve and train is kept in {folder}.")


def main(in_drive: bool) -> None:
    """Prepare this machine, and print which one it is and how lesson 8 will run on it."""
    if in_drive:
        keep_in_drive()  # first: whatever imports `helpers` fixes where build/ is
    prepare()
    from helpers import environment, profiles

    profile = profiles.choose()
    line = f"Google Colab with {environment.device_name()}: profile {profile.name}."
    if profile.name == "pocket" and environment.card() is None:
        line += " For a GPU: Runtime → Change runtime type."
    print(line)


if __name__ == "__main__":
    main(globals().get("in_drive", False))  # as the first cell says
