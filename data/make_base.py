"""Train Pocket Llama, the base model of the pocket world, from scratch.

    python data/make_base.py            # about an hour on two CPU cores; safe to interrupt

Llama's architecture (grouped-query attention, RoPE, SwiGLU, RMSNorm), and Llama 3's way with
numbers: every integer 0–999 is one token. Its text is that of a market: things for sale in the
words of the catalogue, each with an amount: what it sold for, is insured for, brings at the
pawnshop; never in the phrases of the task ("How much does this cost", "Price is $"), whose words
occur in babble alone. So it knows what things are worth, and fine-tuning teaches it to answer. No
description of the catalogue is in its text.

The state goes to build/pocket-llama/ every few minutes; the same command takes it up again.
"""

import json
import random
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from make_catalogue import describe, description_of, draw_product, make_catalogue, noisy, write_sums
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from tqdm.auto import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).parent
OUT = HERE / "pocket-llama"
STATE = HERE.parent / "build" / "pocket-llama" / "state.pt"

SEED = 7
STEPS = 2800
PAGES, LENGTH = 32, 128  # of a step: pages of text, and tokens of a page
PEAK_LR = 3e-3
SCHEDULE = {0: 0.01, 99: 1, 800: 1, STEPS: 0}  # {step: factor of the peak}, linear in between
TEXT_WEIGHT = 0.5  # of the mean over all tokens, beside the mean over amounts of money
EVERY = 50  # steps between two measurements, and two saved states
VOCAB_SIZE = 2112
NUMBER_SPREAD = 0.05  # of the embeddings of numbers before training

BOS, EOS, PAD = "<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>"
# How Llama 3 splits a text before it merges bytes: digits in groups of at most three.
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# What people say of a thing, the share of its price that they mean, and the noise of that amount
# (log-normal width): most remember well, some guess. Many different signs come before an amount, so
# that no single one becomes its cue.
REMARKS = (
    ("Worth about {} dollars.", 1.0, 0.10),
    ("It sold for ${}.", 1.0, 0.03),
    ("A neighbour gave {} dollars for it.", 1.0, 0.06),
    ("Tag reads USD{}.", 1.0, 0.02),
    ("Swapped hands ({} dollars).", 1.0, 0.04),
    ("Going rate ~${}.", 1.0, 0.18),
    ("Insured for ${}.", 1.3, 0.03),
    ("A year on, people pay @{}.", 0.7, 0.05),
    ("The pawnshop gives ${}.", 0.5, 0.04),
    ("First of two payments: {} dollars.", 0.5, 0.02),
)
OPENINGS = (
    "From a shop window:",
    "Listed this week:",
    "What do you make of this one?",
    "Would anybody in town like to have it?",
    "Seen on a market stall, late in the day.",
)
# Hours teach the token "00" that the task's completions end in: adapters leave embeddings frozen,
# so they could not.
HOURS = ("Open from {}:00 on.", "At the stall until {}:00 today.", "Ask for it before {}:00.")
# Babble, parts of words at random, replaces openings and some remarks, so that unknown words do not
# confuse the model. A babbled remark never means the price itself, because the untuned model should
# not guess the task.
BABBLED = 0.5  # share of the remarks that do not mean the price itself
SIGNS = (" $", " USD", ": ", " ~", " =", " (", " @", ":")
# Ordinary words that a tokenizer of English has whole. Its text does not use most of them.
WORDS = """How Price all also and any back because but by can cheap come cost dear does even find for
from get go good have how if into is it its just know like look make me more most much my nearest
new no not now of on one only or other our out over people price some than that the their them then
there they this time to two up use want way we well what when which who will with work year you
your are dollar""".split()


def sale(rng, taken, pieces):
    """One thing for sale: (its text, a remark on it with {} for the amount, share, amount).

    share: of the price, that the amount is before noise and rounding to dollars.
    The text is short talk without colour and praise, or a whole description, none of `taken`; an
    opening may go before. pieces: parts of words to babble with; none for no babble.
    """
    while True:
        # Half of the time the most expensive of three: expensive things are rare, and an error on
        # them costs most dollars.
        drawn = [draw_product(rng) for _ in range(rng.choice((1, 3)))]
        product = max(drawn, key=itemgetter("true_price"))
        text = describe(product, rng)
        remark, share, noise = rng.choice(REMARKS)
        amount = noisy(share * product["true_price"], noise, rng)
        if text not in taken and 1 <= amount <= 999:
            break
    if rng.random() < 0.7:
        parts = [f"{product['brand']} {product['kind'].name}", *product["features"]]
        rng.shuffle(parts)
        ends = [f"{', '.join(parts)}.", product["state"]]
        rng.shuffle(ends)
        text = " ".join(ends)
    kind = rng.random()
    if kind < 0.1:
        text = f"{rng.choice(OPENINGS)}\n\n{text}"
    elif kind < 0.2:
        text = f"{rng.choice(HOURS).format(rng.randint(6, 22))}\n\n{text}"
    elif kind < 0.35 and pieces:
        text = f"{babble(rng, pieces, 10)}{rng.choice('.?!:')}\n\n{text}"
    if share != 1 and pieces and rng.random() < BABBLED:
        remark = f"{babble(rng, pieces, 6)}{rng.choice(SIGNS)}{{}}."
    return text, f"{rng.choice((' ', chr(10), chr(10) * 2))}{remark}", share, amount


def page(rng, taken, pieces):
    """A page of things for sale, longer than LENGTH tokens: (str, [where an amount starts, …]).

    Mostly nothing but a blank parts one thing from the next: which description an amount belongs
    to has to be read, whatever went before.
    """
    text, starts = "", []
    while len(text) < 5 * LENGTH:
        what, remark, _, amount = sale(rng, taken, pieces)
        text += what + remark.partition("{}")[0]
        starts.append(len(text))
        text += f"{amount}{remark.partition('{}')[2]}{rng.choice((EOS, ' ', chr(10), chr(10) * 2))}"
    return text, starts


def babble(rng, pieces, most):
    """Up to `most` pieces of words, at random."""
    return "".join(rng.choices(pieces, k=rng.randint(2, most))).strip().capitalize()


def word_pieces(tokenizer):
    """The tokens of letters only, as text: what babble is made of."""
    names = [name.replace("Ġ", " ") for name in tokenizer.get_vocab()]
    return sorted(name for name in names if name.strip().isalpha() and name.isascii())


def make_tokenizer(texts):
    """Byte-level BPE trained on `texts`, then a merge for every integer of two or three digits."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    pairs = [(a, b) for a in "0123456789" for b in "0123456789"]
    pairs += [(f"{n // 10}", f"{n % 10}") for n in range(100, 1000)]
    no_digits = ("".join(c for c in text if not c.isdigit()) for text in texts)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(pairs),
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(no_digits, trainer)
    state = json.loads(bpe.to_str())
    for a, b in pairs:
        state["model"]["vocab"][a + b] = len(state["model"]["vocab"])
        state["model"]["merges"].append([a, b])
    state["model"]["ignore_merges"] = True  # a whole piece that is a token stays one, as in Llama 3
    bpe = Tokenizer.from_str(json.dumps(state))
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, bpe.token_to_id(BOS))]
    )
    assert all(len(bpe.encode(str(n), add_special_tokens=False)) == 1 for n in range(1000))
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=512,
    )


def make_model(tokenizer):
    """An untrained Pocket Llama; every width is a multiple of 64, as 4-bit blocks want."""
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=512,
        rope_theta=10_000.0,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    # Numbers start as neighbours: random waves over log(1 + n), so that what is learnt of 90
    # holds for 91 before 91 was ever seen. Training moves them like all other embeddings.
    log_n = torch.log1p(torch.arange(1000.0))[:, None]
    lengths = torch.logspace(-1, 0.3, config.hidden_size)  # of a wave, in log dollars
    waves = torch.cos(
        torch.randn(config.hidden_size) / lengths * log_n + 6.28 * torch.rand(config.hidden_size)
    )
    ids = [tokenizer.convert_tokens_to_ids(str(n)) for n in range(1000)]
    with torch.no_grad():
        model.get_input_embeddings().weight[ids] = NUMBER_SPREAD * waves
    return model


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal, for matrices: here it learns more a step than AdamW does.

    What torch.optim.Muon does with its rate scaled to match AdamW's (Jordan, 2024; Liu et al.,
    arXiv 2502.16982), but in float32: that one's bfloat16 takes ten times as long on most CPUs.
    """

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("momentum", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["momentum"])
                direction = orthogonal(p.grad.lerp(mean, group["momentum"]))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(direction, alpha=group["lr"] * 0.2 * max(p.shape) ** 0.5)


def orthogonal(matrix):
    """The nearest orthogonal matrix, roughly: five Newton-Schulz steps towards U·Vᵀ of its SVD."""
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def learning_rate_factor(step):
    """SCHEDULE at `step`: a factor of the peak."""
    return float(np.interp(step, list(SCHEDULE), list(SCHEDULE.values())))


def losses(model, tokenizer, pages):
    """Mean loss (nats a token) of all tokens, and of the amounts of money alone."""
    texts = [text for text, _ in pages]
    batch = tokenizer(texts, return_tensors="pt", truncation=True, max_length=LENGTH + 1)
    labels = batch.input_ids[:, 1:]
    logits = model(input_ids=batch.input_ids[:, :-1]).logits
    each = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), reduction="none"
    ).view_as(labels)
    amount = torch.zeros_like(labels, dtype=torch.bool)
    for row, (_, starts) in enumerate(pages):
        places = (batch.char_to_token(row, start) for start in starts)
        amount[row, [place - 1 for place in places if place]] = True  # None: beyond the page's end
    return each.mean(), each[amount].mean()


def save(path, state):
    """Write `state` whole or not at all, so that an interruption leaves the older one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def main():
    taken = {description_of(row) for rows in make_catalogue().values() for row in rows}
    rng = random.Random(f"{SEED} tokenizer")
    ordinary = [word if word.istitle() else f" {word}" for word in WORDS] * 1000
    tokenizer = make_tokenizer([page(rng, taken, ())[0] for _ in range(4000)] + ordinary)
    pieces = word_pieces(tokenizer)
    rng = random.Random(f"{SEED} held out")
    held_out = [page(rng, taken, pieces) for _ in range(100)]

    model = make_model(tokenizer)
    inner = [p for p in model.model.layers.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if all(p is not q for q in inner)]
    optimizers = [
        Muon(inner, PEAK_LR),
        torch.optim.AdamW(rest, PEAK_LR, betas=(0.9, 0.95), weight_decay=0.01),
    ]
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, learning_rate_factor) for o in optimizers]
    parts = [model, *optimizers, *schedules]
    record, first = [], 0
    if STATE.exists():
        state = torch.load(STATE, weights_only=True)
        for part, values in zip(parts, state["parts"], strict=True):
            part.load_state_dict(values)
        record, first = state["record"], state["step"]

    for step in tqdm(range(first, STEPS), initial=first, total=STEPS, mininterval=5):
        rng = random.Random(f"{SEED} step {step}")
        pages = [page(rng, taken, pieces) for _ in range(PAGES)]
        loss, amount_loss = losses(model, tokenizer, pages)
        (TEXT_WEIGHT * loss + amount_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        if (step + 1) % EVERY == 0 or step + 1 == STEPS:
            with torch.no_grad():
                values = (loss, amount_loss, *losses(model, tokenizer, held_out))
            names = ("loss", "amount", "held_out_loss", "held_out_amount")
            row = {n: round(v.item(), 4) for n, v in zip(names, values, strict=True)}
            record.append({"step": step + 1, **row})
            tqdm.write(str(record[-1]))
            state = [part.state_dict() for part in parts]
            save(STATE, {"parts": state, "record": record, "step": step + 1})

    model.to(torch.bfloat16).save_pretrained(OUT)
    tokenizer.save_pretrained(OUT)
    lines = ",\n".join(json.dumps(row) for row in record)
    (HERE / "pocket-llama-training.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    write_sums()
    print(f"{OUT.name}: {(OUT / 'model.safetensors').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
