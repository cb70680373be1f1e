"""What several test files need: a copy of the course, and git in it."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def git(*arguments: str, cwd: Path) -> None:
    """Run git in `cwd` as somebody with a name."""
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True)


def copy_of_the_tree(folder: Path) -> None:
    """Copy what git has, or would add, of the working tree as it is now into `folder`."""
    names = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(["git", *names], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0")[:-1]:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def commit_of_the_tree(folder: Path) -> None:
    """Make `folder` a repository whose branch main holds the working tree as it is now."""
    copy_of_the_tree(folder)
    git("init", "-q", "-b", "main", cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-qm", "as it is", cwd=folder)
