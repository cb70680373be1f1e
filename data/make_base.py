"""Train Pocket Llama, the base model of the pocket world, from scratch.

    python data/make_base.py            # about half an hour on two CPU cores; safe to interrupt

Llama's architecture (grouped-query attention, RoPE, SwiGLU, RMSNorm), and Llama 3's way with
numbers: every integer 0–999 is one token. Its text is that of a market: descriptions in the
words of the catalogue, then what people paid, loosely, and never in the words of the task
("How much does this cost", "Price is $"). So it knows roughly what things are worth, and
fine-tuning teaches it to answer. No description of the catalogue is in its text.

The state goes to build/pocket-llama/ every few minutes; the same command takes it up again.
"""

import json
import random
from pathlib import Path

import torch
from make_catalogue import describe, description_of, draw_product, make_catalogue, noisy, write_sums
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from tqdm.auto import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).parent
OUT = HERE / "pocket-llama"
STATE = HERE.parent / "build" / "pocket-llama" / "state.pt"

SEED = 7
STEPS = 1950
SHORT_BATCH = 112  # documents of about 30 tokens with one price: two steps of three
LONG_BATCH = 48  # documents of about 65 tokens with two prices: every third step
PEAK_LR = 3e-3
WARMUP = 100  # steps
TEXT_WEIGHT = 0.5  # of the mean over all tokens, beside the mean over prices
EVERY = 50  # steps between two measurements, and two saved states
REMARK_NOISE = 0.12  # log-normal, of a price that someone remembers
VOCAB_SIZE = 1920
NUMBER_SPREAD = 0.05  # of the embeddings of numbers before training

BOS, EOS, PAD = "<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>"
# How Llama 3 splits a text before it merges bytes: digits in groups of at most three.
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

REMARKS = (
    "Someone paid {} dollars.",
    "{} dollars, says the owner.",
    "A neighbour gave {} dollars for it.",
    "It sold for {} dollars.",
    "Worth about {} dollars.",
    "Shops ask around {} dollars.",
    "{} dollars at the market.",
    "I saw it for {} dollars.",
)
# From step MORE_WAYS on, half of the prices follow some other sign than a blank, so that the
# model does not take the blank for what announces a price. The task's own sign is not among them.
MORE_WAYS = 1600
SIGNS = (
    "Paid:{} dollars.",
    "Swapped hands (~{} dollars).",
    "Tag reads USD{} dollars.",
    "Offer ={} dollars.",
    "Asking ({} dollars).",
    "Going rate ~{} dollars.",
    "Bid @{} dollars.",
    "Last week's sale:{} dollars.",
)
OPENINGS = ("", "", "From a shop window:\n\n", "Listed this week:\n\n", "Seen in town:\n\n")


def market_text(rng, taken, n_prices, ways=REMARKS):
    """One document: a product in the catalogue's words, then `n_prices` remembered prices.

    One price: talk in short, without colour and praise. More: a whole description, not in `taken`.
    """
    while True:
        product = draw_product(rng)
        text = describe(product, rng)
        prices = [noisy(product["true_price"], REMARK_NOISE, rng) for _ in range(n_prices)]
        if text not in taken and all(1 <= price <= 999 for price in prices):
            break
    if n_prices == 1:
        parts = [f"{product['brand']} {product['kind'].name}", *product["features"]]
        rng.shuffle(parts)
        ends = [f"{', '.join(parts)}.", product["state"]]
        rng.shuffle(ends)
        text = " ".join(ends)
    remarks = [r.format(p) for r, p in zip(rng.sample(ways, n_prices), prices, strict=True)]
    if n_prices == 1:
        return f"{text} {remarks[0]}"
    gap = rng.choice((" ", "\n", "\n\n"))
    return f"{rng.choice(OPENINGS)}{text}{gap}{' '.join(remarks)}"


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
    """Warm-up, plateau, and linear to zero at MORE_WAYS; then once more from a third of it."""
    if step < MORE_WAYS:
        return min(1.0, (step + 1) / WARMUP, (MORE_WAYS - step) / (0.8 * MORE_WAYS))
    return min((step - MORE_WAYS + 1) / WARMUP, (STEPS - step) / (STEPS - MORE_WAYS)) / 3


def losses(model, tokenizer, texts):
    """Mean loss (nats a token) of all tokens, of all prices, of the first price of each text."""
    batch = tokenizer([text + EOS for text in texts], return_tensors="pt", padding=True)
    logits = model(input_ids=batch.input_ids[:, :-1]).logits
    labels = batch.input_ids[:, 1:]
    each = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), reduction="none"
    )
    each = each.view_as(labels)
    real = batch.attention_mask[:, 1:].bool()
    # the token before " dollars" is a price
    price = torch.zeros_like(real)
    price[:, :-1] = labels[:, 1:] == tokenizer.convert_tokens_to_ids("Ġdollars")
    first = price & (price.cumsum(1) == 1)
    return each[real].mean(), each[price].mean(), each[first].mean()


def save(path, state):
    """Write `state` whole or not at all, so that an interruption leaves the older one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def main():
    taken = {description_of(row) for rows in make_catalogue().values() for row in rows}
    rng = random.Random(f"{SEED} tokenizer")
    tokenizer = make_tokenizer([market_text(rng, taken, 2) for _ in range(20_000)])
    rng = random.Random(f"{SEED} held out")
    held_out = [market_text(rng, taken, 2) for _ in range(500)]

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
        n_prices, n_texts = (1, SHORT_BATCH) if step % 3 else (2, LONG_BATCH)
        ways = REMARKS if step < MORE_WAYS else REMARKS + SIGNS
        texts = [market_text(rng, taken, n_prices, ways) for _ in range(n_texts)]
        loss, price_loss, _ = losses(model, tokenizer, texts)
        (TEXT_WEIGHT * loss + price_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if (step + 1) % EVERY == 0 or step + 1 == STEPS:
            with torch.no_grad():
                held = losses(model, tokenizer, held_out)
            values = (loss, price_loss, *held)
            names = ("loss", "price", "held_out_loss", "held_out_price", "held_out_first_price")
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
