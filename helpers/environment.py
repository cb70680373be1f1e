"""Seeds, quiet libraries, and what this machine has: the only module that asks it."""

import logging
import os
import random
import shutil
import sys
import warnings
from pathlib import Path

NOISY_LOGGERS = ("transformers", "bitsandbytes", "accelerate", "datasets", "torch", "trl", "peft")
QUIET = {  # the libraries read these when they are first imported
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}


def start(seed: int = 42) -> None:
    """Seed Python, NumPy and torch, quiet the libraries, and print torch's version and the device.

    Call it before you import anything but `helpers`: most libraries read their settings once, when
    they are imported. Calling it again starts over, with the same seeds and float32.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=FutureWarning)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    # With the package `kernels`, bitsandbytes fetches code from the hub and runs it, at import, on
    # a CPU with AVX512-BF16 (bitsandbytes 0.50, backends/cpu/ops.py). Here it is never found.
    sys.modules["kernels"] = None
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


def card() -> tuple[str, float, tuple[int, int]] | None:
    """This machine's first CUDA card as (name, GiB, compute capability), or None."""
    import torch

    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(0)
    return found.name, found.total_memory / 2**30, (found.major, found.minor)


def device_name() -> str:
    """The name of the GPU with its memory in GiB, or "the CPU"."""
    found = card()
    return f"{found[0]}, {found[1]:.1f} GiB" if found else "the CPU"


def total_memory() -> int:
    """All bytes of the GPU's memory, or of the machine's if it has no GPU, whether free or in use."""
    import psutil

    found = card()
    return int(found[1] * 2**30) if found else psutil.virtual_memory().total


def in_colab() -> bool:
    """True in Google Colab."""
    return "COLAB_RELEASE_TAG" in os.environ


def has_live_frontend() -> bool:
    """True if JupyterLab, VS Code or Colab started this kernel, so that someone may be watching."""
    return in_colab() or any(os.environ.get(k) for k in ("JPY_SESSION_NAME", "VSCODE_PID"))


def check_disk(n_bytes: int, folder: Path) -> None:
    """Raise OSError if the disk that holds `folder` has less than `n_bytes` free."""
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OSError(
            f"this needs {n_bytes / 1e6:,.0f} MB of disk space, and the disk of {folder} has "
            f"{free / 1e6:,.0f} MB left: make room there, then run the cell again"
        )
