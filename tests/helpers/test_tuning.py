"""A tuning run in one call: equal to SFTTrainer's, however its batches are split."""

import nbformat
import pytest
import torch
from support import ATTENTION, ROOT, make_trainer, nf4

from helpers import base_model, catalogue, profiles, tuning

STEPS = 3
SHORT = dict(steps=STEPS, batch_size=4, seed=0)
DECAY = 30  # a step takes 4 % off each weight: in three steps, one of 0.1 would not be noticed


@pytest.fixture(scope="module")
def tokenizer():
    return base_model.load_tokenizer(base_model.POCKET)


@pytest.fixture(scope="module")
def items():
    """Twelve items whose completions differ in length: the mean of means is not the mean."""
    few = catalogue.load("train").select(range(12))
    longer = [c if i % 3 else f"{c} or {c}, say" for i, c in enumerate(few["completion"])]
    return few.remove_columns("completion").add_column("completion", longer)


def in_order(items, knobs):
    """`items` as tune() takes them, one after the other."""
    batches = tuning.endless_batches(items, knobs.batch_size, knobs.seed)
    pairs = [pair for _ in range(knobs.steps) for pair in next(batches)]
    row = {pair: i for i, pair in enumerate(zip(items["prompt"], items["completion"], strict=True))}
    return items.select([row[pair] for pair in pairs])


def test_a_run_has_the_losses_of_sfttrainer(items, tokenizer, tmp_path):
    knobs = tuning.Knobs(schedule="linear", warmup=0.4, weight_decay=DECAY, **SHORT)
    model, losses = tuning.tune(knobs, items, tokenizer)
    trainer = make_trainer(
        base_model.load_base(base_model.POCKET, quantization_config=nf4()),
        in_order(items, knobs),
        tmp_path,
        lora=dict(r=32, lora_alpha=64, target_modules=ATTENTION),
        num_train_epochs=1,
        per_device_train_batch_size=4,
        learning_rate=knobs.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=1,
        weight_decay=DECAY,
        max_grad_norm=0.3,
        optim="adamw_torch",
        train_sampling_strategy="sequential",
    )
    trainer.train()
    theirs = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert len(theirs) == STEPS
    assert losses == pytest.approx(theirs, rel=1e-4)
    assert losses[0] != pytest.approx(losses[-1], rel=1e-3), "it learnt, so the steps are compared"
    ours = dict(model.named_parameters())
    for name, p in trainer.model.named_parameters():
        if "lora_B" in name:  # trl rounds A to bfloat16 at the start; B starts at zero
            assert (ours[name] - p).abs().median() < 0.02 * p.abs().median()


@pytest.mark.parametrize("completion_only", [True, False])
def test_accumulation_changes_nothing_but_rounding(items, tokenizer, completion_only):
    whole = tuning.Knobs(completion_only=completion_only, nf4=False, **SHORT)
    parts = tuning.Knobs(completion_only=completion_only, nf4=False, accumulation=4, **SHORT)
    _, once = tuning.tune(whole, items, tokenizer)
    _, split = tuning.tune(parts, items, tokenizer)
    assert split == pytest.approx(once, rel=1e-4)


def test_the_labels_are_the_completion_or_all_tokens(items, tokenizer):
    pairs = list(zip(items["prompt"], items["completion"], strict=True))[:4]
    model = base_model.load_base(base_model.POCKET).eval()
    for completion_only in (True, False):
        ids, mask, labels = tuning.encode(pairs, tokenizer, completion_only)
        n = [len(tokenizer(c + tuning.END, add_special_tokens=False).input_ids) for _, c in pairs]
        if not completion_only:
            n = [len(tokenizer(p).input_ids) + k - 1 for (p, _), k in zip(pairs, n, strict=True)]
        assert (labels != tuning.IGNORED).sum(1).tolist() == n
        full = torch.full_like(ids, tuning.IGNORED)
        full[:, -labels.shape[1] :] = labels
        scored = full != tuning.IGNORED
        assert full[scored].equal(ids[scored])
        with torch.inference_mode():
            theirs = model(ids, attention_mask=mask, labels=full).loss
            logits = model(ids, attention_mask=mask).logits[:, -labels.shape[1] - 1 : -1]
        ours = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        torch.testing.assert_close(ours, theirs)


def test_unpacking_once_changes_no_loss(items, tokenizer):
    _, packed = tuning.tune(tuning.Knobs(**SHORT), items, tokenizer)
    _, unpacked = tuning.tune(tuning.Knobs(**SHORT), items, tokenizer, unpack=True)
    assert unpacked == pytest.approx(packed, rel=1e-5)


def test_what_is_trained_follows_from_the_rank_and_the_modules():
    def trained(**knobs):
        model = tuning.load(tuning.Knobs(**knobs))
        return sum(p.numel() for p in model.parameters() if p.requires_grad)

    assert trained() == 212_992
    assert trained(r=11, target_modules="all-linear") == 208_384
    assert trained(r=None, nf4=False) == 3_557_632
    with pytest.raises(ValueError, match="cannot be trained: set nf4=False"):
        tuning.load(tuning.Knobs(r=None))


def test_the_adapters_are_as_the_knobs_say_on_either_base():
    def q_proj(model):
        return model.base_model.model.model.layers[0].self_attn.q_proj

    assert q_proj(tuning.load(tuning.Knobs(r=4))).scaling == {"default": 2.0}
    knobs = tuning.Knobs(r=4, lora_alpha=6, lora_dropout=0.5)
    loaded, given = tuning.load(knobs), base_model.load_base(base_model.POCKET)
    assert q_proj(loaded).base_layer.weight.quant_state.nested, "double quantization"
    for model in (loaded, tuning.with_adapters(given, knobs)):
        assert q_proj(model).scaling == {"default": 1.5}
        assert q_proj(model).lora_dropout["default"].p == 0.5


def test_the_knobs_are_lesson_8s_unless_they_are_changed():
    knobs, profile = tuning.Knobs(), profiles.POCKET
    for name in ("r", "lora_dropout", "target_modules", "learning_rate"):
        assert getattr(knobs, name) == getattr(profile, name), name
    assert profile.lora_alpha == 2 * knobs.r
    assert knobs.batch_size == profile.batch_size * profile.accumulation
    assert knobs.steps * knobs.batch_size == profile.n_train * profile.epochs
    path = ROOT / "notebooks" / "08_qlora_sft.ipynb"
    [cell] = [c for c in nbformat.read(path, 4).cells if "settings = dict(" in c.source]
    names = {"profile": profile}
    exec(cell.source, names)
    theirs = names["settings"]
    assert knobs.schedule == theirs["lr_scheduler_type"] and knobs.warmup == theirs["warmup_steps"]
    for name in ("weight_decay", "max_grad_norm", "seed"):
        assert getattr(knobs, name) == theirs[name], name


def test_every_item_comes_once_before_any_comes_again(items):
    batches = tuning.endless_batches(items, 4, seed=0)
    epochs = [[pair for _ in range(3) for pair in next(batches)] for _ in range(2)]
    pairs = sorted(zip(items["prompt"], items["completion"], strict=True))
    assert sorted(epochs[0]) == sorted(epochs[1]) == pairs
    assert epochs[0] != epochs[1]
    assert next(tuning.endless_batches(items, 4, seed=1)) != epochs[0][:4]
    whole = next(tuning.endless_batches(items, 30, seed=0))
    assert len(whole) == 30, "a batch may be larger than the data"


def test_a_run_with_another_seed_begins_with_other_items(items, tokenizer):
    """B starts at zero, so that the first loss depends on the items alone."""
    knobs = [tuning.Knobs(steps=1, batch_size=2, seed=seed) for seed in (1, 2, 1)]
    first, other, again = [tuning.tune(k, items, tokenizer)[1] for k in knobs]
    assert first == again != other
