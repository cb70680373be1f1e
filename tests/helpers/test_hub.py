"""The hub path, offline: a hub of our own that lists, refuses and breaks, and folders like its own."""

import json
import re
import socket
import threading
import time
import traceback
from collections import namedtuple
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from datasets import Dataset
from huggingface_hub import constants
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
from support import TOY_8B, nf4
from transformers import LlamaForCausalLM

from helpers import base_model, catalogue, environment, hub, pricing, profiles, runs

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_plantedTokenThatNobodyMaySee"
ANSWERS = {  # path begins with: (status, the hub's own error code)
    "/api/models/owner/gated/auth-check": (403, "GatedRepo"),
    "/api/datasets/owner/closed/auth-check": (403, "GatedRepo"),
    "/api/models/owner/gone": (404, "RepoNotFound"),
    "/api/datasets/owner/gone": (404, "RepoNotFound"),
    "/api/models/owner/open/revision/v9": (404, "RevisionNotFound"),
    "/api/models/owner/ill": (500, None),
    "/api/models/owner/badtoken": (401, "x"),
    "/api/models/owner/forbidden": (403, "x"),
    "/api/models/owner/often": (429, None),
}
FILES = {  # path begins with: {file: bytes}
    "/api/models/owner/open": {
        "config.json": 900,
        "model.safetensors.index.json": 20_000,
        "model-00001-of-00002.safetensors": 5 * 10**9,
        "model-00002-of-00002.safetensors": 2 * 10**9,
        "original/consolidated.safetensors": 7 * 10**9,  # the same weights, in another layout
        "pytorch_model.bin": 7 * 10**9,
    },
    "/api/models/owner/whole": {"model.safetensors": 10**9, "consolidated.safetensors": 10**9},
    "/api/models/owner/pickled": {"config.json": 900, "pytorch_model.bin": 10**9},
    "/api/models/owner/huge": {"model.safetensors": 10**15},
    "/api/datasets/owner/items": {"README.md": 300, "data/train-00000-of-00001.parquet": 4 * 10**6},
}


class Hub(BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        Hub.asked.append((self.path, self.headers.get("Authorization")))
        found = [answer for path, answer in ANSWERS.items() if self.path.startswith(path)]
        status, code = found[0] if found else (200, None)
        listed = [files for path, files in FILES.items() if self.path.startswith(path)]
        files = [{"rfilename": n, "size": size} for n, size in (listed or [{}])[0].items()]
        body = json.dumps({"id": "owner/open", "sha": COMMIT, "siblings": files}).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            # a hub that repeats the token: the client puts this into its own message
            said = f"refused to {self.headers.get('Authorization')}"
            if status == 401:  # the hub's words, by which its client tells it from a private name
                said = "Invalid credentials in Authorization header"
            self.send_header("X-Error-Message", said)
        if "/owner/slow" in self.path:
            time.sleep(4)
        self.send_header("Content-Length", str(len(body) * (1 + ("/owner/half" in self.path))))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


Disk = namedtuple("Disk", "free")


@pytest.fixture
def our_hub(monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(hub, "TIMEOUT", 2)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda folder: Disk(8 * 10**9))
    Hub.asked.clear()
    yield server
    server.shutdown()


def on_the_hub(base="owner/open", data="owner/items", **changes):
    return replace(profiles.POCKET, base=base, data=data, **changes)


def test_revisions_are_resolved_to_commits(our_hub):
    profile = hub.resolve(on_the_hub())
    assert profile.base_revision == profile.data_revision == COMMIT
    assert any(path.startswith("/api/datasets/owner/items") for path, _ in Hub.asked)
    pocket = hub.resolve(profiles.POCKET)
    assert pocket.base_revision.split()[1] == catalogue.shipped_sha256(
        "pocket-llama/model.safetensors"
    )


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"base": "owner/gated"}, ["is gated", "accept its licence", "unsloth/Meta-Llama-3.1-8B"]),
        (
            {"data": "owner/closed"},
            ["is gated", "at https://huggingface.co/datasets/owner/closed,"],
        ),
        ({"base": "owner/gone"}, ["no model owner/gone", "misspelled, moved, gone or private"]),
        ({"base": "owner/pickled"}, ["owner/pickled has no weights in safetensors files"]),
        ({"data": "owner/gone"}, ["no dataset owner/gone"]),
        ({"base_revision": "v9"}, ["no revision 'v9'"]),
        ({"base": "owner/ill"}, ["owner/ill: the hub itself has a problem (500). Try again later"]),
        ({"base": "owner/badtoken"}, ["the hub does not know your token", "or remove HF_TOKEN"]),
        ({"base": "owner/forbidden"}, ["your token may not read it. Give the token read access"]),
        ({"base": "owner/often"}, ["too many requests from here. Wait some minutes"]),
        ({"base": "owner/half"}, ["cannot be reached for owner/half (RemoteProtocolError)"]),
        ({"base": "owner/slow"}, ["cannot be reached for owner/slow (ReadTimeout)"]),
        ({"base": "no such folder"}, ["neither a folder here nor a name on the hub"]),
    ],
)
def test_what_is_not_available_is_explained_in_one_line(our_hub, monkeypatch, changes, says):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(hub.Unavailable) as error:
        hub.resolve(on_the_hub(**changes))
    for words in [*says, 'profile_name = "pocket"']:
        assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert TOKEN not in str(error.value)


def test_a_hub_that_cannot_be_reached_is_named(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(hub.Unavailable, match="cannot be reached for owner/open .*are you online"):
        hub.resolve(on_the_hub())


def test_a_disk_too_small_for_the_download_stops_it(our_hub):
    with pytest.raises(OSError, match=r"needs 1,000,000,004 MB of disk .* 8,000 MB left"):
        hub.resolve(on_the_hub(base="owner/huge"))


def in_the_cache(folder, files, repo="models--owner--open"):
    """Put `files` where huggingface_hub puts a download by commit: blobs, links to them, no ref."""
    snapshot = folder / "cache" / repo / "snapshots" / COMMIT
    blobs = folder / "cache" / repo / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    for file in files:
        (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
        (blobs / file.replace("/", "-")).write_bytes(b"x")
        try:
            (snapshot / file).symlink_to(blobs / file.replace("/", "-"))
        except OSError:  # Windows without the right to make links: hub copies, too
            (snapshot / file).write_bytes(b"x")


def missing(name="owner/open", kind="model"):
    commit, files = hub.look_up(name, kind)
    return hub.missing_bytes(name, kind, commit, hub.weights(files) if kind == "model" else files)


def test_a_base_is_downloaded_when_every_shard_is(our_hub, tmp_path):
    assert missing() == 7 * 10**9  # the shards alone: no second layout, no pickle
    in_the_cache(tmp_path, ["config.json", "model.safetensors.index.json"])
    assert missing() == 7 * 10**9, "a config that was read earlier is not a download"
    in_the_cache(tmp_path, ["model-00001-of-00002.safetensors"])
    assert missing() == 2 * 10**9
    in_the_cache(tmp_path, ["model-00002-of-00002.safetensors"])
    assert missing() == 0
    assert missing("owner/whole") == 10**9


def test_a_download_of_another_commit_does_not_count(our_hub, tmp_path):
    in_the_cache(tmp_path, hub.weights(FILES["/api/models/owner/open"]))
    commit, files = hub.look_up("owner/open", "model")
    assert hub.missing_bytes("owner/open", "model", commit, hub.weights(files)) == 0
    assert hub.missing_bytes("owner/open", "model", "f" * 40, hub.weights(files)) == 7 * 10**9


def test_the_data_count_as_well(our_hub, tmp_path):
    assert missing("owner/items", "dataset") == 4_000_300
    in_the_cache(tmp_path, FILES["/api/datasets/owner/items"], repo="datasets--owner--items")
    assert missing("owner/items", "dataset") == 0


def test_the_disk_needs_room_only_for_what_is_missing(our_hub, tmp_path, monkeypatch):
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda folder: Disk(3 * 10**9))
    with pytest.raises(OSError, match="needs 7,004 MB"):
        hub.resolve(on_the_hub())
    in_the_cache(tmp_path, ["model-00001-of-00002.safetensors"])
    assert hub.resolve(on_the_hub()).base_revision == COMMIT


def test_progress_bars_come_on_for_a_large_download_only(our_hub, tmp_path):
    disable_progress_bars()
    hub.resolve(profiles.POCKET)
    in_the_cache(tmp_path, hub.weights(FILES["/api/models/owner/open"]))
    hub.resolve(on_the_hub())  # 4 MB of data are missing
    assert are_progress_bars_disabled()
    hub.resolve(on_the_hub(base="owner/whole"))
    assert not are_progress_bars_disabled()
    disable_progress_bars()


def test_a_token_is_used_and_never_shown(our_hub, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    profile = hub.resolve(on_the_hub())
    assert f"Bearer {TOKEN}" in {sent for _, sent in Hub.asked}
    try:
        hub.resolve(on_the_hub(base="owner/gated"))
    except hub.Unavailable:
        shown = traceback.format_exc()
    runs.RunRecord().save(tmp_path / "run.json", profile)
    shown += (
        (tmp_path / "run.json").read_text(encoding="utf-8") + str(profile) + profile._repr_html_()
    )
    shown += "".join(capfd.readouterr())
    assert "owner/gated is gated" in shown and COMMIT in shown
    assert TOKEN not in shown


@pytest.fixture(scope="module")
def like_the_8b(tmp_path_factory):
    """TOY_8B as a checkpoint in shards, with Pocket Llama's tokenizer."""
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("8b")
    LlamaForCausalLM(TOY_8B).to(torch.bfloat16).save_pretrained(folder, max_shard_size="1MB")
    tokenizer.save_pretrained(folder)
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 2
    return folder


def test_a_sharded_base_and_one_stored_in_4_bits_answer_alike(like_the_8b, tmp_path):
    model = base_model.load_base(str(like_the_8b), None, nf4())
    assert type(model.model.layers[31].mlp.down_proj).__name__ == "Linear4bit"
    tokenizer = base_model.load_tokenizer(str(like_the_8b))
    wanted = pricing.price_distribution(model, tokenizer, ["Price is $"])

    model.config.quantization_config.bnb_4bit_compute_dtype = torch.bfloat16  # as the hub's copies
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))[
        "quantization_config"
    ]
    assert stored["bnb_4bit_compute_dtype"] == "bfloat16"
    again = base_model.load_base(str(tmp_path), quantization_config=nf4(torch.float32))
    matrix = again.model.layers[0].self_attn.q_proj
    assert type(matrix).__name__ == "Linear4bit"
    assert matrix.compute_dtype == torch.float32  # ours, not the stored one
    assert not matrix.support_avx512bf16_for_cpu
    got = pricing.price_distribution(again, tokenizer, ["Price is $"])
    assert abs(got - wanted).max() < 1e-6

    other = nf4()
    other.bnb_4bit_quant_type = "fp4"
    said = "is stored with bnb_4bit_quant_type = nf4, but quantization_config says fp4: use the "
    with pytest.raises(ValueError, match=f"^{re.escape(f'{tmp_path} {said}')}stored value, or "):
        base_model.load_base(str(tmp_path), None, other)


def test_what_a_stored_base_does_not_quantize_gets_the_dtype_asked_for(like_the_8b, tmp_path):
    """A T4 has no bfloat16, in which the hub's copies keep embeddings, norms and head."""
    as_on_the_hub = base_model.load_base(str(like_the_8b), None, nf4("bfloat16"), "bfloat16")
    as_on_the_hub.save_pretrained(tmp_path)
    for dtype in ("float16", torch.float32, torch.bfloat16):
        model = base_model.load_base(str(tmp_path), None, nf4(dtype), dtype)
        wide = {p.dtype for p in model.parameters() if p.dtype != torch.uint8}
        assert wide == {getattr(torch, str(dtype).removeprefix("torch."))}
        assert model.model.layers[0].mlp.up_proj.compute_dtype in wide


def test_a_data_set_laid_out_like_the_hubs_is_read(tmp_path):
    (tmp_path / "data").mkdir()
    rows = catalogue.load("test").select_columns(["prompt", "completion"])
    for split, n in (("train", 30), ("val", 10), ("test", 20)):
        rows.select(range(n)).to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    items = catalogue.load("train", str(tmp_path))
    assert items["prompt"] == rows["prompt"][:30]
    assert len(catalogue.load("validation", str(tmp_path))) == 10
    assert catalogue.prices(items)[0] == float(rows["completion"][0])

    old = tmp_path / "old"
    old.mkdir()
    Dataset.from_dict({"text": ["x"], "price": [1.0]}).to_parquet(old / "train.parquet")
    with pytest.raises(ValueError, match="no column completion, prompt; it has text, price"):
        catalogue.load("train", str(old))
    with pytest.raises(ValueError, match="has no split test; it has train"):
        catalogue.load("test", str(old))


def test_a_run_is_recorded_with_what_it_ran_on(tmp_path):
    profile = hub.resolve(profiles.POCKET)
    runs.RunRecord().save(tmp_path / "run.json", profile)
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert record["profile"] == json.loads(json.dumps(asdict(profile)))
    assert {"torch", "transformers", "peft", "trl", "bitsandbytes"} <= set(record["versions"])
    assert record["stopped"] is False
