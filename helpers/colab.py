"""What the first cell of a lesson runs in Google Colab once it has fetched the course.

Adds what Colab lacks and moves nothing else: every other installed package is a constraint, so
that pip stops with a sentence rather than exchange one of them. No restart, and safe to run twice.
"""

import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

COURSE = Path(__file__).resolve().parent.parent
ADDED = ("trl", "bitsandbytes", "datasets")  # their ranges stand in requirements.txt
MAY_MOVE = {*ADDED, "pyarrow"}  # datasets 4.7 and later wants a newer one than Colab's
RETRY = "Runtime → Disconnect and delete runtime, then Runtime → Run all, starts afresh."


def requirements() -> list[Requirement]:
    """What requirements.txt asks for, each package with its range."""
    lines = (COURSE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    bare = [line.partition("#")[0].strip() for line in lines]
    return [Requirement(line) for line in bare if line and not line.startswith("-")]


def missing() -> list[str]:
    """What pip has to add, as requirements: those of ADDED that are absent or out of range."""
    added = [r for r in requirements() if r.name in ADDED]
    return [str(r) for r in added if not r.specifier.contains(installed(r.name))]


def installed(name: str) -> str:
    """The installed version of `name`; "0" if there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "0"


def others() -> list[str]:
    """name==version of every installed package that has to stay as it is."""
    pins = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}
    return sorted(f"{n}=={v}" for n, v in pins.items() if n.lower() not in MAY_MOVE)


def pip(*arguments: str) -> None:
    """Run pip; raises RuntimeError with its last words and what to do."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise RuntimeError(
            f"pip could not do `{' '.join(arguments[:2])} …`: {said[-1]}\n{RETRY} If it fails again, "
            "Colab has moved on: the course's repository says which version works."
        )


def prepare() -> None:
    """Make `helpers` importable and the packages complete; no more than is needed."""
    if str(COURSE) not in sys.path:
        sys.path.insert(0, str(COURSE))
    if add := missing():
        early = [name for name in ("pyarrow", "datasets") if name in sys.modules]
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as constraints:
            constraints.write("\n".join(others()))
            constraints.flush()
            pip("install", "--quiet", *add, "--constraint", constraints.name)
        if early:
            raise RuntimeError(
                f"{' and '.join(early)} had been imported before this cell ran and changed under it: "
                "Runtime → Restart session, then Runtime → Run all. Nothing is installed again."
            )
    # peft refuses to add LoRA beside an old torchao
    if Version("0") < Version(installed("torchao")) < Version("0.16"):
        pip("uninstall", "--quiet", "--yes", "torchao")


def main() -> None:
    prepare()
    from helpers import profiles
    from helpers.environment import device_name

    profile = profiles.choose()
    line = f"Google Colab with {device_name()}: profile {profile.name}."
    if profile.name == "pocket" and profiles.gpu() is None:
        line += " For a GPU: Runtime → Change runtime type."
    print(line)


if __name__ == "__main__":
    main()
