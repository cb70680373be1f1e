"""The doctor: quick, right about this machine, and a sentence with a remedy for each thing amiss."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from support import ROOT

from helpers import DATA, doctor, environment, packages


@pytest.mark.skipif(os.environ.get("STACK") == "newest", reason="newest ignores the ranges")
def test_here_all_is_well_and_nothing_heavy_is_imported():
    code = "import sys\nfrom helpers import doctor\nstatus = doctor.main()\n"
    code += "print(sorted({'torch', 'transformers', 'datasets'} & set(sys.modules)), status)"
    env = os.environ | {"PATH": "", "PYTHONIOENCODING": "cp1252"}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, encoding="cp1252")
    *said, last, seen = done.stdout.splitlines()
    assert last == "Every lesson can run." and seen == "[] 0", done.stdout + done.stderr
    assert len(said) == 6 and all(line.startswith("? ") for line in said)  # cp1252 has no ✓


def say(check):
    right, said = check()
    assert not right
    return said


@pytest.fixture
def pins():
    """{package of requirements.txt: its version in the stack that the tests run with}."""
    pinned = (ROOT / "tests" / "stacks" / "pinned.txt").read_text(encoding="utf-8")
    return {r.name: re.search(rf"(?im)^{r.name}==(.*)", pinned)[1] for r in packages.requirements()}


def test_a_package_that_is_missing_or_out_of_range_is_named(pins, monkeypatch):
    monkeypatch.setattr(packages, "installed", (pins | {"trl": "0", "peft": "0"}).get)
    assert say(doctor.packages).startswith("Missing: peft, trl. Install them with: make lab")
    monkeypatch.setattr(packages, "installed", (pins | {"trl": "1.17.0"}).get)
    assert "trl 1.17.0, not <1.15,>=1.9." in say(doctor.packages)
    monkeypatch.setattr(packages, "installed", (pins | {"torch": f"{pins['torch']}+cu128"}).get)
    assert doctor.packages()[1].startswith(f"{len(pins)} packages, {len(pins)} of them")
    monkeypatch.setattr(packages, "installed", (pins | {"torch": "2.8.0", "trl": "1.9.1"}).get)
    assert doctor.packages()[1].startswith(f"{len(pins)} packages, {len(pins) - 2} of them")
    monkeypatch.setitem(sys.modules, "helpers.packages", None)
    monkeypatch.delattr("helpers.packages")
    assert "is missing. Install" in say(doctor.packages)


@pytest.mark.parametrize(
    "version, can_run",
    [("1.9.1", True), ("1.17.0", True), ("1.17.0rc1", True), ("1.8.9", False), ("0", False)],
)
def test_a_lesson_can_run_with_a_newer_package_and_not_with_an_older_one(
    version, can_run, pins, monkeypatch
):
    monkeypatch.setattr(packages, "installed", (pins | {"trl": version}).get)
    assert packages.amiss()[1] == packages.amiss(of_lessons=True)[1] == can_run


def test_a_lesson_can_run_without_the_tools_that_the_doctor_asks_for(pins, monkeypatch):
    assert packages.installed("no-such-package") == "0"
    monkeypatch.setattr(packages, "installed", (pins | {"jupyterlab": "0"}).get)
    assert packages.amiss()[0].startswith("Missing: jupyterlab. ") and not packages.amiss()[1]
    assert packages.amiss(of_lessons=True) == ("", True)


@pytest.mark.parametrize("harm", ["bit", "gone", "sums"])
def test_a_shipped_file_that_is_damaged_is_named_with_the_way_to_restore_it(
    harm, tmp_path, monkeypatch
):
    folder = tmp_path / "data"
    shutil.copytree(DATA, folder)
    weights = folder / "pocket-llama" / "model.safetensors"
    if harm == "bit":
        flipped = bytearray(weights.read_bytes())
        flipped[-1] ^= 1
        weights.write_bytes(flipped)
    elif harm == "gone":
        weights.unlink()
    else:
        (folder / "SHA256SUMS").unlink()
    monkeypatch.setattr(doctor, "DATA", folder)
    name = "data/SHA256SUMS" if harm == "sums" else "data/pocket-llama/model.safetensors"
    assert f"git checkout -- {name}" in say(doctor.shipped)


def test_a_build_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(doctor, "BUILD", tmp_path / "file" / "build")
    assert "COURSE_BUILD" in say(doctor.room) and str(tmp_path) in say(doctor.room)
    monkeypatch.setattr(doctor, "BUILD", tmp_path / "build")
    assert doctor.room()[0] and not any((tmp_path / "build").iterdir())
    monkeypatch.setattr(doctor, "WRITTEN", 10**18)
    assert "MB left" in say(doctor.room) and "COURSE_BUILD" in say(doctor.room)


def test_too_little_memory_is_said_with_the_amount(monkeypatch):
    monkeypatch.setattr(environment, "free_memory", lambda: 15 * 10**8)
    assert doctor.memory()[0]
    monkeypatch.setattr(environment, "free_memory", lambda: 7 * 10**8)
    assert say(doctor.memory).startswith("0.7 GB of memory are free; a lesson needs up to 1.5.")


def test_a_card_gets_its_profile_and_one_that_torch_cannot_see_is_told(monkeypatch):
    monkeypatch.setattr(environment, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(environment, "card", lambda: ("Tesla T4", 14.741, (7, 5)))
    right, said = doctor.card()
    assert right and said.startswith("Tesla T4, 14.7 GiB") and '"colab-t4"' in said
    monkeypatch.setattr(environment, "card", lambda: None)
    assert "torch sees no card" in say(doctor.card)


def test_any_finding_makes_the_exit_status_1(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "findings", lambda: iter([(True, "a"), (False, "b")]))
    assert doctor.main() == 1
    assert capsys.readouterr().out == "✓ a\n✗ b\nTo fix: 1.\n"
