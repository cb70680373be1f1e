"""Seeds, quiet logs, and what this machine can run."""

import logging
import os
import random
import warnings

NOISY_LOGGERS = ("transformers", "bitsandbytes", "accelerate", "datasets", "torch", "trl", "peft")


def start(seed=42):
    """Seed Python, NumPy and torch, quieten the libraries, and say what runs here (one line).

    Call it first in a lesson; calling it again starts over: the same seeds, float32.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    import huggingface_hub.constants
    import numpy as np
    import torch

    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True  # trl would report each run
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


def device_name():
    """The name of the GPU with its memory in GiB, or "the CPU"."""
    import torch

    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        return f"{card.name}, {card.total_memory / 2**30:.1f} GiB"
    return "the CPU"
