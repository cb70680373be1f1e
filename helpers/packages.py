"""Which packages the course needs, as requirements.txt says, and which of them are amiss here."""

from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement

from helpers import INSTALL, ROOT

TOOLS = "# where it runs"  # from this line on: what a lesson itself does not import


def requirements(of_lessons: bool = False) -> list[Requirement]:
    """What requirements.txt asks for, each package with its range; of_lessons: without the tools."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = (text.partition(TOOLS)[0] if of_lessons else text).splitlines()
    bare = [line.partition("#")[0].strip() for line in lines]
    return [Requirement(line) for line in bare if line and not line.startswith("-")]


def installed(name: str) -> str:
    """The installed version of `name`; "0" if there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "0"


def other_than_tested(of_lessons: bool = True) -> dict[str, tuple[str, str]]:
    """{package: (installed version, the version that the tests ran with)} where these differ."""
    lines = (ROOT / "tests" / "stacks" / "pinned.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.lower().split("==") for line in lines if "==" in line)
    here = {r.name: installed(r.name).partition("+")[0] for r in requirements(of_lessons)}
    both = {name: (version, pins.get(name.lower(), "none")) for name, version in here.items()}
    return {name: (now, then) for name, (now, then) in both.items() if now != then}


def amiss(of_lessons: bool = False) -> tuple[str, bool]:
    """(what is missing or out of its range, and what to do; whether a lesson can run all the same).

    "" if all is well. A version above its range may do, one below it does not.
    """
    found = {r.name: (installed(r.name), r.specifier) for r in requirements(of_lessons)}
    if missing := [name for name, (version, _) in found.items() if version == "0"]:
        return f"Missing: {', '.join(missing)}. {INSTALL}", False
    odd = {
        name: (version, wanted)
        for name, (version, wanted) in found.items()
        if not wanted.contains(version, prereleases=True)
    }
    if not odd:
        return "", True
    are = "; ".join(f"{name} {version}, not {wanted}" for name, (version, wanted) in odd.items())
    new = all(
        limit.contains(version, prereleases=True)
        for version, wanted in odd.values()
        for limit in wanted
        if limit.operator == ">="
    )
    return f"Other versions than the course can work with: {are}. {INSTALL}", new
