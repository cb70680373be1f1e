"""Seeds, quiet libraries, and what this machine has: the only module that asks it."""

import logging
import math
import os
import random
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from helpers import BUILD

NOISY_LOGGERS = (
    "transformers",
    "bitsandbytes",
    "accelerate",
    "datasets",
    "torch",
    "trl",
    "peft",
    "matplotlib",
)
LESSON = 15 * 10**8  # bytes of memory that a lesson may need
OF_PROCESS, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")  # control groups, on Linux
QUIET = {  # the libraries read these when they are first imported
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # of huggingface_hub, transformers, datasets and trl
    "DO_NOT_TRACK": "1",
}


def start(seed: int = 42) -> None:
    """Seed Python, NumPy and torch, quiet the libraries, and print torch's version and the device.

    Call it before you import anything but `helpers`: most libraries read their settings once, when
    they are imported. Calling it again starts over, with the same seeds and float32.
    Of several processes that a launcher started, only the main one prints from here on.
    Raises ImportError when a package is missing or too old. Prints a line when one is too new, or
    when nothing can be written to build/, or when memory is short. In a notebook, from here on a
    failed assert is explained, and a cell with an impossible knob refused.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if n_processes() == 1:  # transformers' Trainer would count a second card without using it
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
    if not is_main():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    warnings.filterwarnings("ignore", category=FutureWarning)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    # With the package `kernels`, bitsandbytes fetches code from the hub and runs it, at import, on
    # a CPU with AVX512-BF16 (bitsandbytes 0.50, backends/cpu/ops.py). Here it is never found.
    sys.modules["kernels"] = None
    too_new = _check_packages()
    import huggingface_hub.constants
    import huggingface_hub.utils
    import numpy as np
    import torch

    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True  # trl would report each run
    huggingface_hub.utils.disable_progress_bars()  # transformers' bars too, if imported after this
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float32)
    print(f"torch {torch.__version__.split('+')[0]} on {device_name()}, seed {seed}")
    for said in (too_new, not_writable(BUILD), too_little_memory()):
        if said:
            print(f"· {said}")
    if in_notebook():
        from helpers import asserts, limits

        limits.refuse_in_cells()
        capability = torch.backends.cpu.get_cpu_capability()
        asserts.watch(seed=seed, device=device_name(), cpu=capability)


def _check_packages() -> str:
    try:
        from helpers import packages
    except ImportError as error:  # it needs one itself
        raise ImportError(f"The package {error.name} is missing: run `make lab`") from None
    said, can_run = packages.amiss(of_lessons=True)
    if not can_run:
        raise ImportError(said)
    return said


def not_writable(folder: Path) -> str:
    """Why nothing can be written to `folder` (made if needed), and what to do; "" if it can."""
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        elsewhere = Path(tempfile.gettempdir()) / "pocket-llm-course"
        return (
            f"Nothing can be written to {folder} ({error.strerror}), where lessons keep what you "
            "solve and train. Set COURSE_BUILD to a folder of yours before you start Jupyter, such "
            f"as COURSE_BUILD={elsewhere}."
        )
    return ""


def n_processes() -> int:
    """How many processes train together: 1, unless `accelerate launch` or torchrun started more."""
    return int(os.environ.get("WORLD_SIZE", 1))


def is_main() -> bool:
    """True in the process that prints and writes files: the first, or the only one."""
    return int(os.environ.get("RANK", 0)) == 0


def wait_for_all() -> None:
    """Return when every process is here: then all find what the main one has written."""
    if n_processes() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def device() -> int | str:
    """Where this process's model belongs: the number of its CUDA card, or "cpu".

    A launcher numbers a machine's processes from 0; each takes the card of its number.
    """
    import torch

    return int(os.environ.get("LOCAL_RANK", 0)) if torch.cuda.is_available() else "cpu"


def card() -> tuple[str, float, tuple[int, int]] | None:
    """This process's CUDA card as (name, GiB, compute capability), or None."""
    import torch

    place = device()
    if place == "cpu":
        return None
    found = torch.cuda.get_device_properties(place)
    return found.name, found.total_memory / 2**30, (found.major, found.minor)


def device_name() -> str:
    """The name of the GPU with its memory in GiB, or "the CPU"."""
    found = card()
    return f"{found[0]}, {found[1]:.1f} GiB" if found else "the CPU"


def total_memory() -> int:
    """All bytes of the GPU's memory, or of the machine's if it has no GPU, whether free or in use.

    In a container or a job with a limit of its own, the machine's are no more than that.
    """
    import psutil

    found = card()
    if found:
        return int(found[1] * 2**30)
    return min(psutil.virtual_memory().total, *(limit for limit, _ in _limits()))


def free_memory() -> int:
    """The bytes of the machine's memory that a program can have without pushing others out.

    No more than the limit of a container or a job leaves.
    """
    import psutil

    return min(psutil.virtual_memory().available, *(limit - used for limit, used in _limits()))


def too_little_memory() -> str:
    """What to do if less memory is free than a lesson may need; "" if there is enough."""
    free = free_memory()
    if free >= LESSON:
        return ""
    return (
        f"{free / 1e9:.1f} GB of memory are free; a lesson needs up to {LESSON / 1e9:.1f}. Close "
        "other programs and other notebooks' kernels, or the system may end this one."
    )


def _limits() -> Iterator[tuple[float, int]]:
    """(limit, bytes in use) of each control group with a limit that this process is in.

    Files that the system can drop from memory do not count as in use.
    """
    yield math.inf, 0
    with suppress(OSError):  # another system than Linux
        for line in OF_PROCESS.read_text(encoding="utf-8").splitlines():
            _, kinds, path = line.split(":", 2)
            if not kinds:  # version 2 of control groups
                top, names = GROUPS, ("memory.max", "memory.current", "inactive_file")
            elif "memory" in kinds.split(","):
                top, names = GROUPS / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
                names = *names, "total_inactive_file"
            else:
                continue
            inside = top / path.lstrip("/")
            for folder in (inside, *inside.parents):  # a container sees itself as the top
                with suppress(OSError, ValueError, KeyError):  # "max": there is no limit
                    limit, used = (int((folder / n).read_text(encoding="utf-8")) for n in names[:2])
                    stat = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
                    yield limit, used - int(dict(line.split() for line in stat)[names[2]])


def has_nvidia_driver() -> bool:
    """True if NVIDIA's driver is installed; says so without torch, which takes seconds to import."""
    return shutil.which("nvidia-smi") is not None


def in_colab() -> bool:
    """True in Google Colab."""
    return "COLAB_RELEASE_TAG" in os.environ


def in_notebook() -> bool:
    """True in a notebook's kernel, False in a script, which has no page to show a picture on."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def has_live_frontend() -> bool:
    """True if JupyterLab, VS Code or Colab started this kernel, so that someone may be watching."""
    signs = ("COLAB_RELEASE_TAG", "JPY_SESSION_NAME", "VSCODE_PID")
    return in_notebook() and any(os.environ.get(sign) for sign in signs)


def check_disk(n_bytes: int, folder: Path) -> None:
    """Raise OSError if the disk that holds `folder` has less than `n_bytes` free."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OSError(
            f"this needs {n_bytes / 1e6:,.0f} MB of disk space, and the disk of {folder} has "
            f"{free / 1e6:,.0f} MB left: make room there, then run the cell again"
        )
