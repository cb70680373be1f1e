"""Each call into the libraries that change fastest fits their installed signatures; nothing is run.

It reaches the lines that no test runs, such as those for a GPU.
"""

import ast
import functools
import importlib
import inspect

import pytest
import run_lessons as runner
from support import ROOT

LIBRARIES = {"transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate"}
LIBRARIES |= {"huggingface_hub", "safetensors", "ipywidgets"}


def sources():
    """(name, Python text) of each lesson, of each helper, and of what makes the data."""
    for path in runner.LESSONS:
        cells = [c.source for c in runner.read(path).cells if c.cell_type == "code"]
        yield path.stem, "\n".join(cells)
    for folder in ("helpers", "data"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def imported(tree):
    """{name in the source: the library's object} of everything imported from LIBRARIES."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in LIBRARIES:
                    module = importlib.import_module(alias.name)
                    top = importlib.import_module(alias.name.split(".")[0])
                    found[alias.asname or alias.name.split(".")[0]] = (
                        module if alias.asname else top
                    )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES:
            module = importlib.import_module(node.module)
            for alias in node.names:
                found[alias.asname or alias.name] = getattr(module, alias.name)
    return found


def misfits(text):
    """(number of calls looked at, [what does not fit]) of a Python text."""
    tree = ast.parse(text)
    names = imported(tree)
    dicts = {  # settings = dict(a=1), for a call f(**settings)
        node.targets[0].id: [keyword.arg for keyword in node.value.keywords]
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "dict"
    }
    n_calls, wrong = 0, []
    for call in [node for node in ast.walk(tree) if isinstance(node, ast.Call)]:
        first, *rest = ast.unparse(call.func).split(".")
        if first not in names or not all(name.isidentifier() for name in rest):
            continue  # not theirs, or a method of what a call returns
        try:
            called = functools.reduce(getattr, rest, names[first])
            signature = inspect.signature(called, follow_wrapped=False)
        except AttributeError as error:
            wrong.append(f"line {call.lineno}: {error}")
            continue
        except (TypeError, ValueError):
            continue  # built in C
        n_calls += 1
        keywords = [keyword.arg for keyword in call.keywords if keyword.arg]
        starred = [keyword.value for keyword in call.keywords if not keyword.arg]
        for value in starred:
            keywords += dicts.get(ast.unparse(value), [])
        open_ended = starred or any(isinstance(arg, ast.Starred) for arg in call.args)
        bind = signature.bind_partial if open_ended else signature.bind
        try:
            bind(*[arg for arg in call.args if not isinstance(arg, ast.Starred)],
                 **dict.fromkeys(keywords))  # fmt: skip
        except TypeError as error:
            wrong.append(f"line {call.lineno}: {ast.unparse(call.func)}: {error}")
    return n_calls, wrong


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in sources()])
def test_each_call_fits_the_installed_library(text):
    assert misfits(text)[1] == []


def test_the_calls_that_matter_are_looked_at():
    n_calls = {name: misfits(text)[0] for name, text in sources()}
    assert n_calls["08_qlora_sft"] >= 4 and n_calls["06_lora_parameter_count"] >= 2
    assert n_calls["helpers/base_model.py"] >= 3
    assert sum(n_calls.values()) > 50


@pytest.mark.parametrize(
    "text, says",
    [
        ("from peft import LoraConfig\nLoraConfig(rank=8)", "argument 'rank'"),
        ("import trl as t\nt.SFTConfigs()", "no attribute SFTConfigs"),
        ("from trl import SFTConfig\ns = dict(max_seq_length=2)\nSFTConfig(**s)", "max_seq_length"),
        ("from datasets import Dataset\nDataset.from_list()", "missing a required argument"),
    ],
)
def test_a_call_that_does_not_fit_is_found(text, says):
    [wrong] = misfits(text)[1]
    assert says in wrong


def test_the_trainers_private_method_that_start_over_replaces_is_still_called_to_save():
    """Else a checkpoint that cannot be written ends a learner's run (helpers/runs.py, `start_over`).

    There is no public hook around it: `on_save` comes after it, and `save_model` writes only a part.
    """
    from transformers import Trainer
    from trl import SFTTrainer

    for kind in (Trainer, SFTTrainer):
        assert list(inspect.signature(kind._save_checkpoint).parameters) == [
            "self",
            "model",
            "trial",
        ]
    said = inspect.getsource(Trainer._maybe_log_save_evaluate)
    saved, told = said.index("self._save_checkpoint(model, trial"), said.index(".on_save(")
    assert saved < told, "a failed write is handed to the records before on_save asks for it"
