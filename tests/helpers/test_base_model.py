"""Pocket Llama: its tokenizer, text and size; how a base is loaded; the guard of 4-bit training."""

import copy
import pickle
import random
import re

import make_base
import make_catalogue
import pytest
import torch
from bitsandbytes.functional import has_avx512bf16
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from support import nf4
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from helpers import DATA, base_model, catalogue

FOLDER = DATA / base_model.POCKET


@pytest.fixture(scope="module")
def tokenizer():
    return base_model.load_tokenizer(base_model.POCKET)


def test_it_is_a_small_llama_with_grouped_query_attention_in_bf16():
    weights = FOLDER / "model.safetensors"
    assert weights.stat().st_size <= 8e6
    assert {t.dtype for t in load_file(weights).values()} == {torch.bfloat16}
    model = AutoModelForCausalLM.from_pretrained(FOLDER)  # plain, as anyone would
    config = model.config
    assert config.model_type == "llama"
    assert config.num_key_value_heads < config.num_attention_heads
    widths = {s for m in model.modules() if isinstance(m, torch.nn.Linear) for s in m.weight.shape}
    assert all(width % 64 == 0 for width in widths)


def test_every_price_is_one_token_and_text_comes_back(tokenizer):
    for n in range(1000):
        assert len(tokenizer.encode(str(n), add_special_tokens=False)) == 1
    text = "An oak desk, 140 cm wide: it's Zoë's.\n- new\n\nPrice is $89.00"
    ids = tokenizer.encode(text)
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids[1:]) == text
    prompt, whole = tokenizer.encode("Price is $"), tokenizer.encode("Price is $89.00")
    assert whole[: len(prompt)] == prompt  # the prompt ends on a token boundary
    assert AutoTokenizer.from_pretrained(FOLDER)(text).keys() == {"input_ids", "attention_mask"}


def test_batches_are_padded_on_the_left_also_where_a_base_has_no_token_for_it(tokenizer, tmp_path):
    short, long = tokenizer(["A pen", "A red pen, new"], padding=True).attention_mask
    assert short == sorted(short) and 0 in short and 0 not in long
    other = copy.deepcopy(tokenizer)
    other.pad_token = None
    other.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).pad_token is None
    assert base_model.load_tokenizer(str(tmp_path)).pad_token == tokenizer.eos_token


def test_the_revision_and_the_dtype_that_are_asked_for_are_loaded(monkeypatch):
    asked = []
    for auto in (AutoConfig, AutoModelForCausalLM, AutoTokenizer):

        def load(*args, whole=auto.from_pretrained, **kwargs):
            asked.append(kwargs.get("revision"))
            return whole(*args, **kwargs)

        monkeypatch.setattr(auto, "from_pretrained", load)
    model = base_model.load_base(base_model.POCKET, "v1", dtype=torch.bfloat16)
    base_model.load_config(base_model.POCKET, "v1")
    base_model.load_tokenizer(base_model.POCKET, "v1")
    assert len(asked) >= 4 and set(asked) == {"v1"}
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    plain = base_model.load_base(base_model.POCKET)
    assert {p.dtype for p in plain.parameters()} == {torch.float32}


def test_descriptions_are_25_to_80_tokens(tokenizer):
    rows = [row for rows in make_catalogue.make_catalogue().values() for row in rows]
    texts = [make_catalogue.description_of(row) for row in rows]
    lengths = [len(ids) for ids in tokenizer(texts, add_special_tokens=False).input_ids]
    assert min(lengths) >= 25
    assert max(lengths) <= 80


def test_its_text_holds_no_phrase_of_the_task_and_no_item_of_the_catalogue(tokenizer):
    rows = [row for rows in make_catalogue.make_catalogue().values() for row in rows]
    taken = {make_catalogue.description_of(row) for row in rows}
    rng, pieces = random.Random(0), make_base.word_pieces(tokenizer)
    pages = [make_base.page(rng, taken, pieces)[0] for _ in range(2000)]
    for text in pages:
        assert "price is" not in text.lower()
        assert "how much does" not in text.lower()
        assert "to the nearest" not in text.lower()
    by_chance = [t for t in pages if "how much" in t.lower() or "nearest dollar" in t.lower()]
    assert len(by_chance) <= 1  # of 2,000: words of the task occur in babble alone
    for text in (make_base.page(rng, taken, ())[0] for _ in range(2000)):
        assert "nearest" not in text.lower()
        assert "price" not in text.lower()
        assert "how much" not in text.lower()
    together = "\n".join(pages)
    assert not any(description in together for description in taken)


def test_babble_is_never_about_the_price_itself(tokenizer):
    rng, pieces = random.Random(0), make_base.word_pieces(tokenizer)
    known = {remark for remark, _, _ in make_base.REMARKS}
    n_babbled = 0
    for _ in range(2000):
        _, remark, share, _ = make_base.sale(rng, (), pieces)
        if remark.strip() not in known:
            n_babbled += 1
            assert share != 1
    assert n_babbled > 200


def test_a_page_says_where_its_amounts_are(tokenizer):
    text, starts = make_base.page(random.Random(0), (), make_base.word_pieces(tokenizer))
    encoded = tokenizer(text)
    for start in starts:
        number = re.match(r"\d+", text[start:])
        assert number, text[start:][:20]
        token = encoded.input_ids[encoded.char_to_token(start)]
        assert tokenizer.decode(token) == number[0]


def test_loading_checks_the_weights_once_and_never_for_the_tokenizer(monkeypatch):
    hashed = []
    sha256_of = catalogue.sha256_of
    monkeypatch.setattr(catalogue, "sha256_of", lambda p: hashed.append(p.name) or sha256_of(p))
    base_model.load_base(base_model.POCKET)
    assert hashed.count("model.safetensors") == 1
    hashed.clear()
    base_model.load_tokenizer(base_model.POCKET)
    assert "tokenizer.json" in hashed and "model.safetensors" not in hashed


def test_a_damaged_base_is_not_loaded(monkeypatch):
    monkeypatch.setattr(catalogue, "sha256_of", lambda path: "0" * 64)
    with pytest.raises(catalogue.DamagedFile, match="pocket-llama/config.json is damaged"):
        base_model.load_base(base_model.POCKET)


def test_weights_in_a_pickle_are_never_opened(tmp_path):
    model = AutoModelForCausalLM.from_pretrained(FOLDER)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    AutoModelForCausalLM.from_pretrained(tmp_path)  # transformers alone would
    with pytest.raises(OSError, match="safetensors"):
        base_model.load_base(str(tmp_path))


@pytest.mark.parametrize(
    "harm, says",
    [
        (lambda raw: raw[:-99], "the weights of .* are damaged .*: download or copy them again"),
        (lambda raw: pickle.dumps({"a": 1}), "the weights of .* are damaged"),
        (None, "the weights of .* have other shapes than its config.json says: take both"),
    ],
    ids=["cut short", "a pickle by that name", "another width"],
)
def test_weights_that_cannot_be_used_are_told_in_a_sentence(harm, says, tmp_path):
    config = AutoConfig.from_pretrained(FOLDER)
    config.intermediate_size *= 1 if harm else 2
    config.save_pretrained(tmp_path)
    raw = (FOLDER / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(harm(raw) if harm else raw)
    with pytest.raises((OSError, ValueError), match=says):
        base_model.load_base(str(tmp_path))


def with_adapters():
    """Pocket Llama in 4 bits with adapters whose B is not zero, so that A has a gradient too."""
    model = base_model.load_base(base_model.POCKET, quantization_config=nf4())
    torch.manual_seed(0)
    lora = LoraConfig(r=4, init_lora_weights=False, target_modules=["q_proj", "v_proj"])
    return get_peft_model(model, lora)


def gradients(model):
    """Each adapter's gradient on one fixed batch, by name."""
    ids = torch.arange(100, 140).view(2, 20)
    model.train().zero_grad()
    model(input_ids=ids, labels=ids).loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def evaluate(model):
    with torch.no_grad():
        model.eval()(input_ids=torch.arange(100, 120)[None])


def force_repacking(model):
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = True


@pytest.fixture(params=[True, False], ids=["a CPU that repacks", "a CPU that does not"])
def played_cpu(request, monkeypatch):
    """bitsandbytes builds its layers as for a CPU with, or without, AVX512-BF16."""
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: request.param)


def test_the_guard_is_set_on_every_4_bit_layer(played_cpu):
    flags = [
        m.support_avx512bf16_for_cpu
        for m in with_adapters().modules()
        if hasattr(m, "support_avx512bf16_for_cpu")
    ]
    assert len(flags) == 7 * 4
    assert not any(flags)


def test_evaluating_before_training_leaves_the_gradients_unchanged(played_cpu):
    fresh, evaluated = with_adapters(), with_adapters()
    evaluate(evaluated)
    wanted, got = gradients(fresh), gradients(evaluated)
    assert wanted.keys() == got.keys()
    for name in wanted:
        assert wanted[name].abs().sum() > 0
        torch.testing.assert_close(got[name], wanted[name], rtol=0, atol=0)


def test_without_the_guard_an_evaluation_fails_or_spoils_the_gradients(record_property):
    """What the guard is for, as far as this CPU can show it."""
    wanted, model = gradients(with_adapters()), with_adapters()
    force_repacking(model)
    this_cpu = f"This CPU has {'' if has_avx512bf16() else 'no '}AVX512-BF16"
    try:
        evaluate(model)
    except Exception as error:
        assert not has_avx512bf16(), "this CPU repacks: the evaluation itself must work"
        record_property("seen", f"{this_cpu}: repacked, it fails ({type(error).__name__})")
        return
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight"
    got = gradients(model).get(name, torch.zeros(()))
    record_property(
        "seen", f"{this_cpu}: repacked, |dA| is {got.norm():.4f}, not {wanted[name].norm():.4f}"
    )
    assert got.norm() == 0 or not torch.allclose(got, wanted[name], rtol=0.05)
