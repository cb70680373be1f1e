"""A lesson's imports are silent on every CPU and fetch no code; what the machine has."""

import logging
import os
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import psutil
import pytest
import run_lessons as runner
import torch

from helpers import environment

CPUS = {"1": "with AVX512-BF16", "0": "without"}
FETCHES = """
import socket

def get_kernel(*args, **kwargs):
    socket.create_connection(("huggingface.co", 443))
"""
UNPREPARED = "import bitsandbytes; print(bitsandbytes.functional.has_avx512bf16())"
BARS = """
import sys
from huggingface_hub.utils import are_progress_bars_disabled
off = [are_progress_bars_disabled()]
if "datasets" in sys.modules:
    off.append(sys.modules["datasets"].are_progress_bars_disabled())
if "transformers" in sys.modules:
    off.append(not sys.modules["transformers.utils.logging"].is_progress_bar_enabled())
print(all(off))
"""


def in_a_fresh_process(code, avx512_bf16, folder):
    """Run `code` where the package `kernels` is installed: (stdout, stderr, hosts reached)."""
    (folder / "kernels").mkdir(parents=True)
    (folder / "kernels" / "__init__.py").write_text(FETCHES, encoding="utf-8")
    network = folder / "network.log"
    path = [folder, runner.TESTS / "fakes" / "no_network", runner.TESTS.parent]
    played = {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONIOENCODING": "utf-8",
        "COURSE_NETWORK_LOG": str(network),
        "COURSE_AVX512_BF16": avx512_bf16,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | played,
    )
    assert done.returncode == 0, done.stderr
    hosts = network.read_text(encoding="utf-8").split() if network.exists() else []
    return done.stdout, done.stderr, set(hosts)


# Code is fetched on a CPU that has it; of the lessons, number 8 imports most.
PLAYED = [(path.stem, "1") for path in runner.LESSONS] + [("08_qlora_sft", "0")]
PLAYED += [("unprepared", cpu) for cpu in CPUS]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{(lesson or "unprepared", CPU): what its imports did}, two processes at a time."""
    codes = {"unprepared": UNPREPARED}
    for path in reversed(runner.LESSONS):
        cells = runner.read(path).cells
        codes[path.stem] = next(c.source for c in cells if "setup" in runner.tags(c)) + BARS
    with ThreadPoolExecutor(2) as pool:
        futures = {
            (name, cpu): pool.submit(
                in_a_fresh_process, codes[name], cpu, tmp_path_factory.mktemp("x") / "y"
            )
            for name, cpu in PLAYED
        }
    return {key: future.result() for key, future in futures.items()}


@pytest.mark.lesson
@pytest.mark.parametrize("name, cpu", [run for run in PLAYED if run[0] != "unprepared"])
def test_the_imports_of_a_lesson_are_silent_and_reach_no_host(name, cpu, outcomes):
    out, err, hosts = outcomes[name, cpu]
    assert (err, hosts) == ("", set())
    first, *_, bars_are_off = out.splitlines()  # a line on newer packages between them
    assert first.startswith("torch ") and first.endswith("seed 42")
    assert bars_are_off == "True"


@pytest.mark.lesson
@pytest.mark.parametrize("cpu", CPUS, ids=CPUS.get)
def test_without_start_first_such_a_cpu_would_fetch_code(cpu, outcomes):
    """So the test above can fail: the CPU is imitated well, and an attempt would be seen."""
    out, err, hosts = outcomes["unprepared", cpu]
    has_it = cpu == "1"
    assert out.strip() == str(has_it)
    assert hosts == ({"huggingface.co"} if has_it else set())
    assert bool(err) == has_it


READERS = ("tokenizers/tokenizers.*", "transformers/utils/*.py", "datasets/config.py")
READERS += ("datasets/utils/*.py", "huggingface_hub/*.py")


def test_each_setting_that_quiets_a_library_is_one_that_it_reads():
    site = Path(huggingface_hub.constants.__file__).parents[1]
    read = b"".join(path.read_bytes() for files in READERS for path in site.glob(files))
    assert [name for name in environment.QUIET if name.encode() not in read] == []


def test_starting_again_gives_the_same_numbers_and_float32(monkeypatch, capsys):
    import numpy as np

    monkeypatch.setitem(sys.modules, "kernels", None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", False)
    levels = {name: logging.getLogger(name).level for name in environment.NOISY_LOGGERS}
    drawn = []
    for _ in range(2):
        environment.start(seed=7)
        drawn.append((torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()))
        torch.set_default_dtype(torch.float64)
    environment.start(seed=8)
    assert drawn[0] == drawn[1]
    assert torch.rand(3).tolist() != drawn[0][0]
    assert torch.get_default_dtype() == torch.float32
    assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY is True
    assert "seed 7" in capsys.readouterr().out
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def a_card(monkeypatch):
    """A machine with a Tesla T4, as torch describes it."""
    properties = SimpleNamespace(name="Tesla T4", total_memory=15_828_320_256, major=7, minor=5)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)


def test_a_gpu_is_named_with_its_memory(a_card):
    name, gib, capability = environment.card()
    assert (name, capability) == ("Tesla T4", (7, 5))
    assert gib == pytest.approx(14.741, abs=1e-3)
    assert environment.device_name() == "Tesla T4, 14.7 GiB"
    assert environment.total_memory() == pytest.approx(15_828_320_256, abs=1)


def test_without_a_gpu_the_machine_is_its_cpu_and_all_of_its_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert environment.card() is None
    assert environment.device_name() == "the CPU"
    monkeypatch.setattr(environment, "OF_PROCESS", Path("nowhere"))  # as on macOS
    assert environment.total_memory() == psutil.virtual_memory().total


CONTAINERS = {  # /proc/self/cgroup, the group's folder, its files of limit and use, the files' key
    "version 2": ("0::/", "", "memory.max", "memory.current", "inactive_file"),
    "a job in version 2": ("0::/jobs/7/task", "jobs/7", "memory.max", "memory.current", "inactive_file"),
    "version 1": ("4:cpu:/x\n3:memory:/docker/ab", "memory", "memory.limit_in_bytes",
                  "memory.usage_in_bytes", "total_inactive_file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTAINERS)
def test_in_a_container_memory_is_what_its_limit_leaves(kind, tmp_path, monkeypatch):
    line, folder, limit, use, key = CONTAINERS[kind]
    machine = SimpleNamespace(total=16 * 10**9, available=9 * 10**9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: machine)
    monkeypatch.setattr(environment, "card", lambda: None)
    monkeypatch.setattr(environment, "OF_PROCESS", tmp_path / "cgroup")
    monkeypatch.setattr(environment, "GROUPS", tmp_path / "groups")
    there = tmp_path / "groups" / folder
    there.mkdir(parents=True)
    written = {limit: "2000000000", use: "1500000000", "memory.stat": f"anon 1\n{key} 400000000"}
    for name, text in written.items():
        (there / name).write_text(text + "\n", encoding="utf-8")
    (tmp_path / "cgroup").write_text(line + "\n", encoding="utf-8")
    assert environment.total_memory() == 2 * 10**9
    assert environment.free_memory() == 9 * 10**8  # files in memory can be dropped
    assert "0.9 GB of memory are free; a lesson needs up to 1.5" in environment.too_little_memory()
    for none in ("max", "9223372036854771712", "32000000000"):
        (there / limit).write_text(none, encoding="utf-8")
        assert environment.total_memory() == 16 * 10**9
        assert environment.free_memory() == 9 * 10**9 and not environment.too_little_memory()


def test_each_process_takes_the_card_of_its_number(a_card, monkeypatch):
    asked = []
    properties = torch.cuda.get_device_properties(0)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda index: asked.append(index) or properties
    )
    assert (environment.device(), environment.card()[0]) == (0, "Tesla T4")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert (environment.device(), environment.card()[0]) == (1, "Tesla T4")
    assert asked == [0, 1]


STARTED = """
import os
from helpers import environment
environment.start(seed=42)
print("told by all")
import torch
os.write(2, f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {torch.rand(1).item()}".encode())
"""


@pytest.mark.parametrize(
    "launched, lines, cards",
    [
        ({}, 2, "0"),  # one process sees one card: the Trainer would count the others
        ({"CUDA_VISIBLE_DEVICES": "3"}, 2, "3"),
        ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}, 2, "None"),
        ({"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}, 0, "None"),
    ],
)
def test_of_several_processes_with_one_seed_the_main_one_prints(launched, lines, cards):
    env = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"} | launched
    done = subprocess.run(
        [sys.executable, "-c", STARTED], capture_output=True, encoding="utf-8", env=env
    )
    assert len(re.findall("(?m)^(torch |told by all)", done.stdout)) == lines
    assert done.stderr == f"{cards} {torch.rand(1, generator=torch.manual_seed(42)).item()}"


FRONTENDS = ("COLAB_RELEASE_TAG", "JPY_SESSION_NAME", "VSCODE_PID")


@pytest.mark.parametrize("sign", FRONTENDS)
def test_a_front_end_is_known_by_its_environment(monkeypatch, sign):
    monkeypatch.setattr(environment, "in_notebook", lambda: True)
    for name in FRONTENDS:
        monkeypatch.delenv(name, raising=False)
    assert not environment.has_live_frontend()
    monkeypatch.setenv(sign, "x")
    assert environment.has_live_frontend()
    monkeypatch.setattr(environment, "in_notebook", lambda: False)  # a script that it started
    assert not environment.has_live_frontend()
    assert environment.in_colab() is (sign == "COLAB_RELEASE_TAG")


def test_a_full_disk_is_reported_before_anything_is_written(monkeypatch, tmp_path):
    free = SimpleNamespace(free=5 * 10**9)
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda folder: free)
    environment.check_disk(5 * 10**9, tmp_path)
    with pytest.raises(OSError, match="needs 5,001 MB of disk space, .* has 5,000 MB left: make"):
        environment.check_disk(5 * 10**9 + 10**6, tmp_path)


FAULTY = """
import sys
from helpers import packages
if "{name}" == "torch":  # as if it were not installed
    packages.installed = lambda name, real=packages.installed: "0" if name == "torch" else real(name)
from helpers import environment
try:
    environment.start()
except ImportError as error:
    print(error, "transformers" in sys.modules, "torch" in sys.modules)
"""


def started(tmp_path, name="", version="", **env):
    """What `start` prints where `name` has this version, as its metadata has it."""
    if version:
        info = tmp_path / "site" / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (info / "METADATA").write_text(text, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path / "site"), str(runner.TESTS.parent)])
    done = subprocess.run(
        [sys.executable, "-c", FAULTY.format(name=name)],
        capture_output=True,
        encoding="utf-8",
        cwd=runner.TESTS.parent,
        env=os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"} | env,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "name, version, says",
    [
        ("torch", "", "Missing: torch. Install them with: make lab"),
        ("trl", "1.2.0", "trl 1.2.0, not <1.15,>=1.9"),  # others may be amiss on other stacks
    ],
)
def test_a_missing_or_old_package_stops_the_first_cell_before_anything_is_imported(
    name, version, says, tmp_path
):
    said = started(tmp_path, name, version)
    assert says in said and said.endswith(" False False\n"), said


def test_a_package_that_is_too_new_is_told_and_the_lesson_goes_on(tmp_path):
    first, said = started(tmp_path, "trl", "1.99.0").splitlines()[:2]
    assert first.startswith("torch ")
    assert said.startswith("· Other versions than the course") and "trl 1.99.0" in said


def test_an_old_python_is_told_before_anything_is_imported():
    code = "import sys; sys.version_info, sys.version = (3, 10, 9), '3.10.9 (main)'\n"
    code += "try:\n    import helpers\nexcept ImportError as error:\n    print(error)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=runner.TESTS.parent
    )
    assert done.stdout == "This course needs Python 3.11 or newer; this is 3.10.9.\n", done.stderr


def test_a_build_folder_is_made_with_the_folders_above_it_and_stays_empty(tmp_path):
    folder = tmp_path / "drive" / "build"
    assert environment.not_writable(folder) == ""
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("place", ["a file", "read-only"])
def test_where_nothing_can_be_written_a_lesson_starts_and_says_what_to_set(place, tmp_path):
    """Also with a HOME that is not there: matplotlib is silent about it."""
    there = tmp_path / "there"
    if place == "a file":
        there.write_text("", encoding="utf-8")
    elif hasattr(os, "geteuid") and os.geteuid():
        there.mkdir(mode=0o555)
    else:
        pytest.skip("root, and Windows, may write to a read-only folder")
    said = started(tmp_path, COURSE_BUILD=str(there / "build"), HOME="/proc/nobody").splitlines()
    first, *between, last = said
    assert first.startswith("torch "), said
    assert all(line.startswith("· Other versions") for line in between), said  # newest has some
    assert f"Nothing can be written to {there / 'build'} (" in last
    assert "Set COURSE_BUILD to a folder of yours before you start Jupyter, such as" in last
    elsewhere = Path(last.rpartition("COURSE_BUILD=")[2].rstrip("."))
    assert elsewhere.parent.is_dir()
