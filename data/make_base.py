"""Train Pocket Llama, the base model of the pocket world, from scratch.

    python data/make_base.py            # a good hour on two CPU cores; safe to interrupt

Llama's architecture (grouped-query attention, RoPE, SwiGLU, RMSNorm), and Llama 3's way with
numbers: every integer 0–999 is one token. Its text is that of a market: things for sale in the
words of the catalogue, each with an amount: what it sold for, is insured for, brings at the
pawnshop; never in the words of the task ("How much does this cost", "Price is $"). So it knows
what things are worth, and fine-tuning teaches it to answer. No description of the catalogue is in
its text.

The state goes to build/pocket-llama/ every few minutes; the same command takes it up again.
"""

import json
import random
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
STEPS = 4800
PAGES, LENGTH = 32, 128  # of a step: pages of text, and tokens of a page
PEAK_LR = 3e-3
# {step: factor of the peak}, linear in between; the end was put off twice while it trained.
SCHEDULE = {0: 0.01, 99: 1, 720: 1, 1250: 0.816, 2950: 0.3825, STEPS: 0}
TEXT_WEIGHT = 0.5  # of the mean over all tokens, beside the mean over amounts of money
EVERY = 50  # steps between two measurements, and two saved states
REMARK_NOISE = 0.10  # log-normal, of an amount that someone remembers
VOCAB_SIZE = 1920
NUMBER_SPREAD = 0.05  # of the embeddings of numbers before training

BOS, EOS, PAD = "<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>"
# How Llama 3 splits a text before it merges bytes: digits in groups of at most three.
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# What people say of a thing, and the share of its price that this amounts to. All sorts of signs
# stand before an amount, so that no single one becomes its cue.
REMARKS = (
    ("Worth about {} dollars.", 1.0),
    ("It sold for ${}.", 1.0),
    ("A neighbour gave {} dollars for it.", 1.0),
    ("Tag reads USD{}.", 1.0),
    ("Swapped hands ({} dollars).", 1.0),
    ("Going rate ~${}.", 1.0),
    ("Insured for ${}.", 1.3),
    ("The pawnshop gives ${}.", 0.5),
    ("First of three payments: {} dollars.", 0.333),
    ("Spare parts alone @{}.", 0.25),
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
# Babble, parts of words at random, stands in for openings and for some remarks, so that words never
# seen do not confuse the model. A babbled remark never means the price itself: the untuned model
# is not to guess the task.
BABBLED = 0.5  # share of the remarks that do not mean the price itself
SIGNS = (" $", " USD", ": ", " ~", " =", " (", " @", ":")


def sale(rng, taken, pieces):
    """One thing for sale: (its text, a remark on it with {} for the amount, share, amount).

    share: of the price, that the amount is before noise (REMARK_NOISE) and rounding to dollars.
    The text is short talk without colour and praise, or a whole description, none of `taken`; an
    opening may go before. pieces: parts of words to babble with; none for no babble.
    """
    while True:
        product = draw_product(rng)
        text = describe(product, rng)
        remark, share = rng.choice(REMARKS)
        amount = noisy(share * product["true_price"], REMARK_NOISE, rng)
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
    tokenizer = make_tokenizer([page(rng, taken, ())[0] for _ in range(4000)])
    pieces = word_pieces(tokenizer)
    rng = random.Random(f"{SEED} held out")
    held_out = [page(rng, taken, pieces) for _ in range(100)]

    model = make_model(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), PEAK_LR, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_factor)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    record, first = [], 0
    if STATE.exists():
        state = torch.load(STATE)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        record, first = state["record"], state["step"]

    for step in tqdm(range(first, STEPS), initial=first, total=STEPS, mininterval=5):
        rng = random.Random(f"{SEED} step {step}")
        pages = [page(rng, taken, pieces) for _ in range(PAGES)]
        loss, amount_loss = losses(model, tokenizer, pages)
        (TEXT_WEIGHT * loss + amount_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
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
            state = {name: part.state_dict() for name, part in parts.items()}
            save(STATE, {**state, "record": record, "step": step + 1})

    model.to(torch.bfloat16).save_pretrained(OUT)
    tokenizer.save_pretrained(OUT)
    lines = ",\n".join(json.dumps(row) for row in record)
    (HERE / "pocket-llama-training.json").write_text(f"[\n{lines}\n]\n")
    write_sums()
    print(f"{OUT.name}: {(OUT / 'model.safetensors').stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
