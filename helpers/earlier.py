"""What earlier runs left in build/, perhaps another version of the course, read with care."""

import json
from pathlib import Path

from helpers import BUILD, base_model, catalogue


def finished_runs(folder: Path = BUILD / "08_qlora_sft") -> list[Path]:
    """The run.json of each run of lesson 8 on the pocket world that came to its end, oldest first.

    Prints a line for each that cannot be used: of another version of the course, or damaged.
    """
    found = []
    for path in sorted(folder.glob("*/run.json"), key=lambda path: path.stat().st_mtime):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["stopped"] or record["profile"]["name"] != "pocket":
                continue
            fault = _fault_of(record, path.parent / "adapter")
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            fault = f"its files cannot be read ({type(error).__name__})"
        if fault:
            print(f"A run of lesson 8 is left alone, {path.parent.name}: {fault}.")
        else:
            found.append(path)
    return found


def _fault_of(record: dict, adapter: Path) -> str:
    """What is wrong with a run's `record` and files; "" if nothing is. Raises what reading raises."""
    from safetensors import SafetensorError, safe_open

    float(record["profile"]["learning_rate"])
    int(record["history"][-1]["step"])
    weights = catalogue.shipped_sha256(f"{base_model.POCKET}/{base_model.WEIGHTS}")
    if record["profile"]["base_revision"] != f"sha256 {weights}":
        return "it tuned another base model than the one that is here"
    json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["target_modules"]
    try:
        with safe_open(adapter / "adapter_model.safetensors", "pt") as file:
            return "" if file.keys() else "its adapter is empty"
    except SafetensorError:
        return "its adapter is damaged"


def table(path: Path, columns: tuple[str, ...]):
    """The CSV file at `path` as a pandas DataFrame with these columns; an empty one if there is none.

    A file that cannot be read, or has other columns, is put aside as *.damaged, and a line says so.
    """
    import pandas as pd

    if not path.exists():
        return pd.DataFrame()
    try:
        found = pd.read_csv(path)
        if list(found) == list(columns) and not found.isna().any(axis=None):
            return found
    except ValueError:  # also what pandas raises for a file that it cannot parse, or not decode
        pass
    aside = path.with_suffix(".damaged")
    path.replace(aside)
    print(f"{path.name} is damaged, or of another version of the course: it is now {aside.name}.")
    return pd.DataFrame()
