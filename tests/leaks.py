"""What nothing that is published may hold: a token of an account, a path of somebody's machine."""

import re

SECRET = re.compile(
    rb"hf_[A-Za-z0-9]{30,}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40}|AKIA[0-9A-Z]{16}"
)
MACHINE_PATH = re.compile(rb"/(home|root|tmp|work|Users)/|[A-Z]:\\+Users")
