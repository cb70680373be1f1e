"""What the course never does: run a stranger's code, listen to the network, carry a secret."""

import ast
import os
import re
import subprocess
import sys

import pytest
from leaks import SECRET
from support import ROOT
from test_house import calls, tracked

LOADERS = (
    r"(pickle|joblib|dill|cloudpickle|shelve|marshal)\.(loads?|open|Unpickler)|pd\.read_pickle"
)
SHELLS = r"os\.(system|popen)|subprocess\.(getoutput|getstatusoutput)|get_ipython\(\)\.system"
FETCHES = r"(kernels\.)?get_kernel|torch\.hub\.load|.*\.get_class_from_dynamic_module"


def opens(call):
    """The door that `call` opens, in a few words; "" if none."""
    name = ast.unparse(call.func)
    given = {k.arg: ast.unparse(k.value) for k in call.keywords}
    if re.fullmatch(LOADERS, name) or given.get("allow_pickle", "False") != "False":
        return "a pickle, which may run code"
    if name == "torch.load" and given.get("weights_only") != "True":
        return "a pickle, which may run code"
    if given.get("use_safetensors", "True") != "True":
        return "weights that may be a pickle"
    if given.get("trust_remote_code", "False") != "False" or re.fullmatch(FETCHES, name):
        return "code from a hub"
    if given.get("shell", "False") != "False" or re.fullmatch(SHELLS, name):
        return "a shell"
    if name in ("eval", "exec"):
        return "text that is run"
    # an address to listen at: the first of a server's arguments, or of bind's
    listens = name.endswith((".bind", "Server")) and call.args
    if listens and not re.match(r"\('(127\.0\.0\.1|localhost)',", ast.unparse(call.args[0])):
        return "an address beyond this machine"
    return ""


def test_no_code_of_the_course_opens_a_door():
    ours = [(where, call) for where, call in calls() if not re.match(r"tests/(?!tools/)", where)]
    assert len(ours) > 3000
    found = [f"{where}: {opens(call)}" for where, call in ours if opens(call)]
    assert found == []


@pytest.mark.parametrize(
    "code, opened",
    [
        ("pickle.load(file)", True),
        ("pd.read_pickle(path)", True),
        ("np.load(path, allow_pickle=True)", True),
        ("np.load(path)", False),
        ("torch.load(path)", True),
        ("torch.load(path, weights_only=False)", True),
        ("torch.load(path, weights_only=True)", False),
        ("AutoModel.from_pretrained(name, use_safetensors=False)", True),
        ("AutoModel.from_pretrained(name, trust_remote_code=True)", True),
        ("AutoModel.from_pretrained(name, trust_remote_code=asked)", True),
        ("AutoModel.from_pretrained(name)", False),
        ("get_kernel('owner/name')", True),
        ("torch.hub.load('owner/name', 'model')", True),
        ("os.system(text)", True),
        ("subprocess.run(text, shell=True)", True),
        ("subprocess.run([text])", False),
        ("eval(text)", True),
        ("model.eval()", False),
        ("HTTPServer(('', 80), Handler)", True),
        ("HTTPServer(('127.0.0.1', 0), Handler)", False),
        ("server.bind(('0.0.0.0', 0))", True),
    ],
)
def test_an_open_door_is_found(code, opened):
    assert bool(opens(ast.parse(code).body[0].value)) == opened


def test_no_file_of_the_repository_has_a_token():
    assert [path for path in tracked() if SECRET.search((ROOT / path).read_bytes())] == []
    assert SECRET.search(b"token = hf_" + b"a1B2" * 8), "a token would be seen"


TOLD = """
from helpers import environment
environment.start()
import huggingface_hub, trl, transformers, sys
from huggingface_hub.utils import send_telemetry
import huggingface_hub.utils._telemetry as telemetry
telemetry.Thread = telemetry.get_session = lambda *a, **k: sys.exit("sent")
send_telemetry("trl/SFTTrainer", library_name="trl")
print(huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY, telemetry._TELEMETRY_THREAD)
"""


def test_nothing_is_reported_about_a_run():
    """With whatever a machine has set: off is set in this process, and for those that it starts."""
    unset = ("HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY", "DO_NOT_TRACK", "HF_HUB_OFFLINE")
    env = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [sys.executable, "-c", TOLD], cwd=ROOT, env=env, capture_output=True, encoding="utf-8"
    )
    assert done.stdout.splitlines()[-1:] == ["True None"], done.stderr
