"""On PYTHONPATH of a kernel under test: a socket to anywhere but this machine is an error.

pip is let through: in Colab the first cell of a lesson installs what Colab lacks.
With COURSE_AVX512_BF16 = 1 or 0, bitsandbytes believes that it runs on a CPU that has AVX512-BF16
(AMD Zen 4, Intel Sapphire Rapids and later), or that it does not.
"""

import importlib.abc
import importlib.util
import os
import socket
import sys

LOG = os.environ.get("COURSE_NETWORK_LOG")
LOCAL = ("127.", "::1", "localhost", "0.0.0.0")


def refuse(host):
    if LOG:  # a library may swallow the error; the test reads this file
        with open(LOG, "a", encoding="utf-8") as log:
            log.write(f"{host}\n")
    raise OSError(f"network blocked in tests: a lesson tried to reach {host}")


def is_local(host):
    return host is None or str(host).startswith(LOCAL)


class LocalSocket(socket.socket):
    def connect(self, address):
        if self.family != socket.AF_UNIX and not is_local(address[0]):
            refuse(address[0])
        return super().connect(address)

    def connect_ex(self, address):
        if self.family != socket.AF_UNIX and not is_local(address[0]):
            refuse(address[0])
        return super().connect_ex(address)


resolve = socket.getaddrinfo


def local_getaddrinfo(host, *args, **kwargs):
    return resolve(host, *args, **kwargs) if is_local(host) else refuse(host)


if sys.orig_argv[1:3] != ["-m", "pip"]:
    socket.socket = LocalSocket
    socket.getaddrinfo = local_getaddrinfo


class PlayedCPU(importlib.abc.MetaPathFinder):
    """Replaces bitsandbytes.functional.has_avx512bf16 as soon as that module is loaded."""

    def find_spec(self, name, path=None, target=None):
        if name != "bitsandbytes.functional":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def load_and_replace(module):
            load(module)
            module.has_avx512bf16 = lambda: os.environ["COURSE_AVX512_BF16"] == "1"

        spec.loader.exec_module = load_and_replace
        return spec


if "COURSE_AVX512_BF16" in os.environ:
    sys.meta_path.insert(0, PlayedCPU())
