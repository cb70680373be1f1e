"""Seeds, quiet libraries, and what this machine can run."""

import logging
import os
import random
import sys
import warnings

NOISY_LOGGERS = ("transformers", "bitsandbytes", "accelerate", "datasets", "torch", "trl", "peft")
QUIET = {  # the libraries read these when they are first imported
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}


def start(seed: int = 42) -> None:
    """Seed Python, NumPy and torch, quieten the libraries, and print what runs here (one line).

    Call it before anything but `helpers` is imported: most libraries read their settings once.
    Calling it again starts over: the same seeds, float32.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", category=FutureWarning)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    # With the package `kernels`, bitsandbytes fetches code from the hub and runs it, at import, on
    # a CPU with AVX512-BF16 (bitsandbytes 0.50, backends/cpu/ops.py). For us it is not installed.
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


def memory() -> int:
    """Bytes of the GPU's memory, or of the machine's where there is no GPU."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory
    return psutil.virtual_memory().total


def device_name() -> str:
    """The name of the GPU with its memory in GiB, or "the CPU"."""
    import torch

    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        return f"{card.name}, {card.total_memory / 2**30:.1f} GiB"
    return "the CPU"
