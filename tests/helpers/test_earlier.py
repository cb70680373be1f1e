"""What is left of another version of the course, or of a crash, never ends a lesson unexplained."""

import json
import shutil

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from helpers import catalogue, earlier

BASE = f"sha256 {catalogue.shipped_sha256('pocket-llama/model.safetensors')}"
PROFILE = {"name": "pocket", "learning_rate": 1.2e-3, "base_revision": BASE}
RECORD = {"profile": PROFILE, "history": [{"step": 250, "loss": 1.2}], "stopped": False}


def run(folder, text):
    """A finished run of lesson 8 with this run.json."""
    (folder / "adapter").mkdir(parents=True)
    save_file({"A": torch.ones(64)}, folder / "adapter" / "adapter_model.safetensors")
    config = folder / "adapter" / "adapter_config.json"
    config.write_text('{"target_modules": ["q_proj"]}', encoding="utf-8")
    (folder / "run.json").write_text(text, encoding="utf-8")


def without(name):
    return json.dumps({key: value for key, value in RECORD.items() if key != name})


def cut(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-9])


def of_profile(**fields):
    return json.dumps(RECORD | {"profile": PROFILE | fields})


CANNOT = "its files cannot be read"
OTHER = "it tuned another base model than the one that is here"


@pytest.mark.parametrize(
    "text, harm, says",
    [
        (json.dumps(RECORD)[:-9], None, f"{CANNOT} (JSONDecodeError)"),
        ("", None, f"{CANNOT} (JSONDecodeError)"),
        ("[]", None, f"{CANNOT} (TypeError)"),
        (without("profile"), None, f"{CANNOT} (KeyError)"),
        (without("stopped"), None, f"{CANNOT} (KeyError)"),
        (without("history"), None, f"{CANNOT} (KeyError)"),
        (json.dumps(RECORD | {"history": []}), None, f"{CANNOT} (IndexError)"),
        (of_profile(learning_rate=None), None, f"{CANNOT} (TypeError)"),
        (of_profile(base_revision="sha256 0"), None, OTHER),
        (json.dumps(RECORD), lambda f: shutil.rmtree(f / "adapter"), f"{CANNOT} (FileNotFoundError)"),
        (json.dumps(RECORD), lambda f: cut(f, "adapter/adapter_config.json"), f"{CANNOT} (JSONDecodeError)"),
        (json.dumps(RECORD), lambda f: cut(f, "adapter/adapter_model.safetensors"), "its adapter is damaged"),
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_used_is_left_alone_in_a_line(text, harm, says, tmp_path, capsys):
    run(tmp_path / "good", json.dumps(RECORD | {"a field of later": 1}))
    run(tmp_path / "bad", text)
    if harm:
        harm(tmp_path / "bad")
    before = sorted(tmp_path.rglob("*"))
    assert earlier.finished_runs(tmp_path) == [tmp_path / "good" / "run.json"]
    assert capsys.readouterr().out == f"A run of lesson 8 is left alone, bad: {says}.\n"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("text", [json.dumps(RECORD | {"stopped": True}), of_profile(name="x")])
def test_a_run_that_was_stopped_or_was_not_the_pockets_is_passed_over(text, tmp_path, capsys):
    run(tmp_path / "run", text)
    assert earlier.finished_runs(tmp_path) == [] and capsys.readouterr().out == ""


COLUMNS = ("steps", "error", "knobs")


@pytest.mark.parametrize(
    "text",
    ["", "steps,error\n60,24.1\n", "steps,error,knobs\n60,24", '"', "\0\0", "a,b\n1\n2,3,4\n"],
)
def test_a_table_that_cannot_be_used_is_put_aside_in_a_line(text, tmp_path, capsys):
    path = tmp_path / "challenge.csv"
    path.write_text(text, encoding="utf-8")
    assert len(earlier.table(path, COLUMNS)) == 0
    assert capsys.readouterr().out.endswith(
        "another version of the course: it is now challenge.damaged.\n"
    )
    assert (tmp_path / "challenge.damaged").read_text(encoding="utf-8") == text
    assert not path.exists()


def test_a_table_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "challenge.csv"
    assert earlier.table(path, COLUMNS).empty
    row = {"steps": 60, "error": 24.1, "knobs": "{'steps': 60}"}
    pd.DataFrame([row]).to_csv(path, index=False)
    assert earlier.table(path, COLUMNS).to_dict("records") == [row]
