"""What this machine can run, and what to do about what it cannot: `python -m helpers.doctor`.

Exit status 0 if every lesson can run, else 1. Nothing is installed, sent or changed.
"""

import sys
from collections.abc import Iterator

from helpers import BUILD, DATA, INSTALL, catalogue, environment, profiles

Finding = tuple[bool, str]  # (as it should be, one sentence or more)
WRITTEN = 5 * 10**8  # bytes in build/ after all lessons


def findings() -> Iterator[Finding]:
    """What was found, a finding for each part of the course's needs, the quickest first."""
    yield True, f"Python {sys.version.split()[0]}"
    yield packages()
    yield shipped()
    yield room()
    yield memory()
    yield card()


def packages() -> Finding:
    """Are the packages there, within the ranges of requirements.txt, and how many as tested?"""
    try:
        from helpers import packages
    except ImportError as error:
        return False, f"The package {error.name} is missing. {INSTALL}"
    said, _ = packages.amiss()
    if said:
        return False, said
    n_packages, other = len(packages.requirements()), packages.other_than_tested(of_lessons=False)
    said = f"{n_packages - len(other)} of them in the version that the tests ran with"
    return True, f"{n_packages} packages, {said}"


def shipped() -> Finding:
    """Are the shipped data and weights as they were made?"""
    try:
        names = list(catalogue.shipped(DATA)) or ["train.jsonl"]  # which then has no sum
        for name in names:
            catalogue.checked(name, DATA)
    except OSError as error:
        return False, f"{error}"
    return True, f"{len(names)} files of data and weights, each as shipped"


def room() -> Finding:
    """Can what the lessons make be written to build/, and is there room for it?"""
    if said := environment.not_writable(BUILD):
        return False, said
    try:
        environment.check_disk(WRITTEN, BUILD)
    except OSError as error:
        elsewhere = "or set COURSE_BUILD to a folder on another disk"
        return False, f"{BUILD}: {error.strerror or error}, {elsewhere}."
    return True, f"{BUILD} can be written, and has {WRITTEN / 1e6:.0f} MB of room or more"


def memory() -> Finding:
    """Is there memory for the largest lesson?"""
    if said := environment.too_little_memory():
        return False, said
    free, need = environment.free_memory() / 1e9, environment.LESSON / 1e9
    return True, f"{free:.1f} GB of memory are free; a lesson needs up to {need:.1f}"


def card() -> Finding:
    """Which profile lesson 8 takes here, and is a card that is there also seen?"""
    pocket = f'lesson 8 runs as "{profiles.POCKET.name}", on the CPU'
    if not environment.has_nvidia_driver():
        return True, f"no NVIDIA card: {pocket}"
    found = environment.card()
    if found is None:
        return False, f"There is an NVIDIA driver, but torch sees no card: {pocket}. {INSTALL}"
    fits = profiles.auto(found, colab=True).name
    return True, f'{environment.device_name()}: lesson 8 can run with profile_name = "{fits}"'


def main() -> int:
    """Print the findings; return the exit status."""
    sys.stdout.reconfigure(errors="replace")  # a console that has no ✓ shows a question mark
    n_wrong = 0
    for right, said in findings():
        print("✓" if right else "✗", said)
        n_wrong += not right
    print("Every lesson can run." if not n_wrong else f"To fix: {n_wrong}.")
    return min(n_wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
