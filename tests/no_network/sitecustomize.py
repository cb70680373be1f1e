"""On PYTHONPATH of a kernel under test: a socket to anywhere but this machine is an error.

pip is let through: in Colab the first cell of a lesson installs what Colab lacks.
"""

import os
import socket
import sys

LOG = os.environ.get("COURSE_NETWORK_LOG")
LOCAL = ("127.", "::1", "localhost", "0.0.0.0")


def refuse(host):
    if LOG:  # a library may swallow the error; the test reads this file
        with open(LOG, "a") as log:
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
