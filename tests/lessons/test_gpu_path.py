"""Lesson 8 as a Colab T4 runs it, whole, on a CPU: every setting but precision and optimizer.

The base is a folder laid out like the hub's: stored in 4 bits, in shards, with the 8B's modules at
toy width. The data are the lectures' columns alone, without a true price, with a price above $999.
"""

import json

import pytest
import run_lessons as runner
import torch
from judging import judge_cells
from support import TOY_8B, nf4, write_items
from transformers import LlamaForCausalLM

from helpers import base_model, profiles

LESSON = runner.NOTEBOOKS / "08_qlora_sft.ipynb"
NEEDS_A_GPU = {"compute_dtype": "float32", "optim": "adamw_torch", "gpu_gib": 0}
SPEAKS_OF_THE_POCKET_WORLD = ("noise floor", "sold for", "pocket llama", "true price")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder like the hub's pre-quantized 8B: NF4, several shards, 32 layers, its own head."""
    plain, folder = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("4bit")
    tokenizer = base_model.load_tokenizer(base_model.POCKET)
    assert [len(tokenizer.encode(n, add_special_tokens=False)) for n in ("999", "1249")] == [1, 2]
    torch.manual_seed(0)
    LlamaForCausalLM(TOY_8B).to(torch.bfloat16).save_pretrained(plain)
    model = base_model.load_base(str(plain), None, nf4(torch.float32))
    model.config.quantization_config.bnb_4bit_compute_dtype = torch.bfloat16  # as on the hub
    model.save_pretrained(folder, max_shard_size="500KB")
    tokenizer.save_pretrained(folder)
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 1
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert stored["quantization_config"]["bnb_4bit_quant_type"] == "nf4"
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_items(tmp_path_factory.mktemp("items"), n_train=64, n_test=24)


def said_by(cell):
    """Everything that a cell shows, as text."""
    texts = [runner.text_of(cell)]
    texts += [o["data"].get("text/plain", "") for o in cell.outputs if "data" in o]
    return "\n".join(texts)


@pytest.mark.lesson
def test_lesson_08_runs_whole_with_a_t4s_settings_on_another_base_and_other_data(base, data):
    changes = {"base": str(base), "data": str(data), **NEEDS_A_GPU}
    settings = {"profile_name": "colab-t4", "changes": changes}
    facts = ["max(prices)", "len(train)", "len(test)", "trainer.state.global_step"]
    facts += ["trainer.args.gradient_checkpointing", "profile.accumulation", "floor == floor"]
    notebook = runner.one_after_the_other([(runner.read(LESSON), facts)])
    run = runner.run(notebook, "08_gpu_path", parameters=settings)
    with runner.kept_if_it_fails("08_gpu_path", run.notebook):
        judge_cells(run)
        t4 = profiles.PROFILES["colab-t4"]
        [found] = run.values
        assert found == {
            "max(prices)": 1249,
            "len(train)": 64,
            "len(test)": 24,
            "trainer.state.global_step": 64 / (t4.batch_size * t4.accumulation),
            "trainer.args.gradient_checkpointing": 1,
            "profile.accumulation": 4,
            "floor == floor": 0,  # nan: nobody knows the floor of real products
        }
        for cell in run.notebook.cells:
            # the quiz is about what the lesson shows with the pocket world
            if cell.cell_type == "code" and not cell.source.startswith("quiz."):
                said = said_by(cell).lower()
                assert not any(words in said for words in SPEAKS_OF_THE_POCKET_WORLD), said
                assert "nan" not in said.split(), said


def test_the_path_has_every_setting_of_the_t4_but_what_a_cpu_lacks():
    left = set(vars(profiles.PROFILES["colab-t4"])) - {"base", "data", *NEEDS_A_GPU}
    assert {"batch_size", "accumulation", "gradient_checkpointing", "lora_dropout"} <= left
