"""A run's files: one process writes them, whole or not at all, or says why it could not."""

import errno
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from helpers import environment

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

# What libraries say that cannot write a file, without an OSError: torch, and those written in Rust
THEY_SAY = ("inline_container", "PytorchStreamWriter", "Parent directory", "(os error ")
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
LOCK = "lock"  # the name of the file that is locked
_held = {}  # {folder: its open lock}


class NotSaved(OSError):
    """Something could not be written; the message says what to do."""


def hold(folder: Path) -> None:
    """Make this process the only one that writes to `folder`, until it ends or calls `let_go`.

    The system drops the lock with its process, however that ends. Where files cannot be locked, as
    in some network drives, there is none. (filelock would leave a file there that outlives a kill.)
    Raises RuntimeError if another process holds the folder.
    """
    folder = Path(folder).resolve()
    if folder in _held:
        return
    try:
        file = open(folder / LOCK, "ab")
    except OSError:
        return  # what cannot be written is told when it is written
    try:
        _lock(file)
        _held[folder] = file
    except (BlockingIOError, PermissionError):
        file.close()
        raise RuntimeError(
            f"another notebook or script is training this run, in {folder}: let it finish, or shut "
            "its kernel down, then run this cell again. Nothing of it was touched"
        ) from None
    except OSError:
        file.close()


def let_go(folder: Path) -> None:
    """Let other processes write to `folder`."""
    if file := _held.pop(Path(folder).resolve(), None):
        file.close()


@contextmanager
def whole(folder: Path, n_bytes: int):
    """Give a new folder to write files to; at the end they take the place of those in `folder`.

    If writing fails or is cut off, `folder` is as it was.
    n_bytes: how much will be written at most. Raises NotSaved with what to do if it fails.
    """
    folder = Path(folder)
    new = folder.with_name(f"{folder.name}.new")
    try:
        shutil.rmtree(new, ignore_errors=True)  # there if an earlier run was cut off
        yield new
        folder.mkdir(exist_ok=True)
        for file in sorted(new.iterdir()):
            file.replace(folder / file.name)
        new.rmdir()
    except Exception as error:
        if not is_failed_write(error):
            raise
        shutil.rmtree(new, ignore_errors=True)
        raise not_saved(folder, error, n_bytes) from None


def not_saved(path: Path, error: Exception, n_bytes: int) -> NotSaved:
    """What a learner reads if up to `n_bytes` could not be written to `path`."""
    why = if_full(error, n_bytes, path.parent) or (
        f"{one_line(error)}. See that {path.parent} can be written, then run the cell again"
    )
    return NotSaved(f"{path.name} could not be saved: {why}")


def is_failed_write(error: Exception) -> bool:
    """Whether `error` is what Python, torch, safetensors or tokenizers raise if they cannot write."""
    return isinstance(error, OSError) or any(sign in str(error) for sign in THEY_SAY)


def if_full(error: Exception, n_bytes: int, folder: Path) -> str | None:
    """What to do if `error` came because the disk of `folder` has no room for `n_bytes`, else None."""
    try:
        environment.check_disk(n_bytes, folder)
    except OSError as found:
        if found.errno is None:  # else the disk itself cannot be asked
            return str(found)
    if getattr(error, "errno", None) in FULL or os.strerror(errno.ENOSPC) in str(error):
        return (  # a quota
            f"this needs up to {n_bytes / 1e6:,.0f} MB of disk space, and there is no more for "
            f"{folder}: make room there, then run the cell again"
        )
    return None


def one_line(error: Exception) -> str:
    """The first line of what `error` says."""
    return f"{error}".partition("\n")[0].strip(" .")


def _lock(file) -> None:
    """Lock `file`. Raises BlockingIOError or PermissionError if another process has locked it."""
    if os.name == "nt":
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
